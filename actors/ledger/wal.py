"""Is the write-ahead log beside a ledger whole? (https://sqlite.org/fileformat2.html#walformat)

SQLite reads the log up to the first frame whose checksum is wrong, and takes the rest for what a power cut left of the
last transaction. That is right for a torn end, but a byte that flipped in the middle would take away, in silence, what
was acknowledged long ago. Checksums are chained from frame to frame, which tells the two apart: where a transaction
goes on from the end of the one before, that one had been written whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from struct import Struct, unpack_from

_HEADER, _FRAME = Struct(">8I"), Struct(">6I")
_MAGIC = 0x377F0682
"""Checksums of little-endian words; the next number: of big-endian ones."""
_MASK = 0xFFFFFFFF
Sums = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Log:
    data: bytes
    order: str
    page: int
    salts: Sums

    @property
    def frames(self) -> int:
        return (len(self.data) - _HEADER.size) // (_FRAME.size + self.page)

    def at(self, frame: int) -> int:
        return _HEADER.size + frame * (_FRAME.size + self.page)

    def commits(self, frame: int) -> bool:
        """It is of this log, and the last of its transaction."""
        _, pages, *salts, _, _ = _FRAME.unpack_from(self.data, self.at(frame))
        return pages != 0 and tuple(salts) == self.salts

    def sums(self, frame: int) -> Sums:
        """As they stand in the frame."""
        *_, one, two = _FRAME.unpack_from(self.data, self.at(frame))
        return one, two

    def follows(self, frame: int, before: Sums) -> bool:
        """It is of this log, and its sums go on from those before."""
        at = self.at(frame)
        _, _, *salts, one, two = _FRAME.unpack_from(self.data, at)
        if tuple(salts) != self.salts:
            return False
        header = _summed(self.data, at, 8, self.order, before)
        return _summed(self.data, at + _FRAME.size, self.page, self.order, header) == (one, two)

    def whole(self, sums: Sums) -> int:
        """How many frames follow one another, the first of them after these sums."""
        frame = 0
        while frame < self.frames and self.follows(frame, sums):
            sums = self.sums(frame)
            frame += 1
        return frame

    def goes_on(self, first: int) -> bool:
        """A transaction that ends at this frame or later was followed by another: it had been written whole."""
        pairs = range(first, self.frames - 1)
        return any(self.commits(frame) and self.follows(frame + 1, self.sums(frame)) for frame in pairs)


def changed_frame(ledger: Path) -> int | None:
    """Number (from 1) of a frame of the ledger's log that was changed after it had been written whole (0: the log's
    header was); None: there is none. OSError."""
    wal = ledger.with_name(f"{ledger.name}-wal")
    try:
        data = wal.read_bytes()
    except FileNotFoundError:
        return None
    if len(data) <= _HEADER.size + _FRAME.size:
        return None
    magic, _, page, _, *salts, one, two = _HEADER.unpack_from(data, 0)
    order = ">" if magic == _MAGIC + 1 else "<"
    if magic in (_MAGIC, _MAGIC + 1) and _summed(data, 0, 24, order, (0, 0)) == (one, two):
        log = _Log(data, order, page, (salts[0], salts[1]))
        first = log.whole((one, two))
        return first + 1 if log.goes_on(first) else None
    # SQLite takes nothing from a log with such a header: so nothing may ever have been in it.
    log = _Log(data, order, _page_size(ledger), unpack_from(">2I", data, _HEADER.size + 8))
    return 0 if log.goes_on(0) else None


def _page_size(ledger: Path) -> int:
    with ledger.open("rb") as file:
        size = int.from_bytes(file.read(18)[16:18], "big")
    return 65536 if size == 1 else max(size, 512)


def _summed(data: bytes, at: int, count: int, order: str, sums: Sums) -> Sums:
    one, two = sums
    words = iter(unpack_from(f"{order}{count // 4}I", data, at))
    for first, second in zip(words, words, strict=True):
        one = (one + first + two) & _MASK
        two = (two + second + one) & _MASK
    return one, two
