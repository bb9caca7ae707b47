"""One attempt of one beam, from its intent to its end: what is known of it, and what comes next. Pure.

``advance`` looks at the facts, never at the event that brought them, and names the next step. A fresh attempt, one that
goes on after a retry and one that a restarted worker found in the ledger therefore take the same way. Every act on the
host (``Put``, ``Launch``, ``Kill``, ``Fetch``) is named only in a ledger state that was acknowledged before.

From LAUNCHING until it is proven that no process of the run is left (``gone``), or that none was ever started (claim
NONE), the attempt holds the GPU. ENDED is written only with that proof, so whatever the ledger has beyond RUNNING holds
no GPU, whoever reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from actors.gpu_worker import effects as fx
from actors.gpu_worker.endings import engine_fault, good, killed_fault, vanished_fault
from actors.gpu_worker.progress import LogReader
from actors.gpu_worker.records import collected, ended, failed, launching, opened, running, staged, withdrawn
from messages.faults import Fault
from messages.files import FileProof
from messages.jobs import JobExit, Observation
from messages.ledger import NoteEvent, Record
from messages.scheduling import BeamRequest
from messages.states import AttemptState

LOG_TRIES = 4
"""Tries to collect the log of a failed run; a good run's output is fetched until it is here."""
LEAST_PACED = 0.02
"""Progress from which a run says something about its own end."""

AFTER_LAUNCH = frozenset({AttemptState.LAUNCHING, AttemptState.RUNNING})
FINAL = frozenset({AttemptState.VERIFIED, AttemptState.FAILED, AttemptState.WITHDRAWN})


class Doing(StrEnum):
    """The one thing that an attempt waits for; nothing else is begun meanwhile."""

    NOTHING = "nothing"
    WRITING = "writing"
    STAGING = "staging"
    LAUNCHING = "launching"
    KILLING = "killing"
    FETCHING = "fetching"
    RESTING = "resting"


class Claim(StrEnum):
    """What is known of the claim in the run directory."""

    NEVER = "never"
    """Nothing was ever sent to the host: there cannot be one."""
    UNKNOWN = "unknown"
    MADE = "made"
    ABSENT = "absent"
    """None was seen. A launch ordered before a restart may still be on its way, so the GPU stays held for it."""
    NONE = "none"
    """None was made, and nothing is on its way: the launch failed for certain."""


@dataclass(frozen=True, slots=True)
class Home:
    """The GPU that an attempt is on."""

    host: str
    gpu: str
    """GPU UUID or slot name."""
    worker: str
    """``<host>/gpu-<index>``."""


