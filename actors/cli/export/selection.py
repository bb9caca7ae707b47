"""Which cases are exported: by the time of their delivery, and by gantry. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from actors.cli.failures import CommandError, ExitCode
from messages.ledger import OutcomeRow


@dataclass(frozen=True, slots=True)
class Selection:
    """Half open: ``since`` ≤ delivered < ``until``; None: no such bound."""

    since: datetime | None
    until: datetime | None
    gantry: str

    def takes(self, row: OutcomeRow) -> bool:
        """A case that was never admitted counts by the time at which it was seen."""
        at = row.delivered or row.seen
        early = self.since is not None and at < self.since
        late = self.until is not None and at >= self.until
        return not (early or late) and (not self.gantry or row.gantry == self.gantry)


def selection_of(since: str, until: str, gantry: str, zone: str) -> Selection:
    """Of what was asked; a day means all of it, in the site's zone. CommandError for what is no date."""
    begin = _moment(since, zone, "--since")
    end = _moment(until, zone, "--until", whole_day=True)
    if begin is not None and end is not None and begin >= end:
        raise CommandError(ExitCode.USAGE, f"Nothing lies between {since} and {until}.", "", "--since comes first.")
    return Selection(begin, end, gantry)


def _moment(text: str, zone: str, option: str, *, whole_day: bool = False) -> datetime | None:
    if not text:
        return None
    try:
        if len(text) > 10:
            at = datetime.fromisoformat(text)
            return at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))
        day = date.fromisoformat(text) + timedelta(days=1 if whole_day else 0)
        return datetime.combine(day, time(), ZoneInfo(zone))
    except (ValueError, OverflowError):
        remedy = "A day such as 2026-03-02, or a time such as 2026-03-02T18:00:00+09:00."
        raise CommandError(ExitCode.USAGE, f'{option} "{text}" is no date.', "", remedy, "export-date") from None
