"""Edits of a right input: drawn by Hypothesis in the suite, seeded where no coverage leads the search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

ODD = (
    b"\0", b"\n", b"\r\n", b" ", b",", b"-1", b"0", b"nan", b"inf", b"-inf", b"1e400", b"1e-400", b"9" * 25,
    b"9" * 5000,
    b"\xff\xff\xff\xff", b"\xff" * 8, b"\x80", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", "환자".encode(),
    "가".encode("cp949"), b"../" * 8, b"/dev/zero", b"%s%n", b"\x1b[31m", b"\\ud800", b"\\u0000", b"[" * 3000,
    b'{"a":' * 2000, b"null", b"true",
)  # fmt: skip
"""Pieces on which readers have stumbled."""
_LONGEST_ODD = max(map(len, ODD))


@dataclass(frozen=True, slots=True)
class Edit:
    """At a place (0 to 1 of the length) something is removed and something is put."""

    place: float
    removed: int
    put: bytes
    copied: int = 0
    """So many bytes from the place on are put once more."""


def edited(data: bytes, edits: Sequence[Edit], longest: int) -> bytes:
    """The input after all edits, cut to the longest that there may be."""
    for edit in edits:
        at = int(edit.place * len(data))
        again = data[at : at + edit.copied]
        data = data[:at] + edit.put + again + data[at + edit.removed :]
        data = data[: max(longest, _LONGEST_ODD)]
    return data


def random_edits(random: Random, words: Sequence[bytes]) -> list[Edit]:
    """One to six edits."""
    return [_edit(random, words) for _ in range(random.choice((1, 1, 2, 3, 6)))]


def _edit(random: Random, words: Sequence[bytes]) -> Edit:
    place = random.random()
    removed = random.choice((0, 0, 1, 1, 2, 4, 8, 64, 100_000))
    kind = random.randrange(4)
    if kind == 0:
        return Edit(place, removed, random.randbytes(random.choice((1, 1, 2, 4, 8))))
    if kind == 1:
        return Edit(place, removed, random.choice(ODD))
    if kind == 2 and words:
        return Edit(place, removed, random.choice(words))
    return Edit(place, removed, b"", copied=random.choice((1, 4, 16, 256)))
