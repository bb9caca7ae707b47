"""What reports found, in the ledger: kept as a report is settled, followed over time, told with a case's outcome."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from actors.ledger import figures, reports
from actors.ledger.journal import Journal
from messages.ledger import Figures, Followed, MoveCase, SettleReport, SightCase
from messages.states import CaseState, ReviewState
from tests.integration.ledger.ledger_cases import AT, memory_ledger, must, running_case, whole_attempt
from tests.kit.followed import LAST, Deliveries

LONG_AGO, LATER = datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
DELIVERED = datetime(2024, 2, 29, 1, 15, 30, tzinfo=UTC)
"""Of the cases of ``ledger_cases``, in UTC."""


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    with closing(memory_ledger()) as made:
        yield made


def done(database: sqlite3.Connection, case: str = "c1", **changes: object) -> None:
    moves = running_case(case) if not changes else ()
    must(database, *moves, *whole_attempt(case, 2), *whole_attempt(case, 3))
    must(database, MoveCase(case, CaseState.DONE))


def settle(database: sqlite3.Connection, case: str, state: str = "made", value: float = 1.0) -> None:
    reports.due_again(Journal(database, AT, 1), (case,))
    found = (Figures(0, 0, "{}"), Figures(2, 0, json.dumps({"mu_percent": value})), Figures(2, 70, "{}"))
    record = SettleReport(case, state, "why", verdict="pass", gantry="G1", figures=found if state == "made" else ())
    reports.settle_report(Journal(database, AT, 1), record)


def followed(database: sqlite3.Connection, **wanted: object) -> list[tuple[str, int, int]]:
    asked = {"gantry": "G1", "band": 0, "since": LONG_AGO, "until": LATER, **wanted}
    return [(row.case, row.beam, row.band) for row in figures.followed(database, Followed(**asked))]  # type: ignore[arg-type]


def test_figures_are_kept_with_the_time_of_delivery_and_replaced_by_those_of_a_later_report(
    database: sqlite3.Connection,
) -> None:
    done(database)
    settle(database, "c1")
    settle(database, "c1", value=2.0)
    found = figures.figures_of(database, ["c1", "unknown"])
    assert [(row.beam, row.band, row.gantry) for row in found] == [(0, 0, "G1"), (2, 0, "G1"), (2, 70, "G1")]
    assert {row.delivered for row in found} == {DELIVERED}
    assert found[1].values == {"mu_percent": 2.0}


def test_a_report_that_could_not_be_made_again_takes_no_figures_away(database: sqlite3.Connection) -> None:
    done(database)
    settle(database, "c1")
    settle(database, "c1", "failed")
    assert len(figures.figures_of(database, ["c1"])) == 3


def test_beams_as_wholes_or_their_bands_are_followed_with_the_case(database: sqlite3.Connection) -> None:
    done(database)
    settle(database, "c1")
    assert followed(database) == [("c1", 0, 0), ("c1", 2, 0)]
    assert followed(database, band=70) == [("c1", 0, 0), ("c1", 2, 70)]
    assert followed(database, band=110) == [("c1", 0, 0)]
    assert followed(database, gantry="G2") == []


def test_the_time_of_delivery_chooses_and_of_too_many_the_last_are_told(database: sqlite3.Connection) -> None:
    written = Deliveries(20, gantries=("G1",), apart=timedelta(days=1))
    written.write(database)
    assert len(followed(database)) == 60
    since = LAST - timedelta(days=2)
    assert {case for case, _, _ in followed(database, since=since)} == set(written.names[-3:])
    assert {case for case, _, _ in followed(database, since=since, until=LAST)} == set(written.names[-3:-1])
    last = followed(database, limit=4)
    assert [case for case, _, _ in last] == [written.names[-2], *[written.names[-1]] * 3]


def test_of_a_delivery_that_was_computed_again_only_the_last_version_is_followed(database: sqlite3.Connection) -> None:
    written = Deliveries(2, gantries=("G1",))
    written.write(database)
    first, second = written.names
    database.execute("UPDATE cases SET supersedes = ?, state = 'running' WHERE \"case\" = ?", (first, second))
    assert {case for case, _, _ in followed(database)} == {first, second}
    database.execute("UPDATE cases SET state = 'done' WHERE \"case\" = ?", (second,))
    assert {case for case, _, _ in followed(database)} == {second}


def test_every_gantry_is_told_with_its_bands(database: sqlite3.Connection) -> None:
    assert figures.gantries(database) == ()
    Deliveries(5).write(database)
    first, second = figures.gantries(database)
    assert (first.gantry, first.bands, first.cases) == ("G1", (70, 150), 3)
    assert (second.gantry, second.cases, first.latest) == ("G2", 2, LAST)


def test_an_outcome_is_all_of_a_case_but_its_documents(database: sqlite3.Connection) -> None:
    done(database)
    settle(database, "c1")
    database.execute('UPDATE cases SET interpretation = \'{"gantry": "G1"}\'')
    database.execute(
        'INSERT INTO reviews ("case", state, "user", at, reason) '
        "VALUES ('c1', 'reviewed', 'kim', :at, ''), ('c1', 'approved', 'lee', :at, 'good')",
        {"at": AT},
    )
    (row,) = figures.outcomes(database, "", 10)
    assert (row.case, row.state, row.gantry, row.machine, row.beams) == ("c1", CaseState.DONE, "G1", "G1", (2, 3))
    assert row.delivered == DELIVERED
    assert row.report is not None
    assert (row.report.state, row.report.verdict) == ("made", "pass")
    assert row.review is not None
    assert (row.review.state, row.review.user, row.review.reason) == (ReviewState.APPROVED, "lee", "good")


def test_a_case_that_was_only_seen_is_an_outcome_too(database: sqlite3.Connection) -> None:
    must(database, SightCase("c9", "i", "/share/c9", "beam 3 is missing"))
    (row,) = figures.outcomes(database, "", 10)
    assert (row.state, row.reason, row.delivered) == (CaseState.INCOMING, "beam 3 is missing", None)
    assert (row.report, row.review, row.beams, row.gantry, row.machine) == (None, None, (), "", "")


def test_outcomes_come_in_parts_and_runs_of_planned_spots_are_none(database: sqlite3.Connection) -> None:
    written = Deliveries(5)
    written.write(database)
    planned = written.names[2]
    database.execute("UPDATE cases SET kind = 'planned' WHERE \"case\" = ?", (planned,))
    database.execute("UPDATE cases SET interpretation = 'of another release' WHERE \"case\" = ?", (written.names[0],))
    seen: list[str] = []
    while part := figures.outcomes(database, seen[-1] if seen else "", 2):
        assert len(part) <= 2
        seen += [row.case for row in part]
    assert seen == [name for name in written.names if name != planned]
