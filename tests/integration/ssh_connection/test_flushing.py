"""Large files go to the disk while they are written; what the disk does not take is told once, at the end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from actors.ssh_connection import flushing, landing
from actors.ssh_connection.flushing import Flushing
from actors.ssh_connection.landing import Landing
from actors.ssh_connection.packing import Member
from actors.ssh_connection.route import Tally


@pytest.fixture
def flushed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the file at each flush; it is flushed every 1000 bytes."""
    sizes = list[int]()
    for module in (flushing, landing):
        monkeypatch.setattr(module, "FLUSHED", 1000)
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: sizes.append(os.fstat(descriptor).st_size))
    return sizes


def receive(part: Path, size: int) -> None:
    member = Member("dose.raw", size, 0, 0o644)
    blocks = [(0, bytes(250)) for _ in range(size // 250)]
    Landing(part, [member], Tally()).receive(blocks)
    assert (part / "dose.raw").read_bytes() == bytes(size)


def test_a_large_file_is_flushed_as_it_grows(tmp_path: Path, flushed: list[int]) -> None:
    receive(tmp_path, 10_000)
    assert len(flushed) == 10
    assert flushed == sorted(flushed)


def test_a_small_file_needs_no_thread_for_it(tmp_path: Path, flushed: list[int]) -> None:
    receive(tmp_path, 1500)
    assert flushed == []


def test_a_disk_that_does_not_take_it_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing, "FLUSHED", 1000)
    monkeypatch.setattr(flushing, "FLUSHED", 1000)

    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(OSError, match="Input/output error"):
        receive(tmp_path, 5000)


def test_nothing_is_flushed_after_the_end(tmp_path: Path, flushed: list[int]) -> None:
    with (tmp_path / "file").open("wb") as file:
        growing = Flushing(file.fileno())
        growing.grew(999)
        growing.end()
    assert flushed == []
