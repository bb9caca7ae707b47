"""The control of a host over SSH: launches, watches and ends runs, and says how the host and its GPUs are.

It lives on when its link is lost: workers and lanes are not disturbed, orders wait and are done again from their start
(each may be repeated), and what runs is kept as unknown. The link is opened again by a back-off, one attempt a step;
that is the circuit breaker of the host, and nobody else's.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from actors.errors import MqiError
from actors.jobs.offered_gpus import Gpus, Offer
from actors.jobs.waiting import WaitingOrders
from actors.mounts import Ground
from actors.ssh_connection import nvidia_smi, standing
from actors.ssh_connection.launching import install
from actors.ssh_connection.link import open_link
from actors.ssh_connection.orders import Answer, Order, Undone, carry_out
from actors.ssh_connection.remote import Remote
from actors.ssh_connection.standing import Standing
from actors.ssh_connection.target import Target
from actors.ssh_connection.troubles import NEEDS_HANDS, LinkError
from actors.ssh_connection.watching import Observed, Watch
from actors.supervision import Actor, Backoff, Context, Spec, StartChild, TaskFailed, TaskScope
from messages.address import Mailbox
from messages.faults import Fault
from messages.hosts import GpusObserved, HostObserved, HostState, SubscribeHost, UnsubscribeHost
from messages.jobs import KillJob, LaunchJob, RemoveRuns, UnwatchJob, WatchJob

AT_ONCE = 6
"""Orders that are carried out beside each other; the link itself bounds its sessions."""


BREAKER = Backoff(min_s=1.0, max_s=60.0, jitter=0.2, reset_after_s=30.0)
SLOW = Backoff(min_s=15.0, max_s=300.0, jitter=0.2, reset_after_s=30.0)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the host is asked, in s, and how its link is opened again."""

    gpus_s: float = 4.0
    standing_s: float = 10.0
    backoff: Backoff = BREAKER
    slow: Backoff = SLOW
    """After a refusal that only a person can mend: a key, a login, a configuration."""


@dataclass(frozen=True, slots=True)
class _Opened:
    """From the link's task: the host is there."""

    remote: Remote
    standing: Standing


