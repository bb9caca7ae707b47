"""Which version a ledger's tables have."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from actors.ledger import queries as q
from actors.ledger.transitions import refused

SCHEMA_VERSION = 7
"""Of schema.sql."""


def schema_version(database: sqlite3.Connection) -> int | None:
    """Version of the tables; None when they are not a ledger's."""
    try:
        row = database.execute(q.META_VALUE, {"key": "schema"}).fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise
        return None
    return None if row is None else int(row[0])


def refuse_newer(version: int, path: Path, last: Path | None = None) -> None:
    """MqiError when a later version of this program wrote the file; ``last``: the newest backup that this one reads."""
    if version > SCHEMA_VERSION:
        raise refused(
            f"The ledger has version {version} of its tables; this program knows up to {SCHEMA_VERSION}.",
            kind="ledger-newer",
            where=str(path),
            remedy="Start the newer program again, or go back to the last backup that this one can read: "
            + (f"mqi-actors restore {last}" if last else "there is none"),
        )
