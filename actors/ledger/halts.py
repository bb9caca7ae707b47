"""Where operators want nothing new to start, and what is held against a GPU."""

from __future__ import annotations

import sqlite3

from actors.ledger import queries as q
from actors.ledger import rows
from actors.ledger.codec import plain
from actors.ledger.journal import Journal
from messages.ledger import GetGpuRecord, GpuRecordReport, HaltPlace, HaltRow, LiftHalt, PardonGpu

HALTS = "SELECT * FROM halts ORDER BY place"
"""Where operators want nothing new to start."""

ADD_HALT = 'INSERT INTO halts (place, "user", at) VALUES (:place, :user, :at) ON CONFLICT DO NOTHING RETURNING 1'
"""Nothing new there; said again it changes nothing."""

DROP_HALT = "DELETE FROM halts WHERE place = :place RETURNING 1"
"""Work may start there again."""


def halt_place(journal: Journal, record: HaltPlace) -> None:
    """Nothing new starts there; saying it again changes nothing."""
    if journal.one(ADD_HALT, place=plain(record.place), user=plain(record.user), at=journal.at) is not None:
        journal.event("", f"{_named(record.place)}: nothing new starts", f"by {record.user}")


def lift_halt(journal: Journal, record: LiftHalt) -> None:
    """Work may start there again."""
    if journal.one(DROP_HALT, place=plain(record.place)) is not None:
        journal.event("", f"{_named(record.place)}: takes work again")


def pardon_gpu(journal: Journal, record: PardonGpu) -> None:
    """The failed runs of this GPU are held against it no more."""
    worker = _worker(record.host, record.index)
    if keys := [row["key"] for row in journal.database.execute(q.ADD_PARDONS, {"worker": worker})]:
        journal.event("", f"gpu {record.host}/{record.index}: pardoned", ", ".join(sorted(keys)))


def halts(database: sqlite3.Connection) -> tuple[HaltRow, ...]:
    """Every place that is halted."""
    return tuple(map(rows.halt_row, database.execute(HALTS)))


def gpu_record(database: sqlite3.Connection, query: GetGpuRecord) -> GpuRecordReport:
    """What stands against one GPU."""
    here = {query.host, f"{query.host}/{query.index}"}
    values = {"worker": _worker(query.host, query.index), "gpu": query.gpu}
    runs = database.execute(q.GPU_FAILURES, values).fetchall()[::-1]
    counted = [run for run in runs if not run["over"]]
    return GpuRecordReport(
        request_id=query.request_id,
        halts=tuple(row for row in halts(database) if row.place in here),
        failed=tuple(run["key"] for run in counted),
        blamed=frozenset(run["key"] for run in counted if run["blamed"]),
        over=frozenset(run["key"] for run in runs if run["over"]),
        good=frozenset(row["key"] for row in database.execute(q.GPU_GOOD, values)),
    )


def _worker(host: str, index: int) -> str:
    return f"{host}/gpu-{index}"


def _named(place: str) -> str:
    if not place:
        return "intake"
    return f"gpu {place}" if "/" in place else f"host {place}"