@dataclass(frozen=True, slots=True)
class _Lost:
    """From the link's task, at its end: there is no link, or none any more."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class _AskGpus:
    """Tick, of the link with this number."""

    link: int


@dataclass(frozen=True, slots=True)
class _AskStanding:
    """Tick, of the link with this number."""

    link: int


@dataclass(frozen=True, slots=True)
class _Unanswered:
    """From a task that asked how the host is: the link failed, as its own task will tell."""

    remote: Remote


@dataclass(frozen=True, slots=True)
class _Connect:
    """Tick: the back-off is over."""


class SshControl(Actor):
    """``gpus``: "auto", indices, or a number of slots; ``worker_spec(index, uuid)`` makes the worker of one of them;
    ``ground``: what is known of the disk that the workspace lies on; ``left``: GPUs on which something is open.

    Every request is answered once, however long the host is away, and may be repeated: launches are fenced by the
    run's claim, kills and removals by what they find.
    """

    def __init__(
        self,
        context: Context,
        *,
        host: str,
        target: Target,
        workspace: str,
        gpus: Offer,
        monitor: Mailbox,
        worker_spec: Callable[[int, str], Spec],
        ground: Ground | None = None,
        left: tuple[tuple[int, str], ...] = (),
        pace: Pace | None = None,
    ) -> None:
        super().__init__(context)
        self._host = host
        self._target = target
        self._workspace = workspace
        self._ground = ground or Ground(workspace)
        self._gpus = Gpus(host, gpus, left)
        self._worker_spec = worker_spec
        self._pace = pace or Pace()
        self._subscribers: dict[str, Mailbox] = {monitor.id: monitor}
        self._last_gpus: GpusObserved | None = None
        self._last_standing: HostObserved | None = None
        self._watch = Watch()
        self._waiting = WaitingOrders[Order]()
        self._busy = 0
        self._away = False
        """The workspace's disk is not mounted on the host: orders about runs wait for it."""
        self._remote: Remote | None = None
        self._links = 0
        """Links opened so far: ticks of a former one are stale."""
        self._failures = 0
        self._since = 0.0
        self._hanging: tuple[str, ...] = ()

    def started(self) -> None:
        if not self._gpus.asked:
            self._take_gpus(self._gpus.slots(datetime.now(UTC)))
        self._connect()

    def receive(self, message: object) -> None:
        match message:
            case Observed(reply_to, news):
                reply_to.tell(news)
            case Answer() | Undone():
                self._order_done(message)
            case LaunchJob() | KillJob() | RemoveRuns():
                self._waiting.add(message)
                self._next()
            case WatchJob() | UnwatchJob():
                self._watch.order(message)
            case SubscribeHost(reply_to):
                self._subscribe(reply_to)
            case UnsubscribeHost(reply_to):
                self._subscribers.pop(reply_to.id, None)
            case _:
                self._receive_link(message)

    def _receive_link(self, message: object) -> None:
        match message:
            case _Connect():
                self._connect()
            case _Opened():
                self._opened(message)
            case _Lost(fault):
                self._lost(fault)
            case TaskFailed(_, error):
                raise error  # nobody knows how far it came: the next incarnation is asked again, from the ledger
            case _:
                self._receive_standing(message)

    def _receive_standing(self, message: object) -> None:
        match message:
            case _AskGpus(link) if link == self._links:
                self._ask_gpus()
            case _AskStanding(link) if link == self._links:
                self._ask_standing()
            case nvidia_smi.Readings() if self._remote is not None:
                self._take_readings(message)
            case Standing() if self._remote is not None:
                self._take_standing(message)
            case _Unanswered(remote) if remote is self._remote:
                remote.link.cut()  # its own task sees it, and tells

    # -- the link

    def _connect(self) -> None:
        target, workspace, ground, watch = self._target, self._workspace, self._ground, self._watch
        self.task("link", lambda scope: _hold(target, workspace, ground, watch, scope))

    def _opened(self, opened: _Opened) -> None:
        self._remote = opened.remote
        self._links += 1
        self._since = self.context.system.timers.now()
        if self._last_standing is None or self._last_standing.state is HostState.SUSPENDED:
            self.log.info("{}: connected to {}", self._host, self._target.address)
        self._take_standing(opened.standing)
        self._ask_gpus()

    def _lost(self, fault: Fault) -> None:
        """Launched work is unknown from here on, the rest waits; the next attempt comes when the back-off says so."""
        held_s = self.context.system.timers.now() - self._since if self._remote is not None else 0.0
        backoff = self._pace.slow if fault.kind in NEEDS_HANDS else self._pace.backoff
        if held_s >= backoff.reset_after_s:
            self._failures = 0
        delay_s = backoff.delay_s(self._failures, random.random())
        self._failures += 1
        self._remote = None
        self.after(delay_s, _Connect())
        self._suspend(fault, delay_s)

    def _suspend(self, fault: Fault, delay_s: float) -> None:
        reason = f"{fault.what} {fault.remedy}".strip()
        now = datetime.now(UTC)
        news = self._gpus.news(reason)
        self.log.log("WARNING" if news else "DEBUG", "{} It is tried again in {:.0f} s.", reason, delay_s)
        for observed in self._watch.lost(reason):
            observed.reply_to.tell(observed.news)
        boot_id = self._last_standing.boot_id if self._last_standing is not None else ""
        next_at = now + timedelta(seconds=delay_s)
        suspended = HostState.SUSPENDED
        self._publish_standing(
            HostObserved(self._host, standing.KIND, now, suspended, reason, boot_id=boot_id, next_attempt=next_at)
        )
        if self._gpus.asked:
            self._publish(self._gpus.unknown(f"the host is suspended: {fault.what}", now))

    # -- orders about runs

    def _next(self) -> None:
        if self._away:
            return
        while self._remote is not None and self._busy < AT_ONCE and (order := self._waiting.take()) is not None:
            self._busy += 1
            name = order.job.key if isinstance(order, LaunchJob) else order.request_id
            remote = self._remote
            self.task(
                f"{type(order).__name__} {name}",
                lambda scope, order=order, remote=remote: carry_out(  # type: ignore[misc]
                    order, replace(remote, cancelled=lambda: scope.cancelled), scope
                ),
            )

    def _order_done(self, done: Answer | Undone) -> None:
        self._busy -= 1
        if isinstance(done, Undone):
            self.log.debug("{}: an order is to be done again: {}", self._host, done.fault)
            self._waiting.again(done.order)
            if self._remote is not None:
                self._remote.link.cut()
        else:
            self._waiting.done(done.order)
            done.order.reply_to.tell(done.message)
            if done.watch is not None:
                self._watch.order(done.watch)
        self._next()

    # -- the host

    def _subscribe(self, reply_to: Mailbox) -> None:
        self._subscribers[reply_to.id] = reply_to
        for last in (self._last_standing, self._last_gpus):
            if last is not None:
                reply_to.tell(last)

    def _tell(self, news: GpusObserved | HostObserved) -> None:
        for subscriber in self._subscribers.values():
            subscriber.tell(news)

    def _ask_standing(self) -> None:
        if self._remote is not None:
            observe = functools.partial(standing.observe, ground=self._ground)
            self.task("standing", functools.partial(_ask, observe, self._remote))

    def _take_standing(self, seen: Standing) -> None:
        lacking = self._gpus.lacking(self._last_gpus) if self._last_gpus is not None else ""
        observed = seen.observed(self._host)
        self._publish_standing(replace(observed, reason=observed.reason or lacking))
        self._away = seen.away
        self._next()
        self.after(self._pace.standing_s, _AskStanding(self._links))

    def _publish_standing(self, observed: HostObserved) -> None:
        self._last_standing = observed
        self._tell(observed)

    # -- its GPUs

    def _ask_gpus(self) -> None:
        if not self._gpus.asked:
            self._take_gpus(self._gpus.slots(datetime.now(UTC)))
            self.after(self._pace.gpus_s, _AskGpus(self._links))
        elif self._remote is not None:
            work = functools.partial(nvidia_smi.ask, hanging=self._hanging)
            self.task("gpus", functools.partial(_ask, work, self._remote))

    def _take_readings(self, readings: nvidia_smi.Readings) -> None:
        now = datetime.now(UTC)
        self._hanging = readings.hanging
        observed = (
            self._gpus.unknown(readings.fault, now) if readings.fault else self._gpus.observed(readings.gpus, now)
        )
        if news := self._gpus.news(readings.fault or self._gpus.lacking(observed)):
            self.log.warning("{}: {}", self._host, news)
        self._take_gpus(observed)
        self.after(self._pace.gpus_s, _AskGpus(self._links))

    def _take_gpus(self, observed: GpusObserved) -> None:
        self._publish(observed)
        for gpu in self._gpus.new(observed):
            self.context.parent.tell(StartChild(self._worker_spec(gpu.index, gpu.uuid)))

    def _publish(self, observed: GpusObserved) -> None:
        self._last_gpus = observed
        self._tell(observed)


