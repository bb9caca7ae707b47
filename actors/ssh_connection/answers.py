"""What a host answers to the scripts of a move. Pure."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from actors.ssh_connection.packing import Member

_PERMISSIONS = 0o777
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
    match = re.fullmatch(rb"(\d+) (\d+)", room)
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
    fields = record.split(b" ", 3)
    try:
        mode, size = int(fields[0], 16), int(fields[1])
        mtime_ns = int(Decimal(fields[2].decode("ascii")) * 10**9)
        name = os.fsdecode(fields[3]).rpartition("/")[2]
    except (IndexError, ValueError, InvalidOperation) as error:
        raise UnclearError(repr(record[:80])) from error
    if not stat.S_ISREG(mode):
        return None
    return Member(f"{prefix}{name}", size, mtime_ns, stat.S_IMODE(mode) & _PERMISSIONS)


def parse_hashes(answer: bytes, members: Sequence[Member]) -> dict[str, str] | None:
    """Path → SHA-256; None when there is not one for each: no tool for it, or a file is gone."""
    found = [match[1].decode("ascii") for line in answer.split(b"\n") if (match := _SUM.match(line))]
    if len(found) != len(members):
        return None
    return {member.path: sha256 for member, sha256 in zip(members, found, strict=True)}


def split(sizes: Sequence[int], stream: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Index and bytes of files of known sizes that come one after the other. Raises UnclearError if they do not fit."""
    left = list(sizes)
    index = 0
    for block in stream:
        at = 0
        while at < len(block):
            while index < len(left) and not left[index]:
                index += 1
            if index == len(left):
                raise UnclearError("more came than was announced")
            piece = block[at : at + left[index]]
            left[index] -= len(piece)
            at += len(piece)
            yield index, piece
    if any(left):
        raise UnclearError("less came than was announced")
