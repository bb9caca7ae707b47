"""The worker of one GPU: receives, asks the lease, tells. What it holds comes back from the ledger after a restart."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from actors.gpu_worker import effects as fx
from actors.gpu_worker import facts
from actors.gpu_worker.attempt import Attempt, Home
from actors.gpu_worker.lease import Lease, Standing
from actors.gpu_worker.orders import fetch_order, job_of, put_order
from actors.gpu_worker.reports import attempt_report
from actors.supervision import Actor, Context, Exited, Up
from messages.address import Mailbox
from messages.engine import Progress
from messages.files import AbandonMove, FilesMoved, MoveFailed, MoveProgress
from messages.hosts import GpuLimits, GpusObserved, HostObserved, SubscribeHost
from messages.jobs import (
    JobGone,
    JobLaunched,
    JobObserved,
    KillFailed,
    KillJob,
    LaunchFailed,
    LaunchJob,
    UnwatchJob,
    WatchJob,
)
from messages.ledger import (
    REFUSED_FOR_GOOD,
    AttemptsReport,
    GetAttempts,
    GetGpuRecord,
    GpuRecordReport,
    NoteGpu,
    Record,
    Write,
    WriteRefused,
    Written,
)
from messages.operators import PlacesChanged
from messages.scheduling import (
    AttemptSettled,
    AttemptUnknown,
    BeamRefused,
    CancelAttempt,
    GetAttempt,
    GetWorker,
    ReturnBeam,
    RunBeam,
    WorkerReport,
)

TICK_S = 1.0


@dataclass(frozen=True, slots=True)
class _Tick:
    """A second has passed."""


@dataclass(frozen=True, slots=True)
class _Rested:
    """The back-off of an attempt is over."""

    key: str


class GpuWorker(Actor):
    """Holds the lease of one GPU of one host (or of one counted slot).

    A launch and a kill are facts of the run whoever ordered them; every other answer counts only for this incarnation.
    """

    def __init__(
        self,
        context: Context,
        *,
        host: str,
        index: int,
        uuid: str,
        workspace: str,
        asked: bool,
        ledger: Mailbox,
        scheduler: Mailbox,
        control: Mailbox,
        lanes: tuple[Mailbox, ...],
        monitor: Mailbox,
        progress: Progress,
        case_address: Callable[[str], Mailbox],
        limits: GpuLimits,
    ) -> None:
        super().__init__(context)
        self._home = Home(host, uuid, f"{host}/gpu-{index}")
        self._index = index
        self._ledger, self._scheduler, self._control, self._monitor = ledger, scheduler, control, monitor
        self._lanes = lanes
        self._case_address = case_address
        self._lease = Lease.of(self._home, self.epoch, workspace, progress, limits, asked=asked)
        self._numbers = count(1)
        self._pending: dict[str, str] = {}
        """Request id → key, of what is under way."""
        self._moving: dict[str, tuple[str, Mailbox]] = {}
        """Key → request id and lane of its transfer."""
        self._asking: list[GetAttempt] = []
        """Asked before the ledger had answered."""
        self._said: dict[str, str] = {}
        """Key → what the log has of it last."""
        self._told: Standing | None = None
        self._noted: tuple[str, str, str, str] | None = None
        self._model = ""

    def started(self) -> None:
        self.watch(self._scheduler)
        self._control.tell(SubscribeHost(self.address))
        # Nothing that an incarnation before this one still writes comes after what is read here.
        self._write(None, ())
        self._ledger.tell(GetAttempts(self._request("recover"), self.address, self._home.worker))
        self._ask_record()
        self._tell_standing(again=True)
        self.after(TICK_S, _Tick())

    def receive(self, message: object) -> None:
        now = time.monotonic()
        self._do(self._decide(message, now))
        self._tell_standing(again=isinstance(message, _Tick | Up | GetWorker))

    def _decide(self, message: object, now: float) -> tuple[fx.Effect, ...]:
        match message:
            case Written() | WriteRefused() | FilesMoved() | MoveFailed() | AttemptsReport():
                return self._answered(message, now)
            case JobObserved() | JobLaunched() | LaunchFailed() | JobGone() | KillFailed():
                return self._job(message, now)
            case RunBeam() | ReturnBeam() | CancelAttempt() | GetAttempt() | AttemptSettled():
                return self._asked(message, now)
            case MoveProgress():
                return self._lease.carried(self._pending.get(message.request_id, ""), message.words)
            case _:
                return self._seen(message, now)

    def _seen(self, message: object, now: float) -> tuple[fx.Effect, ...]:
        """What passes by: readings, time."""
        match message:
            case GpusObserved():
                return self._lease.observed(message, now)
            case _Tick():
                self.after(TICK_S, _Tick())
                return self._lease.tick(now)
            case _Rested():
                return self._lease.change(message.key, now, facts.rested)
            case HostObserved():
                return self._lease.host_seen(message, now)
            case PlacesChanged():
                self._ask_record()
            case GpuRecordReport() if self._pending.pop(message.request_id, ""):
                return self._lease.recorded(message, now)
            case Up() | Exited() | GetWorker() | GpuRecordReport():
                pass
            case _:
                self.log.warning(f"a GPU worker does not know {type(message).__name__}")
        return ()

    def _ask_record(self) -> None:
        """What stands against this GPU: asked at the start, and whenever an operator's order may have changed it."""
        request_id = self._request("record")
        home = self._home
        self._ledger.tell(GetGpuRecord(request_id, self.address, home.host, self._index, home.gpu))

    # -- answers to what was asked by this incarnation; any other is stale

    def _answered(
        self, message: Written | WriteRefused | FilesMoved | MoveFailed | AttemptsReport, now: float
    ) -> tuple[fx.Effect, ...]:
        key = self._pending.pop(message.request_id, None)
        if key is None:
            return ()
        lease = self._lease
        match message:
            case Written():
                return lease.change(key, now, facts.written)
            case WriteRefused():
                final = message.fault.kind in REFUSED_FOR_GOOD
                # a ledger that cannot be written says so itself, once for all who wait
                self._note("WARNING" if final else "DEBUG", key, f"not written: {message.fault}")
                stopped = message.fault.kind == "case-not-running"
                return lease.change(key, now, lambda a: facts.write_refused(a, for_good=final, stopped=stopped))
            case FilesMoved():
                self._moving.pop(key, None)
                return lease.change(key, now, lambda a: facts.files_moved(a, message.files))
            case MoveFailed():
                self._moving.pop(key, None)
                self._note("WARNING", key, str(message.fault))
                return lease.change(key, now, lambda a: facts.move_failed(a, message.fault))
            case AttemptsReport():
                return self._read(key, message, now)

    def _read(self, key: str, message: AttemptsReport, now: float) -> tuple[fx.Effect, ...]:
        if key != "recover":
            return self._lease.reread(key, message.rows, now)
        effects = self._lease.recover(message.rows, now)
        asking, self._asking = self._asking, []
        for question in asking:
            self._answer(question)
        return effects

    def _job(
        self, message: JobObserved | JobLaunched | LaunchFailed | JobGone | KillFailed, now: float
    ) -> tuple[fx.Effect, ...]:
        change = self._lease.change
        if isinstance(message, JobObserved):
            return change(message.key, now, lambda a: facts.observe(a, message, now))
        ours = self._pending.pop(message.request_id, None) is not None
        match message:
            case JobLaunched():
                return change(message.key, now, lambda a: facts.launched(a, message.evidence, now))
            case JobGone():
                return change(message.key, now, lambda a: facts.job_gone(a, message.evidence))
            case LaunchFailed() if ours:
                self._note("WARNING", message.key, str(message.fault))
                return change(message.key, now, lambda a: facts.launch_failed(a, message.fault))
            case KillFailed() if ours:
                self._note("WARNING", message.key, str(message.fault))
                return change(message.key, now, facts.kill_failed)
        return ()

    # -- what the scheduler and cases ask

    def _asked(
        self, message: RunBeam | ReturnBeam | CancelAttempt | GetAttempt | AttemptSettled, now: float
    ) -> tuple[fx.Effect, ...]:
        match message:
            case RunBeam():
                return self._take(message, now)
            case ReturnBeam():
                return self._lease.change(message.key, now, lambda a: facts.returned(a, message.reason))
            case CancelAttempt():
                if message.key not in self._lease.attempts:
                    self._answer(GetAttempt(message.key, message.reply_to))
                return self._lease.change(message.key, now, lambda a: facts.cancel(a, message.reason))
            case GetAttempt():
                self._answer(message)
                return ()
            case AttemptSettled():
                return self._lease.settled(message.key, good=message.good, blame_gpu=message.blame_gpu, now=now)

    def _take(self, order: RunBeam, now: float) -> tuple[fx.Effect, ...]:
        request = order.request
        if request.key in self._lease.attempts:
            return ()
        if refusal := self._lease.refusal(request, now):
            self._scheduler.tell(BeamRefused(request.key, self._home.worker, refusal))
            return ()
        return self._lease.take(request, now)

    def _answer(self, question: GetAttempt) -> None:
        if not self._lease.recovered:
            self._asking.append(question)
        elif attempt := self._lease.attempts.get(question.key):
            question.reply_to.tell(attempt_report(attempt))
        else:
            question.reply_to.tell(AttemptUnknown(question.key))

    # -- effects

    def _do(self, effects: tuple[fx.Effect, ...]) -> None:
        for effect in effects:
            match effect:
                case fx.Put() | fx.Fetch() | fx.Abandon():
                    self._move(effect)
                case fx.Launch() | fx.Watch() | fx.Unwatch() | fx.Kill():
                    self._order_job(effect)
                case fx.Report(report):
                    self._case_address(report.case).tell(report)
                case fx.Rest(key, seconds):
                    self.after(seconds, _Rested(key))
                case fx.NotOurs(key, opened):
                    self._not_ours(key, opened=opened)
                case _:
                    self._to_ledger(effect)

    def _to_ledger(self, effect: fx.Save | fx.Note | fx.Reread) -> None:
        match effect:
            case fx.Save(key, records):
                self._write(self._request(key), records)
            case fx.Note(records):
                self._write(None, records)
            case fx.Reread(key):
                self._ledger.tell(GetAttempts(self._request(key), self.address, self._home.worker))

    def _not_ours(self, key: str, *, opened: bool) -> None:
        case = key.rsplit("/", 2)[0]
        self._case_address(case).tell(AttemptUnknown(key))
        if not opened:
            self._scheduler.tell(BeamRefused(key, self._home.worker, "the ledger refused the attempt"))

    def _move(self, effect: fx.Put | fx.Fetch | fx.Abandon) -> None:
        if isinstance(effect, fx.Abandon):
            request_id, lane = self._moving.pop(effect.key, ("", None))
            if lane is not None:
                self._pending.pop(request_id, None)
                lane.tell(AbandonMove(request_id))
            return
        attempt = self._lease.attempts[effect.key]
        number = next(self._numbers)
        lane = self._lanes[(self._index + number) % len(self._lanes)]
        request_id = self._request(effect.key)
        self._moving[effect.key] = (request_id, lane)
        if isinstance(effect, fx.Put):
            lane.tell(put_order(attempt, request_id, self.address, self.epoch))
        else:
            lane.tell(fetch_order(attempt, request_id, self.address, self.epoch, log_only=effect.log_only))

    def _order_job(self, effect: fx.Launch | fx.Watch | fx.Unwatch | fx.Kill) -> None:
        match effect:
            case fx.Unwatch(key):
                self._control.tell(UnwatchJob(key))
            case fx.Watch(key, offset):
                self._control.tell(WatchJob(self.address, key, self._attempt(key).run_dir, offset))
            case fx.Kill(key, reason):
                self._note("WARNING", key, f"its processes are ended: {reason}")
                run_dir = self._attempt(key).run_dir
                self._control.tell(KillJob(self._request(key), self.address, key, run_dir, reason))
            case fx.Launch(key):
                job = job_of(self._attempt(key), asked=self._lease.asked)
                self._control.tell(LaunchJob(self._request(key), self.address, job))

    def _note(self, level: str, key: str, text: str) -> None:
        """A line of the attempt's beam; what was said last of it is not repeated while it is tried again."""
        names = dict(zip(("case", "beam", "attempt"), key.rsplit("/", 2), strict=False))
        level = "DEBUG" if self._said.get(key) == text else level
        self._said = {known: self._said[known] for known in self._said if known in self._lease.attempts} | {key: text}
        self.log.bind(**names).log(level, "attempt {}: {}", names.get("attempt", ""), text)

    def _attempt(self, key: str) -> Attempt:
        return self._lease.attempts[key]

    def _request(self, key: str) -> str:
        """A request id of this incarnation alone."""
        request_id = f"{key}#{self.epoch}.{next(self._numbers)}"
        self._pending[request_id] = key
        return request_id

    def _write(self, request_id: str | None, records: tuple[Record, ...]) -> None:
        reply_to = self.address if request_id else None
        number = request_id or f"note#{self.epoch}.{next(self._numbers)}"
        self._ledger.tell(Write(number, reply_to, self.address.id, self.epoch, records))

    # -- how the lease stands

    def _tell_standing(self, *, again: bool) -> None:
        standing = self._lease.standing(time.monotonic())
        noted = (standing.state.value, standing.reason, standing.running, self._lease.gpu.model or self._model)
        self._model = noted[3]
        if noted != self._noted:
            self._noted = noted
            self._write(None, (NoteGpu(self._home.host, self._index, self._home.gpu, *noted),))
        if again or _without_progress(standing) != _without_progress(self._told):
            report = self._worker_report(standing)
            self._scheduler.tell(report)
            self._monitor.tell(report)
        self._told = standing

    def _worker_report(self, standing: Standing) -> WorkerReport:
        return WorkerReport(
            worker=self._home.worker,
            address=self.address,
            epoch=self.epoch,
            host=self._home.host,
            index=self._index,
            uuid=self._home.gpu,
            state=standing.state,
            reason=standing.reason,
            running=standing.running,
            next=standing.next,
            keys=standing.keys,
            free_mb=standing.free_mb,
            accepts=standing.accepts,
            progress=standing.progress,
            wait_s=standing.wait_s,
            left_s=standing.left_s,
        )


def _without_progress(standing: Standing | None) -> tuple[object, ...]:
    if standing is None:
        return ()
    return (standing.state, standing.reason, standing.running, standing.next, standing.keys, standing.accepts)
