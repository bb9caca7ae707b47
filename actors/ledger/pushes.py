"""Alarms that are told to people outside: intents, tries and outcomes, and what has still to be told."""

from __future__ import annotations

import sqlite3

from actors.ledger import queries as q
from actors.ledger import rows
from actors.ledger.codec import plain
from actors.ledger.journal import Journal
from actors.ledger.transitions import refused
from messages.ledger import EventRow, OpenPush, PushesReport, SettlePush, TryPush

AT_ONCE = 10_000
"""Events of alarms that one push looks at; what is beyond is told by the next."""
_LAST = 2**62


def open_push(journal: Journal, record: OpenPush) -> None:
    """The intent; refused while another push is open, or where a push has these events already."""
    if journal.one(q.OPEN_PUSH) is not None:
        raise refused("A push of alarms is open already.", kind="push-open")
    upto = _pushed_upto(journal.database)
    if (upto is not None and record.after < upto) or record.upto < record.after:
        raise refused(f"The alarms up to event {upto} are in a push already.", kind="push-told")
    journal.run(q.ADD_PUSH, after=record.after, upto=record.upto, at=journal.at)


def try_push(journal: Journal, record: TryPush) -> None:
    """One try more."""
    _known(journal, record.push)
    journal.run(q.TRY_PUSH, push=record.push, at=journal.at)


def settle_push(journal: Journal, record: SettlePush) -> None:
    """It is over."""
    _known(journal, record.push)
    journal.run(q.SETTLE_PUSH, push=record.push, outcome=plain(record.outcome))


def pushes_report(database: sqlite3.Connection, request_id: str) -> PushesReport:
    """The push under way with its events, and the events that no push has yet."""
    upto = _pushed_upto(database)
    if upto is None:
        upto = _before_all_that_stands(database)
    row = database.execute(q.OPEN_PUSH).fetchone()
    found = None if row is None else rows.push_row(row)
    told = () if found is None else _events(database, found.after, found.upto)
    lately = tuple(rows.push_row(late).at for late in database.execute(q.LATE_PUSHES))
    return PushesReport(request_id, upto, found, told, _events(database, upto, _LAST), lately)


def _before_all_that_stands(database: sqlite3.Connection) -> int:
    """Before the first push: what was over long ago is history, what stands is news."""
    oldest = database.execute(q.OLDEST_ALARM).fetchone()[0]
    return int(database.execute(q.LAST_EVENT).fetchone()[0]) if oldest is None else int(oldest) - 1


def _events(database: sqlite3.Connection, after: int, upto: int) -> tuple[EventRow, ...]:
    values = {"after": after, "upto": upto, "limit": AT_ONCE}
    return tuple(map(rows.event_row, database.execute(q.ALARM_EVENTS, values)))


def _pushed_upto(database: sqlite3.Connection) -> int | None:
    value = database.execute(q.PUSHED_UPTO).fetchone()[0]
    return None if value is None else int(value)


def _known(journal: Journal, push: int) -> None:
    if journal.one(q.PUSH, push=push) is None:
        raise refused(f"There is no push {push}.", kind="no-such-push")