@dataclass(slots=True)
class Attempt:
    """All facts about one attempt."""

    request: BeamRequest
    home: Home
    run_dir: str
    epoch: int
    """Of the worker that wrote the intent: job.json and exit.json carry it, whoever launches."""
    log: LogReader
    state: AttemptState | None = None
    """As the ledger has it for certain; None before the intent was acknowledged."""
    goal: AttemptState | None = None
    """Of the write under way; None for a write that moves nothing."""
    doing: Doing = Doing.NOTHING
    claim: Claim = Claim.NEVER
    observed: Observation = Observation.UNKNOWN
    exit: JobExit | None = None
    gone: bool = False
    evidence: str = ""
    waits: str = ""
    """What a cluster's queue says of it; empty: it does not wait there."""
    waits_told: str = ""
    watching: bool = False
    offset: int = 0
    staged: bool = False
    fetched: bool = False
    output: tuple[FileProof, ...] = ()
    fault: Fault | None = None
    tries: int = 0
    cancelled: str = ""
    """Why it was cancelled; empty: it was not."""
    handed_back: str = ""
    """Why it goes elsewhere; empty: it stays."""
    kill: str = ""
    """Why its processes are ended; empty: they are not."""
    kill_noted: bool = False
    rebooted: bool = False
    """The host has another boot id than at the launch."""
    launched_at: float | None = None
    """Monotonic seconds: the launch, or when this worker took it over."""
    ended_at: float | None = None
    """Monotonic seconds: when its end was first seen."""
    started: str = ""
    finished: str = ""
    launch_evidence: str = ""
    """What the wrapper wrote at the launch: pid, start time, boot id."""
    absent_at: float | None = None
    """Monotonic seconds: since when the claim of a launched run is not seen any more."""
    disowned: bool = False
    """The ledger has no open attempt of this key (any more): nothing is written for it, its processes are ended."""
    paced_from: float = 0.0
    """Progress at ``launched_at``: of a run that was taken over, what the ledger had."""
    noted: float = 0.0
    """Progress that was last told."""
    noted_at: float = 0.0

    @property
    def key(self) -> str:
        return self.request.key

    @property
    def holds(self) -> bool:
        """The GPU is this attempt's, or nobody can tell that it is not."""
        towards = self.state in AFTER_LAUNCH or self.goal is AttemptState.LAUNCHING
        return towards and not self.gone and self.claim is not Claim.NONE

    @property
    def waits_for_turn(self) -> bool:
        """Nothing but the GPU is missing."""
        again = self.state is AttemptState.LAUNCHING and self.claim in (Claim.ABSENT, Claim.NONE)
        ready = self.state is AttemptState.STAGED or again
        return ready and self.doing is Doing.NOTHING and not self.leaving and self.fault is None

    @property
    def before_launch(self) -> bool:
        return self.state in (None, AttemptState.INTENDED, AttemptState.STAGED) and not self.holds

    @property
    def leaving(self) -> str:
        """Why it is to be withdrawn; empty when it is not."""
        return self.cancelled or self.handed_back

    @property
    def over(self) -> bool:
        return self.state in FINAL

    @property
    def vanished(self) -> bool:
        """It was launched, and its run directory holds no claim any more."""
        return self.observed is Observation.ABSENT

    @property
    def end_known(self) -> bool:
        return self.exit is not None or self.observed in (Observation.KILLED, Observation.ABSENT)

    def left_s(self, now: float) -> float | None:
        """Until it is expected to be over at the pace that was seen of it; None: too little was seen."""
        made = self.log.fraction - self.paced_from
        if self.launched_at is None or made < LEAST_PACED:
            return None
        return (now - self.launched_at) / made * (1 - self.log.fraction)

    def verdict(self) -> Fault:
        """Why it failed."""
        if self.fault is not None:
            return self.fault
        if self.exit is not None:
            return engine_fault(self.request, self.exit, self.log.last_lines(), self.run_dir)
        if self.vanished:
            return vanished_fault(self.request, self.run_dir)
        return killed_fault(self.request, self.run_dir, rebooted=self.rebooted, evidence=self.evidence)


def advance(attempt: Attempt, *, turn: bool) -> tuple[fx.Effect, ...]:
    """The next step, if nothing is under way. ``turn``: the GPU is free, healthy and meant for this attempt."""
    if attempt.doing is not Doing.NOTHING:
        return ()
    if attempt.state in (AttemptState.STAGED, AttemptState.LAUNCHING):
        return _staged(attempt, turn) if attempt.state is AttemptState.STAGED else _launching(attempt, turn)
    step = _STEPS.get(attempt.state)
    return step(attempt) if step else ()


def _unopened(attempt: Attempt) -> tuple[fx.Effect, ...]:
    return _save(attempt, AttemptState.INTENDED, opened)


def _save(attempt: Attempt, goal: AttemptState, make: Callable[[Attempt], tuple[Record, ...]]) -> tuple[fx.Effect, ...]:
    attempt.doing, attempt.goal = Doing.WRITING, goal
    return (fx.Save(attempt.key, make(attempt)),)


def _leave(attempt: Attempt) -> tuple[fx.Effect, ...]:
    if attempt.disowned:
        attempt.state = AttemptState.WITHDRAWN
        return ()
    return _save(attempt, AttemptState.WITHDRAWN, withdrawn)


def _intended(attempt: Attempt) -> tuple[fx.Effect, ...]:
    if attempt.leaving:
        return _leave(attempt)
    if attempt.fault:
        return _save(attempt, AttemptState.FAILED, failed)
    if attempt.staged:
        return _save(attempt, AttemptState.STAGED, staged)
    attempt.doing = Doing.STAGING
    return (fx.Put(attempt.key),)


