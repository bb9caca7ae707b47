"""What the durations of later runs are learned from."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime
from typing import Any

from actors.ledger import queries as q
from messages.ledger import PastRuns, RunRow

RUNS = 400
CASES = 50


def past_runs(database: sqlite3.Connection) -> PastRuns:
    """The latest good runs, and what runs now."""
    good = [_run(row) for row in database.execute(q.GOOD_RUNS, {"limit": RUNS})]
    running = tuple(_run(row) for row in database.execute(q.RUNNING))
    after = [_seconds(row["last"], row["ended"]) for row in database.execute(q.AFTER_RUNS, {"limit": CASES})]
    return PastRuns(tuple(reversed(good)), running, tuple(seconds for seconds in after if seconds is not None))


def _run(row: sqlite3.Row) -> RunRow:
    request = _request(row["request"])
    return RunRow(
        key=row["key"],
        host=row["host"],
        gpu=row["gpu"],
        model=row["model"],
        profile=str(request.get("profile", "")),
        particles=_number(request.get("particles")),
        voxels=_number(request.get("voxels")),
        launched=row["launched"],
        ended=row["ended"],
    )


def _request(text: str) -> dict[str, Any]:
    """Of an older release: without what was not yet written then."""
    try:
        request = json.loads(text)
    except ValueError:
        return {}
    return request if isinstance(request, dict) else {}


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _seconds(began: str | None, ended: str | None) -> float | None:
    if not began or not ended:
        return None
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()
