"""Group commit: many writes, one transaction, one answer each. Decides nothing about when."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from actors.crash_points import effect
from actors.errors import MqiError
from actors.ledger import queries as q
from actors.ledger.records import apply_records
from messages.faults import Blame, Fault
from messages.ledger import Write

_DISK = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
    }
)
"""Primary result codes that say: the file cannot be written now, whatever is written."""
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class DiskRefusedError(Exception):
    """Nothing of the batch was written: the file cannot be written now. What was acknowledged before stands."""


class SupersededError(Exception):
    """Nothing of the batch was written: a later incarnation of the ledger writes this file."""


@dataclass(frozen=True, slots=True)
class Committed:
    """A batch that is on the disk."""

    faults: tuple[Fault | None, ...]
    """Of each write, in order; None: written."""
    stale: tuple[bool, ...]
    """Of each write: dropped, because a newer incarnation of its writer has written. No answer is owed."""


def commit(
    database: sqlite3.Connection,
    writes: Sequence[Write],
    at: str,
    owner: tuple[str, int] | None = None,
) -> Committed:
    """Apply the writes in order in one transaction; one that is refused undoes only itself.

    database: in autocommit mode. at: ISO 8601 UTC. owner: who writes this file, path and epoch, from now on nobody with
    an older one. Raises DiskRefusedError, SupersededError, and sqlite3.DatabaseError for a damaged file; after any of
    them nothing of the batch is in the file.
    """
    try:
        database.execute("BEGIN IMMEDIATE")
        if owner is not None:
            own(database, *owner)
        outcomes = [_one(database, write, at) for write in writes]
        with effect("ledger.commit"):
            database.execute("COMMIT")
    except sqlite3.Error as error:
        _roll_back(database)
        if _primary(error) in _DISK:
            raise DiskRefusedError(f"{error} ({getattr(error, 'sqlite_errorname', 'no code')})") from error
        raise
    except BaseException:
        _roll_back(database)
        raise
    return Committed(
        faults=tuple(None if isinstance(item, _Stale) else item for item in outcomes),
        stale=tuple(isinstance(item, _Stale) for item in outcomes),
    )


def own(database: sqlite3.Connection, writer: str, epoch: int) -> None:
    """In a transaction: this incarnation writes the file from now on. Raises SupersededError."""
    standing = _fence_of(database, writer)
    if standing > epoch:
        raise SupersededError(f"{writer} has a successor: epoch {standing} after {epoch}")
    if standing < epoch:
        database.execute(q.SET_FENCE, {"writer": writer, "epoch": epoch})


def probe_room(database: sqlite3.Connection, size: int) -> None:
    """Write so many bytes and take them back. Raises DiskRefusedError where there is no room for them."""
    try:
        database.execute("BEGIN IMMEDIATE")
        database.execute(q.SET_META, {"key": "room", "value": "x" * size})
        database.execute("COMMIT")
        database.execute(q.DELETE_META, {"key": "room"})
    except sqlite3.Error as error:
        _roll_back(database)
        if _primary(error) in _DISK:
            raise DiskRefusedError(str(error)) from error
        raise


class _Stale:
    """Outcome of a write behind its writer's fence."""


def _fence_of(database: sqlite3.Connection, writer: str) -> int:
    """Highest epoch seen of a writer; 0: it never wrote.

    The file itself is asked, each time: whoever is superseded would remember old epochs, and every case is a writer, so
    that what is remembered of all of them grows for ever.
    """
    row = database.execute(q.FENCE_OF, {"writer": writer}).fetchone()
    return int(row[0]) if row is not None else 0


def _one(database: sqlite3.Connection, write: Write, at: str) -> Fault | _Stale | None:
    fence = _fence_of(database, write.writer)
    if write.epoch < fence:
        database.execute(q.COUNT_UP, {"key": "stale_writes"})
        return _Stale()
    if write.epoch > fence:
        database.execute(q.SET_FENCE, {"writer": write.writer, "epoch": write.epoch})
    database.execute("SAVEPOINT one_write")
    fault = _apply(database, write, at)
    if fault is not None:
        database.execute("ROLLBACK TO one_write")
    database.execute("RELEASE one_write")
    return fault


def _apply(database: sqlite3.Connection, write: Write, at: str) -> Fault | None:
    """None when every record was applied. A fault in one writer's records is never the end of the ledger."""
    try:
        apply_records(database, write.records, at=at, epoch=write.epoch)
    except MqiError as error:
        return error.fault
    except Exception as error:
        if isinstance(error, sqlite3.Error) and _primary(error) in _DISK | _DAMAGE:
            raise
        return Fault(
            what=f"A write of {write.writer} cannot be applied: {type(error).__name__}: {error}.",
            where=write.request_id,
            remedy="Nothing of it was written; this is a fault of the program.",
            blame=Blame.OURS,
            kind="write-invalid",
        )
    return None


def _primary(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _roll_back(database: sqlite3.Connection) -> None:
    """SQLite has rolled back by itself after some errors; the rest is ours."""
    if database.in_transaction:
        database.execute("ROLLBACK")
