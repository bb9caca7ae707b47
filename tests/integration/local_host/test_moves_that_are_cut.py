"""A move on this machine that is cut, hindered or met by another: it goes on where it stopped, and never lies."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actors.errors import MqiError
from actors.jobs import Item, manifest
from actors.jobs.lane import Stopped
from actors.local_host import moving
from actors.local_host.moving import Move
from messages.faults import Blame
from messages.files import FileProof
from tests.kit.disks import fill, small_disk

SIZE = 3 * moving.CHUNK + 12345


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    for name in ("a.raw", "b.raw"):
        (folder / name).write_bytes(os.urandom(SIZE))
    return folder


def items_of(source: Path) -> tuple[Item, ...]:
    return manifest(
        FileProof(path.name, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(source.iterdir())
    )


def move_of(source: Path, target: Path, stopped: Callable[[], bool] = lambda: False) -> Move:
    return Move(source, target, items_of(source), stopped, Blame.OURS, Blame.HOST)


def after(calls: int) -> Callable[[], bool]:
    """True from so many calls on: a cut in the middle."""
    left = iter(range(calls))
    return lambda: next(left, None) is None


def kind_of(move: Move) -> str:
    with pytest.raises(MqiError) as caught:
        moving.run(move)
    return caught.value.fault.kind


def same(source: Path, target: Path) -> bool:
    return {p.name: p.read_bytes() for p in source.iterdir()} == {p.name: p.read_bytes() for p in target.iterdir()}


@pytest.mark.promise("P25")
@pytest.mark.promise("P16")
def test_a_cut_at_every_instant_leaves_nothing_and_goes_on(source: Path, tmp_path: Path) -> None:
    for calls in range(11):
        target = tmp_path / f"host-{calls}" / "in"
        with pytest.raises(Stopped):
            moving.run(move_of(source, target, after(calls)))
        assert not target.exists()
        moving.run(move_of(source, target))
        assert same(source, target)
        assert [path.name for path in target.parent.iterdir()] == ["in"]


def test_what_was_copied_is_not_written_again(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    real = os.pwrite

    def counting(descriptor: int, data: bytes, offset: int) -> int:
        written.append(len(data))
        return real(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", counting)
    with pytest.raises(Stopped):
        moving.run(move_of(source, tmp_path / "host/in", after(6)))
    first = sum(written)
    moving.run(move_of(source, tmp_path / "host/in"))
    assert first > 0
    assert sum(written) == 2 * SIZE


@pytest.mark.promise("P25")
def test_a_byte_that_flipped_in_what_was_left_is_mended(source: Path, tmp_path: Path) -> None:
    move = move_of(source, tmp_path / "host/in", after(8))
    with pytest.raises(Stopped):
        moving.run(move)
    with (move.part / "a.raw").open("r+b") as left:
        left.seek(1000)
        byte = left.read(1)
        left.seek(1000)
        left.write(bytes([byte[0] ^ 1]))
    moving.run(move_of(source, tmp_path / "host/in"))
    assert same(source, tmp_path / "host/in")


@pytest.mark.promise("P25")
def test_a_byte_that_flips_on_its_way_to_the_disk_is_found(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that lies: what is read back is not what was written."""
    real = os.pwrite

    def lying(descriptor: int, data: bytes, offset: int) -> int:
        return real(descriptor, bytes([data[0] ^ 1]) + bytes(data[1:]), offset)

    monkeypatch.setattr(os, "pwrite", lying)
    target = tmp_path / "host/in"
    assert kind_of(move_of(source, target)) == "hash-mismatch"
    assert not target.exists()
    monkeypatch.undo()
    moving.run(move_of(source, target))
    assert same(source, target)


def test_a_source_that_grows_under_the_move_is_refused(source: Path, tmp_path: Path) -> None:
    move = move_of(source, tmp_path / "host/in")
    with (source / "b.raw").open("ab") as file:
        file.write(b"more")
    assert kind_of(move) == "source-differs"
    assert not (tmp_path / "host/in").exists()


@pytest.mark.promise("P20")
@pytest.mark.promise("P25")
def test_a_full_disk_is_named_and_the_move_goes_on_when_there_is_room(source: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 20_000) as disk:
        ballast = fill(disk)
        target = disk / "run/in"
        (disk / "ballast").open("r+b").truncate(ballast.stat().st_size - 2_000_000)
        assert kind_of(move_of(source, target)) == "no-space"
        assert not target.exists()
        ballast.unlink()
        moving.run(move_of(source, target))
        assert same(source, target)


@pytest.mark.promise("P20")
def test_a_disk_that_fills_up_in_the_middle_is_named_too(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "disk", 9_000) as disk:
        target = disk / "run/in"
        real = os.pwrite
        filled: list[Path] = []

        def filling(descriptor: int, data: bytes, offset: int) -> int:
            if not filled:
                filled.append(fill(disk))
            return real(descriptor, data, offset)

        monkeypatch.setattr(os, "pwrite", filling)
        assert kind_of(move_of(source, target)) == "no-space"
        assert not target.exists()
        filled[0].unlink()
        moving.run(move_of(source, target))
        assert same(source, target)


def test_a_place_that_cannot_be_written_is_named(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert kind_of(move_of(source, tmp_path / "file/run/in")) == "target-unwritable"


@pytest.fixture
def barrier() -> Iterator[threading.Barrier]:
    yield threading.Barrier(4)


def test_four_movers_of_the_same_files_do_not_disturb_one_another(
    source: Path, tmp_path: Path, barrier: threading.Barrier
) -> None:
    target, proofs = tmp_path / "host/in", []

    def mover() -> None:
        barrier.wait()
        proofs.append(moving.run(move_of(source, target)))

    threads = [threading.Thread(target=mover) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(proofs) == 4
    assert len(set(proofs)) == 1
    assert same(source, target)
    assert [path.name for path in target.parent.iterdir()] == ["in"]


def test_a_mover_that_waits_for_another_can_be_stopped(source: Path, tmp_path: Path) -> None:
    held, release = threading.Event(), threading.Event()

    def hold() -> bool:
        held.set()
        release.wait(10)
        return False

    # The first question of a mover comes before it has the folder, the next ones come with its lock held.
    questions = iter((False,))
    first = threading.Thread(
        target=lambda: moving.run(
            move_of(source, tmp_path / "host/in", lambda: next(questions, None) is None and hold())
        )
    )
    first.start()
    held.wait(10)
    with pytest.raises(Stopped):
        moving.run(move_of(source, tmp_path / "host/in", after(3)))
    release.set()
    first.join()
    assert same(source, tmp_path / "host/in")
