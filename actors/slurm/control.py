"""The control of a Slurm cluster: hands runs to Slurm once, tells what becomes of them, ends them with proof.

Slurm places, queues and accounts; this offers as many slots as runs may be queued or running at once. The host on which
Slurm's commands run is entered over a link, or is this machine. A lost shell, and a Slurm that does not answer, suspend
the host: launched work is kept as unknown, orders wait and are done again from their start, each may be repeated.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from actors.errors import MqiError
from actors.jobs.offered_gpus import Gpus
from actors.jobs.waiting import WaitingOrders
from actors.mounts import Ground
from actors.slurm import standing
from actors.slurm.cluster import Cluster
from actors.slurm.options import SlurmOptions
from actors.slurm.orders import Answer, Steered, Task, Undone, carry_out
from actors.slurm.pauses import Pause
from actors.slurm.shell import OpenShell, ShellError
from actors.slurm.standing import Standing
from actors.slurm.submitting import install
from actors.slurm.verdict import Patience
from actors.slurm.waits import Waits
from actors.slurm.watching import Observed, Pace, QueueHeard, Watch
from actors.supervision import Actor, Backoff, Context, Spec, StartChild, TaskFailed, TaskScope
from messages.address import Mailbox
from messages.faults import Fault
from messages.hosts import GpusObserved, HostObserved, HostState, SubscribeHost, UnsubscribeHost
from messages.jobs import KillJob, LaunchJob, RemoveRuns, SteerCase, UnwatchJob, WatchJob

AT_ONCE = 4
"""Orders that are carried out beside each other: sbatch and scancel are calls of one busy program."""
BREAKER = Backoff(min_s=1.0, max_s=60.0, jitter=0.2, reset_after_s=30.0)
_DOUBT = Backoff(min_s=1.0, max_s=60.0, jitter=0.2)
"""Before orders go on after one to which Slurm gave no clear answer, though it tells its queue."""
_FULL = Backoff(min_s=2.0, max_s=60.0, jitter=0.2)
"""Before submissions go on after one for which Slurm had no room; a run that ends makes some."""
_STANDING_S = 15.0


@dataclass(frozen=True, slots=True)
class _Opened:
    """From the shell's task: the host is there."""

    cluster: Cluster
    standing: Standing


