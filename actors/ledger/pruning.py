"""Old history goes, in small commits; what it counted for stays, so that no figure changes."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from datetime import datetime, timedelta

from actors.crash_points import effect
from actors.ledger import queries as q
from actors.ledger.codec import list_json, time_text
from actors.ledger.commit import own
from actors.ledger.facts import AT_ONCE
from actors.ledger.glances import event_before
from actors.ledger.settled import count_settled, drop_settled

_OLD = (
    "FROM events WHERE number <= :upto AND at < :before AND number < (SELECT max(number) FROM events) "
    "AND number <= coalesce((SELECT after FROM pushes WHERE outcome = ''), "
    "(SELECT upto FROM pushes ORDER BY push DESC LIMIT 1), number) "
    "AND CASE \"case\" WHEN '' THEN what NOT IN (SELECT 'alarm ' || alarm || ': raised' FROM alarms) "
    'ELSE EXISTS (SELECT 1 FROM cases WHERE cases."case" = events."case" AND cleaned = 1 AND ended < :before '
    "AND state IN ('done', 'failed', 'cancelled')) "
    'AND NOT EXISTS (SELECT 1 FROM reports WHERE reports."case" = events."case" AND reports.state = \'due\' '
    "AND reports.at >= :before) END "
)
"""Older than that (times have no index: of the lines up to a number), and needed by nothing: not by a case that is open
or has files left, an alarm that stands, or a document about alarms that is still to be told; and of a report that is
due only while it became so lately, for where no reports are made all of them are due for ever. The newest line stays:
numbers go on from it."""

COUNT_OLD_EVENTS = f"SELECT count(*), coalesce(min(at), '') {_OLD}"
"""How much of the history may go, and since when it reaches back."""

OLD_EVENTS = f"SELECT number, what, detail {_OLD} ORDER BY number LIMIT :limit"
"""What of the history may go, oldest first."""

ADD_TALLY = (
    "INSERT INTO tallies (block, happened, number) VALUES (:block, :happened, :number) "
    "ON CONFLICT (block, happened) DO UPDATE SET number = number + :number"
)
"""What removed history counted for."""

DROP_EVENTS = "DELETE FROM events WHERE number IN (SELECT value FROM json_each(:numbers))"
"""Remove these lines (JSON list of numbers); only those older than meta.history_since can go."""

NEWEST_EVENT = "SELECT at FROM events WHERE at <= :upto ORDER BY number DESC LIMIT 1"
"""When the last thing up to a time happened; found from the end, for times have no index."""

LEAST_DAYS = 30.0
"""Younger history never goes: whoever counts it as it grows has long read it."""
AHEAD_DAYS = 2.0
"""A clock that is further ahead of the history than that may have jumped."""
SINCE = "history_since"
"""Key of what is removed before, in the ledger's ``meta``."""
OTHER = "other"
_ENDLESS = ("case: priority", "case: superseded")
_PLAIN = re.compile(r"case: .+|beam \d+(?: attempt \d+)?: .+|host \S+: .+")
_ALARM = re.compile(r"alarm ([\w-]+)(?::.*)?: raised", re.DOTALL)
_ORDER = re.compile(r"order: (\w+)(?!.*: settled$)", re.DOTALL)


def old_events(database: sqlite3.Connection, before: datetime) -> tuple[int, str]:
    """How many lines, orders and documents may go, and the time of the oldest line (empty: none)."""
    at = time_text(before)
    number, oldest = database.execute(COUNT_OLD_EVENTS, _bounds(database, at)).fetchone()
    return int(number) + count_settled(database, at), str(oldest)


def doubt_of_clock(database: sqlite3.Connection, now: datetime) -> str:
    """Why the history may be younger than it seems ``now``, in one sentence; empty: it reaches up to the clock.

    A clock that jumps ahead makes everything old at once. What is written after the jump bears its time, and proves
    nothing for a while: something must also have happened in the weeks before.
    """
    newest, earlier = (_newest(database, upto) for upto in (now, now - timedelta(days=AHEAD_DAYS)))
    if newest and newest < time_text(now - timedelta(days=AHEAD_DAYS)):
        return f"the clock says {time_text(now)}, but nothing has happened since {newest}"
    if earlier and earlier < time_text(now - timedelta(days=LEAST_DAYS)):
        return f"the clock says {time_text(now)}, but before the last {AHEAD_DAYS:g} days nothing since {earlier}"
    return ""


def _newest(database: sqlite3.Connection, upto: datetime) -> str:
    row = database.execute(NEWEST_EVENT, {"upto": time_text(upto)}).fetchone()
    return "" if row is None else str(row[0])


def prune_events(
    database: sqlite3.Connection, before: datetime, limit: int, owner: tuple[str, int] | None = None
) -> int:
    """Remove at most ``limit`` lines, orders and documents older than ``before`` that nothing needs; how many went.

    In one commit. database: in autocommit mode. owner: who writes this file, path and epoch. Raises sqlite3.Error, and
    SupersededError where a later incarnation writes the file; then nothing has gone.
    """
    at = time_text(before)
    database.execute("BEGIN IMMEDIATE")
    try:
        if owner is not None:
            own(database, *owner)
        rows = database.execute(OLD_EVENTS, {**_bounds(database, at), "limit": limit}).fetchall()
        counted = Counter(((number - 1) // AT_ONCE, counted_as(what, detail)) for number, what, detail in rows)
        if rows:
            database.execute(q.SET_META, {"key": SINCE, "value": at})
            for (block, happened), number in counted.items():
                database.execute(ADD_TALLY, {"block": block, "happened": happened, "number": number})
            database.execute(DROP_EVENTS, {"numbers": list_json([row[0] for row in rows])})
        settled = drop_settled(database, at, limit - len(rows))
        with effect("ledger.commit"):
            database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
    return len(rows) + settled


def _bounds(database: sqlite3.Connection, before: str) -> dict[str, object]:
    """What is younger is not even read: it is nearly all of the history, day after day."""
    return {"before": before, "upto": event_before(database, before)}


def counted_as(what: str, detail: str) -> str:
    """The line as it is kept in the totals: all that figures are made of, and nothing of which there are ever more."""
    if what == "case: verdict":
        return f"{what} {_verdict(detail)}".rstrip()
    if found := _ALARM.fullmatch(what):
        return f"alarm {found[1]}: raised"
    if found := _ORDER.match(what):
        return f"order: {found[1]}"
    return what if _PLAIN.fullmatch(what) and not what.startswith(_ENDLESS) else OTHER


def _verdict(detail: str) -> str:
    try:
        said = json.loads(detail)
    except ValueError:
        return ""
    return str(said.get("verdict", "")) if isinstance(said, dict) else ""
