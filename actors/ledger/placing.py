"""An order placed into the ledger by the command itself: while no daemon runs, or none that answers."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from actors.errors import MqiError
from actors.ledger.codec import time_text
from actors.ledger.commit import DiskRefusedError, commit
from actors.ledger.schema import SCHEMA_VERSION, schema_version
from actors.ledger.store import BUSY_S, open_store
from actors.ledger.transitions import refused
from messages.ledger import OrderCommand, Write

_WRITER = "command"


def place_order(path: Path, backups: Path, command: OrderCommand, *, alone: bool) -> None:
    """One order, on the disk before it returns; one that is there already changes nothing.

    alone: the caller holds the state folder's lock, so that the file may be made or brought forward. Otherwise a daemon
    writes it too: SQLite lets one after the other. Raises MqiError when it cannot be written.
    """
    with closing(open_store(path, backups) if alone else _beside_a_daemon(path)) as database:
        write = Write(command.order, None, _WRITER, 0, (command,))
        try:
            done = commit(database, [write], time_text(datetime.now(UTC)))
        except DiskRefusedError as error:
            raise refused(
                f"The order cannot be written into the ledger: {error}.",
                kind="order-not-written",
                where=str(path),
                remedy="Make room on its disk, or run this as the daemon's user.",
            ) from error
    fault = done.faults[0]
    if fault is not None:
        raise MqiError(fault)


def _beside_a_daemon(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=BUSY_S)
    database.row_factory = sqlite3.Row
    try:
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA foreign_keys = ON")
        version = schema_version(database)
    except sqlite3.Error as error:
        database.close()
        raise refused(
            f"The ledger cannot be opened: {error}.",
            kind="ledger-unusable",
            where=str(path),
            remedy="Run this as the daemon's user.",
        ) from error
    if version == SCHEMA_VERSION:
        return database
    database.close()
    raise refused(
        f"The running daemon's ledger has version {version} of its tables; this program writes {SCHEMA_VERSION}.",
        kind="ledger-other-version",
        where=str(path),
        remedy="Use the release that runs, or restart the daemon with this one.",
    )
