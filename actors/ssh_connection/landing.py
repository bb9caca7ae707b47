"""Files as they arrive here: each written at its place in the unfinished folder, hashed on the way."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from actors.jobs.sources import opened_file, opened_folder
from actors.jobs.sources import survey as local_survey
from actors.ssh_connection import refusals
from actors.ssh_connection.flushing import FLUSHED, Flushing
from actors.ssh_connection.packing import Member
from actors.ssh_connection.route import CHUNK, Tally
from messages.faults import Blame

_WRITE = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_OURS = 0o600
"""What we must be allowed ourselves, whatever the mode far away."""


class Landing:
    """What is there of ``members`` below ``part``, and what is still ``wanted``: file and offset."""

    def __init__(self, part: Path, members: Sequence[Member], tally: Tally) -> None:
        self._part = part
        self._members = members
        self._tally = tally
        self._hashes: dict[str, str] = {}
        have = {item.path: item.size for item in local_survey(part)}
        self.wanted = [
            (member, have[member.path] if have.get(member.path, -1) in range(member.size) else 0)
            for member in members
            if have.get(member.path) != member.size and member.size
        ]
        self._landed = sum(member.size for member in members) - self.missing
        tally.begin(self._landed, sum(member.size for member in members))
        for member in members:
            if not member.size:
                self._open(member, 0).close()

    @property
    def missing(self) -> int:
        """Bytes."""
        return sum(member.size - offset for member, offset in self.wanted)

    def receive(self, incoming: Iterable[tuple[int, bytes]]) -> None:
        """Write what comes: bytes of the wanted files in their order, with their index."""
        current: _File | None = None
        try:
            for index, block in incoming:
                member, offset = self.wanted[index]
                if current is None or current.member is not member:
                    self._close(current)
                    current = self._open(member, offset)
                current.write(block)
                self._landed += len(block)
                self._tally.seen(self._landed)
        finally:
            self._close(current)

    def verify(self, expected: dict[str, str], where: str) -> None:
        """Raises MqiError for a file that is not what the host has; it is removed, to come again."""
        for member in self._members:
            found = self._hashes.get(member.path) or hash_of(self._part, member.path)
            if found != expected[member.path]:
                (self._part / member.path).unlink()
                raise refusals.damaged(member.path, where, found, expected[member.path], Blame.OURS)
            self._dress(member)

    def _open(self, member: Member, offset: int) -> _File:
        path = self._part / member.path
        path.parent.mkdir(parents=True, exist_ok=True)
        return _File(path, member, offset)

    def _close(self, file: _File | None) -> None:
        if file is not None:
            file.close()
            if file.sha256 is not None:
                self._hashes[file.member.path] = file.sha256

    def _dress(self, member: Member) -> None:
        """Mode and time; and on the disk by now."""
        with opened_folder(self._part) as folder, opened_file(folder, member.path) as descriptor:
            os.fchmod(descriptor, member.mode | _OURS)
            os.utime(descriptor, ns=(member.mtime_ns, member.mtime_ns))
            os.fsync(descriptor)


class _File:
    """One file that is being written from an offset on."""

    def __init__(self, path: Path, member: Member, offset: int) -> None:
        self.member = member
        self._digest = hashlib.sha256() if not offset else None
        self._at = offset
        self._descriptor = os.open(path, _WRITE, 0o644)
        if os.fstat(self._descriptor).st_size > offset:
            os.ftruncate(self._descriptor, offset)
        self._flushing = Flushing(self._descriptor) if member.size - offset >= 2 * FLUSHED else None

    def write(self, block: bytes) -> None:
        view = memoryview(block)
        while view:
            written = os.pwrite(self._descriptor, view, self._at)
            view, self._at = view[written:], self._at + written
        if self._flushing is not None:
            self._flushing.grew(self._at)
        if self._digest is not None:
            self._digest.update(block)

    @property
    def sha256(self) -> str | None:
        """Of a file that was written from its beginning to its end."""
        whole = self._digest is not None and self._at == self.member.size
        return self._digest.hexdigest() if self._digest is not None and whole else None

    def close(self) -> None:
        """Raises OSError when the disk did not take it."""
        try:
            if self._flushing is not None:
                self._flushing.end()
        finally:
            os.close(self._descriptor)


def hash_of(root: Path, path: str) -> str:
    """SHA-256 of a file below a folder, read from the disk."""
    digest = hashlib.sha256()
    with opened_folder(root) as folder, opened_file(folder, path) as descriptor:
        while block := os.read(descriptor, CHUNK):
            digest.update(block)
    return digest.hexdigest()