def _staged(attempt: Attempt, turn: bool) -> tuple[fx.Effect, ...]:
    if attempt.leaving:
        return _leave(attempt)
    return _save(attempt, AttemptState.LAUNCHING, launching) if turn else ()


def _launching(attempt: Attempt, turn: bool) -> tuple[fx.Effect, ...]:
    if attempt.claim is Claim.MADE:
        return _claimed(attempt)
    if attempt.claim is Claim.UNKNOWN:
        return _watch(attempt)
    if attempt.leaving or attempt.fault:
        return _give_up_launch(attempt)
    if attempt.claim is Claim.NEVER or turn:
        attempt.doing, attempt.claim = Doing.LAUNCHING, Claim.UNKNOWN
        return (fx.Launch(attempt.key),)
    return ()


def _claimed(attempt: Attempt) -> tuple[fx.Effect, ...]:
    """The claim was seen: it runs, or is over already, or was made by us so that it never begins."""
    if not attempt.gone:
        return _save(attempt, AttemptState.RUNNING, running)
    if attempt.leaving:
        return _leave(attempt)
    return _save(attempt, AttemptState.ENDED, ended)


def _give_up_launch(attempt: Attempt) -> tuple[fx.Effect, ...]:
    """A launch that may still be on its way is ended on the host before the attempt is given up."""
    if attempt.claim is Claim.ABSENT and not attempt.gone:
        attempt.kill = attempt.leaving or "the launch failed"
        return _end(attempt)
    return _leave(attempt) if attempt.leaving else _save(attempt, AttemptState.FAILED, failed)


def _running(attempt: Attempt) -> tuple[fx.Effect, ...]:
    if attempt.gone:
        return _leave(attempt) if attempt.cancelled else _save(attempt, AttemptState.ENDED, ended)
    return (*_watch(attempt), *(_end(attempt) if attempt.kill else ()))


def _end(attempt: Attempt) -> tuple[fx.Effect, ...]:
    """End its processes: noted first, then ordered."""
    if not attempt.kill_noted and not attempt.disowned:
        attempt.doing, attempt.goal, attempt.kill_noted = Doing.WRITING, None, True
        what = f"beam {attempt.request.beam} attempt {attempt.request.attempt}: is being ended"
        return (fx.Save(attempt.key, (NoteEvent(attempt.request.case, what, attempt.kill),)),)
    attempt.doing = Doing.KILLING
    return (fx.Kill(attempt.key, attempt.kill),)


def _ended(attempt: Attempt) -> tuple[fx.Effect, ...]:
    if attempt.cancelled:
        return _leave(attempt)
    if not attempt.end_known:
        return _watch(attempt)
    succeeded = good(attempt.exit) and attempt.fault is None
    if attempt.fetched and succeeded:
        return _save(attempt, AttemptState.COLLECTED, collected)
    if not succeeded and (attempt.fetched or attempt.vanished or attempt.fault or attempt.tries >= LOG_TRIES):
        return _save(attempt, AttemptState.FAILED, failed)
    attempt.doing = Doing.FETCHING
    return (fx.Fetch(attempt.key, log_only=not succeeded),)


def _with_case(attempt: Attempt) -> tuple[fx.Effect, ...]:
    """Collected: the case verifies it and writes its end."""
    return _leave(attempt) if attempt.cancelled else ()


def _watch(attempt: Attempt) -> tuple[fx.Effect, ...]:
    if attempt.watching:
        return ()
    attempt.watching = True
    return (fx.Watch(attempt.key, attempt.offset),)


_STEPS: Mapping[AttemptState | None, Callable[[Attempt], tuple[fx.Effect, ...]]] = MappingProxyType(
    {
        None: _unopened,
        AttemptState.INTENDED: _intended,
        AttemptState.RUNNING: _running,
        AttemptState.ENDED: _ended,
        AttemptState.COLLECTED: _with_case,
    }
)
