"""Runs of planned spots in the ledger: one for one identity, told apart from deliveries, waited for by reports."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from actors.ledger import reads
from actors.ledger.reports import next_report, report_of
from messages.cases import CaseSource
from messages.ledger import (
    AdmitCase,
    BeginReport,
    GetNextReport,
    MoveBeam,
    MoveCase,
    NextReport,
    NoteInterpretation,
    SettleReport,
    WantPlanned,
)
from messages.states import BeamState, CaseState
from tests.integration.ledger.ledger_cases import (
    AT,
    admission,
    memory_ledger,
    must,
    running_case,
    source,
    whole_attempt,
    write,
)
from tests.kit import Probe

RUN = "plan-0123456789ab"
NOW = datetime.fromisoformat(AT)


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    with closing(memory_ledger()) as opened:
        yield opened


def planned_source(identity: str = "0123456789ab-and-more", path: str = "/share/one") -> CaseSource:
    return replace(source(RUN, ()), identity=identity, path=path, planned_at=NOW, content="ff" * 32)


def wanted(case: str = "c1", **changes: str) -> WantPlanned:
    beams = admission("x", (2, 3)).beams
    return WantPlanned(case, AdmitCase(planned_source(**changes), beams), -4)


def done(case: str, beams: tuple[int, ...] = (2, 3)) -> tuple[object, ...]:
    return (*(record for beam in beams for record in whole_attempt(case, beam)), MoveCase(case, CaseState.DONE))


def a_done_run(database: sqlite3.Connection) -> None:
    moves = tuple(MoveBeam(RUN, beam, BeamState.INTERPRETED) for beam in (2, 3))
    must(database, *moves, MoveCase(RUN, CaseState.RUNNING), *done(RUN))


@pytest.mark.promise("P13")
def test_two_deliveries_that_want_the_same_run_have_one(database: sqlite3.Connection) -> None:
    must(database, *running_case("c1"), wanted("c1"))
    must(database, *running_case("c2"), wanted("c2"), wanted("c2"))
    row = reads.one_case(database, RUN)
    assert row is not None
    assert (row.kind, row.planned, row.state, row.priority) == ("planned", True, CaseState.QUEUED, -4)
    assert row.source == planned_source()
    assert [(beam.number, beam.state) for beam in row.beams] == [(2, BeamState.PENDING), (3, BeamState.PENDING)]
    links = database.execute('SELECT "case", planned FROM planned_runs ORDER BY "case"').fetchall()
    assert [tuple(link) for link in links] == [("c1", RUN), ("c2", RUN)]
    events = [event.what for event in reads.events_of(database, "c2") if "compared" in event.what]
    assert events == ["case: is compared with a planned run"], "said again it changes nothing"


def test_it_is_no_case_of_the_scanner_and_is_not_counted_with_deliveries(database: sqlite3.Connection) -> None:
    must(database, *running_case("c1"), wanted("c1"))
    assert [known.case for known in reads.known_cases(database)] == ["c1"]
    assert reads.counts(database)[CaseState.QUEUED] == 0
    assert reads.counts(database, "planned")[CaseState.QUEUED] == 1
    assert [row.case for row in reads.cases_in(database, frozenset({CaseState.QUEUED}))] == [RUN]


def test_a_name_that_is_another_run_s_stops_no_delivery(database: sqlite3.Connection) -> None:
    must(database, *running_case("c1"), wanted("c1"))
    must(database, *running_case("c2"), wanted("c2", identity="0123456789ab-something-else"))
    links = database.execute('SELECT "case" FROM planned_runs').fetchall()
    assert [link[0] for link in links] == ["c1"]
    assert "case: no planned run" in [event.what for event in reads.events_of(database, "c2")]


def test_a_run_that_failed_on_its_files_is_begun_again_by_the_next_delivery(database: sqlite3.Connection) -> None:
    must(database, *running_case("c1"), wanted("c1"), NoteInterpretation(RUN, "{}"))
    must(database, MoveCase(RUN, CaseState.FAILED, "its folder is gone"))
    must(database, *running_case("c2"), wanted("c2", path="/share/two"))
    row = reads.one_case(database, RUN)
    assert row is not None and row.source is not None
    assert (row.state, row.reason, row.path, row.source.path) == (CaseState.QUEUED, "", "/share/two", "/share/two")
    assert (row.interpretation, row.ended) == ("", None)


def test_a_run_whose_engine_failed_waits_for_an_operator(database: sqlite3.Connection) -> None:
    must(database, *running_case("c1"), wanted("c1"))
    moves = tuple(MoveBeam(RUN, beam, BeamState.INTERPRETED) for beam in (2, 3))
    must(database, *moves, MoveCase(RUN, CaseState.RUNNING), *whole_attempt(RUN, 2))
    must(database, MoveBeam(RUN, 3, BeamState.FAILED, "three times"), MoveCase(RUN, CaseState.FAILED, "beam 3"))
    must(database, *running_case("c2"), wanted("c2"))
    row = reads.one_case(database, RUN)
    assert row is not None
    assert row.state is CaseState.FAILED


def test_a_report_waits_for_its_run_but_not_for_ever(database: sqlite3.Connection) -> None:
    must(database, *running_case("c1"), wanted("c1"), *done("c1"))
    assert next_report(database, NOW) is None
    late = next_report(database, NOW + timedelta(seconds=1))
    assert late is not None and late.case == "c1"
    assert next_report(database) is not None, "who is not patient gets it at once"
    a_done_run(database)
    assert report_of(database, RUN) is None, "of a planned run there is no report"
    query = GetNextReport("r", Probe("me"), NOW)
    told = reads.answer(database, query)
    assert isinstance(told, NextReport)
    assert told.report is not None and told.case is not None and told.planned is not None
    assert (told.report.case, told.case.case, told.planned.case) == ("c1", "c1", RUN)


@pytest.mark.parametrize("state", [CaseState.FAILED, CaseState.CANCELLED])
def test_a_run_that_will_not_come_is_not_waited_for(database: sqlite3.Connection, state: CaseState) -> None:
    must(database, *running_case("c1"), wanted("c1"), *done("c1"), MoveCase(RUN, state, "no"))
    found = next_report(database, NOW)
    assert found is not None and found.case == "c1"


def test_a_report_that_was_tried_is_tried_again_whatever_its_run_does(database: sqlite3.Connection) -> None:
    must(database, *running_case("c1"), wanted("c1"), *done("c1"), BeginReport("c1"))
    assert next_report(database, NOW) is not None


@pytest.mark.parametrize("state", ["made", "failed"])
def test_a_report_without_its_run_is_due_again_when_that_has_come(database: sqlite3.Connection, state: str) -> None:
    must(database, *running_case("c1"), wanted("c1"), *done("c1"))
    must(database, *running_case("c2"), *done("c2"))
    for case in ("c1", "c2"):
        must(database, BeginReport(case), SettleReport(case, state, "why", verdict="pass"))
    assert next_report(database) is None
    a_done_run(database)
    found = report_of(database, "c1")
    assert found is not None
    assert (found.state, found.tries) == ("due", 0)
    other = report_of(database, "c2")
    assert other is not None and other.state == state, "it is compared with no run"


def test_a_run_that_comes_while_the_report_is_made_is_not_missed(database: sqlite3.Connection) -> None:
    must(database, *running_case("c1"), wanted("c1"), *done("c1"), BeginReport("c1"))
    a_done_run(database)
    must(database, SettleReport("c1", "made", "why", verdict="pass"))
    found = report_of(database, "c1")
    assert found is not None and found.state == "due"
    must(database, BeginReport("c1"), SettleReport("c1", "made", "why", verdict="pass", planned=True))
    found = report_of(database, "c1")
    assert found is not None and found.state == "made"


def test_nobody_admits_it_as_a_delivery(database: sqlite3.Connection) -> None:
    must(database, *running_case("c1"), wanted("c1"))
    fault = write(database, MoveCase(RUN, CaseState.DONE))
    assert fault is not None and fault.kind in ("illegal-transition", "beams-open")
