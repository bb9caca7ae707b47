"""A ledger that cannot be trusted: how that shows, and what is said of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from actors.errors import MqiError
from actors.ledger import queries as q
from actors.ledger import reads
from actors.ledger.backups import newest_backup
from actors.ledger.transitions import refused
from messages.states import OPEN_CASES

UNREADABLE = (ValueError, TypeError, LookupError, OverflowError, RecursionError)
"""What a column raises that does not hold what was written: SQLite has no checksums, so a flipped byte within a page
shows only there."""

_EPOCH_BITS = 32
"""An epoch is the boot counter and a counter of so many bits below it."""


def damaged(path: Path, backups: Path, evidence: str) -> MqiError:
    """The error of a ledger that cannot be trusted: it names the way back, and nothing is replaced."""
    last = newest_backup(backups)
    if last is not None:
        remedy = f"Go back to the last backup: mqi-actors restore {last}"
    else:
        remedy = f"There is no backup in {backups}; move the file away to begin with an empty ledger."
    return refused(f"The ledger is damaged: {evidence}.", kind="ledger-damaged", where=str(path), remedy=remedy)


def is_damage(error: Exception) -> bool:
    """Whether an error of SQLite, or of what was read, says that the file is not what was written."""
    if not isinstance(error, sqlite3.DatabaseError):
        return isinstance(error, UNREADABLE)
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or str(error).startswith("Could not decode")


@contextmanager
def damage_named(path: Path, backups: Path) -> Iterator[None]:
    """Within, damage is raised as the MqiError that names the way back; other errors pass."""
    try:
        yield
    except (sqlite3.DatabaseError, *UNREADABLE) as error:
        if not is_damage(error):
            raise
        words = str(error) if isinstance(error, sqlite3.DatabaseError) else f"it holds what was never written ({error})"
        raise damaged(path, backups, words) from error


def read_through(database: sqlite3.Connection) -> None:
    """Read all that a start goes by. Raises one of UNREADABLE, or sqlite3.DatabaseError."""
    for _ in reads.each_known_case(database):
        pass  # one at a time: years of them are many
    for case in reads.cases_in(database, OPEN_CASES):
        reads.attempts_of(database, case.case)
    for read in (reads.open_orders, reads.hosts, reads.gpus, reads.alarms):
        read(database)


def check_boot(database: sqlite3.Connection) -> None:
    """The counter of starts is ahead of every epoch, or writes of this start would count as stale. ValueError."""
    row = database.execute(q.META_VALUE, {"key": "boot"}).fetchone()
    boot = int(row["value"]) if row is not None else 0
    latest = int(database.execute(q.LATEST_EPOCH).fetchone()[0]) >> _EPOCH_BITS
    if boot < latest:
        raise ValueError(f"it counts {boot} starts, but start {latest} wrote to it")
