"""What is measured of the ledger: counts of what is, and of what has happened since a number of the history."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from actors.ledger import queries as q
from actors.ledger.backups import last_scheduled
from actors.ledger.codec import list_json, time_text
from actors.ledger.sendings import sending_counts
from messages.metrics import LedgerFacts, StateLeft
from messages.states import OPEN_CASES

BEAM_COUNTS = "SELECT state, number FROM counts WHERE what = 'beam' AND number > 0"
"""How many beams are in each state."""

OLDEST_OPEN = (
    "SELECT state, min(coalesce(started, admitted, seen)) FROM cases "
    "WHERE state IN (SELECT value FROM json_each(:states)) GROUP BY state"
)
"""Since when the oldest case of each of these states (JSON list) waits: its start, admission, or first sight."""

AT_ONCE = 50_000
"""Events counted by one call: what bounds its time. Also the size of the blocks in which removed ones are added up."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the asker has."""

    upto: int
    """Number of the last event that it knows; 0: none."""
    began: datetime
    """Of its process: how long states lasted is told of those that were left since."""


def read_facts(database: sqlite3.Connection, backups: Path, known: Known) -> LedgerFacts | None:
    """What is, and what has happened after ``known``; None: nothing has."""
    last = int(database.execute(q.LAST_EVENT).fetchone()[0])
    if last == known.upto:
        return None
    upto = min(last, known.upto + AT_ONCE)
    bounds = {"after": known.upto, "upto": upto}
    counted = {**bounds, "size": AT_ONCE}
    waiting, told = database.execute(q.COUNT_PUSHES).fetchone()
    return LedgerFacts(
        upto=upto,
        cases=_pairs(database.execute(q.CASE_COUNTS, {"kind": "delivery"})),
        beams=_pairs(database.execute(BEAM_COUNTS)),
        oldest=tuple(
            (state, datetime.fromisoformat(since))
            for state, since in database.execute(OLDEST_OPEN, {"states": list_json(sorted(OPEN_CASES))})
        ),
        happened=_pairs(database.execute(q.COUNT_EVENTS, counted)),
        left=tuple(
            StateLeft(what.startswith("beam"), _state(what), max(0.0, seconds))
            for what, seconds in database.execute(q.STATES_LEFT, {**bounds, "began": time_text(known.began)})
            if seconds is not None
        ),
        pushes_waiting=int(waiting or 0),
        pushes_told=int(told or 0),
        backup=last_scheduled(backups),
        more=upto < last,
        sendings=sending_counts(database),
    )


def _pairs(rows: sqlite3.Cursor) -> tuple[tuple[str, int], ...]:
    return tuple((str(name), int(number)) for name, number in rows)


def _state(what: str) -> str:
    """The state that was left: ``beam 3: running → ended`` left ``running``."""
    return what.partition(": ")[2].partition(" → ")[0]
