"""Results on their way to nodes: which are due, tried, taken, kept. Due as a case is done or approved, or by order."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime, timedelta
from typing import Any

from actors.ledger.codec import plain, time_text
from actors.ledger.journal import Journal
from actors.ledger.transitions import refused
from messages.ledger import (
    OrderSending,
    SendingRow,
    SendingState,
    SetNodes,
    SettleSending,
)
from messages.states import ReviewState

ADD_NODE = (
    "INSERT INTO nodes (node, rule) VALUES (:node, :rule) "
    "ON CONFLICT (node) DO UPDATE SET rule = excluded.rule WHERE rule != excluded.rule"
)
"""A configured node, and when results go there by themselves."""

DROP_NODES = "DELETE FROM nodes WHERE node NOT IN (SELECT value FROM json_each(:nodes))"
"""Those that are configured no more."""

NODES = "SELECT node FROM nodes ORDER BY node"
"""Every configured node, by name."""

WANT = (
    'INSERT INTO sendings ("case", node, state, since, at, after) '
    "SELECT :case, node, 'due', :at, :at, :at FROM nodes WHERE rule = :rule "
    "ON CONFLICT (\"case\", node) DO UPDATE SET state = 'due', tries = 0, reason = '', "
    "since = excluded.since, at = excluded.at, after = excluded.after WHERE sendings.state = 'withheld'"
)
"""The case is due at every node of that rule to which it was not sent already."""

ORDER = (
    'INSERT INTO sendings ("case", node, state, "order", "user", since, at, after) '
    "VALUES (:case, :node, 'due', :order, :user, :at, :at, :at) "
    'ON CONFLICT ("case", node) DO UPDATE SET state = \'due\', "order" = excluded."order", "user" = excluded."user", '
    "tries = 0, reason = '', since = excluded.since, at = excluded.at, after = excluded.after "
    'WHERE sendings."order" != excluded."order"'
)
"""An operator wants it there, whatever was before; the same order again changes nothing."""

SENDING = 'SELECT * FROM sendings WHERE "case" = :case AND node = :node'
"""One case, one node."""

SENDINGS = 'SELECT * FROM sendings WHERE "case" = :case ORDER BY node'
"""Of one case, by node."""

AGAIN = (
    "UPDATE sendings SET state = 'due', tries = 0, reason = '', since = :at, at = :at, after = :at "
    "WHERE \"case\" = :case AND state = 'withheld'"
)
"""What was kept back is judged anew."""

REVIEW = 'SELECT review FROM cases WHERE "case" = :case'
"""How the review of a case stands."""

BEGIN = 'UPDATE sendings SET tries = tries + 1, at = :at WHERE "case" = :case AND node = :node'
"""One try more."""

SETTLE = (
    "UPDATE sendings SET state = :state, reason = :reason, answers = :answers, "
    'at = :at, after = :after WHERE "case" = :case AND node = :node'
)
"""What came of a try."""

NEXT = (
    "SELECT * FROM sendings WHERE node = :node AND state IN ('due', 'stored') AND after <= :now "
    "ORDER BY state = 'stored', after, \"case\" LIMIT 1"
)
"""What is due now: files before the question for those that are there, then what waits for the longest."""

LATE = (
    "SELECT * FROM sendings WHERE node = :node AND state IN ('due', 'stored') AND reason != '' "
    'ORDER BY since, "case" LIMIT 1'
)
"""What was tried in vain and has been due for the longest."""

COUNTS = "SELECT kind, state, number FROM counts WHERE what = 'sending' AND number > 0 ORDER BY kind, state"
"""How many cases are in each state, by node."""

OPEN = frozenset({SendingState.DUE, SendingState.STORED})
"""States in which something is still to be done."""
THERE = frozenset({SendingState.STORED, SendingState.SENT, SendingState.COMMITTED})
"""States in which the node has it."""


def set_nodes(journal: Journal, record: SetNodes) -> None:
    """The configured nodes. What was due at others stays, and is tried again if they come back."""
    journal.run(DROP_NODES, nodes=json.dumps([node for node, _ in record.nodes]))
    for node, rule in record.nodes:
        journal.run(ADD_NODE, node=node, rule=rule)


def wanted(journal: Journal, case: str, rule: str) -> None:
    """The case has come so far that nodes of this rule (``accepted``, ``approved``) want it."""
    journal.run(WANT, case=case, rule=rule, at=journal.at)


def judged_anew(journal: Journal, case: str) -> None:
    """A later version of it came to nothing: what was kept back for that version's sake may go after all."""
    journal.run(AGAIN, case=case, at=journal.at)


