"""Open the ledger's file: created whole, checked, migrated forward; damaged, foreign or newer ones are refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from actors.crash_points import effect
from actors.ledger import queries as q
from actors.ledger.backups import backup_to, default_backups, make_durable, newest_backup, unfinished_restore
from actors.ledger.damage import check_boot, damage_named, damaged, read_through
from actors.ledger.disk import refuse_network
from actors.ledger.migrations import create_schema, migrate
from actors.ledger.schema import SCHEMA_VERSION, refuse_newer, schema_version
from actors.ledger.transitions import refused
from actors.ledger.wal import changed_frame

BUSY_S = 5.0
"""How long a statement waits for another process (a backup, a shell) before it fails."""


def open_store(path: Path, backups: Path | None = None) -> sqlite3.Connection:
    """The ledger's one writing connection, in autocommit mode (transactions are begun by hand), rows by name.

    path: the file; made if it is missing and never existed. backups: folder of its backups (default: beside it).
    Raises MqiError: network file system, damaged, missing while there are backups, newer schema.
    """
    backups = backups or default_backups(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    refuse_network(path.parent)
    if not path.exists():
        _create(path, backups)
    database = None
    try:
        with _refusals(path, backups):
            _examine(path, backups)
            database = _connect(path)
            _migrate(database, path, backups)
    except BaseException:
        _close(database)
        raise
    return database


def next_boot(path: Path, backups: Path | None = None) -> int:
    """Count one more start of the daemon and say which it is (1 at first); on the disk before it returns.

    What a start goes by is read through first: better refused now than by an actor that restarts for ever.
    """
    backups = backups or default_backups(path)
    _check_log(path, backups)
    database = open_store(path, backups)
    try:
        with _refusals(path, backups):
            read_through(database)
            check_boot(database)
            with effect("boot.count"):
                row = database.execute(q.COUNT_UP, {"key": "boot"}).fetchone()
            return int(row[0])
    finally:
        database.close()


@contextmanager
def _refusals(path: Path, backups: Path) -> Iterator[None]:
    """Whatever SQLite says against the file, as an MqiError."""
    try:
        with damage_named(path, backups):
            yield
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise refused(
                "The ledger is locked by another program.",
                kind="ledger-locked",
                where=str(path),
                remedy=f"End what has it open (fuser -v {path} names it), then start again.",
            ) from error
        raise refused(
            f"The ledger cannot be opened: {error}.",
            kind="ledger-unusable",
            where=str(path),
            remedy="Make the folder and its files writable for the daemon's user, with room on the disk.",
        ) from error


def _check_log(path: Path, backups: Path) -> None:
    """What SQLite would leave out without a word is damage, too."""
    frame = changed_frame(path)
    if frame is not None:
        place = f"frame {frame}" if frame else "the header"
        raise damaged(path, backups, f"{place} of its log ({path.name}-wal) is not what was written")


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, timeout=BUSY_S)
    database.row_factory = sqlite3.Row
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("PRAGMA foreign_keys = ON")
    return database


def _create(path: Path, backups: Path) -> None:
    """A new ledger appears whole: an empty or half-made file is therefore always damage."""
    if unfinished_restore(path).exists():
        raise refused(
            "The ledger is gone: its restore was interrupted.",
            kind="ledger-missing",
            where=str(path),
            remedy="Order it again: mqi-actors restore BACKUP",
        )
    last = newest_backup(backups)
    if last is not None:
        raise refused(
            "The ledger is gone, but it has a backup; an empty one would run every case again.",
            kind="ledger-missing",
            where=str(path),
            remedy=f"Go back to it: mqi-actors restore {last} (or move {backups} away to begin with an empty ledger)",
        )
    new = path.with_name(f"{path.name}.new")
    for leftover in (new, new.with_name(f"{new.name}-journal")):
        leftover.unlink(missing_ok=True)
    database = sqlite3.connect(new, isolation_level=None)
    try:
        create_schema(database)
    finally:
        database.close()
    with effect("ledger.create"):
        make_durable(new, path)


def _examine(path: Path, backups: Path) -> None:
    """Look at the file without changing a byte of it: what is damaged is left as evidence."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_S)) as database:
        findings = [row[0] for row in database.execute("PRAGMA quick_check(3)")]
        version = schema_version(database) if findings == ["ok"] else None
    if findings != ["ok"]:
        raise damaged(path, backups, "; ".join(" ".join(text.split()) for text in findings))
    if version is None or version < 1:
        raise damaged(path, backups, "it has no tables of ours")
    if version > SCHEMA_VERSION:
        refuse_newer(version, path, newest_backup(backups))


def _migrate(database: sqlite3.Connection, path: Path, backups: Path) -> None:
    version = schema_version(database)
    if version is not None and version < SCHEMA_VERSION:
        backups.mkdir(parents=True, exist_ok=True)
        backup_to(path, backups / f"before-version-{SCHEMA_VERSION}.sqlite")
        migrate(database, version)


def _close(database: sqlite3.Connection | None) -> None:
    if database is not None:
        database.close()
