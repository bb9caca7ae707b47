"""What applying a record needs: the open transaction, the time, the writer's epoch."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

from actors.ledger import queries as q
from actors.ledger.codec import plain


@dataclass(frozen=True, slots=True)
class Journal:
    """One Write while it is being applied."""

    database: sqlite3.Connection
    at: str
    """ISO 8601 UTC: the time of every event of this Write."""
    epoch: int

    def run(self, query: str, **values: object) -> None:
        """Execute one query."""
        self.database.execute(query, values)

    def one(self, query: str, **values: object) -> dict[str, Any] | None:
        """The first row of a query as a mapping, or None."""
        row = self.database.execute(query, values).fetchone()
        return None if row is None else dict(row)

    def event(self, case: str, what: str, detail: str = "") -> None:
        """Add one line of history; ``case`` empty: about the system."""
        self.run(q.ADD_EVENT, at=self.at, case=case, what=what, detail=plain(detail))
