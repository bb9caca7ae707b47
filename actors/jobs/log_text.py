"""New text of a growing log, in whole lines; of a flood only the newest part. Pure."""

from __future__ import annotations

from dataclasses import dataclass

NEWEST_BYTES = 16_384
"""So much of a log is told at once; what is older by then is passed over."""


@dataclass(frozen=True, slots=True)
class News:
    text: str
    offset: int
    """Bytes seen up to now, those passed over included."""


def thin(data: bytes, start: int, *, skipped: bool, ended: bool) -> News:
    """Whole lines of ``data``, which begins at byte ``start`` of the log, after ``skipped`` text or not. Pure."""
    first = data.find(b"\n") + 1 if skipped else 0
    last = data.rfind(b"\n") + 1
    if ended or (last <= first and len(data) >= NEWEST_BYTES):
        last = len(data)
    if last <= first:
        return News("", start + first)
    return News(data[first:last].decode("utf-8", "replace"), start + last)
