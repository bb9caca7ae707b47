"""The control of this machine: launches, watches and ends runs, and says how the machine and its GPUs are."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from actors.jobs.offered_gpus import Gpus, Offer
from actors.local_host import processes
from actors.local_host.nvml import CannotTell, NoDriver, Nvml
from actors.local_host.orders import Answer, Order, carry_out
from actors.local_host.standing import observe
from actors.local_host.watching import Observed, Watch
from actors.mounts import Ground
from actors.supervision import Actor, Context, Spec, StartChild, Task, TaskFailed, TaskScope
from messages.address import Mailbox
from messages.hosts import GpuReading, GpusObserved, HostObserved, SubscribeHost, UnsubscribeHost
from messages.jobs import KillJob, LaunchJob, RemoveRuns, UnwatchJob, WatchJob

GPUS, STANDING = "gpus", "standing"
"""Names of the tasks whose failure is news of the host; any other task that breaks ends this incarnation."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often this machine is asked, in s."""

    gpus_s: float = 4.0
    gpu_answer_s: float = 5.0
    """A driver that is silent for so long cannot tell."""
    standing_s: float = 10.0


@dataclass(frozen=True, slots=True)
class _Readings:
    """From the driver's task; ``fault`` says why there are none."""

    gpus: tuple[GpuReading, ...]
    fault: str = ""
    no_driver: bool = False


@dataclass(frozen=True, slots=True)
class _AskGpus:
    """Tick."""


@dataclass(frozen=True, slots=True)
class _AskStanding:
    """Tick."""


@dataclass(frozen=True, slots=True)
class _Silent:
    """Tick: the time of this question to the driver is up."""

    question: int


