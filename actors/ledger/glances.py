"""What the console asks of the ledger again and again: a page of the list, what ended today. On an open connection."""

from __future__ import annotations

import sqlite3

from actors.ledger import queries as q
from actors.ledger import rows
from actors.ledger.codec import list_json
from actors.ledger.transitions import ENDED_CASES
from messages.ledger import CaseRow, EventRow
from messages.states import CaseState

_WHERE = (
    "WHERE state IN (SELECT value FROM json_each(:states)) AND (:search = '' "
    'OR instr(lower("case"), :search) OR instr(plan_uid, :search) OR instr(lower(reason), :search)) '
)
FIND_CASES = (
    f'SELECT "case" FROM cases {_WHERE}'  # noqa: S608 - no value is part of the text
    "ORDER BY state IN ('done', 'failed', 'cancelled'), "
    "CASE WHEN state IN ('done', 'failed', 'cancelled') THEN 0 ELSE -priority END, "
    "CASE WHEN state IN ('done', 'failed', 'cancelled') THEN '' ELSE coalesce(admitted, seen) || \"case\" END, "
    '"case" DESC LIMIT :limit OFFSET :offset'
)
"""Open cases in the order in which they will run, then ended ones, newest first (names begin with the time of
delivery); a part of them. Only their names: to sort whole rows, with their documents, costs ten times as much."""

NAMED_CASES = 'SELECT * FROM cases WHERE "case" IN (SELECT value FROM json_each(:cases))'
"""The rows of these cases, in any order."""

COUNT_FOUND = f"SELECT count(*) FROM cases {_WHERE}"  # noqa: S608 - as above
"""How many there are in all."""

COUNT_IN = (
    "SELECT coalesce(sum(number), 0) FROM counts "
    "WHERE what = 'case' AND state IN (SELECT value FROM json_each(:states))"
)
"""How many cases are in these states."""

OF_STATE = "SELECT \"case\" FROM cases WHERE state = '{state}'"
NEWEST_FIRST = ' ORDER BY "case" DESC LIMIT :limit OFFSET :offset'
"""A part of the ended cases of one state, or of several (UNION ALL), newest first: merged as they lie in their index,
none is sorted."""

EVENT_AT = "SELECT at FROM events WHERE number >= :number ORDER BY number LIMIT 1"
"""When an event, or the next one after a gap, happened."""

ENDINGS_AFTER = (
    "SELECT * FROM events WHERE number > :after AND (what LIKE 'beam %: % → done' "
    "OR what LIKE 'case: % → done' OR what LIKE 'case: % → failed') ORDER BY number"
)
"""Beams and cases that ended after an event."""


def find_cases(
    database: sqlite3.Connection, states: frozenset[CaseState], search: str, limit: int, offset: int
) -> tuple[int, tuple[CaseRow, ...]]:
    """How many cases in these states match, and ``limit`` of them; ``search``: part of name, plan UID or reason."""
    if search:
        values = {"states": list_json(sorted(states)), "search": search.lower()}
        total = database.execute(COUNT_FOUND, values).fetchone()[0]
        names = [row[0] for row in database.execute(FIND_CASES, {**values, "limit": limit, "offset": offset})]
    else:
        total, names = _page(database, states, limit, offset)
    found = {row["case"]: row for row in database.execute(NAMED_CASES, {"cases": list_json(names)})}
    beams = database.execute(q.BEAMS, {"cases": list_json(names)})
    return total, rows.case_rows([found[name] for name in names], beams)


def _page(database: sqlite3.Connection, states: frozenset[CaseState], limit: int, offset: int) -> tuple[int, list[str]]:
    """Of all cases in these states. The page shows it whenever anything happens: only the open ones are sorted."""
    open_ones, ended = (list_json(sorted(some)) for some in (states - ENDED_CASES, states & ENDED_CASES))
    opened, closed = (database.execute(COUNT_IN, {"states": some}).fetchone()[0] for some in (open_ones, ended))
    part = {"states": open_ones, "search": "", "limit": limit, "offset": offset}
    names = [row[0] for row in database.execute(FIND_CASES, part)] if offset < opened else []
    wanted = " UNION ALL ".join(OF_STATE.format(state=state) for state in sorted(states & ENDED_CASES))
    if wanted:
        rest = {"limit": limit - len(names), "offset": max(0, offset - opened)}
        names += [row[0] for row in database.execute(wanted + NEWEST_FIRST, rest)]
    return opened + closed, names


def last_event(database: sqlite3.Connection) -> int:
    """Number of the newest event; 0 before the first."""
    return int(database.execute(q.LAST_EVENT).fetchone()[0])


def event_before(database: sqlite3.Connection, at: str) -> int:
    """Number of the last event before ``at`` (ISO 8601, UTC): events lie in the order of time, so it is halved."""
    low, high = 0, last_event(database)
    while low < high:
        middle = (low + high + 1) // 2
        row = database.execute(EVENT_AT, {"number": middle}).fetchone()
        low, high = (middle, high) if row[0] < at else (low, middle - 1)
    return low


def endings_after(database: sqlite3.Connection, number: int) -> tuple[EventRow, ...]:
    """Beams and cases that ended after event ``number``, oldest first."""
    return tuple(map(rows.event_row, database.execute(ENDINGS_AFTER, {"after": number})))
