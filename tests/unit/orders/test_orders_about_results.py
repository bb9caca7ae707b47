"""Reviews and recalculations as they are decided: by how the result stands, in a sentence where it may not be."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from actors.orders import recalculation, reviews
from actors.orders.recalculation import Again
from messages.cases import CaseSource
from messages.ledger import (
    AddReview,
    AdmitCase,
    BeamRow,
    CaseRow,
    ExpectCase,
    OrderRow,
    ReportRow,
    ReviewReport,
    ReviewRow,
    SetPriority,
    VersionRow,
)
from messages.operators import OrderKind
from messages.states import BeamState, CaseState, ReviewState

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
DONE, RUNNING = CaseState.DONE, CaseState.RUNNING
SOURCE = CaseSource("c", "identity", "/share/c", "/share/c/RP.dcm", "1.2.3", "1.2", "G1", ())


def order(kind: OrderKind = OrderKind.APPROVE, reason: str = "", user: str = "kim") -> OrderRow:
    return OrderRow("o1", kind, "c", reason, user, NOW, "")


def row(state: CaseState = DONE, verdict: str = "accepted", **changes: object) -> CaseRow:
    fields = ("c", state, "", 0, "/share/c", "1.2.3", "", "identity", NOW, NOW, NOW, NOW, SOURCE, "")
    beams = tuple(BeamRow(n, f"beam {n}", BeamState.DONE, 1, "h", "0", 1.0, "") for n in (2, 4))
    found = CaseRow(*fields, f'{{"verdict": "{verdict}"}}', cleaned=True, beams=beams)  # type: ignore[arg-type, misc]
    return replace(found, **changes)  # type: ignore[arg-type]


def said(state: ReviewState, user: str = "kim", reason: str = "") -> ReviewRow:
    return ReviewRow(1, "c", state, user, NOW, reason, "r", "")


def version(state: CaseState = DONE, case: str = "c-v2", why: str = "new calibration") -> VersionRow:
    return VersionRow(case, state, "c", partial=False, why=why)


def standing(
    *steps: ReviewRow,
    of: CaseRow | None = None,
    report: str = "pass",
    newer: VersionRow | None = None,
    latest: VersionRow | None = None,
) -> ReviewReport:
    made = ReportRow("c", "made", 1, report, "", "/r", "ff", NOW) if report else None
    return ReviewReport("1", of or row(), steps, made, newer, latest or newer, last_event=7)


REVIEWED = said(ReviewState.REVIEWED)


def test_a_step_is_written_if_nothing_happened_meanwhile() -> None:
    decided = reviews.decide(order(), standing(REVIEWED))
    assert decided.outcome == "done: it is approved by kim"
    assert decided.records == (
        ExpectCase("c", frozenset({DONE}), 7),
        AddReview("c", ReviewState.APPROVED, "kim", ""),
    )
    assert reviews.decide(order(OrderKind.REVIEW), standing()).outcome == "done: it is reviewed by kim"
    assert reviews.decide(order(OrderKind.REVIEW, user="lee"), standing(REVIEWED)).outcome.startswith("done")
    assert reviews.decide(order(OrderKind.REJECT, "no"), standing()).outcome.startswith("done")
    assert reviews.decide(order(OrderKind.REJECT, "no"), standing(REVIEWED, said(ReviewState.APPROVED))).records


@pytest.mark.parametrize(
    ("kind", "report", "sentence"),
    [
        (OrderKind.APPROVE, standing(), "nobody has reviewed it: mqi-actors review c"),
        (OrderKind.REVIEW, standing(of=row(RUNNING)), "it is running: there is no result yet"),
        (OrderKind.REVIEW, standing(of=row(kind="planned")), "which is no fraction of a treatment"),
        (OrderKind.REVIEW, ReviewReport("1", None), "there is no case c"),
        (OrderKind.APPROVE, standing(said(ReviewState.REJECTED, "lee", "wrong CT")), "already, by lee at 2026-03-02"),
        (OrderKind.REVIEW, standing(said(ReviewState.REJECTED, "lee", "wrong CT")), "mqi-actors recalculate c REASON"),
        (OrderKind.REJECT, standing(said(ReviewState.REJECTED, "lee", "wrong CT")), "already, by lee"),
        (OrderKind.APPROVE, standing(REVIEWED, newer=version()), "superseded by c-v2: that is the one to approve"),
        (OrderKind.APPROVE, standing(REVIEWED, newer=version(RUNNING)), "by c-v2, which is running"),
        (
            OrderKind.APPROVE,
            standing(REVIEWED, newer=version(), latest=version(case="c-v3")),
            "superseded by c-v3",
        ),
        (OrderKind.APPROVE, standing(REVIEWED, of=row(verdict="suspect")), "its verdict is suspect: to approve it"),
        (OrderKind.APPROVE, standing(REVIEWED, report="review"), "its report says review: to approve it"),
        (OrderKind.APPROVE, standing(REVIEWED, report=""), "it has no report yet: to approve it needs a reason"),
    ],
)
def test_what_may_not_be_is_refused_in_a_sentence(kind: OrderKind, report: ReviewReport, sentence: str) -> None:
    decided = reviews.decide(order(kind, "" if kind is OrderKind.APPROVE else "no"), report)
    assert decided.outcome.startswith("refused: ")
    assert sentence in decided.outcome
    assert not decided.records


def test_a_verdict_that_is_not_good_is_approved_with_a_reason() -> None:
    report = standing(REVIEWED, of=row(verdict="suspect"), report="fail")
    assert reviews.decide(order(reason="film agrees"), report).records[1:] == (
        AddReview("c", ReviewState.APPROVED, "kim", "film agrees"),
    )


def test_a_newer_version_that_failed_takes_nothing_from_the_old_one() -> None:
    assert reviews.decide(order(), standing(REVIEWED, newer=version(CaseState.FAILED))).records


@pytest.mark.promise("P34")
@pytest.mark.parametrize(
    ("kind", "step"),
    [
        (OrderKind.REVIEW, said(ReviewState.REVIEWED)),
        (OrderKind.APPROVE, said(ReviewState.APPROVED, "lee")),
        (OrderKind.REVIEW, said(ReviewState.APPROVED, "lee")),
        (OrderKind.REJECT, said(ReviewState.REJECTED, reason="no")),
    ],
)
def test_the_same_order_twice_changes_nothing_more(kind: OrderKind, step: ReviewRow) -> None:
    decided = reviews.decide(order(kind, "no" if kind is OrderKind.REJECT else ""), standing(step))
    assert decided.outcome.startswith("nothing to do: ")
    assert not decided.records


# -- recalculation


def again(report: ReviewReport, reason: str = "new calibration") -> Again:
    decided = recalculation.decide(order(OrderKind.RECALCULATE, reason), report)
    assert isinstance(decided, Again)
    return decided


def test_a_new_version_is_a_case_of_its_own_that_says_what_it_follows() -> None:
    decided = again(standing(of=row(priority=3)))
    source = decided.source
    assert (source.case, source.supersedes) == ("c-v2", "c")
    assert (source.recalculated_because, source.recalculated_by) == ("new calibration", "kim")
    assert source.identity != SOURCE.identity
    assert (source.path, source.deliveries) == (SOURCE.path, SOURCE.deliveries)
    expected, admit, priority = decided.decision.records
    assert expected == ExpectCase("c", frozenset({DONE}), 7)
    assert isinstance(admit, AdmitCase)
    assert [(beam.number, beam.name) for beam in admit.beams] == [(2, "beam 2"), (4, "beam 4")]
    assert priority == SetPriority("c-v2", 3)
    assert decided.decision.concerns == ("c-v2",)
    assert decided.decision.outcome == "done: it is computed again, as c-v2"


def test_versions_count_on() -> None:
    assert again(standing(of=row(source=replace(SOURCE, case="c-v2")))).source.case == "c-v3"


@pytest.mark.promise("P13")
@pytest.mark.parametrize(
    ("report", "outcome"),
    [
        (standing(newer=version()), "nothing to do: c-v2 was made for it already; it is done"),
        (standing(newer=version(why="another")), "refused: it is superseded by c-v2: that is the one to recalculate"),
        (standing(newer=version(RUNNING, why="another")), "refused: it is superseded by c-v2, which is running"),
        (standing(newer=version(CaseState.FAILED, why="x")), "refused: c-v2, which follows it, is failed: mqi-actors"),
        (standing(of=row(CaseState.FAILED)), "refused: it is failed: there is no result yet"),
    ],
)
def test_it_is_not_computed_twice_for_one_reason(report: ReviewReport, outcome: str) -> None:
    decided = recalculation.decide(order(OrderKind.RECALCULATE, "new calibration"), report)
    assert not isinstance(decided, Again)
    assert decided.outcome.startswith(outcome)
    assert not decided.records
