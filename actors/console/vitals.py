"""Is the process well, is the pipeline ready, and what is measured: for supervisors and Prometheus."""

from __future__ import annotations

import asyncio
import time

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from actors.console.asking import within
from actors.console.door import Door

METRICS_S = 5.0
LEDGER_S = 3.0
_PIPELINE = ("ledger", "compute", "scheduler", "cases/admission", "scanner")
_STALE_S = 30.0
SCAN_S = 60.0
SCANS = 5
"""No scan of the roots ended for this long, and for so many intervals: the share hangs, or the scanner."""


class Vitals:
    """The endpoints for machines that watch machines."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def healthz(self, request: Request) -> Response:
        """The process answers."""
        return JSONResponse({"ok": True})

    async def readyz(self, request: Request) -> Response:
        """503 with sentences, unless every part of the pipeline is up, the ledger answers, the roots are scanned and
        there is room."""
        troubles = [*self._actors(), *await self._ledger(), *self._monitor()]
        return JSONResponse({"ready": not troubles, "troubles": troubles}, 503 if troubles else 200)

    async def metrics(self, request: Request) -> Response:
        """Everything measured, in the text format of Prometheus."""
        report = await within(METRICS_S, self._door.metrics())
        return Response(report.text, media_type=report.content_type)

    def _actors(self) -> list[str]:
        phases = {row["id"]: row["phase"] for row in self._door.facts()["actors"]}
        wanted = [f"root/pipeline/{name}" for name in _PIPELINE]
        return [f"{id_} is {phases.get(id_, 'not there')}" for id_ in wanted if phases.get(id_) != "up"]

    async def _ledger(self) -> list[str]:
        try:
            await within(LEDGER_S, self._door.pulse())
        except (TimeoutError, asyncio.CancelledError):
            return ["the ledger does not answer"]
        return []

    def _monitor(self) -> list[str]:
        heard = self._door.heard()
        if heard is None or time.monotonic() - heard.heard_s > _STALE_S:
            return ["the monitor does not answer"]
        age_s = heard.report.scan_age_s + time.monotonic() - heard.heard_s
        late = age_s > max(SCAN_S, SCANS * self._door.settings.scan.interval_s)
        scans = [f"no scan of the roots has ended for {age_s:.0f} s"] if late else []
        low = [f"disk {disk.label} is low" for disk in heard.report.disks if disk.low]
        away = [host.host for host in heard.report.hosts if str(host.state) != "up"]
        everybody = len(away) == len(heard.report.hosts) > 0
        return scans + low + ([f"no host is up: {', '.join(away)}"] if everybody else [])
