"""Many small files as one stream, in the format of tar, of which any part can be sent again. Pure.

GNU tar's long names keep any bytes; the modification time stands to the nanosecond in an extended header (POSIX
pax), which a tar that does not know it passes over.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

BLOCK = tarfile.BLOCKSIZE
_END = bytes(2 * BLOCK)
_WHOLE_MODE = 0o777

Read = Callable[["Member", int], Iterator[bytes]]
"""The bytes of a file from an offset to its end: exactly as many as its size says."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file on one of the two sides."""

    path: str
    """Relative, as in FileProof."""
    size: int
    mtime_ns: int
    mode: int
    """Permission bits only."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A file in the stream: its header at ``start``, its content at ``body``, zeros up to ``end``."""

    member: Member
    head: bytes
    start: int

    @property
    def body(self) -> int:
        return self.start + len(self.head)

    @property
    def end(self) -> int:
        return self.body + _padded(self.member.size)


@dataclass(frozen=True, slots=True)
class Pack:
    """The whole stream."""

    pieces: tuple[Piece, ...]
    size: int

    @property
    def name(self) -> str:
        """Of the file that gathers it: of another name as soon as one byte between the contents differs."""
        digest = hashlib.sha256()
        for piece in self.pieces:
            digest.update(piece.head)
        return f"pack-{digest.hexdigest()[:16]}"


def pack(members: Iterable[Member]) -> Pack:
    """Lay the files out one after the other."""
    pieces, at = [], 0
    for member in members:
        piece = Piece(member, _head(member), at)
        pieces.append(piece)
        at = piece.end
    return Pack(tuple(pieces), at + len(_END))


def blocks(packed: Pack, offset: int, read: Read) -> Iterator[bytes]:
    """The stream from ``offset`` on."""
    for piece in packed.pieces:
        if piece.end <= offset:
            continue
        if offset < piece.body:
            yield piece.head[max(offset - piece.start, 0) :]
        content_end = piece.body + piece.member.size
        if offset < content_end:
            yield from read(piece.member, max(offset - piece.body, 0))
        if padding := piece.end - max(offset, content_end):
            yield bytes(padding)
    yield _END[max(offset - (packed.size - len(_END)), 0) :]


def _head(member: Member) -> bytes:
    """The headers of one file."""
    seconds, fraction = divmod(member.mtime_ns, 10**9)
    info = tarfile.TarInfo(member.path)
    info.size, info.mode, info.mtime = member.size, member.mode & _WHOLE_MODE, max(seconds, 0)
    header = info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
    return (_extended(f"{seconds}.{fraction:09d}") if fraction and seconds >= 0 else b"") + header


def _extended(mtime: str) -> bytes:
    """The extended header that gives the next file this time."""
    record = f" mtime={mtime}\n"
    length = len(record) + 2
    text = f"{length}{record}".encode("ascii")
    assert len(text) == length
    info = tarfile.TarInfo("./PaxHeaders/time")
    info.type, info.size = tarfile.XHDTYPE, len(text)
    return info.tobuf(tarfile.GNU_FORMAT) + text + bytes(_padded(len(text)) - len(text))


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
