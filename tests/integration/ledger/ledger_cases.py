"""Small cases to write into a ledger, and short ways to write them."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

from actors.ledger.commit import commit
from actors.ledger.migrations import create_schema
from messages.cases import CaseSource, DeliverySource
from messages.faults import Fault
from messages.ledger import AdmitCase, BeamName, MoveAttempt, MoveBeam, MoveCase, OpenAttempt, Record, Write
from messages.states import AttemptState, BeamState, CaseState

AT = "2026-11-23T01:02:03.000004+00:00"
KST = timezone(timedelta(hours=9))


def delivery(key: str, beam: int) -> DeliverySource:
    return DeliverySource(
        path=f"/share/patient/study/{key}",
        key=key,
        beam_number=beam,
        irradiated=datetime(2024, 2, 29, 10, 15, 30, tzinfo=KST),
        start_layer=1,
        stop_layer=12,
    )


def source(case: str = "c1", keys: tuple[str, ...] | None = None, **changes: object) -> CaseSource:
    keys = keys if keys is not None else (f"{case}-a", f"{case}-b")
    value = CaseSource(
        case=case,
        identity=f"identity-of-{case}",
        path=f"/share/patient/study/{case}",
        plan_path=f"/share/patient/study/{case}/RP.dcm",
        plan_uid="1.2.3",
        study_uid="1.2",
        machine="G1",
        deliveries=tuple(delivery(key, 2 + index) for index, key in enumerate(keys)),
    )
    return replace(value, **changes)  # type: ignore[arg-type]


def admission(case: str = "c1", beams: tuple[int, ...] = (2, 3), **changes: object) -> AdmitCase:
    return AdmitCase(source(case, **changes), tuple(BeamName(number, f"beam {number}") for number in beams))  # type: ignore[arg-type]


def attempt(case: str = "c1", beam: int = 2, number: int = 1, worker: str = "h/gpu-0") -> OpenAttempt:
    key = f"{case}/{beam}/{number}"
    return OpenAttempt(key, case, beam, number, "h", "slot-0", worker, f"/ws/{key}", "{}")


def running_case(case: str = "c1", beams: tuple[int, ...] = (2, 3)) -> tuple[Record, ...]:
    """Admitted, interpreted, running."""
    moves = tuple(MoveBeam(case, beam, BeamState.INTERPRETED) for beam in beams)
    return (admission(case, beams), *moves, MoveCase(case, CaseState.RUNNING))


def whole_attempt(case: str, beam: int, number: int = 1) -> tuple[Record, ...]:
    """One attempt from its intent to its verified end, with its beam."""
    key, a, b = f"{case}/{beam}/{number}", AttemptState, BeamState
    return (
        attempt(case, beam, number),
        MoveAttempt(key, a.STAGED),
        MoveBeam(case, beam, b.STAGED),
        MoveAttempt(key, a.LAUNCHING),
        MoveAttempt(key, a.RUNNING, "pid 7", started="2024-02-29T10:20:00+09:00"),
        MoveBeam(case, beam, b.RUNNING),
        MoveAttempt(key, a.ENDED, "exit 0", ended="2024-02-29T10:21:00+09:00"),
        MoveBeam(case, beam, b.ENDED),
        MoveAttempt(key, a.COLLECTED, "[]"),
        MoveBeam(case, beam, b.COLLECTED),
        MoveAttempt(key, a.VERIFIED),
        MoveBeam(case, beam, b.DONE),
    )


def memory_ledger() -> sqlite3.Connection:
    """An empty ledger without a file; closed by whoever made it."""
    database = sqlite3.connect(":memory:", isolation_level=None)
    database.row_factory = sqlite3.Row
    create_schema(database)
    database.execute("PRAGMA foreign_keys = ON")
    return database


def write(database: sqlite3.Connection, *records: Record, at: str = AT, epoch: int = 1) -> Fault | None:
    """Commit one write; its fault, or None when it was written."""
    return commit(database, [Write("r", None, "writer", epoch, records)], at).faults[0]


def must(database: sqlite3.Connection, *records: Record, at: str = AT, epoch: int = 1) -> None:
    """Commit one write that is not refused."""
    fault = write(database, *records, at=at, epoch=epoch)
    assert fault is None, fault


NOW = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)
