"""How well the GPUs are used: how long they ran beams, and how long they stood between two although one was ready."""

from __future__ import annotations

from dataclasses import dataclass, field

from messages.scheduling import WorkerReport


@dataclass(slots=True)
class _Gpu:
    running: str = ""
    since: float = 0.0
    """Since when it runs, or is free."""
    gap: bool = False
    """It is free although the next beam lay staged when it became so."""


@dataclass(slots=True)
class GpuUse:
    """Follows the reports of the workers. ``now`` is monotonic seconds."""

    _gpus: dict[str, _Gpu] = field(default_factory=dict)

    def told(self, report: WorkerReport, now: float) -> tuple[float, float | None]:
        """(seconds busy since the last report, length of the gap that ends with it or None)."""
        gpu = self._gpus.setdefault(report.worker, _Gpu(report.running, now))
        busy = max(0.0, now - gpu.since) if gpu.running else 0.0
        gap = None
        if report.running and not gpu.running and gpu.gap:
            gap = max(0.0, now - gpu.since)
        elif report.running and gpu.running and report.running != gpu.running:
            gap = 0.0
        if report.running:
            gpu.gap = False
        elif gpu.running:
            gpu.gap = bool(report.next)
        if gpu.running or bool(report.running) != bool(gpu.running):
            gpu.since = now
        gpu.running = report.running
        return busy, gap

    def tick(self, now: float) -> dict[str, float]:
        """Worker → seconds busy since the last report or tick, of those that run: a long run is told as it goes on."""
        running = {}
        for worker, gpu in self._gpus.items():
            if gpu.running:
                running[worker], gpu.since = max(0.0, now - gpu.since), now
        return running
