"""The cases that delivered a plan, as its course is counted from them."""

from __future__ import annotations

import sqlite3
from typing import Any

from messages.ledger import FractionRow
from messages.states import CaseState, ReviewState

COURSE = (
    'WITH of_plan AS (SELECT cases."case", cases.state, partial, supersedes, cases.review, '
    "coalesce(said.\"user\", '') AS reviewer, coalesce(said.reason, '') AS review_reason, "
    "CASE WHEN json_valid(cases.verdict) THEN cases.verdict ELSE '{}' END AS told, "
    "coalesce(reports.verdict, '') AS report, "
    "CASE WHEN json_valid(interpretation) THEN interpretation ELSE '{}' END AS read "
    'FROM cases LEFT JOIN standing_reviews AS said ON said."case" = cases."case" '
    'LEFT JOIN reports ON reports."case" = cases."case" '
    "WHERE plan_uid = :plan AND plan_uid != '' AND kind = 'delivery' AND source != '') "
    'SELECT "case", state, partial, supersedes, review, reviewer, review_reason, report, '
    "coalesce(json_extract(told, '$.verdict'), '') AS verdict, coalesce(json_extract(told, '$.path'), '') AS path, "
    "coalesce(json_extract(told, '$.manifest_sha256'), '') AS result_sha256, "
    "coalesce(json_extract(read, '$.treatment'), 1) AS treatment, "
    "coalesce(json_extract(read, '$.planned_fractions'), 0) AS planned_fractions, "
    "coalesce(json_extract(read, '$.amounts'), '[]') AS amounts "
    'FROM of_plan ORDER BY "case"'
)
"""The cases of a plan with how each was judged, and of their documents what is counted."""


def course_of(database: sqlite3.Connection, plan_uid: str) -> tuple[FractionRow, ...]:
    """Every case that was admitted for a plan, by name: names begin with the time of delivery."""
    return tuple(map(_row, database.execute(COURSE, {"plan": plan_uid})))


def _row(row: Any) -> FractionRow:
    return FractionRow(
        case=row["case"],
        state=CaseState(row["state"]),
        partial=bool(row["partial"]),
        supersedes=row["supersedes"],
        review=ReviewState(row["review"]) if row["review"] else ReviewState.COMPUTED,
        reviewer=row["reviewer"],
        review_reason=row["review_reason"],
        verdict=row["verdict"],
        report=row["report"],
        path=row["path"],
        result_sha256=row["result_sha256"],
        treatment=bool(row["treatment"]),
        planned_fractions=int(row["planned_fractions"]),
        amounts=row["amounts"],
    )
