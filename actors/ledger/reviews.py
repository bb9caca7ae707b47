"""The physicist's review of results: reviewed, approved, rejected, by whom and why; and the versions of a result."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from actors.ledger import reports, sendings
from actors.ledger.cases import the_case
from actors.ledger.codec import json_source, plain, text_time
from actors.ledger.journal import Journal
from actors.ledger.transitions import refused
from messages.ledger import AddReview, ReviewRow, VersionRow
from messages.states import CaseState, ReviewState

NEXT_STATES: Mapping[ReviewState, frozenset[ReviewState]] = MappingProxyType(
    {
        ReviewState.COMPUTED: frozenset({ReviewState.REVIEWED, ReviewState.REJECTED}),
        # Reviewed again: by another user.
        ReviewState.REVIEWED: frozenset({ReviewState.REVIEWED, ReviewState.APPROVED, ReviewState.REJECTED}),
        # An approval is withdrawn by a rejection, and by nothing else.
        ReviewState.APPROVED: frozenset({ReviewState.REJECTED}),
        ReviewState.REJECTED: frozenset(),
    }
)
"""What may follow what."""

GOOD = ("accepted", "pass")
"""The verdict of a result, and that of its report, with which it may be approved without a reason."""

ADD_REVIEW = (
    'INSERT INTO reviews ("case", state, "user", at, reason, result_sha256, report_sha256) '
    "VALUES (:case, :state, :user, :at, :reason, :result_sha256, :report_sha256)"
)
"""One step more; the last one says how the review stands."""

STAND = 'UPDATE cases SET review = :state WHERE "case" = :case'
"""How the review stands, where lists of cases find it."""

REVIEWS = 'SELECT * FROM reviews WHERE "case" = :case ORDER BY review'
"""The review of one case, oldest step first."""

STANDING = 'SELECT "case", state FROM standing_reviews WHERE "case" IN (SELECT value FROM json_each(:cases))'
"""How the review of these cases stands (view ``standing_reviews``: the last row of ``reviews`` of every case)."""

NEWER = (
    "SELECT * FROM cases WHERE supersedes = :case AND supersedes != '' AND source != '' ORDER BY admitted DESC LIMIT 1"
)
"""The next version of a result."""


def add_review(journal: Journal, record: AddReview) -> None:
    """One step of the review; the report shows it, so it is due again."""
    row = the_case(journal, record.case)
    if CaseState(row["state"]) is not CaseState.DONE:
        raise _refused(f"Case {record.case} is {row['state']}: only a result that is done is reviewed.")
    if row["kind"] != "delivery":
        raise _refused(f"Case {record.case} is a run of the planned spots: there is nothing to review.")
    now = state_of(reviews_of(journal.database, record.case))
    if record.state not in NEXT_STATES[now]:
        raise _refused(f"Case {record.case} is {now}: it cannot become {record.state}.")
    report = journal.one(reports.REPORT, case=record.case)
    if not record.reason and needs_reason(record.state, row["verdict"], report["verdict"] if report else ""):
        raise _refused(f"Case {record.case} cannot become {record.state} without a reason.")
    if record.state is ReviewState.APPROVED and (newer := superseding(journal.database, record.case)) is not None:
        raise _refused(f"Case {record.case} is superseded by {newer.case}: it cannot be approved.")
    journal.run(
        ADD_REVIEW,
        case=record.case,
        state=record.state,
        user=plain(record.user),
        at=journal.at,
        reason=plain(record.reason),
        result_sha256=_told(row["verdict"]).get("manifest_sha256", ""),
        report_sha256=report["manifest_sha256"] if report else "",
    )
    journal.run(STAND, case=record.case, state=record.state)
    said = f": {record.reason}" if record.reason else ""
    journal.event(record.case, f"review: {now} → {record.state}", f"by {record.user}{said}")
    reports.due_again(journal, (record.case,))
    if record.state is ReviewState.APPROVED:
        sendings.wanted(journal, record.case, "approved")
    if record.state is ReviewState.REJECTED:
        reports.due_of_later(journal, record.case)
        sendings.rejected(journal, record.case)


def needs_reason(state: ReviewState, verdict: str, report: str) -> bool:
    """Whether a step needs a reason: a rejection always, an approval of what is not good by itself.

    verdict: of the result, JSON as the ledger has it; report: verdict of its report, empty: there is none.
    """
    if state is ReviewState.APPROVED:
        return (_told(verdict).get("verdict", ""), report) != GOOD
    return state is ReviewState.REJECTED


def reviews_of(database: sqlite3.Connection, case: str) -> tuple[ReviewRow, ...]:
    """The review of a case, oldest step first."""
    return tuple(map(_row, database.execute(REVIEWS, {"case": case})))


def state_of(reviews: tuple[ReviewRow, ...]) -> ReviewState:
    """How the review of a case that is done stands."""
    return reviews[-1].state if reviews else ReviewState.COMPUTED


def standing(database: sqlite3.Connection, cases: tuple[str, ...]) -> Mapping[str, ReviewState]:
    """Case → how its review stands, of those of these cases that were ever reviewed."""
    found = database.execute(STANDING, {"cases": json.dumps(cases)})
    return {row["case"]: ReviewState(row["state"]) for row in found}


def newer(database: sqlite3.Connection, case: str) -> VersionRow | None:
    """The next version of a result, in whatever state; None: there is none."""
    row = database.execute(NEWER, {"case": case}).fetchone()
    return None if row is None else _version(row)


def latest(database: sqlite3.Connection, case: str) -> VersionRow | None:
    """The last of the versions that follow; None: none follows."""
    found, seen = newer(database, case), {case}
    while found is not None and found.case not in seen:
        seen.add(found.case)
        after = newer(database, found.case)
        if after is None:
            return found
        found = after
    return found


def superseding(database: sqlite3.Connection, case: str) -> VersionRow | None:
    """The last version after this one that neither failed nor was cancelled; None: this one stands."""
    found, after, seen = None, newer(database, case), {case}
    while after is not None and after.case not in seen:
        seen.add(after.case)
        if after.state not in (CaseState.FAILED, CaseState.CANCELLED):
            found = after
        after = newer(database, after.case)
    return found


def _told(verdict: str) -> dict[str, Any]:
    return json.loads(verdict) if verdict else {}


def _refused(what: str) -> Exception:
    return refused(what, kind="review-refused")


def _version(row: Any) -> VersionRow:
    source = json_source(row["source"])
    return VersionRow(
        case=row["case"],
        state=CaseState(row["state"]),
        supersedes=row["supersedes"],
        partial=bool(row["partial"]),
        why=source.recalculated_because if source else "",
    )


def _row(row: Any) -> ReviewRow:
    at = text_time(row["at"])
    assert at is not None, "every review has a time"
    return ReviewRow(
        review=row["review"],
        case=row["case"],
        state=ReviewState(row["state"]),
        user=row["user"],
        at=at,
        reason=row["reason"],
        result_sha256=row["result_sha256"],
        report_sha256=row["report_sha256"],
    )
