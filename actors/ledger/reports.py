"""The reports of cases that are done: which are due, tries, verdicts. A case becomes due as it becomes done."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Any

from actors.ledger.codec import list_json, plain, text_time, time_text
from actors.ledger.figures import keep_figures
from actors.ledger.journal import Journal
from actors.ledger.transitions import refused
from messages.ledger import BeginReport, ReportRow, SettleReport

_NEVER = "9999"
"""As a time in the ledger: later than all."""

DUE_REPORT = "INSERT INTO reports (\"case\", state, at) VALUES (:case, 'due', :at) ON CONFLICT DO NOTHING"
"""A case is done: its report is due."""

DUE_AGAIN = (
    "UPDATE reports SET state = 'due', tries = 0, at = :at "
    "WHERE \"case\" IN (SELECT value FROM json_each(:cases)) AND state != 'due'"
)
"""What it shows besides the findings has changed. Its verdict and files stay until it is made anew."""

LATER_IN_COURSE = (
    'SELECT later."case" FROM cases one JOIN cases later '
    'ON later.plan_uid = one.plan_uid AND later."case" > one."case" '
    "WHERE one.\"case\" = :case AND one.plan_uid != '' AND +later.state = 'done'"
)
"""Later fractions of the same plan: names of cases begin with the time of delivery. (The plus: found by their plan, for
there may be years of others that are done.)"""

REPORT = 'SELECT * FROM reports WHERE "case" = :case'
"""The report of one case."""

REPORTS = 'SELECT * FROM reports ORDER BY "case"'
"""Every report, by case."""

NEXT_REPORT = (
    'SELECT reports.* FROM reports LEFT JOIN planned_runs USING ("case") '
    'LEFT JOIN cases AS run ON run."case" = planned_runs.planned '
    "WHERE reports.state = 'due' AND (run.state IS NULL OR run.state IN ('done', 'failed', 'cancelled') "
    "OR tries > 0 OR reports.at < :patient_until) ORDER BY tries, at LIMIT 1"
)
"""The report that is due next: the least tried, then the oldest. One that is compared with a planned run waits until
that has ended, or has been waited for so long."""

BEGIN_REPORT = "UPDATE reports SET tries = tries + 1, at = :at WHERE \"case\" = :case AND state = 'due'"
"""One try more."""

SETTLE_REPORT = (
    "UPDATE reports SET state = :state, verdict = :verdict, reason = :reason, path = :path, "
    "manifest_sha256 = :manifest_sha256, at = :at WHERE \"case\" = :case AND state = 'due'"
)
"""It is made, or given up."""

RUN_DONE = (
    'SELECT 1 FROM planned_runs JOIN cases AS run ON run."case" = planned '
    "WHERE planned_runs.\"case\" = :case AND run.state = 'done'"
)
"""Is the result of its planned run there?"""

EXPLAIN_REPORT = "UPDATE reports SET reason = :reason WHERE \"case\" = :case AND state = 'due'"
"""Why the last try failed."""


def due(journal: Journal, case: str) -> None:
    """The case is done: somebody will want its report."""
    journal.run(DUE_REPORT, case=case, at=journal.at)


def due_again(journal: Journal, cases: tuple[str, ...]) -> None:
    """Of these cases what the report shows besides the findings has changed; what is due already stays as it is."""
    journal.run(DUE_AGAIN, cases=list_json(cases), at=journal.at)


def due_of_later(journal: Journal, case: str) -> None:
    """What is counted of the plan's fractions up to a later one has changed."""
    rows = journal.database.execute(LATER_IN_COURSE, {"case": case}).fetchall()
    due_again(journal, tuple(row["case"] for row in rows))


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
    keep_figures(journal, record)
    what = f"report: {record.verdict}" if record.state == "made" else "report: not made"
    journal.event(record.case, what, record.reason)
    if record.state == "made" and not record.planned and journal.one(RUN_DONE, case=record.case) is not None:
        due_again(journal, (record.case,))


def _due(journal: Journal, case: str) -> None:
    row = journal.one(REPORT, case=case)
    if row is None or row["state"] != "due":
        found = "there is none" if row is None else f"it is {row['state']}"
        raise refused(f"No report of case {case} is due: {found}.", kind="report-not-due")


def next_report(database: sqlite3.Connection, patient_until: datetime | None = None) -> ReportRow | None:
    """The one to make next; None: none is due. patient_until: one that became due after that waits for its run of the
    planned spots; None: no report waits."""
    until = _NEVER if patient_until is None else time_text(patient_until)
    return next(map(_row, database.execute(NEXT_REPORT, {"patient_until": until})), None)


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
