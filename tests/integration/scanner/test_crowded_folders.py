"""Folders with more entries than any case has: walked and looked at within bounds of time and memory (P14)."""

from __future__ import annotations

import os
import time
import tracemalloc
from pathlib import Path

import pytest

from actors.errors import CaseError
from actors.formats.ptn import LIMIT, read_ptn
from actors.scanner.looks import look_at
from actors.scanner.walk import Walker

BYTES_EACH = 1200
"""Of one entry that is listed; a folder of a million is then 1.2 GB in a worker process at most, for as long as it is
looked at."""


def crowd(folder: Path, entries: int) -> None:
    """Hard links of one file: a name each, and nothing else."""
    folder.mkdir()
    first = folder / "0.txt"
    first.touch()
    for number in range(1, entries):
        os.link(first, folder / f"{number}.txt") if number % 30_000 else (folder / f"{number}.txt").touch()
        if number % 30_000 == 0:
            first = folder / f"{number}.txt"


def bounded(folder: Path, entries: int, seconds: float) -> None:
    walker = Walker([str(folder.parent)])
    began = time.process_time()
    walk = walker.walk(0.0, time.time())
    assert walker.folders == 2
    assert not walk.complaints
    look = look_at(str(folder), "")
    assert not look.is_case
    assert time.process_time() - began < seconds
    tracemalloc.start()
    walker.walk(1.0, time.time())
    look_at(str(folder), "")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < entries * BYTES_EACH


@pytest.mark.promise("P14")
def test_a_crowded_folder_is_listed_within_bounds(tmp_path: Path) -> None:
    crowd(tmp_path / "crowd", 4000)
    bounded(tmp_path / "crowd", 4000, seconds=2.0)


@pytest.mark.campaign
def test_two_hundred_thousand_entries_are_listed_within_bounds(tmp_path: Path) -> None:
    crowd(tmp_path / "crowd", 200_000)
    bounded(tmp_path / "crowd", 200_000, seconds=30.0)


@pytest.mark.promise("P14")
def test_a_measured_file_of_ten_gigabytes_is_refused_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "02_1_001_002_001.ptn"
    path.touch()
    os.truncate(path, 10 * 10**9)
    began = time.process_time()
    with pytest.raises(CaseError, match=f"10000000000 bytes; more than {LIMIT}"):
        read_ptn(path, 1, "beam 1, layer 1")
    assert time.process_time() - began < 0.5
