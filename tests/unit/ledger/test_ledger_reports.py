"""Reports in the ledger: due as a case is done, tried, made or given up; never twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from actors.errors import MqiError
from actors.ledger import reports
from actors.ledger.journal import Journal
from actors.ledger.migrations import create_schema
from messages.ledger import BeginReport, SettleReport

AT = "2026-03-02T09:30:15.000000+00:00"
LATER = "2026-03-02T09:31:15.000000+00:00"


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    create_schema(connection)
    for case in ("a", "b"):
        connection.execute(
            'INSERT INTO cases ("case", identity, state, path, seen) VALUES (?, ?, ?, ?, ?)',
            (case, case, "done", "/", AT),
        )
    yield connection
    connection.close()


def journal(database: sqlite3.Connection, at: str = AT) -> Journal:
    return Journal(database, at, 1)


def test_the_least_tried_is_next(database: sqlite3.Connection) -> None:
    assert reports.next_report(database) is None
    reports.due(journal(database), "a")
    reports.due(journal(database, LATER), "b")
    reports.due(journal(database, LATER), "a")  # said again: nothing
    first = reports.next_report(database)
    assert first is not None
    assert (first.case, first.state, first.tries) == ("a", "due", 0)
    reports.begin_report(journal(database), BeginReport("a"))
    second = reports.next_report(database)
    assert second is not None
    assert second.case == "b"


def test_what_was_made_is_not_due_and_is_told_in_the_history(database: sqlite3.Connection) -> None:
    reports.due(journal(database), "a")
    reports.begin_report(journal(database), BeginReport("a"))
    reports.settle_report(journal(database, LATER), SettleReport("a", "made", "why", "fail", "/r/a/report", "ff"))
    row = reports.report_of(database, "a")
    assert row is not None
    assert (row.state, row.verdict, row.reason, row.path, row.tries) == ("made", "fail", "why", "/r/a/report", 1)
    assert reports.next_report(database) is None
    events = [tuple(event) for event in database.execute("SELECT what, detail FROM events")]
    assert events == [("report: fail", "why")]
    with pytest.raises(MqiError, match="it is made"):
        reports.begin_report(journal(database), BeginReport("a"))
    assert [one.case for one in reports.all_reports(database)] == ["a"]


def test_a_try_that_failed_leaves_it_due_with_the_reason_until_it_is_given_up(database: sqlite3.Connection) -> None:
    reports.due(journal(database), "a")
    reports.settle_report(journal(database), SettleReport("a", "due", "disk"))
    row = reports.report_of(database, "a")
    assert row is not None
    assert (row.state, row.reason) == ("due", "disk")
    reports.settle_report(journal(database), SettleReport("a", "failed", "given up"))
    assert reports.next_report(database) is None
    assert [event["what"] for event in database.execute("SELECT what FROM events")] == ["report: not made"]


def test_a_case_that_is_not_done_has_none(database: sqlite3.Connection) -> None:
    with pytest.raises(MqiError, match="there is none"):
        reports.begin_report(journal(database), BeginReport("b"))
    assert reports.report_of(database, "b") is None
