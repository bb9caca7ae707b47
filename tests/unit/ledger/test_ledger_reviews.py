"""Reviews and versions in the ledger: steps are added and never changed, and no rule is only the caller's."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from actors.ledger import reads, reports, reviews
from messages.ledger import (
    AddReview,
    AdmitCase,
    BeginReport,
    GetReview,
    MoveBeam,
    MoveCase,
    NoteVerdict,
    Record,
    ReviewReport,
    SettleReport,
)
from messages.states import BeamState, CaseState, ReviewState
from tests.integration.ledger.ledger_cases import (
    admission,
    memory_ledger,
    must,
    running_case,
    source,
    whole_attempt,
    write,
)
from tests.kit import Probe

REVIEWED, APPROVED, REJECTED = ReviewState.REVIEWED, ReviewState.APPROVED, ReviewState.REJECTED


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    with closing(memory_ledger()) as opened:
        must(opened, *done("c1"), BeginReport("c1"), SettleReport("c1", "made", "good", "pass", "/r/c1/report", "ff"))
        yield opened


def done(case: str, verdict: str = "accepted") -> tuple[Record, ...]:
    return (*running_case(case, (2,)), *finished(case, verdict))


def finished(case: str, verdict: str = "accepted") -> tuple[Record, ...]:
    return (
        *whole_attempt(case, 2),
        MoveBeam(case, 2, BeamState.DONE),
        NoteVerdict(case, f'{{"verdict": "{verdict}", "manifest_sha256": "{case}-sha"}}'),
        MoveCase(case, CaseState.DONE),
    )


def again(case: str, of: str, why: str = "new calibration") -> AdmitCase:
    keys = (f"{of.removesuffix('-v2')}-a", f"{of.removesuffix('-v2')}-b")
    return admission(
        case, (2,), keys=keys, supersedes=of, recalculated_because=why, recalculated_by="kim" if why else ""
    )


def refusal(database: sqlite3.Connection, *records: Record) -> str:
    fault = write(database, *records)
    assert fault is not None
    return fault.what


def made(database: sqlite3.Connection, case: str) -> None:
    must(database, BeginReport(case), SettleReport(case, "made", "good", "pass", "/r", "ff"))


def review(database: sqlite3.Connection, case: str = "c1") -> ReviewReport:
    report = reads.answer(database, GetReview("1", Probe("asker"), case))
    assert isinstance(report, ReviewReport)
    return report


def test_steps_are_added_and_the_last_one_counts(database: sqlite3.Connection) -> None:
    assert reviews.state_of(review(database).reviews) is ReviewState.COMPUTED
    must(database, AddReview("c1", REVIEWED, "kim"), AddReview("c1", APPROVED, "lee", "as planned"))
    first, last = review(database).reviews
    assert (first.user, last.user, last.reason) == ("kim", "lee", "as planned")
    assert (last.result_sha256, last.report_sha256) == ("c1-sha", "ff"), "what was there to be judged"
    row = review(database).row
    assert row is not None
    assert row.review is APPROVED
    assert reviews.standing(database, ("c1", "gone")) == {"c1": APPROVED}
    what = [(event.what, event.detail) for event in reads.events_of(database, "c1")][-2:]
    assert what == [
        ("review: computed → reviewed", "by kim"),
        ("review: reviewed → approved", "by lee: as planned"),
    ]


@pytest.mark.parametrize("statement", ["UPDATE reviews SET reason = 'x'", "DELETE FROM reviews"])
def test_no_step_is_changed_or_removed(database: sqlite3.Connection, statement: str) -> None:
    must(database, AddReview("c1", REVIEWED, "kim"))
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        database.execute(statement)


@pytest.mark.parametrize(
    ("before", "step"),
    [
        ((), AddReview("c1", APPROVED, "kim", "why")),
        ((AddReview("c1", REJECTED, "kim", "why"),), AddReview("c1", APPROVED, "kim", "why")),
        ((AddReview("c1", REJECTED, "kim", "why"),), AddReview("c1", REVIEWED, "kim")),
        ((AddReview("c1", REVIEWED, "kim"), AddReview("c1", APPROVED, "kim")), AddReview("c1", REVIEWED, "kim")),
    ],
)
def test_what_the_state_does_not_allow_is_refused(
    database: sqlite3.Connection, before: tuple[Record, ...], step: AddReview
) -> None:
    must(database, *before)
    assert "cannot become" in refusal(database, step)


def test_a_reason_is_given_where_one_is_needed(database: sqlite3.Connection) -> None:
    assert "without a reason" in refusal(database, AddReview("c1", REJECTED, "kim"))
    must(database, *done("c2", "suspect"), AddReview("c2", REVIEWED, "kim"))
    assert "without a reason" in refusal(database, AddReview("c2", APPROVED, "kim"))
    must(database, AddReview("c2", APPROVED, "kim", "film agrees"))


def test_only_a_result_is_reviewed(database: sqlite3.Connection) -> None:
    must(database, *running_case("c2", (2,)))
    assert "only a result that is done" in refusal(database, AddReview("c2", REVIEWED, "kim"))
    assert "no case gone" in refusal(database, AddReview("gone", REVIEWED, "kim"))


def test_a_step_makes_the_report_due_again_and_keeps_its_verdict(database: sqlite3.Connection) -> None:
    must(database, AddReview("c1", REVIEWED, "kim"))
    row = reports.report_of(database, "c1")
    assert row is not None
    assert (row.state, row.tries, row.verdict, row.path) == ("due", 0, "pass", "/r/c1/report")
    must(database, AddReview("c1", APPROVED, "kim"))  # the verdict is known although the report is being made anew


# -- versions


@pytest.mark.promise("P13")
def test_a_recalculation_takes_the_deliveries_of_what_it_follows(database: sqlite3.Connection) -> None:
    must(database, again("c1-v2", "c1"))
    found = review(database)
    assert found.row is not None
    assert found.row.superseded_by == "c1-v2"
    assert found.newer is not None
    assert (found.newer.case, found.newer.state, found.newer.why) == ("c1-v2", CaseState.QUEUED, "new calibration")
    event = reads.events_of(database, "c1")[-1]
    assert (event.what, event.detail) == ("case: superseded by c1-v2", "recalculated by kim: new calibration")


@pytest.mark.promise("P13")
def test_without_an_order_no_delivery_is_run_twice(database: sqlite3.Connection) -> None:
    assert "not partial" in refusal(database, again("c1-v2", "c1", why=""))
    must(database, *running_case("c2", (2,)))
    assert "not partial" in refusal(database, again("c2-v2", "c2")), "what is not done is not recalculated"
    must(database, again("c1-v2", "c1"))
    assert "belongs to case c1-v2" in refusal(database, again("c1-other", "c1"))


def test_a_superseded_result_is_not_approved(database: sqlite3.Connection) -> None:
    must(database, AddReview("c1", REVIEWED, "kim"), again("c1-v2", "c1"))
    assert "superseded by c1-v2" in refusal(database, AddReview("c1", APPROVED, "kim"))
    must(database, MoveCase("c1-v2", CaseState.CANCELLED))
    must(database, AddReview("c1", APPROVED, "kim"))


def test_the_last_of_several_versions_is_found(database: sqlite3.Connection) -> None:
    must(database, again("c1-v2", "c1"), MoveCase("c1-v2", CaseState.RUNNING))
    must(database, MoveBeam("c1-v2", 2, BeamState.INTERPRETED), *finished("c1-v2"), again("c1-v3", "c1-v2"))
    found = review(database)
    assert found.newer is not None
    assert found.latest is not None
    assert (found.newer.case, found.latest.case) == ("c1-v2", "c1-v3")
    superseding = reviews.superseding(database, "c1")
    assert superseding is not None
    assert superseding.case == "c1-v3"
    assert reviews.superseding(database, "c1-v3") is None


def test_reports_that_count_it_are_due_again(database: sqlite3.Connection) -> None:
    """A rejection, and a version that is done, change what is counted up to a later fraction; earlier ones stay."""
    for case in ("c0", "c2"):
        must(database, *done(case))
    for case in ("c0", "c1", "c2"):
        if (row := reports.report_of(database, case)) and row.state == "due":
            made(database, case)
    must(database, AddReview("c1", REJECTED, "kim", "wrong CT"))
    assert states(database) == {"c0": "made", "c1": "due", "c2": "due"}
    for case in ("c1", "c2"):
        made(database, case)
    must(database, again("c1-v2", "c1"), MoveCase("c1-v2", CaseState.RUNNING))
    must(database, MoveBeam("c1-v2", 2, BeamState.INTERPRETED), *finished("c1-v2"))
    assert states(database) == {"c0": "made", "c1": "due", "c1-v2": "due", "c2": "due"}


def states(database: sqlite3.Connection) -> dict[str, str]:
    return {row.case: row.state for row in reports.all_reports(database)}


def test_the_source_of_a_version_survives_the_ledger(database: sqlite3.Connection) -> None:
    must(database, again("c1-v2", "c1"))
    row = reads.one_case(database, "c1-v2")
    assert row is not None
    assert row.source == source(
        "c1-v2",
        ("c1-a", "c1-b"),
        supersedes="c1",
        recalculated_because="new calibration",
        recalculated_by="kim",
    )
