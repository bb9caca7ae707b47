"""Getting the engine: the installer, and the demo that calls it. Nothing is fetched here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from actors.demo import mcsquare as demo
from actors.demo.mcsquare import NoEngineError, ready_profile
from actors.demo.site import SHIPPED_PROFILES
from actors.formats import load_profile
from actors.mcsquare.installation import DIRECTORY
from actors.mcsquare.order import read_order
from tests.kit.mcsquare import ROOT, engine_standin

SHIPPED = SHIPPED_PROFILES / "mcsquare.toml"


def input_text(profile: Path) -> str:
    known = {"seed": 5, "parent_dir": "in", "dicom_dir": "dicom", "beam_number": 1, "out_dir": "out"}
    lines = load_profile(profile, SHIPPED_PROFILES).input
    return "".join(f"{line.key} {line.value.format_map(known)}\n" for line in lines)


@pytest.mark.promise("P41")
def test_the_shipped_profile_is_one_that_the_driver_takes() -> None:
    order = read_order(input_text(SHIPPED))
    assert (order.seed, order.primaries, order.threads, order.phantom) == (5, 10_000_000, 1, None)
    assert ("Dose_Segmentation", "True") in order.passed_on
    profile = load_profile(SHIPPED, SHIPPED_PROFILES)
    assert (profile.geometry, profile.calibrated, profile.commissioned, profile.noise_limit) == ("ct", False, (), 0.01)


def test_the_demo_asks_for_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DIRECTORY, str(engine_standin(tmp_path / "engine", "exit 0")))
    made = ready_profile(SHIPPED, tmp_path / "site")
    assert read_order(input_text(made)).primaries <= 200_000
    assert load_profile(made, SHIPPED_PROFILES).noise_limit == 0.1
    (tmp_path / "other.toml").write_text("name = 'other'\n")
    with pytest.raises(ValueError, match="does not say"):
        ready_profile(tmp_path / "other.toml", tmp_path / "site")


def test_the_demo_says_when_there_is_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DIRECTORY, str(tmp_path / "nowhere"))
    with pytest.raises(NoEngineError, match="not installed"):
        ready_profile(SHIPPED, tmp_path)
    monkeypatch.delenv(DIRECTORY)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    monkeypatch.setattr(demo, "_INSTALL", "false")
    with pytest.raises(NoEngineError, match="could not install"):
        ready_profile(SHIPPED, tmp_path)


def test_the_installer_says_what_it_lacks_and_leaves_nothing(tmp_path: Path) -> None:
    """In a closed network: from a folder, which has not got it."""
    (tmp_path / "venv").symlink_to(sys.prefix)
    (tmp_path / "empty").mkdir()
    done = subprocess.run(
        [ROOT / "bin" / "install-mcsquare", tmp_path / "empty"],
        env=os.environ | {"MQI_VENV": str(tmp_path / "venv"), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "MCsquare could not be fetched" in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"venv", "venv.lock", "empty"}
    helped = subprocess.run([ROOT / "bin" / "install-mcsquare", "--help"], capture_output=True, text=True, check=False)
    assert "bin/install-mcsquare FOLDER" in helped.stdout + helped.stderr
