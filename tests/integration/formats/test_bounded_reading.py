"""Files of a share are read without trusting them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from actors.errors import CaseError
from actors.formats import read_calibration, read_plan_info, read_plan_range
from actors.formats.mgn import read_mgn
from actors.formats.plan_reader import read_plan
from actors.formats.ptn import read_ptn
from actors.formats.reading import read_bounded, shown


def kind_of(path: Path, limit: int = 10) -> str:
    with pytest.raises(CaseError) as caught:
        read_bounded(path, limit, "The file")
    return caught.value.fault.kind


def test_reads_a_file_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "some"
    path.write_bytes(b"0123456789")
    assert read_bounded(path, 10, "The file") == b"0123456789"
    assert kind_of(path, 9) == "file-too-large"


@pytest.mark.promise("P14")
def test_pipes_devices_and_folders_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert kind_of(tmp_path / "pipe") == "file-not-regular"
    assert kind_of(Path("/dev/zero")) == "file-not-regular"
    assert kind_of(tmp_path) == "file-not-regular"


@pytest.mark.promise("P14")
def test_names_that_no_one_should_use_are_one_line(tmp_path: Path) -> None:
    name = os.fsdecode(b"a\nb\xff;rm -rf $HOME")
    assert kind_of(tmp_path / name) == "file-missing"
    assert kind_of(tmp_path / ("x" * 300)) == "file-unreadable"
    assert kind_of(Path("a\x00b")) == "file-unreadable"
    text = shown(tmp_path / name)
    assert "\n" not in text
    text.encode("utf-8")


def test_every_reader_says_which_file_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "gone"
    for read in (
        lambda: read_plan_info(path),
        lambda: read_plan_range(path),
        lambda: read_calibration("G1", path),
        lambda: read_plan(path),
        lambda: read_ptn(path, 1, "beam 1, layer 1"),
        lambda: read_mgn(path, "beam 1, layer 1"),
    ):
        with pytest.raises(CaseError) as caught:
            read()
        assert caught.value.fault.kind == "file-missing"
        assert caught.value.fault.where == str(path)