def _hold(target: Target, workspace: str, ground: Ground, watch: Watch, scope: TaskScope) -> _Lost:
    """Open a link, tell of it, watch over it, close it. Ends when the link does."""
    try:
        link = open_link(target, scope.on_cancel)
    except MqiError as error:
        return _Lost(error.fault)
    withdraw = [scope.on_cancel(watch.ring), scope.on_cancel(link.cut)]
    try:
        seen = standing.observe(Remote(link, workspace, cancelled=lambda: scope.cancelled), ground)
        remote = Remote(link, workspace, seen.boot_id, lambda: scope.cancelled, seen.mount)
        if not seen.fault:
            _install(remote)
        scope.tell(_Opened(remote, seen))
        watch.loop(remote, scope.tell, lambda: scope.cancelled)
    except LinkError as error:
        return _Lost(error.fault)
    finally:
        for take_back in withdraw:
            take_back()
        link.close()
    raise AssertionError("a watch ends with its link, or with its actor")


def _install(remote: Remote) -> None:
    """Ahead of the first launch, which would do it otherwise; a full disk is that launch's affair."""
    try:
        install(remote)
    except LinkError:
        raise
    except MqiError:
        return


def _ask(
    work: Callable[[Remote], Standing | nvidia_smi.Readings], remote: Remote, _scope: TaskScope
) -> Standing | nvidia_smi.Readings | _Unanswered:
    try:
        return work(remote)
    except LinkError:
        return _Unanswered(remote)
