"""May a result be sent, and where it was sent: the rules and the words. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from actors.documents.times import iso
from messages.ledger import CaseRow, SendingRow, SendingState
from messages.states import ReviewState

RULES = ("accepted", "approved", "ordered")
"""When a node gets results by themselves, the last one never."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the rules need to know of a result. None: its manifest tells, the ledger does not."""

    verdict: str
    """``accepted`` | ``review`` | ``suspect``."""
    uncommissioned: bool
    partial: bool
    gray: bool | None = None
    phantom: bool | None = None
    planned: bool = False
    """It is the dose of what was planned, and of no delivery."""
    review: ReviewState = ReviewState.COMPUTED
    superseded_by: str = ""


def standing_of(row: CaseRow, review: ReviewState, superseded_by: str) -> Standing:
    """As far as the ledger tells."""
    told: dict[str, Any] = json.loads(row.verdict) if row.verdict else {}
    return Standing(
        verdict=str(told.get("verdict", "")),
        uncommissioned=bool(told.get("uncommissioned", False)),
        partial=row.source is not None and row.source.partial,
        gray=told.get("gray"),
        phantom=told.get("phantom"),
        planned=row.kind == "planned",
        review=review,
        superseded_by=superseded_by,
    )


def why_not(standing: Standing, rule: str, *, ordered: bool) -> str:
    """Why a result may not be sent to a node of that rule; empty: it may. ``ordered``: by an operator, for this node.

    Never: what is no dose of a delivery in gray, what was rejected, what a later version replaces. By an order only:
    what is suspect, PARTIAL or in a phantom.
    """
    return _never(standing, rule) or ("" if ordered else _not_by_itself(standing, rule))


def _never(standing: Standing, rule: str) -> str:
    later = standing.superseded_by
    awaited = rule == "approved" and standing.review is not ReviewState.APPROVED
    reasons = (
        ("it is the dose of the planned spots, not of a delivery", standing.planned),
        ("it was rejected", standing.review is ReviewState.REJECTED),
        (f"{later} supersedes it, with UIDs of its own: send that", bool(later)),
        ("what made it is not what was commissioned: a relative dose is not sent", standing.uncommissioned),
        ("its dose is relative, for no calibration is approved: it is not sent", standing.gray is False),
        (f"the node takes approved results only, and this one is {standing.review}", awaited),
    )
    return next((words for words, true in reasons if true), "")


def _not_by_itself(standing: Standing, rule: str) -> str:
    reasons = (
        ("only an order sends anything there", rule == "ordered"),
        ("its dose is in a phantom", bool(standing.phantom)),
        ("it is PARTIAL", standing.partial),
        ("it is suspect", standing.verdict == "suspect"),
        (f"its verdict is {standing.verdict or 'not known'}", rule == "accepted" and standing.verdict != "accepted"),
    )
    return next((f"{words}: it goes by order only" for words, true in reasons if true), "")


def sending_documents(sendings: Iterable[SendingRow]) -> list[dict[str, Any]]:
    """``sendings`` of ``show``: one element for each node."""
    return [
        {
            "node": row.node,
            "state": str(row.state),
            "reason": row.reason,
            "ordered_by": row.user or None,
            "tries": row.tries,
            "since": iso(row.since),
            "at": iso(row.at),
            "answers": json.loads(row.answers) if row.answers else None,
        }
        for row in sendings
    ]


def sending_words(sendings: Iterable[SendingRow]) -> str:
    """Where a result is, in part of a sentence; empty: nobody wanted it anywhere."""
    return "; ".join(map(_words, sendings))


def _words(row: SendingRow) -> str:
    because = f" ({row.reason})" if row.reason else ""
    match row.state:
        case SendingState.DUE if row.tries:
            return f"to be sent to {row.node}, tried {row.tries} times in vain{because}"
        case SendingState.DUE:
            return f"to be sent to {row.node}"
        case SendingState.STORED:
            return f"sent to {row.node}, which has not said yet that it keeps it{because}"
        case SendingState.SENT:
            return f"sent to {row.node}"
        case SendingState.COMMITTED:
            return f"sent to {row.node}, which keeps it"
        case SendingState.WITHHELD:
            return f"not sent to {row.node}: {row.reason}"
