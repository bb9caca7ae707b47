"""Orders that stand in the ledger when it is opened take effect before anybody reads it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from actors.ledger.halts import halts
from actors.ledger.reads import case_report, open_orders
from messages.faults import Fault
from messages.ledger import CaseReport, HaltRow, OrderRow, Record

Decide = Callable[[OrderRow, Callable[[str], CaseReport], Callable[[], Iterable[HaltRow]]], tuple[Record, ...]]
"""An order, the report of a case, what is halted → what is written for it; nothing: it waits for the orders' actor."""
Commit = Callable[[Sequence[tuple[Record, ...]]], Sequence[Fault | None]]
"""What is written for each of some orders, in one transaction → why not, of each."""


@dataclass(frozen=True, slots=True)
class Left:
    """An order that could not be decided or written now; what was ordered later of the same waits with it."""

    order: OrderRow
    why: str


def carry_out(database: sqlite3.Connection, decide: Decide, commit: Commit) -> tuple[Left, ...]:
    """Oldest first; what concerns different cases shares a transaction. Raises what ``commit`` raises.

    What fails for one order stops only what was ordered later of the same: the house starts all the same, and the
    orders' actor comes to it.
    """
    waiting = [order for order in open_orders(database) if not order.decided]
    left: list[Left] = []
    while waiting:
        turn, waiting = _turn(waiting)
        failed = _one_turn(database, turn, decide, commit)
        about = {_about(one.order) for one in failed}
        waiting = [order for order in waiting if _about(order) not in about]
        left += failed
    return tuple(left)


def _turn(waiting: Sequence[OrderRow]) -> tuple[list[OrderRow], list[OrderRow]]:
    """(The oldest order about each subject, all others)."""
    first: dict[str, OrderRow] = {}
    for order in waiting:
        first.setdefault(_about(order), order)
    return list(first.values()), [order for order in waiting if first[_about(order)] is not order]


def _about(order: OrderRow) -> str:
    """A case, or a host with all its GPUs."""
    return order.subject.partition("/")[0]


def _one_turn(database: sqlite3.Connection, turn: Sequence[OrderRow], decide: Decide, commit: Commit) -> list[Left]:
    failed: list[Left] = []
    decided: list[tuple[OrderRow, tuple[Record, ...]]] = []
    for order in turn:
        try:
            records = decide(order, lambda case: case_report(database, case), lambda: halts(database))
        except Exception as error:  # a fault of the program in one order: no reason not to start
            failed.append(Left(order, f"{type(error).__name__}: {error}"))
            continue
        if records:
            decided.append((order, records))
    if decided:
        faults = commit([records for _, records in decided])
        failed += [Left(order, str(fault)) for (order, _), fault in zip(decided, faults, strict=True) if fault]
    return failed
