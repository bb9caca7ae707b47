"""One move of files between two folders of this machine: copied under another name, verified there, then renamed.

Whatever stops it, nothing stands under the final name, and the same move later goes on where this one stopped.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from actors.crash_points import effect
from actors.errors import MqiError
from actors.jobs import Item, unfinished_name
from actors.jobs.lane import Stopped
from actors.jobs.sources import opened_file, opened_folder, survey
from messages.faults import Blame, Fault
from messages.files import FileProof

CHUNK = 1 << 20
SPARE_BYTES = 1 << 20
"""Room that a move leaves beside its files, for folders and the file system's own needs."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_WRITE = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_OTHER_MOVER_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Move:
    """``items`` from below ``source`` to below ``target``."""

    source: Path
    target: Path
    items: tuple[Item, ...]
    stopped: Callable[[], bool]
    source_blame: Blame
    target_blame: Blame

    @property
    def part(self) -> Path:
        """Where the files are gathered."""
        return self.target.parent / unfinished_name(self.target.name, self.items)


def run(move: Move) -> tuple[FileProof, ...]:
    """Make the move; its proof. Raises MqiError, or Stopped. Repeating a finished move only proves it again."""
    try:
        proofs = _there(move)
        if proofs is None:
            move.target.parent.mkdir(parents=True, exist_ok=True)
            while (proofs := _try(move)) is None:
                time.sleep(_OTHER_MOVER_POLL_S)
    except OSError as error:
        raise _target_fault(move, error) from error
    return proofs


def forget(move: Move) -> None:
    """Remove what an unfinished move left."""
    with effect("move.sweep"):
        shutil.rmtree(move.part, ignore_errors=True)


def _try(move: Move) -> tuple[FileProof, ...] | None:
    """One try under the lock of the unfinished folder; None while another mover has it."""
    _check_stop(move)
    with effect("move.make"):
        move.part.mkdir(exist_ok=True)
    with opened_folder(move.part) as folder:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        if not move.part.is_dir() or not os.path.samestat(os.fstat(folder), move.part.lstat()):
            return None  # another mover finished meanwhile
        proofs = _there(move)
        if proofs is not None:
            forget(move)
            return proofs
        _check_space(move)
        with effect("move.copy"):
            hashes = {item.path: _copy(move, item) for item in move.items}
        proofs = tuple(_verify(move, item, hashes[item.path]) for item in move.items)
        with effect("move.rename"):
            move.part.rename(move.target)
    _sync_folder(move.target.parent)
    return proofs


def _there(move: Move) -> tuple[FileProof, ...] | None:
    """The proof when ``target`` holds these very files already; None when it holds nothing. Raises MqiError else."""
    try:
        present = survey(move.target)
    except FileNotFoundError:
        return None
    if not present:
        return None
    if [(file.path, file.size) for file in present] != [(item.path, item.size) for item in move.items]:
        raise _differs(move)
    proofs = []
    for item in move.items:
        _check_stop(move)
        expected = item.sha256 or _hash_of(move, item)
        with opened_folder(move.target) as folder, opened_file(folder, item.path) as descriptor:
            if _hash(descriptor) != expected:
                raise _differs(move)
        proofs.append(FileProof(item.path, item.size, expected))
    return tuple(proofs)


def _copy(move: Move, item: Item) -> str:
    """Copy one file, keeping what an earlier try left rightly; SHA-256 of what was read."""
    goal = move.part / item.path
    goal.parent.mkdir(parents=True, exist_ok=True)
    digest, offset = hashlib.sha256(), 0
    copy = os.open(goal, _WRITE, 0o644)
    try:
        left = os.fstat(copy).st_size
        with _source(move, item) as source:
            modified = os.fstat(source).st_mtime_ns
            while block := _read(move, item, source):
                _check_stop(move)
                digest.update(block)
                if offset + len(block) > left or os.pread(copy, len(block), offset) != block:
                    _write(copy, block, offset)
                offset += len(block)
        os.ftruncate(copy, offset)
        os.utime(copy, ns=(modified, modified))
        os.posix_fadvise(
            copy, 0, 0, os.POSIX_FADV_DONTNEED
        )  # begins writing now: the syncs at the end share one commit
    finally:
        os.close(copy)
    if offset != item.size or item.sha256 not in (None, digest.hexdigest()):
        raise _source_fault(move, item, "is not what the manifest says", "source-differs")
    return digest.hexdigest()


