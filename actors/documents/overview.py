"""Everything at a glance, for the page and for ``top``: status, running beams, readings, today. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from actors.documents.around import Around
from actors.documents.cases import case_document
from actors.documents.times import iso
from actors.documents.today import Today, today_document
from messages.hosts import GpuReading, GpusObserved, HostObserved
from messages.ledger import CaseRow
from messages.operators import HealthReport
from messages.states import BeamState

SHOWN = 12
"""Running cases in full; of more, only the number."""
WAITING = frozenset({BeamState.PENDING, BeamState.INTERPRETED, BeamState.STAGED})


def overview_document(
    status: Mapping[str, Any],
    *,
    running: Sequence[CaseRow],
    last: Sequence[CaseRow],
    today: Today,
    health: HealthReport | None,
    health_at: datetime | None,
    around: Around,
    now: datetime,
) -> dict[str, Any]:
    """``status`` (see ``status_document``), with what moves. ``health_at``: when the monitor said so."""
    return {
        "at": iso(now),
        **status,
        "hosts": _hosts(status["hosts"], health),
        "readings_at": iso(health_at),
        "running": [_case(row, now, around) for row in running[:SHOWN]],
        "more_running": max(len(running) - SHOWN, 0),
        "waiting_beams": sum(beam.state in WAITING for row in running for beam in row.beams),
        "last": [_case(row, now, around) for row in last],
        "today": today_document(today, now),
    }


def health_document(health: HealthReport) -> dict[str, Any]:
    """``alarms``, ``machine`` and ``disks`` of ``status``, as the monitor says them."""
    return {
        "alarms": [{"id": alarm.id, "since": iso(alarm.since), "text": alarm.text} for alarm in health.alarms],
        "machine": asdict(health.machine),
        "disks": [asdict(disk) for disk in health.disks],
    }


def _case(row: CaseRow, now: datetime, around: Around) -> dict[str, Any]:
    """A case without where it lies."""
    document = case_document(row, now, around)
    for name in ("path", "plan_uid"):
        document.pop(name)
    return document


def _hosts(hosts: Sequence[Mapping[str, Any]], health: HealthReport | None) -> list[dict[str, Any]]:
    observed = {host.host: host for host in health.hosts} if health else {}
    looks = {look.host: look for look in health.gpus} if health else {}
    return [_host(host, observed.get(host["name"]), looks.get(host["name"])) for host in hosts]


def _host(host: Mapping[str, Any], observed: HostObserved | None, look: GpusObserved | None) -> dict[str, Any]:
    readings = {reading.index: reading for reading in look.gpus} if look else {}
    return {
        **host,
        "free_gb": round(observed.free_gb, 1) if observed and observed.free_gb is not None else None,
        "load": observed.load if observed else None,
        "next_attempt": iso(observed.next_attempt) if observed else None,
        "gpus": [{**gpu, **_reading(readings.get(gpu["index"]))} for gpu in host["gpus"]],
    }


def _reading(reading: GpuReading | None) -> dict[str, Any]:
    """What the driver said of a GPU last; nothing where it was not asked."""
    if reading is None:
        return {"name": "", "temperature_c": None, "used_mb": None, "total_mb": None, "busy_percent": None, "users": []}
    return {
        "name": reading.name,
        "temperature_c": reading.temperature_c,
        "used_mb": reading.used_mb,
        "total_mb": reading.total_mb,
        "busy_percent": reading.utilization_percent,
        "users": [
            {"pid": user.pid, "name": user.name, "used_mb": user.used_mb, "attempt": user.attempt}
            for user in reading.processes or ()
        ],
    }
