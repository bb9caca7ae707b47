"""A beam's run on a host: what is launched, what is observed, how it ends."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from messages.address import Mailbox
from messages.faults import Fault


class Observation(StrEnum):
    """What is known about a run. A lost link or a missing pid never means ENDED."""

    QUEUED = "queued"
    """Handed to a cluster's queue and not begun: it will begin by itself; its wall-clock limit does not count yet."""
    RUNNING = "running"
    """The claim's lock is held (or pid with start time is alive)."""
    ENDED = "ended"
    """exit.json is whole: the evidence."""
    KILLED = "killed"
    """Claimed, lock free, no exit.json: the run was killed (or the host rebooted). This attempt is over."""
    ABSENT = "absent"
    """No claim: it was never started; it may be launched."""
    UNKNOWN = "unknown"
    """Cannot tell now."""


@dataclass(frozen=True, slots=True)
class JobSpec:
    """One run of the engine in a run directory ``<workspace>/<case>/<beam>/<attempt>/``."""

    key: str
    """``<case>/<beam>/<attempt>``: unique for ever."""
    run_dir: str
    """Absolute, on the host; ``in/`` is staged, ``out/`` is made by the wrapper."""
    epoch: int
    command: tuple[str, ...]
    """Argument list; run with ``run_dir`` as the working directory, no shell."""
    environment: tuple[tuple[str, str], ...]
    """Includes CUDA_VISIBLE_DEVICES=<uuid> when a GPU was asked for, and MQI_ATTEMPT=<key>."""
    wall_limit_s: int


@dataclass(frozen=True, slots=True)
class JobExit:
    """The content of exit.json, written last by the wrapper and renamed into place."""

    key: str
    epoch: int
    exit_code: int | None
    """None when a signal ended it."""
    signal: int | None
    timed_out: bool
    cancelled: bool
    started: str
    """ISO 8601 with offset, host's clock."""
    ended: str
    duration_s: float
    boot_id: str


@dataclass(frozen=True, slots=True)
class LaunchJob:
    """Write job.json and start the wrapper, detached. Safe to repeat: the claim lets one start only."""

    request_id: str
    reply_to: Mailbox
    job: JobSpec


@dataclass(frozen=True, slots=True)
class JobLaunched:
    """The run is claimed (now or before); from here on it is watched."""

    request_id: str
    key: str
    evidence: str
    """pid, start time and boot id as the wrapper wrote them."""


@dataclass(frozen=True, slots=True)
class LaunchFailed:
    """Certain: no claim was made, so nothing runs and another attempt may follow."""

    request_id: str
    key: str
    fault: Fault


@dataclass(frozen=True, slots=True)
class WatchJob:
    """Observe a run until it ends; answers are JobObserved. Repeat after a restart with the offset reached."""

    reply_to: Mailbox
    key: str
    run_dir: str
    offset: int = 0
    """Bytes of engine.log already seen."""


@dataclass(frozen=True, slots=True)
class UnwatchJob:
    """Stop observing."""

    key: str


@dataclass(frozen=True, slots=True)
class JobObserved:
    """News of a run: sent at once when the observation changes, and as engine.log grows."""

    key: str
    observation: Observation
    text: str = ""
    """New text of engine.log from ``offset - len(bytes)``; a flood is thinned to its newest part."""
    offset: int = 0
    """Bytes of engine.log seen up to now."""
    exit: JobExit | None = None
    group_gone: bool = False
    """Proof that no process of the run is left: only then may its GPU be used again."""
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class KillJob:
    """End a run: SIGTERM then SIGKILL to its whole process group, children that left the group included."""

    request_id: str
    reply_to: Mailbox
    key: str
    run_dir: str
    reason: str


@dataclass(frozen=True, slots=True)
class JobGone:
    """Answer to KillJob: no process of the run is left."""

    request_id: str
    key: str
    evidence: str


@dataclass(frozen=True, slots=True)
class KillFailed:
    """Answer to KillJob: processes remain or it cannot be told; the GPU stays leased."""

    request_id: str
    key: str
    fault: Fault


@dataclass(frozen=True, slots=True)
class RemoveRuns:
    """Delete run directories below the workspace (``<case>`` or ``<case>/<beam>/<attempt>``); idempotent."""

    request_id: str
    reply_to: Mailbox
    paths: tuple[str, ...]
    """Relative to the workspace."""


@dataclass(frozen=True, slots=True)
class RunsRemoved:
    """Answer to RemoveRuns; with a fault when something could not be removed."""

    request_id: str
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class SteerCase:
    """Orders → control of a cluster: what operators want of the case's runs that wait in its queue. May be repeated."""

    case: str
    held: bool | None = None
    """None: as it is."""
    priority: int | None = None
