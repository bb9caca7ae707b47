"""The lease of one GPU: which attempt holds it, which is staged next, which are being collected. Pure.

One attempt holds the GPU at a time; it is launched only when no other one holds it, the GPU is healthy, and its memory
suffices. One more is staged behind it. Any that have ended are collected beside that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from actors.gpu_worker import effects as fx
from actors.gpu_worker import facts
from actors.gpu_worker.attempt import Attempt, Claim, Home, advance
from actors.gpu_worker.health import GpuWatch, Health, Record
from actors.gpu_worker.progress import LogReader
from actors.gpu_worker.records import REQUEST, proofs_of
from actors.gpu_worker.reports import attempt_report
from messages.engine import Progress
from messages.hosts import GpuLimits, GpusObserved, GpuState, HostObserved, HostState
from messages.ledger import AttemptRow, ExplainBeam, GpuRecordReport, HaltRow, NoteProgress
from messages.scheduling import BeamRequest
from messages.states import OPEN_ATTEMPTS, AttemptState

MOST_COLLECTING = 4
"""Ended runs whose output is still on the host; with more, nothing new is taken."""
PROGRESS_S = 1.0
"""Progress is told and noted at most so often."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The lease as it is told."""

    state: GpuState
    reason: str
    running: str
    next: str
    keys: tuple[str, ...]
    free_mb: int | None
    accepts: bool
    progress: float
    wait_s: float = 0.0
    """Expected wait in the cluster's queue, s."""
    left_s: float | None = None
    """Until what runs is expected to be over, s; None: not known."""


