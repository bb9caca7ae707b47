"""Orders that stand in the ledger when it is opened: what is written for them before anything else goes on. Pure.

Who starts after the ledger reads it, and goes on with cases, beams and runs at once: an order that was given before
must be in force by then. Only what is decided on the ledger alone; the rest is begun when the orders' actor is up,
which also tells of all of them and settles them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from actors.documents.orders import check_order
from actors.errors import MqiError
from actors.orders import cases, places
from messages.ledger import CaseReport, DecideCommand, HaltRow, OrderRow, Record
from messages.operators import OrderKind

OF_ONE_CASE = frozenset({OrderKind.HOLD, OrderKind.RELEASE, OrderKind.CANCEL, OrderKind.RETRY, OrderKind.PRIORITY})
OF_A_PLACE = frozenset({OrderKind.DRAIN, OrderKind.RESUME, OrderKind.PAUSE, OrderKind.UNPAUSE})


def decide_standing(
    order: OrderRow,
    case_of: Callable[[str], CaseReport],
    halts: Callable[[], Iterable[HaltRow]],
    *,
    hosts: Collection[str],
) -> tuple[Record, ...]:
    """What is written for the order, its outcome first; nothing: it changes neither a case's course nor a place's.

    An outcome that changes nothing is written as well: a later order must not be overtaken by an earlier one.
    """
    try:
        kind = check_order(order.kind, order.subject, order.argument)
    except MqiError:  # the orders' actor says why
        return ()
    if kind in OF_ONE_CASE:
        decision = cases.decide(order, case_of(order.subject))
    elif kind in OF_A_PLACE:
        decision = places.decide(order, halts(), hosts)
    else:
        return ()
    return DecideCommand(order.order, decision.outcome), *decision.records
