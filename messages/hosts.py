"""Hosts and GPUs: what they are, how they are, and what is unknown about them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from messages.address import Mailbox


class HostState(StrEnum):
    UP = "up"
    SUSPENDED = "suspended"
    """Cannot be reached or used; back-off runs, launched work is kept as unknown."""
    DRAINING = "draining"
    DRAINED = "drained"


class GpuState(StrEnum):
    IDLE = "idle"
    BUSY = "busy"
    QUARANTINED = "quarantined"
    """Sick, hot, failing, or used by a stranger: no new work; the reason says which."""
    DRAINING = "draining"
    UNKNOWN = "unknown"
    """Cannot tell; unknown is not idle."""


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process that holds memory on a GPU."""

    pid: int
    name: str
    used_mb: int | None
    attempt: str | None = None
    """Key of our run that it belongs to (``MQI_ATTEMPT`` of its environment); empty: a stranger; None: not told."""


@dataclass(frozen=True, slots=True)
class GpuReading:
    """One look at one GPU. None means that the driver did not say."""

    index: int
    uuid: str
    """``GPU-…``, or ``slot-<n>`` where the host has counted slots and no GPU is asked."""
    name: str
    total_mb: int | None = None
    used_mb: int | None = None
    free_mb: int | None = None
    temperature_c: int | None = None
    utilization_percent: int | None = None
    clock_mhz: int | None = None
    uncorrectable_ecc: int | None = None
    processes: tuple[GpuProcess, ...] | None = ()
    """None: the driver would not say who uses it."""
    fault: str = ""
    """Why this GPU cannot be judged; empty when it answered."""


@dataclass(frozen=True, slots=True)
class GpusObserved:
    """What a host's control said of its GPUs; ``fault`` set means: cannot tell, and ``gpus`` is empty."""

    host: str
    at: datetime
    gpus: tuple[GpuReading, ...]
    fault: str = ""
    asked: bool = True
    """False where the host has counted slots: nothing was asked, every slot is taken as healthy."""
    wait_s: float = 0.0
    """What a run submitted now is expected to wait in the cluster's queue, s."""


@dataclass(frozen=True, slots=True)
class HostObserved:
    """How a host is, told by its control when it changes and at an interval."""

    host: str
    kind: str
    at: datetime
    state: HostState
    reason: str = ""
    free_gb: float | None = None
    """Free space of the workspace."""
    boot_id: str = ""
    load: float | None = None
    next_attempt: datetime | None = None
    """When a suspended host is tried again; None: nothing is planned."""


@dataclass(frozen=True, slots=True)
class SubscribeHost:
    """Tell me every GpusObserved and HostObserved of this host from now on (and the last ones at once)."""

    reply_to: Mailbox


@dataclass(frozen=True, slots=True)
class UnsubscribeHost:
    """Tell me no more of this host."""

    reply_to: Mailbox


@dataclass(frozen=True, slots=True)
class GpuLimits:
    """When a GPU is left alone."""

    temperature_c: int = 90
    """Hotter: quarantined, until it has cooled by ``cooled_by_c`` below."""
    cooled_by_c: int = 5
    stale_s: float = 15.0
    """Nothing observed for so long: unknown. At least three intervals of the host's control."""
    linger_s: float = 10.0
    """A process seen on the GPU under our lease is taken for ours for so long afterwards. At least two intervals."""
    hand_back_s: float = 15.0
    """A beam that is staged for a GPU that cannot take it goes elsewhere after so long."""
    kill_grace_s: float = 60.0
    """After the wall-clock limit the host's own wrapper ends the run; after so long more the worker does."""
