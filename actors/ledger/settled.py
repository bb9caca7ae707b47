"""Orders that were carried out and documents about alarms that were told go with the old history."""

from __future__ import annotations

import sqlite3

from actors.ledger.codec import list_json

_ORDERS = "FROM commands WHERE outcome != '' AND at < :before"
"""Orders that nobody waits for. Sent again after so long, one would be a new order."""
_PUSHES = "FROM pushes WHERE outcome != '' AND at < :before AND push < (SELECT max(push) FROM pushes)"
"""Documents that were told or given up. The newest stays: what comes after its events is news."""

COUNT_SETTLED = f"SELECT (SELECT count(*) {_ORDERS}) + (SELECT count(*) {_PUSHES})"
"""How many of both may go."""

SETTLED_ORDERS = f"SELECT rowid {_ORDERS} ORDER BY rowid LIMIT :limit"
"""Rows of orders that may go, oldest first."""

DROP_ORDERS = "DELETE FROM commands WHERE rowid IN (SELECT value FROM json_each(:rows))"
"""Remove these."""

SETTLED_PUSHES = f"SELECT push, outcome LIKE 'told%' {_PUSHES} ORDER BY push LIMIT :limit"
"""Documents that may go, oldest first, and whether they were told."""

DROP_PUSHES = "DELETE FROM pushes WHERE push IN (SELECT value FROM json_each(:rows))"
"""Remove these."""

COUNT_TOLD = (
    "INSERT INTO meta (key, value) VALUES ('pushes_told', :number) "
    "ON CONFLICT (key) DO UPDATE SET value = CAST(value AS INTEGER) + :number"
)
"""What removed documents counted for."""


def count_settled(database: sqlite3.Connection, before: str) -> int:
    """How many orders and documents older than ``before`` (ISO 8601) nothing needs."""
    return int(database.execute(COUNT_SETTLED, {"before": before}).fetchone()[0])


def drop_settled(database: sqlite3.Connection, before: str, limit: int) -> int:
    """Remove at most ``limit`` of them within the caller's transaction; how many went. Raises sqlite3.Error."""
    orders = database.execute(SETTLED_ORDERS, {"before": before, "limit": limit}).fetchall()
    if orders:
        database.execute(DROP_ORDERS, {"rows": list_json([row[0] for row in orders])})
    pushes = database.execute(SETTLED_PUSHES, {"before": before, "limit": limit - len(orders)}).fetchall()
    if pushes:
        database.execute(COUNT_TOLD, {"number": sum(told for _, told in pushes)})
        database.execute(DROP_PUSHES, {"rows": list_json([row[0] for row in pushes])})
    return len(orders) + len(pushes)
