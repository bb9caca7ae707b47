"""Is there room for new work? With hysteresis, so that a disk at the edge does not flap."""

from __future__ import annotations

from dataclasses import dataclass, replace

from actors.monitor.alarms import Condition
from messages.operators import DiskHealth, DiskState

GB = 1e9
SPARE = 1.1
"""A disk that was low is roomy again at this many times the least free space."""


@dataclass(frozen=True, slots=True)
class Disk:
    """One disk that new work needs, and what was last seen of it."""

    label: str
    """Which folder, and of which host where it is a host's: ``results``, ``workspace:gpu1``."""
    path: str
    min_free_gb: float
    free_gb: float | None = None
    fault: str = ""
    """Why it cannot be judged; empty when it answered."""
    low: bool = False

    def seen(self, free_bytes: int | None, fault: str = "") -> Disk:
        """The disk after one more look. What cannot be judged is not roomy."""
        if free_bytes is None:
            return replace(self, free_gb=None, fault=fault or "it does not answer", low=True)
        free_gb = free_bytes / GB
        wanted = self.min_free_gb * (SPARE if self.low and not self.fault else 1.0)
        return replace(self, free_gb=free_gb, fault="", low=free_gb < wanted)

    @property
    def text(self) -> str:
        """What is wrong with it, where, what to do; empty when nothing is."""
        if not self.low:
            return ""
        kind, _, host = self.label.partition(":")
        folder = f"The {kind} folder {self.path}{f' of host {host}' if host else ''}"
        if self.fault:
            return f"{folder} cannot be judged: {self.fault}. New work waits for it."
        return (
            f"{folder} has {self.free_gb:.1f} GB free, less than {self.min_free_gb:g} GB. "
            "New work waits, running work goes on; make room and all goes on by itself."
        )

    @property
    def health(self) -> DiskHealth:
        free_gb = None if self.free_gb is None else round(self.free_gb, 2)
        return DiskHealth(self.label, self.path, free_gb, self.min_free_gb, self.low)


def disk_conditions(disks: tuple[Disk, ...]) -> dict[str, Condition]:
    """Alarm conditions by id."""
    return {f"disk:{disk.label}": Condition(disk.text, disk.fault or "low") for disk in disks if disk.low}


def disk_state(disks: tuple[Disk, ...]) -> DiskState:
    """May new work start?"""
    low = [disk.text for disk in disks if disk.low]
    return DiskState(roomy=not low, reason=" ".join(low))
