"""When to tell, and when to try again. Pure: times in, seconds out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

FIRST_RETRY_S = 5.0
LONGEST_RETRY_S = 600.0
COMPLAIN_AFTER = 3
"""Tries in vain, after which that is an alarm of its own."""
_HOUR = timedelta(hours=1)


def retry_s(tries: int) -> float:
    """Pause after so many tries in vain: 5 s, 15 s, 45 s … 10 minutes."""
    return 0.0 if tries < 1 else float(min(LONGEST_RETRY_S, FIRST_RETRY_S * 3 ** min(tries - 1, 20)))


def wait_s(first: datetime, lately: Sequence[datetime], now: datetime, *, group_s: float, per_hour: int) -> float:
    """How long news, the oldest of it from ``first``, have to wait: for company, and for the hour's limit.

    lately: when the latest documents were sent, newest first. A clock that was set back makes nothing wait longer.
    """
    for_company = min(group_s, (first - now).total_seconds() + group_s)
    full = sorted((at for at in lately if now - _HOUR < at <= now), reverse=True)
    for_limit = (full[per_hour - 1] + _HOUR - now).total_seconds() if len(full) >= per_hour else 0.0
    return max(0.0, for_company, for_limit)


def again_s(tries: int, last: datetime, now: datetime) -> float:
    """How long until the next try of a document whose last one was at ``last``."""
    pause = retry_s(tries)
    return max(0.0, min(pause, (last - now).total_seconds() + pause))