def _write(copy: int, block: bytes, offset: int) -> None:
    view = memoryview(block)
    while view:
        written = os.pwrite(copy, view, offset)
        view, offset = view[written:], offset + written


def _verify(move: Move, item: Item, expected: str) -> FileProof:
    """Read back what lies at the far end, on the disk by now."""
    _check_stop(move)
    with opened_folder(move.part) as folder, opened_file(folder, item.path) as copy:
        os.fsync(copy)
        found = _hash(copy)
    if found != expected:
        (move.part / item.path).unlink()
        raise MqiError(
            Fault(
                what=f"{item.path} arrived damaged: SHA-256 {found[:12]}… instead of {expected[:12]}….",
                where=str(move.target),
                remedy="It is copied again; if this repeats, check the disk and the memory of this machine.",
                blame=move.target_blame,
                kind="hash-mismatch",
            )
        )
    return FileProof(item.path, item.size, expected)


def _check_space(move: Move) -> None:
    left = {file.path: file.size for file in survey(move.part)}
    need = sum(max(item.size - left.get(item.path, 0), 0) for item in move.items)
    disk = os.statvfs(move.part)
    free = disk.f_bavail * disk.f_frsize
    if free < need + SPARE_BYTES:
        raise _full(move, f"{(need + SPARE_BYTES) / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free")


def _check_stop(move: Move) -> None:
    if move.stopped():
        raise Stopped


def _hash_of(move: Move, item: Item) -> str:
    with _source(move, item) as source:
        return _hash(source)


def _hash(descriptor: int) -> str:
    digest = hashlib.sha256()
    while block := os.read(descriptor, CHUNK):
        digest.update(block)
    return digest.hexdigest()


def _open_source(move: Move, item: Item) -> int:
    try:
        with opened_folder(move.source) as folder, opened_file(folder, item.path) as source:
            return os.dup(source)
    except FileNotFoundError as error:
        raise _source_fault(move, item, "is missing", "source-missing") from error
    except OSError as error:
        raise _source_fault(move, item, f"cannot be read ({error})", "source-unreadable") from error


@contextmanager
def _source(move: Move, item: Item) -> Iterator[int]:
    source = _open_source(move, item)
    try:
        yield source
    finally:
        os.close(source)


def _read(move: Move, item: Item, source: int) -> bytes:
    try:
        return os.read(source, CHUNK)
    except OSError as error:
        raise _source_fault(move, item, f"cannot be read ({error})", "source-unreadable") from error


def _sync_folder(path: Path) -> None:
    with opened_folder(path) as folder:
        os.fsync(folder)


def _source_fault(move: Move, item: Item, why: str, kind: str) -> MqiError:
    return MqiError(
        Fault(what=f"{item.path} {why}.", where=str(move.source / item.path), blame=move.source_blame, kind=kind)
    )


def _target_fault(move: Move, error: OSError) -> MqiError:
    if error.errno in _FULL:
        return _full(move, str(error))
    return MqiError(
        Fault(
            what=f"Files cannot be written below {move.target.parent}: {error}.",
            where=str(move.target),
            remedy="Check that the folder exists, belongs to the daemon's user, and that its disk is sound.",
            blame=move.target_blame,
            kind="target-unwritable",
        )
    )


def _full(move: Move, why: str) -> MqiError:
    return MqiError(
        Fault(
            what=f"No room for {len(move.items)} files: {why}.",
            where=str(move.target),
            remedy="Make room on that disk; the move goes on where it stopped.",
            blame=move.target_blame,
            kind="no-space",
        )
    )


def _differs(move: Move) -> MqiError:
    return MqiError(
        Fault(
            what=f"{move.target} holds other files already: nothing was replaced.",
            where=str(move.target),
            remedy="Find out who wrote there; a new attempt uses a new folder.",
            blame=move.target_blame,
            kind="target-differs",
        )
    )
