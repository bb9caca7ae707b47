"""The whole system on a real Monte Carlo engine, on a machine without a GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from actors.mcsquare.installation import DIRECTORY
from tests.kit.mcsquare import ROOT, needs_mcsquare


def command(*words: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    own = {key: value for key, value in os.environ.items() if not key.startswith(("MQI_", "MCSQUARE"))}
    return subprocess.run(
        [sys.executable, "-m", "actors.cli", *words],
        cwd=folder,
        env={**own, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )


@needs_mcsquare
@pytest.mark.slow
@pytest.mark.promise("P9")
@pytest.mark.promise("P24")
def test_the_demo_ends_verified_on_mcsquare(tmp_path: Path) -> None:
    done = command("demo", "--engine", "mcsquare", "--cases", "1", "--keep", "site", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    (case,) = json.loads(done.stdout)["cases"]
    assert (case["state"], case["verified"], case["problems"]) == ("done", True, [])
    manifest: dict[str, Any] = json.loads((Path(case["results"]) / "manifest.json").read_text())
    assert manifest["engine"]["version"].startswith("MCsquare, MCsquare_linux")
    assert manifest["uncommissioned_because"] == ["Profile mcsquare lists nothing as commissioned."]
    for beam in manifest["beams"]:
        assert 0.005 < beam["noise"] < 0.1
        assert 1.5 < beam["dose_per_mu"] < 5.0  # Gy cm3: 1e8 protons of 150 MeV leave 2.3
        log = (Path(case["results"]) / f"engine_{beam['number']}.log").read_text()
        assert "Simulated 20 of 20 parts" in log


def test_check_says_that_the_engine_is_missing_and_what_to_do(tmp_path: Path) -> None:
    made = command("init", "site", folder=tmp_path)
    assert made.returncode == 0, made.stderr
    environment = {DIRECTORY: str(tmp_path / "nowhere"), "MQI_ENGINE__PROFILE": "mcsquare"}
    found = command("check", "--conf", "site/mqi-actors.toml", folder=tmp_path, **environment)
    assert found.returncode == 1
    (line,) = [line for line in found.stdout.splitlines() if "MCsquare is not installed in" in line]
    assert "bin/install-mcsquare" in line
