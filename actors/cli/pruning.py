"""``prune --dry-run``: what would go, and why; nothing is touched."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from actors.cli.commands import say
from actors.cli.site import Site
from actors.logs import old_logs
from actors.settings import Settings
from messages.ledger import CaseRow
from messages.states import CaseState

ENDED = (CaseState.DONE, CaseState.CANCELLED, CaseState.FAILED)


def show_prunable(conf: Path | None, *, as_json: bool) -> None:
    """Cases whose working files would go, lines of the history, log files; daemon up or down."""
    site = Site(conf, os.environ)
    settings, now = site.settings, datetime.now(UTC)
    rows = [row for state in ENDED for row in site.reader.cases(state) if _goes(row, settings, now)]
    cases = [_case(row, settings) for row in rows]
    number, oldest, doubt = 0, "", ""
    if settings.retention.events_days:
        doubt = site.reader.doubt_of_clock(now)
        number, oldest = site.reader.old_events(now - timedelta(days=settings.retention.events_days))
    logs = [
        {"path": str(path), "bytes": _size(path)}
        for path in old_logs(settings.daemon.log_dir, settings.daemon.log_keep_days)
    ]
    history = {"events": number, "events_since": oldest or None, "clock_doubt": doubt or None}
    document = {"dry_run": True, "cases": cases, **history, "logs": logs}
    say(document, "\n".join(_lines(document, settings)), as_json=as_json)


def _goes(row: CaseRow, settings: Settings, now: datetime) -> bool:
    if row.cleaned:
        return False
    if row.state is not CaseState.FAILED:
        return True  # as a rule it goes with the end of the case: a host could not be reached then
    return row.ended is not None and now - row.ended > timedelta(days=settings.retention.work_days)


def _case(row: CaseRow, settings: Settings) -> dict[str, Any]:
    return {
        "case": row.case,
        "state": str(row.state),
        "ended": row.ended.isoformat() if row.ended else None,
        "work": str(settings.work_dir / row.case),
        "bytes": _size(settings.work_dir / row.case),
        "hosts": sorted({beam.host for beam in row.beams if beam.host}),
    }


def _lines(document: dict[str, Any], settings: Settings) -> list[str]:
    keep = settings.retention
    lines = [
        f"{one['case']}: {one['state']}, {one['bytes'] / 1e6:.1f} MB of working files here"
        + (f", and its runs on {', '.join(one['hosts'])}" if one["hosts"] else "")
        for one in document["cases"]
    ]
    if document["events"]:
        days = f"{keep.events_days:g} days"
        since = f", since {document['events_since']}" if document["events_since"] else ""
        lines.append(f"history: {document['events']} lines older than {days}{since}")
    lines += [f"{one['path']}: {one['bytes'] / 1e6:.1f} MB" for one in document["logs"]]
    told = [*lines, "nothing was removed: this was a dry run"] if lines else ["there is nothing to remove"]
    if document["clock_doubt"]:
        told.append(f"no history is removed as long as {document['clock_doubt']}; if the clock is wrong, set it right")
    return told


def _size(path: Path) -> int:
    """Bytes of a file, or of all files of a folder; what goes meanwhile counts nothing."""
    files = [path] if path.is_file() else [entry for entry in path.rglob("*") if not entry.is_symlink()]
    total = 0
    for file in files:
        try:
            total += file.stat().st_size if file.is_file() else 0
        except OSError:
            continue
    return total