@dataclass(slots=True)
class Lease:
    """``now`` is monotonic seconds everywhere."""

    home: Home
    epoch: int
    workspace: str
    patterns: Progress
    gpu: GpuWatch
    asked: bool = True
    recovered: bool = False
    """The open attempts of the ledger are known; before, nothing is taken."""
    boot_id: str = ""
    judged: bool = False
    """What the ledger holds against the GPU is known; before, nothing is taken."""
    halted: str = ""
    """Why an operator wants nothing new here; empty: it may take work."""
    suspended: str = ""
    """Why the host cannot be used now; empty: it can."""
    wait_s: float = 0.0
    """What a run submitted now is expected to wait in the cluster's queue, s."""
    attempts: dict[str, Attempt] = field(default_factory=dict)
    record: Record = field(default_factory=Record)
    _unfit_since: float | None = None

    @classmethod
    def of(cls, home: Home, epoch: int, workspace: str, patterns: Progress, limits: GpuLimits, *, asked: bool) -> Lease:
        return cls(home, epoch, workspace, patterns, GpuWatch(home.gpu, limits, asked), asked)

    # -- what is true now

    @property
    def holders(self) -> tuple[Attempt, ...]:
        return tuple(attempt for attempt in self.attempts.values() if attempt.holds)

    @property
    def next(self) -> Attempt | None:
        """The attempt that is staged ahead, or being staged."""
        return next(
            (a for a in self.attempts.values() if not a.holds and (a.before_launch or a.claim is Claim.NONE)), None
        )

    def health(self, now: float) -> Health:
        if self.suspended:
            return Health(GpuState.UNKNOWN, self.suspended)
        if self.halted:
            return Health(GpuState.DRAINING, self.halted)
        return self._own_health(now)

    def _own_health(self, now: float) -> Health:
        """Of the GPU itself, whatever an operator wants."""
        judged = self.gpu.judge(now)
        if self.asked and judged.good and self.record.suspect:
            return Health(GpuState.QUARANTINED, self.record.suspect)
        return judged

    def obstacle(self, request: BeamRequest, now: float) -> str:
        """Why the GPU could not run this beam even if it were free; empty when it could."""
        health = self.health(now)
        if not health.good:
            return f"{self.home.worker} is {health.state.value}: {health.reason}"
        free = self.gpu.idle_mb if self.asked else None
        if free is not None and free < request.memory_mb:
            return f"{self.home.worker} has {free} MB of memory free, the beam asks for {request.memory_mb} MB"
        return ""

    def standing(self, now: float) -> Standing:
        health, holders, ahead = self.health(now), self.holders, self.next
        running = holders[0] if holders else None
        state, reason = health.state, health.reason
        if not self.ready:
            state, reason = GpuState.UNKNOWN, "its open attempts are being read from the ledger"
        elif health.good and running:
            state = GpuState.BUSY
        return Standing(
            state=state,
            reason=reason,
            running=running.key if running else "",
            next=ahead.key if ahead else "",
            keys=tuple(self.attempts),
            free_mb=self.gpu.idle_mb if self.asked else None,
            accepts=self.ready and health.good and ahead is None and self._collecting <= MOST_COLLECTING,
            progress=running.log.fraction if running else 0.0,
            wait_s=self.wait_s,
            left_s=running.left_s(now) if running else None,
        )

    @property
    def ready(self) -> bool:
        """All that the ledger has of this GPU is known."""
        return self.recovered and self.judged

    @property
    def _collecting(self) -> int:
        return sum(1 for attempt in self.attempts.values() if attempt.state is AttemptState.ENDED)

    # -- taking and recovering

    def refusal(self, request: BeamRequest, now: float) -> str:
        """Why this beam is not taken; empty: it is."""
        if not self.ready:
            return "its open attempts are still being read from the ledger"
        if self.next is not None:
            return f"{self.next.key} is staged already"
        if self._collecting > MOST_COLLECTING:
            return f"{self._collecting} runs are still to be collected"
        return self.obstacle(request, now)

    def take(self, request: BeamRequest, now: float) -> tuple[fx.Effect, ...]:
        """A beam that was not refused; saying it again changes nothing."""
        if request.key not in self.attempts:
            self.attempts[request.key] = self._attempt(request, f"{self.workspace}/{request.key}", self.epoch)
        return self.go_on(now)

    def _attempt(self, request: BeamRequest, run_dir: str, epoch: int) -> Attempt:
        return Attempt(request, self.home, run_dir, epoch, LogReader(self.patterns))

    def recover(self, rows: Iterable[AttemptRow], now: float) -> tuple[fx.Effect, ...]:
        """The open attempts that the ledger holds for this worker: each goes on from its state."""
        reports: list[fx.Effect] = []
        for row in sorted(rows, key=lambda row: row.launched or row.key):
            if row.state in OPEN_ATTEMPTS and row.key not in self.attempts:
                self.attempts[row.key] = self._restored(row)
                reports.append(fx.Report(attempt_report(self.attempts[row.key])))
        self.recovered = True
        return (*reports, *self.go_on(now))

    def _restored(self, row: AttemptRow) -> Attempt:
        attempt = self._attempt(REQUEST.validate_json(row.request), row.run_dir, row.epoch)
        attempt.state, attempt.started, attempt.finished = row.state, row.launched, row.ended
        attempt.log.fraction = attempt.noted = attempt.paced_from = row.progress
        if row.state is AttemptState.LAUNCHING:
            attempt.claim = Claim.UNKNOWN
        elif row.state is AttemptState.RUNNING:
            attempt.claim, attempt.launch_evidence = Claim.MADE, row.evidence
        elif row.state is AttemptState.ENDED:
            attempt.claim, attempt.gone = Claim.MADE, True
        elif row.state is AttemptState.COLLECTED:
            attempt.claim, attempt.gone, attempt.output = Claim.MADE, True, proofs_of(row)
        return attempt

    def reread(self, key: str, rows: Iterable[AttemptRow], now: float) -> tuple[fx.Effect, ...]:
        """After a refused transition: the ledger's row counts. True to it, or given up if it has none."""
        attempt = self.attempts.get(key)
        if attempt is None:
            return ()
        row = next((row for row in rows if row.key == key), None)
        if row is None:
            return (*facts.disown(attempt), *self.go_on(now))
        attempt.state = row.state
        facts.rested(attempt)
        return self.go_on(now)

    # -- events

    def change(self, key: str, now: float, apply: Callable[[Attempt], object]) -> tuple[fx.Effect, ...]:
        """Apply an event to an attempt, if it is still known, and go on."""
        attempt = self.attempts.get(key)
        if attempt is None:
            return ()
        effects = apply(attempt)
        told = effects if isinstance(effects, tuple) else ()
        return (*told, *self._tell_progress(attempt, now), *self.go_on(now))

    def settled(self, key: str, *, good: bool, blame_gpu: bool, now: float) -> tuple[fx.Effect, ...]:
        """The case wrote the attempt's end."""
        self.record.settled(key, good=good, blame_gpu=blame_gpu)
        attempt = self.attempts.get(key)
        if attempt is not None and attempt.state is AttemptState.COLLECTED:
            attempt.state = AttemptState.VERIFIED if good else AttemptState.FAILED
        return self.go_on(now)

    def observed(self, readings: GpusObserved, now: float) -> tuple[fx.Effect, ...]:
        """A look at the GPUs of the host."""
        self.wait_s = readings.wait_s
        self.gpu.observe(readings, leased=bool(self.holders), now=now)
        return self.tick(now)

    def recorded(self, report: GpuRecordReport, now: float) -> tuple[fx.Effect, ...]:
        """What the ledger holds against the GPU, and whether an operator wants nothing new here."""
        self.judged = True
        self.record.adopt(report)
        self.halted = "; ".join(_halt(row) for row in report.halts)
        return self.tick(now)

    def host_seen(self, host: HostObserved, now: float) -> tuple[fx.Effect, ...]:
        """How the host is. Runs of another boot than its own were ended by a reboot; a suspended one gets no work."""
        self.boot_id = host.boot_id or self.boot_id
        self.suspended = f"the host is suspended: {host.reason}" if host.state is HostState.SUSPENDED else ""
        return self.tick(now)

    def tick(self, now: float) -> tuple[fx.Effect, ...]:
        """What the passing of time decides, for every attempt and for the beam that waits for this GPU."""
        effects: list[fx.Effect] = []
        for attempt in self.attempts.values():
            facts.tick(attempt, now, self.gpu.limits.kill_grace_s)
            attempt.rebooted = self._rebooted(attempt)
            effects += (*self._tell_progress(attempt, now), *self._tell_waiting(attempt))
        effects += self._hand_back(now)
        return (*effects, *self.go_on(now))

    def _rebooted(self, attempt: Attempt) -> bool:
        """The wrapper's evidence names the boot id of its launch."""
        evidence = attempt.launch_evidence
        return bool(self.boot_id) and "boot" in evidence and self.boot_id not in evidence

    def _hand_back(self, now: float) -> tuple[fx.Effect, ...]:
        ahead = self.next
        reason = self.obstacle(ahead.request, now) if ahead else ""
        if ahead is None or not reason:
            self._unfit_since = None
            return ()
        if self._unfit_since is None:
            self._unfit_since = now
        if not self.halted and now - self._unfit_since < self.gpu.limits.hand_back_s:
            return ()
        return facts.hand_back(ahead, reason)

    @staticmethod
    def _tell_progress(attempt: Attempt, now: float) -> tuple[fx.Effect, ...]:
        fraction = attempt.log.fraction
        if (
            attempt.state is not AttemptState.RUNNING
            or fraction <= attempt.noted
            or now - attempt.noted_at < PROGRESS_S
        ):
            return ()
        attempt.noted, attempt.noted_at = fraction, now
        request = attempt.request
        note = NoteProgress(request.case, request.beam, request.attempt, fraction)
        return (fx.Note((note,)), fx.Report(attempt_report(attempt)))

    @staticmethod
    def _tell_waiting(attempt: Attempt) -> tuple[fx.Effect, ...]:
        """What a cluster's queue says of a run, when it says something else."""
        if attempt.state is not AttemptState.RUNNING or attempt.waits == attempt.waits_told:
            return ()
        attempt.waits_told = attempt.waits
        return (fx.Note((ExplainBeam(attempt.request.case, attempt.request.beam, attempt.waits),)),)

    def carried(self, key: str, words: str) -> tuple[fx.Effect, ...]:
        """How far the files of an attempt are on their way, for whoever asks why its beam waits."""
        attempt = self.attempts.get(key)
        if attempt is None:
            return ()
        way = "sending" if attempt.before_launch else "fetching"
        said = f"{way} its files, {words}"
        return (fx.Note((ExplainBeam(attempt.request.case, attempt.request.beam, said),)),)

    # -- going on

    def go_on(self, now: float) -> tuple[fx.Effect, ...]:
        """The next step of every attempt; attempts that are over leave."""
        effects: list[fx.Effect] = []
        for attempt in list(self.attempts.values()):
            effects += advance(attempt, turn=attempt.waits_for_turn and self._turn(attempt, now))
            if attempt.over:
                del self.attempts[attempt.key]
                effects += [fx.Unwatch(attempt.key)] if attempt.watching else []
        return tuple(effects)

    def _turn(self, attempt: Attempt, now: float) -> bool:
        """The GPU is free, healthy, large enough: this attempt may be launched."""
        if not self.ready or self._obstacle(attempt, now):
            return False
        return not any(self._before(other, attempt) for other in self.attempts.values() if other is not attempt)

    def _obstacle(self, attempt: Attempt, now: float) -> str:
        """A launch that the ledger had before an operator wanted nothing new here still goes on."""
        if attempt.state is AttemptState.LAUNCHING and self.halted and not self.suspended:
            return "" if self._own_health(now).good else self.halted
        return self.obstacle(attempt.request, now)

    def _before(self, other: Attempt, attempt: Attempt) -> bool:
        """Another attempt keeps this one from the GPU. Of several whose claims were not seen, the oldest goes first."""
        if not other.holds:
            return False
        both_absent = other.claim is Claim.ABSENT and attempt.claim is Claim.ABSENT
        keys = list(self.attempts)
        return not both_absent or keys.index(other.key) < keys.index(attempt.key)


def _halt(row: HaltRow) -> str:
    where = "its host is" if "/" not in row.place else ""
    since = row.at.astimezone().isoformat(sep=" ", timespec="minutes")
    return " ".join(part for part in (where, f"drained by {row.user or 'nobody named'} since {since}") if part)
