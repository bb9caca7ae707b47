"""The JSON that outside programs rely on, from the ledger's rows. Pure: rows and the time in, plain values out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from actors.cli.daemon.lock import Holder
from messages.hosts import GpuState, HostState
from messages.ledger import AlarmRow, AttemptRow, BeamRow, CaseRow, EventRow, GpuRow, HostRow
from messages.states import BeamState, CaseState

_NOTICEABLE = 0.02
"""Of a case's progress: before this nothing is said about its end."""


def iso(at: datetime | None) -> str | None:
    """ISO 8601 with this machine's offset."""
    return None if at is None else at.astimezone().isoformat(timespec="seconds")


def beam_progress(beam: BeamRow) -> float:
    """0 to 1; only a verified beam is all done."""
    if beam.state is BeamState.DONE:
        return 1.0
    return min(max(beam.progress, 0.0), 0.99)


def case_progress(row: CaseRow) -> float:
    """0 to 1: the mean of its beams."""
    if row.state is CaseState.DONE:
        return 1.0
    return round(sum(map(beam_progress, row.beams)) / len(row.beams), 4) if row.beams else 0.0


def eta(row: CaseRow, now: datetime) -> datetime | None:
    """When a running case will be done if it goes on as it did; None when there is nothing to go by."""
    progress = case_progress(row)
    if row.state is not CaseState.RUNNING or row.started is None or not _NOTICEABLE <= progress < 1:
        return None
    return now + (now - row.started) * ((1 - progress) / progress)


def case_document(row: CaseRow, now: datetime) -> dict[str, Any]:
    """One element of ``cases``."""
    return {
        "case": row.case,
        "state": str(row.state),
        "reason": row.reason,
        "priority": row.priority,
        "path": row.path,
        "plan_uid": row.plan_uid,
        "seen": iso(row.seen),
        "started": iso(row.started),
        "ended": iso(row.ended),
        "progress": case_progress(row),
        "eta": iso(eta(row, now)),
        "beams": [
            {
                "number": beam.number,
                "name": beam.name,
                "state": str(beam.state),
                "attempt": beam.attempt,
                "host": beam.host,
                "gpu": beam.gpu,
                "progress": round(beam_progress(beam), 4),
                "reason": beam.reason,
            }
            for beam in row.beams
        ],
    }


def show_document(
    row: CaseRow, attempts: Iterable[AttemptRow], events: Iterable[EventRow], now: datetime
) -> dict[str, Any]:
    """``show``: the case with its attempts and history, and what was found out about it."""
    return {
        **case_document(row, now),
        "attempts": [
            {
                "beam": attempt.beam,
                "attempt": attempt.attempt,
                "host": attempt.host,
                "gpu": attempt.gpu,
                "key": attempt.key,
                "launched": attempt.launched or None,
                "ended": attempt.ended or None,
                "outcome": str(attempt.state),
                "evidence": attempt.evidence,
            }
            for attempt in attempts
        ],
        "events": [{"at": iso(event.at), "what": event.what, "detail": event.detail} for event in events],
        "verdict": _embedded(row.verdict),
        "interpretation": _embedded(row.interpretation),
    }


def _embedded(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


def status_document(
    holder: Holder | None,
    live: Mapping[str, Any] | None,
    *,
    counts: Mapping[CaseState, int],
    configured: Sequence[tuple[str, str]],
    hosts: Iterable[HostRow],
    gpus: Sequence[GpuRow],
    alarms: Iterable[AlarmRow],
    boot: int | None,
) -> dict[str, Any]:
    """``status``. ``live``: what the daemon itself says, if it answers; ``configured``: (name, kind) of every host."""
    told = {row.host: row for row in hosts}
    document: dict[str, Any] = {
        "daemon": _daemon(holder, live, boot),
        "cases": {str(state): counts.get(state, 0) for state in CaseState},
        "hosts": [
            _host(name, kind, told.get(name), [gpu for gpu in gpus if gpu.host == name], running=holder is not None)
            for name, kind in configured
        ],
        "alarms": _alarms(live, alarms),
    }
    for key in ("disks", "machine"):
        if live is not None and live.get(key) is not None:
            document[key] = live[key]
    return document


def _daemon(holder: Holder | None, live: Mapping[str, Any] | None, boot: int | None) -> dict[str, Any]:
    if holder is None:
        return {"state": "stopped", "pid": None, "boot": boot, "since": None}
    document = {
        "state": "running",
        "pid": holder.pid,
        "boot": holder.boot if holder.boot is not None else boot,
        "since": holder.since or None,
        "socket": holder.socket,
        "answers": live is not None,
    }
    for key in ("memory_mb", "restarts", "dead_letters"):
        if live is not None and key in live:
            document[key] = live[key]
    return document


def _host(name: str, kind: str, row: HostRow | None, gpus: Sequence[GpuRow], *, running: bool) -> dict[str, Any]:
    state, reason = (row.state, row.reason) if row else (str(HostState.SUSPENDED), "it was never seen")
    return {
        "name": name,
        "kind": kind,
        "state": state,
        "reason": reason,
        "gpus": [_gpu(gpu, running=running) for gpu in gpus],
    }


def _gpu(row: GpuRow, *, running: bool) -> dict[str, Any]:
    """A GPU as it was told last; while no daemon looks at it, how it is now is unknown."""
    reason = row.reason if running else f"no daemon is running; it was {row.state} when one last looked"
    return {
        "index": row.index,
        "uuid": row.uuid,
        "state": row.state if running else str(GpuState.UNKNOWN),
        "reason": reason,
        "beam": row.beam,
    }


def _alarms(live: Mapping[str, Any] | None, rows: Iterable[AlarmRow]) -> list[dict[str, Any]]:
    """The daemon's own list is newer than the ledger's: a full disk may keep an alarm out of the ledger."""
    if live is not None and live.get("alarms") is not None:
        return [dict(alarm) for alarm in live["alarms"]]
    return [{"id": row.alarm, "since": iso(row.since), "text": row.text} for row in rows]
