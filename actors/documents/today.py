"""What was finished since midnight: counted from the history as it grows. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from actors.documents.times import iso
from messages.ledger import EventRow

LAST = 6
"""Cases that ended last, kept by name."""


@dataclass(frozen=True, slots=True)
class Today:
    """One day of work, on this machine's clock."""

    since: datetime
    """Midnight."""
    cases: int = 0
    failed: int = 0
    beams: int = 0
    hours: tuple[int, ...] = (0,) * 24
    """Beams done in each hour of the day."""
    last: tuple[str, ...] = ()
    """Cases that ended last, newest first."""


def midnight(now: datetime) -> datetime:
    """The beginning of ``now``'s day."""
    return now.astimezone().replace(hour=0, minute=0, second=0, microsecond=0)


def tally(today: Today, endings: Iterable[EventRow]) -> Today:
    """The day with more of its history (see ``Reader.endings_after``)."""
    for event in endings:
        if event.what.startswith("beam "):
            hour = event.at.astimezone(today.since.tzinfo).hour
            hours = (*today.hours[:hour], today.hours[hour] + 1, *today.hours[hour + 1 :])
            today = replace(today, beams=today.beams + 1, hours=hours)
        else:
            done = event.what.endswith("→ done")
            last = (event.case, *(name for name in today.last if name != event.case))[:LAST]
            today = replace(today, cases=today.cases + done, failed=today.failed + (not done), last=last)
    return today


def today_document(today: Today, now: datetime) -> dict[str, Any]:
    """``today`` of the overview; hours up to the present one."""
    hour = now.astimezone(today.since.tzinfo).hour
    return {
        "since": iso(today.since),
        "cases": today.cases,
        "failed": today.failed,
        "beams": today.beams,
        "hours": list(today.hours[: hour + 1]),
    }
