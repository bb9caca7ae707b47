"""New text of a growing log, in whole lines; of a flood only the newest part."""

from __future__ import annotations

import os

from actors.jobs.log_text import NEWEST_BYTES, News, thin


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
