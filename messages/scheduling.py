"""Case ↔ scheduler ↔ GPU worker: which beam runs next, on which GPU, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from messages.address import Mailbox
from messages.faults import Fault
from messages.files import FileProof
from messages.hosts import GpuState
from messages.states import AttemptState

AGING_S = 3600.0
"""Seconds of waiting that outweigh one point of priority."""


@dataclass(frozen=True, slots=True)
class BeamRequest:
    """One beam that wants one attempt on some GPU: all that a worker needs to stage, run and collect it."""

    case: str
    beam: int
    """DICOM beam number."""
    attempt: int
    """1-based; a new number for every try."""
    priority: int
    """Higher runs first; 0 is usual."""
    admitted: datetime
    """When its case became complete: first come, first served."""
    input_dir: str
    """On the daemon's machine; its files are the run's ``in/``."""
    files: tuple[FileProof, ...]
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    memory_mb: int
    """GPU memory that the profile asks for."""
    wall_limit_s: int
    output_dir: str
    """On the daemon's machine; collected output appears there as ``out/`` with engine.log and exit.json beside it."""
    avoid: frozenset[str] = frozenset()
    """``host/uuid`` of GPUs that failed this beam: used only if no other can ever take it."""
    profile: str = ""
    """``name/version``: with particles and voxels what the duration of later runs is learned by."""
    particles: int = 0
    voxels: int = 0

    @property
    def key(self) -> str:
        """``<case>/<beam>/<attempt>``."""
        return f"{self.case}/{self.beam}/{self.attempt}"


@dataclass(frozen=True, slots=True)
class QueueBeam:
    """Case → scheduler: this beam may run. Repeating it replaces the request (a restarted case says it again)."""

    request: BeamRequest
    reply_to: Mailbox


@dataclass(frozen=True, slots=True)
class WithdrawBeam:
    """Case → scheduler: no longer wanted. Answered BeamWithdrawn if it had not been given to a worker."""

    case: str
    beam: int
    reply_to: Mailbox


@dataclass(frozen=True, slots=True)
class BeamWithdrawn:
    case: str
    beam: int


@dataclass(frozen=True, slots=True)
class WaitReason:
    """Scheduler → case, when it changes: why the beam waits, in one sentence."""

    case: str
    beam: int
    sentence: str


@dataclass(frozen=True, slots=True)
class RunBeam:
    """Scheduler → worker: take this beam; staged at once, run when the GPU is free. The lease is the key."""

    request: BeamRequest
    case_address: Mailbox


@dataclass(frozen=True, slots=True)
class ReturnBeam:
    """Scheduler → worker: another GPU is idle; give this staged beam back (WITHDRAWN), unless it was launched."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class BeamRefused:
    """Worker → scheduler: not taken (busy, unhealthy, stopping); the beam goes back to the queue."""

    key: str
    worker: str
    reason: str


@dataclass(frozen=True, slots=True)
class GetWorker:
    """Scheduler → worker: say how you are; answered by WorkerReport."""

    reply_to: Mailbox


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """Worker → scheduler (on every change, and at an interval) and → monitor: the truth about one GPU's lease."""

    worker: str
    """``<host>/gpu-<index>``."""
    address: Mailbox
    epoch: int
    host: str
    index: int
    uuid: str
    state: GpuState
    reason: str = ""
    running: str = ""
    """Key of the attempt that holds the lease; empty: the GPU is free, with proof."""
    next: str = ""
    """Key of the attempt that is staged ahead or being staged."""
    keys: tuple[str, ...] = ()
    """Every attempt that the worker is answerable for (running, next, and those being collected)."""
    free_mb: int | None = None
    """GPU memory when nobody of ours uses it; None: not asked (a slot) or unknown."""
    accepts: bool = False
    """One more beam may be given now (to run, or to stage ahead)."""
    progress: float = 0.0
    """Of the running attempt, 0 to 1."""
    wait_s: float = 0.0
    """What a run given to it now is expected to wait in its cluster's queue, s; 0: it begins at once."""
    left_s: float | None = None
    """Until the running attempt is expected to be over, s; None: not known."""


@dataclass(frozen=True, slots=True)
class GetAttempt:
    """Case → worker: where is this attempt? Answered by AttemptReport, or AttemptUnknown."""

    key: str
    reply_to: Mailbox


@dataclass(frozen=True, slots=True)
class CancelAttempt:
    """Case → worker: give it up; killed if it runs. The end is an AttemptReport with state WITHDRAWN."""

    key: str
    reply_to: Mailbox
    reason: str


@dataclass(frozen=True, slots=True)
class AttemptUnknown:
    """Worker → case: I am not answerable for this attempt (and the ledger has no open one for me)."""

    key: str


@dataclass(frozen=True, slots=True)
class AttemptReport:
    """Worker → case: where an attempt stands, told after the ledger has it; repeated when asked. Level, not edge."""

    key: str
    case: str
    beam: int
    attempt: int
    host: str
    gpu: str
    """GPU UUID or slot name."""
    state: AttemptState
    progress: float = 0.0
    """0 to 1, never going back within an attempt."""
    fault: Fault | None = None
    """Why it FAILED."""
    output: tuple[FileProof, ...] = ()
    """Once COLLECTED: files below the request's ``output_dir``."""
    started: str = ""
    """Host's clock at the engine's start, ISO 8601; once RUNNING."""
    ended: str = ""
    worker: str = ""
    """``<host>/gpu-<index>``: who is answerable for it."""
    epoch: int = 0
    """Of the intent: what job.json and exit.json carry."""


@dataclass(frozen=True, slots=True)
class AttemptSettled:
    """Case → worker: the ledger has VERIFIED or FAILED for it. ``good`` feeds the GPU's record (two bad in a row)."""

    key: str
    good: bool
    blame_gpu: bool = False
