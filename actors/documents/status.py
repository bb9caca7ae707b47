"""Daemon, hosts, GPUs, counts and alarms, as outside programs rely on them. Pure: rows in, plain values out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from actors.documents.times import iso
from messages.hosts import GpuState, HostState
from messages.ledger import AlarmRow, GpuRow, HaltRow, HostRow, OrderRow
from messages.operators import Holder
from messages.states import CaseState

_OF_RUNS = tuple(state for state in CaseState if state not in (CaseState.INCOMING, CaseState.INCOMPLETE))
"""States that a run of planned spots can be in: nobody delivers it."""


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
    halts: Sequence[HaltRow] = (),
    orders: Iterable[OrderRow] = (),
    planned: Mapping[CaseState, int] | None = None,
) -> dict[str, Any]:
    """``status``. ``live``: what the daemon itself says, if it answers; ``configured``: (name, kind) of every host;
    ``orders``: those that are still to be carried out; ``planned``: runs of planned spots, which are no cases of it."""
    told = {row.host: row for row in hosts}
    document: dict[str, Any] = {
        "daemon": _daemon(holder, live, boot),
        "cases": {str(state): counts.get(state, 0) for state in CaseState},
        "planned_runs": {str(state): (planned or {}).get(state, 0) for state in _OF_RUNS},
        "hosts": [
            _drained(
                _host(name, kind, told.get(name), _of(gpus, name), running=holder is not None),
                next((halt for halt in halts if halt.place == name), None),
            )
            for name, kind in configured
        ],
        "paused": next((halt_words(halt) for halt in halts if not halt.place), None),
        "alarms": _alarms(live, alarms),
        "orders": [
            {
                "order": row.order,
                "kind": row.kind,
                "subject": row.subject,
                "argument": row.argument,
                "user": row.user,
                "at": iso(row.at),
            }
            for row in orders
        ],
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


def _of(gpus: Sequence[GpuRow], host: str) -> list[GpuRow]:
    return [gpu for gpu in gpus if gpu.host == host]


def _drained(host: dict[str, Any], halt: HaltRow | None) -> dict[str, Any]:
    """A host that an operator wants nothing new on: drained once nothing runs there any more."""
    if halt is None:
        return host
    state = HostState.DRAINING if any(gpu["beam"] for gpu in host["gpus"]) else HostState.DRAINED
    lost = f"; it is suspended: {host['reason']}" if host["state"] == HostState.SUSPENDED else ""
    return {**host, "state": str(state), "reason": f"drained {halt_words(halt)}{lost}"}


def halt_words(halt: HaltRow) -> str:
    """Who, and since when."""
    return f"by {halt.user or 'nobody named'} since {halt.at.astimezone().isoformat(sep=' ', timespec='minutes')}"


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