def rejected(journal: Journal, case: str) -> None:
    """The case was rejected: nodes that have it are named, for nothing here takes it back."""
    for row in sendings_of(journal.database, case):
        if row.state in THERE:
            _recall(journal, case, row.node)


def order_sending(journal: Journal, record: OrderSending) -> None:
    """Due by order; what was sent is sent again, as the same instances."""
    journal.run(ORDER, case=record.case, node=record.node, order=record.order, user=plain(record.user), at=journal.at)


def settle_sending(journal: Journal, record: SettleSending) -> None:
    """What came of it: history where something new came of it, not for each of many tries that fail alike."""
    before = open_sending(journal, record.case, record.node)
    moved, reason = record.state != before.state, plain(record.reason)
    after = datetime.fromisoformat(journal.at) + timedelta(seconds=record.again_s)
    journal.run(
        SETTLE,
        case=record.case,
        node=record.node,
        state=record.state,
        # A node that has just taken everything is not failing.
        reason="" if moved and record.state is SendingState.STORED else reason,
        answers=record.answers or before.answers,
        at=journal.at,
        after=time_text(after),
    )
    if moved or reason != before.reason:
        journal.event(record.case, f"sending: {record.state if moved else 'in vain'}", f"to {record.node}: {reason}")
    if before.state not in THERE and record.state in THERE and _is_rejected(journal, record.case):
        _recall(journal, record.case, record.node)  # it was on its way as it was rejected


def _is_rejected(journal: Journal, case: str) -> bool:
    row = journal.one(REVIEW, case=case)
    return row is not None and row["review"] == ReviewState.REJECTED


def _recall(journal: Journal, case: str, node: str) -> None:
    journal.event(case, "sending: rejected where it was sent", f"{node} has it: have it removed there")


def open_sending(journal: Journal, case: str, node: str) -> SendingRow:
    """What is still to be done of it; refused where nothing is."""
    row = journal.one(SENDING, case=case, node=node)
    if row is None or SendingState(row["state"]) not in OPEN:
        found = "nobody wants it there" if row is None else f"it is {row['state']}"
        raise refused(f"Case {case} is not due at {node}: {found}.", kind="sending-not-due")
    return _row(row)


def nodes(database: sqlite3.Connection) -> tuple[str, ...]:
    """The nodes that were configured when last a daemon began."""
    return tuple(row["node"] for row in database.execute(NODES))


def next_sending(database: sqlite3.Connection, node: str, now: str) -> SendingRow | None:
    """What is due at a node; None: nothing is, now."""
    return _first(database, NEXT, node=node, now=now)


def late_sending(database: sqlite3.Connection, node: str) -> SendingRow | None:
    """Of all that was tried in vain at a node, what has been due for the longest."""
    return _first(database, LATE, node=node)


def taken(database: sqlite3.Connection, case: str, node: str) -> SendingRow | None:
    """The case, where the node has it; None: it was never sent there."""
    found = _first(database, SENDING, case=case, node=node) if case else None
    return found if found is not None and found.state in THERE else None


def sendings_of(database: sqlite3.Connection, case: str) -> tuple[SendingRow, ...]:
    """Of one case, by node."""
    return tuple(map(_row, database.execute(SENDINGS, {"case": case})))


def sending_counts(database: sqlite3.Connection) -> tuple[tuple[str, str, int], ...]:
    """(node, state, number of cases)."""
    return tuple((str(node), str(state), int(number)) for node, state, number in database.execute(COUNTS))


def _first(database: sqlite3.Connection, query: str, **values: str) -> SendingRow | None:
    row = database.execute(query, values).fetchone()
    return None if row is None else _row(row)


def _row(row: Any) -> SendingRow:
    since, at, after = (datetime.fromisoformat(row[name]) for name in ("since", "at", "after"))
    return SendingRow(
        case=row["case"],
        node=row["node"],
        state=SendingState(row["state"]),
        order=row["order"],
        user=row["user"],
        tries=row["tries"],
        reason=row["reason"],
        answers=row["answers"],
        since=since,
        at=at,
        after=after,
    )
