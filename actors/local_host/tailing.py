"""New text of a growing log, in whole lines; of a flood only the newest part."""

from __future__ import annotations

import os
from dataclasses import dataclass

NEWEST_BYTES = 16_384
"""So much of a log is told at once; what is older by then is passed over."""


@dataclass(frozen=True, slots=True)
class News:
    text: str
    offset: int
    """Bytes seen up to now, those passed over included."""


def read_news(log: str, offset: int, *, ended: bool) -> News:
    """Text after ``offset``. An unfinished line waits for its end, unless the run has ``ended`` or it is too long.

    A missing log, or one that cannot be read now, has no news.
    """
    try:
        if os.lstat(log).st_size <= offset:
            return News("", offset)
        descriptor = os.open(log, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return News("", offset)
    try:
        size = os.fstat(descriptor).st_size
        start = max(offset, size - NEWEST_BYTES)
        data = os.pread(descriptor, NEWEST_BYTES, start) if size > offset else b""
    except OSError:
        return News("", offset)
    finally:
        os.close(descriptor)
    return thin(data, start, skipped=start > offset, ended=ended) if data else News("", offset)


def thin(data: bytes, start: int, *, skipped: bool, ended: bool) -> News:
    """Whole lines of ``data``, which begins at byte ``start`` of the log, after ``skipped`` text or not. Pure."""
    first = data.find(b"\n") + 1 if skipped else 0
    last = data.rfind(b"\n") + 1
    if ended or (last <= first and len(data) >= NEWEST_BYTES):
        last = len(data)
    if last <= first:
        return News("", start + first)
    return News(data[first:last].decode("utf-8", "replace"), start + last)