class LocalControl(Actor):
    """``gpus``: "auto", indices, or a number of slots; ``worker_spec(index, uuid)`` makes the worker of one of them;
    ``ground``: what is known of the disk that the workspace lies on; ``left``: GPUs on which something is open.

    Every request is answered once, and may be repeated: launches are fenced by the run's claim, kills and removals by
    what they find.
    """

    def __init__(
        self,
        context: Context,
        *,
        host: str,
        workspace: Path,
        gpus: Offer,
        monitor: Mailbox,
        worker_spec: Callable[[int, str], Spec],
        ground: Ground | None = None,
        left: tuple[tuple[int, str], ...] = (),
        pace: Pace | None = None,
    ) -> None:
        super().__init__(context)
        self._host = host
        self._workspace = workspace
        self._ground = ground or Ground(str(workspace))
        self._gpus = Gpus(host, gpus, left)
        self._worker_spec = worker_spec
        self._pace = pace or Pace()
        self._subscribers: dict[str, Mailbox] = {monitor.id: monitor}
        self._last_gpus: GpusObserved | None = None
        self._last_standing: HostObserved | None = None
        self._nvml = Nvml()
        self._question = 0
        self._asking = False
        self._boot_id = ""
        self._watch: Watch | None = None
        self._watching: Task | None = None

    def started(self) -> None:
        self._boot_id = processes.boot_id()
        self._watch = watch = Watch(self._boot_id, self._ground.away)
        self._watching = self.task("watch", lambda scope: _watch(watch, scope))
        self._ask_standing()
        self._ask_gpus()

    def stopped(self) -> None:
        if self._watch is not None and (self._watching is None or not self._watching.running):
            self._watch.close()

    def receive(self, message: object) -> None:
        match message:
            case Observed(reply_to, news):
                reply_to.tell(news)
            case Answer():
                self._answer(message)
            case LaunchJob() | KillJob() | RemoveRuns():
                self._order(message)
            case WatchJob() | UnwatchJob():
                self._order_watch(message)
            case _:
                self._receive_standing(message)

    def _receive_standing(self, message: object) -> None:
        match message:
            case SubscribeHost(reply_to):
                self._subscribe(reply_to)
            case UnsubscribeHost(reply_to):
                self._subscribers.pop(reply_to.id, None)
            case _AskGpus():
                self._ask_gpus()
            case _Readings():
                self._take_readings(message)
            case _Silent(question):
                self._note_silence(question)
            case _AskStanding():
                self._ask_standing()
            case HostObserved():
                self._take_standing(message)
            case TaskFailed(name, error):
                self._task_failed(name, error)

    # -- runs

    def _order(self, order: Order) -> None:
        name = order.job.key if isinstance(order, LaunchJob) else order.request_id
        work = functools.partial(carry_out, order, self._workspace, self._boot_id, self._ground)
        self.task(f"{type(order).__name__} {name}", work)

    def _answer(self, answer: Answer) -> None:
        answer.order.reply_to.tell(answer.message)
        if answer.watch is not None:
            self._order_watch(answer.watch)

    def _order_watch(self, order: WatchJob | UnwatchJob) -> None:
        assert self._watch is not None
        self._watch.order(order)

    # -- the machine

    def _subscribe(self, reply_to: Mailbox) -> None:
        self._subscribers[reply_to.id] = reply_to
        for last in (self._last_standing, self._last_gpus):
            if last is not None:
                reply_to.tell(last)

    def _tell(self, news: GpusObserved | HostObserved) -> None:
        for subscriber in self._subscribers.values():
            subscriber.tell(news)

    def _ask_standing(self) -> None:
        self.task(STANDING, lambda _scope: observe(self._host, self._workspace, self._ground))

    def _take_standing(self, standing: HostObserved) -> None:
        lacking = self._gpus.lacking(self._last_gpus) if self._last_gpus is not None else ""
        self._last_standing = replace(standing, reason=standing.reason or lacking)
        self._tell(self._last_standing)
        self.after(self._pace.standing_s, _AskStanding())

    def _task_failed(self, name: str, error: BaseException) -> None:
        if name == GPUS:
            self._take_readings(_Readings((), fault=f"asking the driver failed: {error!r}"))
        elif name == STANDING:
            self.log.opt(exception=error).error(f"{self._host}: looking at the machine failed: {error!r}")
            self.after(self._pace.standing_s, _AskStanding())
        else:
            raise error  # nobody knows how far it came: the next incarnation is asked again, from the ledger

    # -- its GPUs

    def _ask_gpus(self) -> None:
        now = datetime.now(UTC)
        if not self._gpus.asked:
            self._take_gpus(self._gpus.slots(now))
        elif not self._asking:
            self._asking = True
            self._question += 1
            self.task(GPUS, lambda _scope: _ask(self._nvml))
            self.after(self._pace.gpu_answer_s, _Silent(self._question))

    def _note_silence(self, question: int) -> None:
        """The driver hangs: no second question, and no wait, until the first one comes back."""
        if not self._asking or question != self._question:
            return
        fault = f"cannot tell: the GPU driver has not answered for more than {self._pace.gpu_answer_s:g} s"
        self._say(fault, warn=True)
        self._publish(self._gpus.unknown(fault, datetime.now(UTC)))
        self.after(self._pace.gpus_s, _Silent(question))

    def _take_readings(self, readings: _Readings) -> None:
        self._asking = False
        now = datetime.now(UTC)
        if readings.fault:
            self._say(readings.fault, warn=not readings.no_driver)
            self._take_gpus(self._gpus.unknown(readings.fault, now))
        else:
            observed = self._gpus.observed(readings.gpus, now)
            self._say(self._gpus.lacking(observed), warn=True)
            self._take_gpus(observed)

    def _take_gpus(self, observed: GpusObserved) -> None:
        self._publish(observed)
        for gpu in self._gpus.new(observed):
            self.context.parent.tell(StartChild(self._worker_spec(gpu.index, gpu.uuid)))
        self.after(self._pace.gpus_s, _AskGpus())

    def _publish(self, observed: GpusObserved) -> None:
        self._last_gpus = observed
        self._tell(observed)

    def _say(self, sentence: str, *, warn: bool) -> None:
        if news := self._gpus.news(sentence):
            self.log.log("WARNING" if warn else "INFO", f"{self._host}: {news}")


def _watch(watch: Watch, scope: TaskScope) -> None:
    scope.on_cancel(watch.ring)
    watch.loop(scope.tell, lambda: scope.cancelled)


def _ask(nvml: Nvml) -> _Readings:
    try:
        return _Readings(nvml.read())
    except NoDriver as absence:
        return _Readings((), fault=f"this machine has no NVIDIA driver, so no GPU ({absence})", no_driver=True)
    except CannotTell as error:
        return _Readings((), fault=f"cannot tell: {error}")
