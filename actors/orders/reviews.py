"""The steps of a review: how it stands in, what is written and said out. Pure.

The ledger holds the rules too, and has the last word: a step that it refuses was overtaken by another.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType

from actors.orders.decision import Decision, done, nothing, refuse
from messages.ledger import AddReview, CaseRow, ExpectCase, OrderRow, ReviewReport, ReviewRow, VersionRow
from messages.operators import OrderKind
from messages.states import CaseState, ReviewState

_WANTED: Mapping[str, ReviewState] = MappingProxyType(
    {
        OrderKind.REVIEW: ReviewState.REVIEWED,
        OrderKind.APPROVE: ReviewState.APPROVED,
        OrderKind.REJECT: ReviewState.REJECTED,
    }
)
_GONE = frozenset({CaseState.FAILED, CaseState.CANCELLED})
"""States of a later version that takes nothing from the one before."""


def decide(order: OrderRow, report: ReviewReport) -> Decision:
    """What the order means for the result as the ledger has it."""
    row, wanted = report.row, _WANTED[order.kind]
    if (refusal := no_result(order, row)) is not None:
        return refusal
    assert row is not None, "there is a result"
    last = report.reviews[-1] if report.reviews else None
    if last is not None and last.state is wanted and (wanted is not ReviewState.REVIEWED or last.user == order.user):
        return _again(order, last)
    if last is not None and last.state is ReviewState.REJECTED:
        return refuse(f"it is rejected already, {_by(last)}; what follows is: mqi-actors recalculate {row.case} REASON")
    refusal = {
        ReviewState.REVIEWED: _no_review,
        ReviewState.APPROVED: _no_approval,
        ReviewState.REJECTED: lambda *_: None,
    }[wanted](order, report, last)
    if refusal is not None:
        return refusal
    expected = ExpectCase(row.case, frozenset({CaseState.DONE}), report.last_event)
    return done(f"it is {wanted} by {order.user}", expected, AddReview(row.case, wanted, order.user, order.argument))


def no_result(order: OrderRow, row: CaseRow | None) -> Decision | None:
    """Why there is nothing to review or to compute again; None: there is."""
    if row is None:
        return refuse(f"there is no case {order.subject}")
    if row.planned:
        return refuse("it is a run of the planned spots, which is no fraction of a treatment")
    if row.state is not CaseState.DONE:
        return refuse(f"it is {row.state}: there is no result yet")
    return None


def _again(order: OrderRow, last: ReviewRow) -> Decision:
    """It stands as ordered. A rejection by somebody else, or for another reason, is news that cannot be taken."""
    if last.state is ReviewState.REJECTED and (last.user, last.reason) != (order.user, order.argument):
        return refuse(f"it is rejected already, {_by(last)}")
    return nothing(f"it is {last.state} already, {_by(last)}")


def _no_review(_order: OrderRow, _report: ReviewReport, last: ReviewRow | None) -> Decision | None:
    if last is not None and last.state is ReviewState.APPROVED:
        return nothing(f"it is approved already, {_by(last)}")
    return None


def _no_approval(order: OrderRow, report: ReviewReport, last: ReviewRow | None) -> Decision | None:
    assert report.row is not None, "there is a result"
    if (version := superseding(report)) is not None:
        state = "" if version.state is CaseState.DONE else f", which is {version.state}"
        return refuse(f"it is superseded by {version.case}{state}: that is the one to approve")
    if last is None:
        return refuse(f"nobody has reviewed it: mqi-actors review {report.row.case}")
    poor = poor_verdicts(report)
    if poor and not order.argument.strip():
        return refuse(f"{poor}: to approve it needs a reason (--reason)")
    return None


def superseding(report: ReviewReport) -> VersionRow | None:
    """The version to go by instead; None: this one. One that failed or was cancelled takes nothing from it."""
    for version in (report.latest, report.newer):
        if version is not None and version.state not in _GONE:
            return version
    return None


def poor_verdicts(report: ReviewReport) -> str:
    """What of its verdicts is not good by itself, in words; empty: nothing."""
    assert report.row is not None, "there is a result"
    told = json.loads(report.row.verdict) if report.row.verdict else {}
    verdict, of_report = str(told.get("verdict", "")), report.report.verdict if report.report else ""
    said = [f"its verdict is {verdict or 'not known'}"] if verdict != "accepted" else []
    if not of_report:
        said.append("it has no report yet")
    elif of_report != "pass":
        said.append(f"its report says {of_report}")
    return " and ".join(said)


def _by(last: ReviewRow) -> str:
    said = f": {last.reason}" if last.reason else ""
    return f"by {last.user} at {last.at.astimezone():%Y-%m-%d %H:%M}{said}"
