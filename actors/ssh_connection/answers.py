"""What a host answers to the scripts of a move. Pure."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from actors.ssh_connection.packing import Member

AFTER_FILES = b"\nmqi-after\n"
"""Between files that come as one stream and what the host says of them."""
LONGEST_AFTER = 16 << 20
_PERMISSIONS = 0o777
_RECORD = re.compile(
    rb"(?P<mode>[0-9a-fA-F]{1,8}) (?P<size>\d{1,18}) (?P<mtime>-?(?:\d{1,9}|[1-8]\d{9})(?:\.\d{1,20})?) (?P<name>.+)",
    re.DOTALL,
)
"""Numbers with so many digits that none of them can grow beyond what they stand for."""
_SUM = re.compile(rb"\\?([0-9a-f]{64}) [ *]")


class UnclearError(ValueError):
    """The answer is not what the script would say."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is there of a target."""

    there: tuple[Member, ...] | None
    """Files under the final name; None when it holds nothing."""
    part: tuple[Member, ...] = ()
    """Files of the unfinished move."""
    free_bytes: int = 0


def parse_look(answer: bytes) -> Look:
    """Raises UnclearError."""
    word, _, rest = answer.partition(b"\0")
    if word == b"there":
        return Look(parse_listing(rest))
    room, _, listing = rest.partition(b"\0")
    match = re.fullmatch(rb"(\d{1,18}) (\d{1,18})", room)
    if word != b"absent" or match is None:
        raise UnclearError(repr(answer[:80]))
    return Look(None, parse_listing(listing), int(match[1]) * int(match[2]))


def parse_listing(answer: bytes) -> tuple[Member, ...]:
    """The regular files, ordered by path. Raises UnclearError."""
    *records, last = answer.split(b"\0")
    if last:
        raise UnclearError(repr(last[:80]))
    found, prefix = dict[str, Member](), ""
    for record in records:
        if record.startswith(b"/"):
            prefix = os.fsdecode(record[1:])
            continue
        member = _member(record, prefix)
        if member is not None:
            found[member.path] = member
    return tuple(found[path] for path in sorted(found))


def _member(record: bytes, prefix: str) -> Member | None:
    found = _RECORD.fullmatch(record)
    if found is None:
        raise UnclearError(repr(record[:80]))
    mode, size = int(found["mode"], 16), int(found["size"])
    if not stat.S_ISREG(mode):
        return None
    mtime_ns = int(Decimal(found["mtime"].decode("ascii")) * 10**9)
    name = os.fsdecode(found["name"]).rpartition("/")[2]
    return Member(f"{prefix}{name}", size, mtime_ns, stat.S_IMODE(mode) & _PERMISSIONS)


def parse_hashes(answer: bytes, members: Sequence[Member]) -> dict[str, str] | None:
    """Path → SHA-256; None when there is not one for each: no tool for it, or a file is gone."""
    found = [match[1].decode("ascii") for line in answer.split(b"\n") if (match := _SUM.match(line))]
    if len(found) != len(members):
        return None
    return {member.path: sha256 for member, sha256 in zip(members, found, strict=True)}


def split(sizes: Sequence[int], stream: Iterable[bytes], after: bytearray | None = None) -> Iterator[tuple[int, bytes]]:
    """Index and bytes of files of known sizes that come one after the other. Raises UnclearError if they do not fit.

    ``after`` takes what comes behind AFTER_FILES at their end; without it nothing may.
    """
    yield from _cut(list(sizes), stream, behind := bytearray())
    if after is None:
        if behind:
            raise UnclearError("more came than was announced")
    elif behind.startswith(AFTER_FILES):
        after += behind.removeprefix(AFTER_FILES)
    else:
        raise UnclearError("more came than was announced" if behind else "no end came")


def _cut(left: list[int], stream: Iterable[bytes], behind: bytearray) -> Iterator[tuple[int, bytes]]:
    index = 0
    for block in stream:
        at = 0
        while at < len(block):
            while index < len(left) and not left[index]:
                index += 1
            if index == len(left):
                behind += block[at:]
                if len(behind) > LONGEST_AFTER:
                    raise UnclearError("more came than was announced")
                break
            piece = block[at : at + left[index]]
            left[index] -= len(piece)
            at += len(piece)
            yield index, piece
    if any(left):
        raise UnclearError("less came than was announced")