@dataclass(frozen=True, slots=True)
class _Lost:
    """From the shell's task, at its end."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class _Connect:
    """Tick: the back-off is over."""


@dataclass(frozen=True, slots=True)
class _Slots:
    """Tick: the slots are told again."""


@dataclass(frozen=True, slots=True)
class _AskStanding:
    """Tick, of the shell with this number."""

    shell: int


@dataclass(frozen=True, slots=True)
class _GoOn:
    """Tick: Slurm may be given such orders again."""

    after: Pause


class SlurmControl(Actor):
    """``slots``: runs that may be queued or running at once; ``worker_spec(index, name)`` makes the worker of one.

    Every request is answered once, however long cluster or link is away, and may be repeated.
    """

    def __init__(
        self,
        context: Context,
        *,
        host: str,
        workspace: str,
        slots: int,
        options: SlurmOptions,
        open_shell: OpenShell,
        monitor: Mailbox,
        worker_spec: Callable[[int, str], Spec],
        ground: Ground | None = None,
        left: tuple[tuple[int, str], ...] = (),
        pace: Pace | None = None,
        patience: Patience | None = None,
    ) -> None:
        super().__init__(context)
        self._host = host
        self._workspace = workspace
        self._ground = ground or Ground(workspace)
        self._slots = Gpus(host, slots, left)
        self._options = options
        self._open_shell = open_shell
        self._worker_spec = worker_spec
        self._subscribers: dict[str, Mailbox] = {monitor.id: monitor}
        self._last: HostObserved | None = None
        self._seen = Standing()
        self._patience = patience or Patience()
        self._pace = pace or Pace()
        self._watch = Watch(workspace, self._pace, self._patience)
        self._waits = Waits()
        self._waiting = WaitingOrders[Task]()
        self._busy = 0
        self._doubt = Pause(_DOUBT)
        """Of all orders that need Slurm."""
        self._full = Pause(_FULL)
        """Of submissions."""
        self._cluster: Cluster | None = None
        self._shells = 0
        """Opened so far: ticks of a former one are stale."""
        self._failures = 0
        self._since = 0.0
        self._silence: str | None = None
        """Why Slurm does not answer; empty: it does; None: it was not asked yet."""

    def started(self) -> None:
        self._offer()
        self._connect()

    def receive(self, message: object) -> None:
        match message:
            case Observed(reply_to, news):
                reply_to.tell(news)
            case Answer() | Steered() | Undone():
                self._order_done(message)
            case LaunchJob() | KillJob() | RemoveRuns() | SteerCase():
                self._waiting.add(message)
                self._next()
            case WatchJob() | UnwatchJob():
                self._watch.order(message)
            case _GoOn(pause):
                pause.over()
                self._next()
            case SubscribeHost(reply_to):
                self._subscribe(reply_to)
            case UnsubscribeHost(reply_to):
                self._subscribers.pop(reply_to.id, None)
            case _:
                self._receive_standing(message)

    def _receive_standing(self, message: object) -> None:
        match message:
            case QueueHeard(fault, jobs, clock):
                self._waits.hear(jobs, clock)
                self._hear(fault)
            case _Opened():
                self._opened(message)
            case _Lost(fault):
                self._lost(fault)
            case _Connect():
                self._connect()
            case _Slots():
                self._offer()
            case _AskStanding(shell) if shell == self._shells and self._cluster is not None:
                self.task("standing", functools.partial(_ask, self._cluster, self._ground))
            case Standing() if self._cluster is not None:
                self._take_standing(message)
            case TaskFailed(_, error):
                raise error  # nobody knows how far it came: the next incarnation is asked again, from the ledger

    # -- the shell

    def _connect(self) -> None:
        self.task("shell", functools.partial(_hold, self._open_shell, self._workspace, self._ground, self._watch))

    def _opened(self, opened: _Opened) -> None:
        self._cluster = opened.cluster
        self._shells += 1
        self._since = self.context.system.timers.now()
        self._take_standing(opened.standing)
        self._next()

    def _lost(self, fault: Fault) -> None:
        """Launched work is unknown from here on, the rest waits; the next attempt comes when the back-off says so."""
        held_s = self.context.system.timers.now() - self._since if self._cluster is not None else 0.0
        if held_s >= BREAKER.reset_after_s:
            self._failures = 0
        delay_s = BREAKER.delay_s(self._failures, random.random())
        self._failures += 1
        self._cluster = None
        reason = f"{fault.what} {fault.remedy}".strip()
        news = self._slots.news(reason)
        self.log.log("WARNING" if news else "DEBUG", "{} It is tried again in {:.0f} s.", reason, delay_s)
        for observed in self._watch.lost(reason):
            observed.reply_to.tell(observed.news)
        self.after(delay_s, _Connect())
        now = datetime.now(UTC)
        next_at = now + timedelta(seconds=delay_s)
        self._publish(HostObserved(self._host, standing.KIND, now, HostState.SUSPENDED, reason, next_attempt=next_at))

    def _hear(self, fault: str) -> None:
        """Slurm answered, or did not."""
        silence = f"Slurm does not answer ({fault}). Look at slurmctld: scontrol ping" if fault else ""
        changed = silence != self._silence
        self._silence = silence
        if not changed or self._cluster is None:
            return
        if silence:
            self.log.warning("{}: {}; queued and running jobs are kept, and it is asked again.", self._host, silence)
        else:
            self.log.info("{}: Slurm answers.", self._host)
        self._publish(self._seen.observed(self._host, silence))
        self._next()

    # -- orders about runs

    def _next(self) -> None:
        """Removals need no Slurm; everything else waits until it answers."""
        while self._cluster is not None and self._busy < AT_ONCE and (order := self._ready()) is not None:
            self._busy += 1
            self.task(_name(order), functools.partial(_carry, order, self._cluster, self._options, self._patience))

    def _ready(self) -> Task | None:
        def ready(order: Task) -> bool:
            if isinstance(order, RemoveRuns):
                return True
            return self._silence == "" and not self._doubt.lasts and not (self._full.lasts and _submits(order))

        return self._waiting.take(ready)

    def _order_done(self, done: Answer | Steered | Undone) -> None:
        self._busy -= 1
        if isinstance(done, Undone):
            self.log.debug("{}: an order is to be done again: {}", self._host, done.fault)
            self._waiting.again(done.order)
            self._undone(done)
        else:
            self._waiting.done(done.order)
            self._doubt.forget()
            if _submits(done.order):
                self._full.forget()
        if isinstance(done, Answer):
            done.order.reply_to.tell(done.message)
            if done.watch is not None:
                self._watch.order(done.watch)
        self._next()

    def _undone(self, done: Undone) -> None:
        if done.full:
            self._begin(self._full, done.fault)
        elif done.lost is None:
            self._begin(self._doubt, done.fault)
            self._watch.ask_again()  # whether Slurm is silent, its queue tells: one unclear answer is no silence
        elif self._cluster is not None and self._cluster.shell is done.lost:  # a later one is none the worse
            done.lost.cut()  # its own task sees it, and tells

    def _begin(self, pause: Pause, fault: Fault) -> None:
        delay_s = pause.begin(random.random())
        if delay_s is None:
            return
        level = "WARNING" if pause.times == 1 else "DEBUG"
        self.log.log(level, "{}: {} It is asked again in {:.0f} s.", self._host, fault, delay_s)
        self.after(delay_s, _GoOn(pause))

    # -- the host

    def _subscribe(self, reply_to: Mailbox) -> None:
        self._subscribers[reply_to.id] = reply_to
        if self._last is not None:
            reply_to.tell(self._last)
        reply_to.tell(self._told_slots())

    def _tell(self, news: GpusObserved | HostObserved) -> None:
        for subscriber in self._subscribers.values():
            subscriber.tell(news)

    def _take_standing(self, seen: Standing) -> None:
        self._seen = seen
        if self._silence is not None:
            self._publish(seen.observed(self._host, self._silence))
        self.after(_STANDING_S, _AskStanding(self._shells))

    def _publish(self, observed: HostObserved) -> None:
        self._last = observed
        self._tell(observed)

    def _told_slots(self) -> GpusObserved:
        """As many slots as there are, and how long a run is expected to wait for its node."""
        return replace(self._slots.slots(datetime.now(UTC)), wait_s=self._waits.expected_s)

    def _offer(self) -> None:
        offered = self._told_slots()
        self._tell(offered)
        for slot in self._slots.new(offered):
            self.context.parent.tell(StartChild(self._worker_spec(slot.index, slot.uuid)))
        self.after(self._pace.slots_s, _Slots())


def _hold(open_shell: OpenShell, workspace: str, ground: Ground, watch: Watch, scope: TaskScope) -> _Lost:
    """Open the shell, tell of it, watch over its runs, close it. Ends when the shell does."""
    try:
        shell = open_shell(scope.on_cancel)
    except MqiError as error:
        return _Lost(error.fault)
    withdraw = [scope.on_cancel(watch.ring), scope.on_cancel(shell.cut)]
    try:
        cluster = Cluster(shell, workspace, lambda: scope.cancelled)
        seen = standing.observe(cluster, ground)
        cluster = replace(cluster, mount=seen.mount)
        if not seen.fault:
            _install(cluster)
        scope.tell(_Opened(cluster, seen))
        watch.loop(cluster, scope.tell, lambda: scope.cancelled)
    except ShellError as lost:
        return _Lost(lost.fault)
    finally:
        for take_back in withdraw:
            take_back()
        shell.close()
    raise AssertionError("a watch ends with its shell, or with its actor")


def _install(cluster: Cluster) -> None:
    """Ahead of the first submission, which would do it otherwise; a full disk is that submission's affair."""
    try:
        install(cluster)
    except ShellError:
        raise
    except MqiError:
        return


def _name(order: Task) -> str:
    match order:
        case LaunchJob():
            return f"launch {order.job.key}"
        case SteerCase():
            return f"steer {order.case}"
        case _:
            return f"{type(order).__name__} {order.request_id}"


def _submits(order: Task) -> bool:
    return isinstance(order, LaunchJob)


def _carry(
    order: Task, cluster: Cluster, options: SlurmOptions, patience: Patience, scope: TaskScope
) -> Answer | Steered | Undone:
    return carry_out(order, replace(cluster, cancelled=lambda: scope.cancelled), options, patience, scope)


def _ask(cluster: Cluster, ground: Ground, _scope: TaskScope) -> Standing:
    try:
        return standing.observe(cluster, ground)
    except ShellError:
        cluster.shell.cut()  # its own task sees it, and tells
        return Standing()
