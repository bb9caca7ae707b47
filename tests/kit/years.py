"""A ledger of years: the rows of one case, copied for as many as a centre has in that time."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

Row = dict[str, Any]
_NUMBERED = {"events": "number", "reviews": "review", "pushes": "push"}
"""Columns that SQLite fills."""


def multiply(ledger: Path, case: str, times: int, *, years: int) -> None:
    """Copy all rows that name this case so many times, spread over the years before today.

    Each copy has a case, an identity, deliveries, a folder and days of its own. No daemon may have the file open.
    """
    with closing(sqlite3.connect(ledger, isolation_level=None)) as database:
        database.row_factory = sqlite3.Row
        row = dict(database.execute('SELECT * FROM cases WHERE "case" = ?', (case,)).fetchone())
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        templates = {table: _naming(database, table, case) for table in tables}
        database.execute("PRAGMA foreign_keys = OFF")
        database.execute("PRAGMA synchronous = OFF")
        database.execute("BEGIN")
        for number in range(times):
            words = _words(row, number, days_ago=1 + (times - number) * 365 * years // times)
            for table, rows in templates.items():
                for one in rows:
                    _put(database, table, {name: _replaced(value, words) for name, value in one.items()})
        database.execute("COMMIT")


def _naming(database: sqlite3.Connection, table: str, case: str) -> list[Row]:
    """Rows of the table that name the case."""
    rows = [dict(row) for row in database.execute(f'SELECT * FROM "{table}"')]
    for row in rows:
        row.pop(_NUMBERED.get(table, ""), None)
    return [row for row in rows if any(isinstance(value, str) and case in value for value in row.values())]


def _words(row: Row, number: int, *, days_ago: int) -> dict[str, str]:
    today = datetime.now(UTC).date()
    keys = json.loads(row["delivery_keys"])
    return {
        row["case"]: f"{row['case'][:15]}-{number:08x}",
        row["identity"]: f"{number:064x}",
        row["path"]: f"{row['path']}-{number}",
        **{key: f"{number:028x}{place:04x}" for place, key in enumerate(keys)},
        today.isoformat(): (today - timedelta(days=days_ago)).isoformat(),
    }


def _replaced(value: object, words: dict[str, str]) -> object:
    if isinstance(value, str):
        for old, new in words.items():
            value = value.replace(old, new)
    return value


def _put(database: sqlite3.Connection, table: str, row: Row) -> None:
    names, marks = ", ".join(f'"{name}"' for name in row), ", ".join("?" * len(row))
    database.execute(f'INSERT INTO "{table}" ({names}) VALUES ({marks})', tuple(row.values()))
