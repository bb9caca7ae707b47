"""Sessions of a plan: each counts once, by its latest version that is done, and what does not count is named."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from actors.documents.course import course_document, course_from
from messages.ledger import FractionRow
from messages.states import CaseState, ReviewState

AMOUNTS = json.dumps(
    [
        {"number": 2, "name": "B2", "planned_mu": 10.0, "delivered_mu": 9.0},
        {"number": 4, "name": "B4", "planned_mu": 5.0, "delivered_mu": 5.0},
    ]
)
ROW = FractionRow(
    case="20260301-1",
    state=CaseState.DONE,
    partial=False,
    supersedes="",
    review=ReviewState.COMPUTED,
    reviewer="",
    review_reason="",
    verdict="accepted",
    report="pass",
    path="/nowhere",
    result_sha256="",
    treatment=True,
    planned_fractions=3,
    amounts=AMOUNTS,
)


def row(case: str, **changes: Any) -> FractionRow:
    return replace(ROW, case=case, **changes)


def counted(*rows: FractionRow) -> list[str]:
    return [one.case for one in course_from(rows).counted]


def test_sessions_are_counted_in_order_of_delivery() -> None:
    course = course_from([row("b"), row("a"), row("c", partial=True)])
    assert [one.case for one in course.counted] == ["a", "b", "c"]
    assert (course.whole, course.partial, course.planned) == (2, 1, 3)
    assert course.sentence == "2 whole fractions and 1 partial one of 3 planned"
    beam, other = course.beams
    assert (beam.number, beam.name, beam.delivered_mu, beam.planned_mu) == (2, "B2", 27.0, 30.0)
    assert (other.number, other.delivered_mu) == (4, 15.0)


def test_a_session_counts_once_by_its_latest_version_that_is_done() -> None:
    again = row("a-v2", supersedes="a")
    assert counted(row("a"), again) == ["a-v2"]
    assert counted(row("a"), replace(again, state=CaseState.RUNNING)) == ["a"]
    assert counted(row("a"), replace(again, state=CaseState.FAILED)) == ["a"]
    assert counted(row("a"), again, row("a-v3", supersedes="a-v2")) == ["a-v3"]
    assert counted(row("p", partial=True), row("w", supersedes="p")) == ["w"], "the whole one for its part"


def test_what_does_not_count_says_why() -> None:
    course = course_from(
        [
            row("a", review=ReviewState.REJECTED, reviewer="kim", review_reason="wrong CT"),
            row("b", state=CaseState.RUNNING),
            row("c", treatment=False),
            row("d"),
        ]
    )
    assert [session.why_not for session in course.sessions] == [
        "rejected by kim: wrong CT",
        "it is running",
        "it is a QA session",
        "",
    ]
    assert course.sentence == "1 whole fraction of 3 planned; 3 sessions do not count"


def test_a_rejected_version_hides_the_one_before_it() -> None:
    """What was rejected is not replaced in silence by what it was to replace."""
    course = course_from([row("a"), row("a-v2", supersedes="a", review=ReviewState.REJECTED, reviewer="kim")])
    assert course.counted == ()


def test_a_course_up_to_a_session_ends_with_it() -> None:
    course = course_from([row("a"), row("b"), row("b-v2", supersedes="b"), row("c")])
    assert [one.case for one in course.upto("b").counted] == ["a", "b-v2"]
    assert course.upto("b-v2") == course.upto("b")
    assert course.upto("of another plan") == course


def test_links_that_lead_in_a_circle_end() -> None:
    assert course_from([row("a", supersedes="b"), row("b", supersedes="a")]).sessions == ()
    assert len(course_from([row("0"), row("a", supersedes="0"), row("b", supersedes="a")]).sessions) == 1


def test_the_document_says_whether_the_dose_is_of_what_counts_now() -> None:
    course = course_from([row("a"), row("b")])
    told = {"counted": ["a"], "dose": {"maximum": 1.5, "units": "Gy", "reason": "", "structures": []}}
    document = course_document("1.2.3", course, told)
    assert document["dose"]["current"] is False
    assert course_document("1.2.3", course, {**told, "counted": ["a", "b"]})["dose"]["current"] is True
    assert course_document("1.2.3", course, None)["dose"] is None
    assert [(one["number"], one["case"], one["delivered_mu"]) for one in document["sessions"]] == [
        (1, "a", 14.0),
        (2, "b", 14.0),
    ]
    json.dumps(document)
