"""Orders to send a result: the nodes that there are, and what the rules say of each. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from actors.documents.sending import standing_of, why_not
from actors.orders.decision import Decision, done, refuse
from actors.orders.reviews import no_result, superseding
from messages.ledger import ExpectCase, OrderRow, OrderSending, ReviewReport
from messages.states import CaseState, ReviewState


def decide(order: OrderRow, report: ReviewReport, nodes: Mapping[str, str]) -> Decision:
    """What the order means. ``nodes``: name → rule of those that are configured; the argument names one, or none: all.

    What was sent before is sent again: the same instances.
    """
    row = report.row
    if (refusal := no_result(order, row)) is not None:
        return refusal
    assert row is not None, "there is a result"
    if not nodes:
        return refuse("there is no node to send it to: [[send]] of the configuration names them")
    if order.argument and order.argument not in nodes:
        return refuse(f"there is no node {order.argument}; there are {', '.join(sorted(nodes))}")
    review = report.reviews[-1].state if report.reviews else ReviewState.COMPUTED
    version = superseding(report)
    standing = standing_of(row, review, version.case if version is not None else "")
    chosen = (order.argument,) if order.argument else tuple(sorted(nodes))
    reasons = {node: why_not(standing, nodes[node], ordered=True) for node in chosen}
    refused = [f"not to {node}: {why}" for node, why in reasons.items() if why]
    allowed = [node for node, why in reasons.items() if not why]
    if not allowed:
        return refuse("; ".join(refused))
    expected = ExpectCase(row.case, frozenset({CaseState.DONE}), report.last_event)
    records = (OrderSending(row.case, node, order.order, order.user) for node in allowed)
    return done("; ".join((f"it goes to {', '.join(allowed)}", *refused)), expected, *records)
