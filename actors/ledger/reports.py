"""The reports of cases that are done: which are due, tries, verdicts. A case becomes due as it becomes done."""

from __future__ import annotations

import sqlite3
from typing import Any

from actors.ledger.codec import plain, text_time
from actors.ledger.journal import Journal
from actors.ledger.transitions import refused
from messages.ledger import BeginReport, ReportRow, SettleReport

DUE_REPORT = "INSERT INTO reports (\"case\", state, at) VALUES (:case, 'due', :at) ON CONFLICT DO NOTHING"
"""A case is done: its report is due."""

REPORT = 'SELECT * FROM reports WHERE "case" = :case'
"""The report of one case."""

REPORTS = 'SELECT * FROM reports ORDER BY "case"'
"""Every report, by case."""

NEXT_REPORT = "SELECT * FROM reports WHERE state = 'due' ORDER BY tries, at LIMIT 1"
"""The report that is due next: the least tried, then the oldest."""

BEGIN_REPORT = "UPDATE reports SET tries = tries + 1, at = :at WHERE \"case\" = :case AND state = 'due'"
"""One try more."""

SETTLE_REPORT = (
    "UPDATE reports SET state = :state, verdict = :verdict, reason = :reason, path = :path, "
    "manifest_sha256 = :manifest_sha256, at = :at WHERE \"case\" = :case AND state = 'due'"
)
"""It is made, or given up."""

EXPLAIN_REPORT = "UPDATE reports SET reason = :reason WHERE \"case\" = :case AND state = 'due'"
"""Why the last try failed."""


def due(journal: Journal, case: str) -> None:
    """The case is done: somebody will want its report."""
    journal.run(DUE_REPORT, case=case, at=journal.at)


def begin_report(journal: Journal, record: BeginReport) -> None:
    """The intent to make one; refused unless it is due."""
    _due(journal, record.case)
    journal.run(BEGIN_REPORT, case=record.case, at=journal.at)


def settle_report(journal: Journal, record: SettleReport) -> None:
    """What came of a try; ``due`` leaves it due, with the reason."""
    _due(journal, record.case)
    if record.state == "due":
        journal.run(EXPLAIN_REPORT, case=record.case, reason=plain(record.reason))
        return
    journal.run(
        SETTLE_REPORT,
        case=record.case,
        state=record.state,
        verdict=record.verdict,
        reason=plain(record.reason),
        path=record.path,
        manifest_sha256=record.manifest_sha256,
        at=journal.at,
    )
    what = f"report: {record.verdict}" if record.state == "made" else "report: not made"
    journal.event(record.case, what, record.reason)


def _due(journal: Journal, case: str) -> None:
    row = journal.one(REPORT, case=case)
    if row is None or row["state"] != "due":
        found = "there is none" if row is None else f"it is {row['state']}"
        raise refused(f"No report of case {case} is due: {found}.", kind="report-not-due")


def next_report(database: sqlite3.Connection) -> ReportRow | None:
    """The one to make next; None: none is due."""
    return next(map(_row, database.execute(NEXT_REPORT)), None)


def report_of(database: sqlite3.Connection, case: str) -> ReportRow | None:
    """Of one case; None: the case is not done."""
    return next(map(_row, database.execute(REPORT, {"case": case})), None)


def all_reports(database: sqlite3.Connection) -> tuple[ReportRow, ...]:
    """By case."""
    return tuple(map(_row, database.execute(REPORTS)))


def _row(row: Any) -> ReportRow:
    at = text_time(row["at"])
    assert at is not None, "every report has a time"
    return ReportRow(
        case=row["case"],
        state=row["state"],
        tries=row["tries"],
        verdict=row["verdict"],
        reason=row["reason"],
        path=row["path"],
        manifest_sha256=row["manifest_sha256"],
        at=at,
    )
