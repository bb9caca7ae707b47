"""Every decision of a supervisor: events in, effects out. No thread, no clock, no I/O.

The core is level-triggered: an event changes what is known of a child, then what is is compared with what ought to be
and the next moves come out. News of an incarnation that is not the current one is stale and changes nothing.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from actors.supervision._messages import Exited, StartChild, StopChild, Up
from actors.supervision._spec import Restart, Spec, Strategy


class Phase(StrEnum):
    """Where a child stands."""

    DOWN = "down"
    """No incarnation; waiting for its turn or its back-off, or finished."""
    STARTING = "starting"
    """An incarnation was made; its ``started`` has not returned."""
    UP = "up"
    STOPPING = "stopping"
    """It was asked to end."""


ALIVE = frozenset({Phase.STARTING, Phase.UP})


# -- events, beside Up, Exited, StartChild, StopChild; ids are those of specs


@dataclass(frozen=True, slots=True)
class Begin:
    """The supervisor is there: start the children."""


@dataclass(frozen=True, slots=True)
class Close:
    """Stop the children in order, then finish."""


@dataclass(frozen=True, slots=True)
class BackoffOver:
    id: str
    epoch: int
    """Of the incarnation that crashed."""


@dataclass(frozen=True, slots=True)
class Overdue:
    """An incarnation took too long in a phase; in UP: one handler did (told by the watchdog)."""

    id: str
    epoch: int
    phase: Phase


Event = Up | Exited | StartChild | StopChild | Begin | Close | BackoffOver | Overdue


# -- effects


@dataclass(frozen=True, slots=True)
class Start:
    spec: Spec
    epoch: int


@dataclass(frozen=True, slots=True)
class Stop:
    id: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Abandon:
    """It does not come back: fence it and do without it."""

    id: str
    epoch: int
    cause: TimeoutError


@dataclass(frozen=True, slots=True)
class After:
    """Give the event back after so long."""

    delay_s: float
    event: Event


@dataclass(frozen=True, slots=True)
class Report:
    """One line for the log: this child ended, and what happens next."""

    id: str
    epoch: int
    cause: BaseException | None
    next: str


@dataclass(frozen=True, slots=True)
class Forget:
    """Nobody will read this child's mail again."""

    id: str


@dataclass(frozen=True, slots=True)
class Finish:
    """All children are down: end, with this cause if the budget was spent."""

    cause: BaseException | None


Effect = Start | Stop | Abandon | After | Report | Forget | Finish


class RestartsSpent(Exception):  # noqa: N818 - it says what happened, as an exit cause
    """A child crashed more often than its supervisor may restart; the last crash is the ``__cause__``."""


class Child:
    """What the core knows of one child."""

    __slots__ = (
        "armed",
        "crashes",
        "doomed",
        "due",
        "dynamic",
        "epoch",
        "finished",
        "phase",
        "renewed",
        "since",
        "spec",
        "wanted",
    )

    def __init__(self, spec: Spec, *, dynamic: bool = False) -> None:
        self.spec = spec
        self.dynamic = dynamic
        self.phase = Phase.DOWN
        self.epoch = 0
        self.doomed = False  # to be stopped, and then started again, because of a sibling
        self.wanted = True  # False: to be stopped and forgotten
        self.finished = False  # its end was its last
        self.renewed = False  # asked for again while it ran: if it ends, that was not its last end
        self.crashes = 0  # in a row
        self.since: float | None = None  # when this incarnation came up
        self.due = 0.0  # not to be started before
        self.armed = False  # a BackoffOver is on its way


class Core:
    """Children of one supervisor. Dict order is start order; stop order is its reverse."""

    def __init__(
        self,
        specs: Iterable[Spec],
        strategy: Strategy,
        *,
        max_restarts: int,
        within_s: float,
        next_epoch: Callable[[], int],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.children = {spec.id: Child(spec) for spec in specs}
        self.strategy = strategy
        self.closing = False
        self._max_restarts, self._within_s = max_restarts, within_s
        self._next_epoch, self._chance = next_epoch, chance
        self._restarts: deque[float] = deque()
        self._cause: BaseException | None = None
        self._finished = False

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Effects in the order in which they are to be carried out; ``now`` is a clock that never goes back, in s."""
        return [*self._learn(event, now), *self._move(now)]

    # -- what an event changes

    def _learn(self, event: Event, now: float) -> Iterator[Effect]:
        match event:
            case Up() | Exited() | Overdue() | BackoffOver():
                child = self.children.get(event.id)
                if child is not None and child.epoch == event.epoch:
                    yield from self._news(child, event, now)
            case StartChild(spec):
                self._want(spec)
            case StopChild(id) if id in self.children:
                self.children[id].wanted = False
            case Close():
                self.closing = True

    def _news(self, child: Child, event: Up | Exited | Overdue | BackoffOver, now: float) -> Iterator[Effect]:
        match event:
            case Up() if child.phase is Phase.STARTING:
                child.phase, child.since = Phase.UP, now
            case Exited(cause=cause) if child.phase is not Phase.DOWN:
                yield from self._down(child, cause, now)
            case Overdue(phase=phase) if child.phase is phase:
                overrun = TimeoutError(_too_long(child))
                yield Abandon(child.spec.id, child.epoch, overrun)
                yield from self._down(child, overrun, now)
            case BackoffOver():
                child.armed = False

    def _want(self, spec: Spec) -> None:
        child = self.children.get(spec.id)
        if child is None:
            self.children[spec.id] = Child(spec, dynamic=True)
            return
        child.spec = spec
        child.wanted, child.finished = True, False
        child.renewed = child.phase in (Phase.UP, Phase.STOPPING)

    def _down(self, child: Child, cause: BaseException | None, now: float) -> Iterator[Effect]:
        spec, ordered = child.spec, child.phase is Phase.STOPPING or child.doomed or not child.wanted or self.closing
        if child.since is not None and now - child.since >= spec.backoff.reset_after_s:
            child.crashes = 0
        child.phase, child.doomed = Phase.DOWN, False
        good_end = spec.restart is Restart.TRANSIENT and cause is None and not ordered
        last = good_end or spec.restart is Restart.TEMPORARY
        if not ordered and not last:
            yield self._crashed(child, cause, now)
            return
        child.finished, child.renewed = last and not child.renewed, False
        if child.finished and not child.dynamic:  # a dynamic one is forgotten altogether, in _forget
            yield Forget(spec.id)
        if cause is not None:
            yield Report(spec.id, child.epoch, cause, "it was being stopped" if ordered else "it is not restarted")

    def _crashed(self, child: Child, cause: BaseException | None, now: float) -> Report:
        spec = child.spec
        if spec.escalates and self._budget_spent(now):
            text = f"{spec.id} crashed more than {self._max_restarts} times within {self._within_s:g} s"
            self._cause = RestartsSpent(text)
            self._cause.__cause__ = cause
            self.closing = True
            return Report(spec.id, child.epoch, cause, f"escalates: {text}")
        delay_s = spec.backoff.delay_s(child.crashes, self._chance())
        child.due, child.armed = now + delay_s, False
        child.crashes += 1
        for sibling in self._sharing_fate(child):
            sibling.doomed = sibling.phase in ALIVE
        return Report(spec.id, child.epoch, cause, f"restarts in {delay_s:.1f} s" if delay_s else "restarts now")

    def _budget_spent(self, now: float) -> bool:
        self._restarts.append(now)
        while now - self._restarts[0] > self._within_s:
            self._restarts.popleft()
        return len(self._restarts) > self._max_restarts

    def _sharing_fate(self, child: Child) -> list[Child]:
        siblings = list(self.children.values())
        match self.strategy:
            case Strategy.ONE_FOR_ONE:
                return []
            case Strategy.REST_FOR_ONE:
                return siblings[siblings.index(child) + 1 :]
            case Strategy.ONE_FOR_ALL:
                return siblings

    # -- what is to be done now

    def _move(self, now: float) -> Iterator[Effect]:
        yield from self._forget()
        if self.closing:
            yield from self._close()
        elif self.strategy is Strategy.ONE_FOR_ONE:
            for child in self._leaving():
                yield from self._stop(child)
            yield from self._start(now)
        elif self._stopping():
            return
        elif leaving := self._leaving():
            yield from self._stop(leaving[0])
        else:
            yield from self._start(now)

    def _forget(self) -> Iterator[Effect]:
        for id_, child in list(self.children.items()):
            if child.phase is Phase.DOWN and (not child.wanted or (child.finished and child.dynamic)):
                del self.children[id_]
                yield Forget(id_)

    def _leaving(self) -> list[Child]:
        """Alive and to be stopped, the last started first."""
        return [
            child
            for child in reversed(self.children.values())
            if child.phase in ALIVE and (child.doomed or not child.wanted or self.closing)
        ]

    def _stopping(self) -> bool:
        return any(child.phase is Phase.STOPPING for child in self.children.values())

    def _close(self) -> Iterator[Effect]:
        leaving = self._leaving()
        if self.strategy is Strategy.ONE_FOR_ONE:  # dynamic ones are peers of one kind: all at once
            for child in [child for child in leaving if child.dynamic]:
                yield from self._stop(child)
            leaving = [child for child in leaving if not child.dynamic]
        if self._stopping():
            return
        if leaving:
            yield from self._stop(leaving[0])
        elif not self._finished:
            self._finished = True
            yield Finish(self._cause)

    def _stop(self, child: Child) -> Iterator[Effect]:
        child.phase = Phase.STOPPING
        yield Stop(child.spec.id, child.epoch)
        yield After(child.spec.stop_timeout_s, Overdue(child.spec.id, child.epoch, Phase.STOPPING))

    def _start(self, now: float) -> Iterator[Effect]:
        for child in self.children.values():
            if child.finished:
                continue
            if child.phase is Phase.DOWN:
                yield from self._start_or_wait(child, now)
            if self.strategy is not Strategy.ONE_FOR_ONE and child.phase is not Phase.UP:
                return  # later siblings depend on it

    def _start_or_wait(self, child: Child, now: float) -> Iterator[Effect]:
        if child.due <= now:
            child.phase, child.epoch, child.renewed, child.since = Phase.STARTING, self._next_epoch(), False, None
            yield Start(child.spec, child.epoch)
            yield After(child.spec.start_timeout_s, Overdue(child.spec.id, child.epoch, Phase.STARTING))
        elif not child.armed:
            child.armed = True
            yield After(child.due - now, BackoffOver(child.spec.id, child.epoch))


def _too_long(child: Child) -> str:
    spec = child.spec
    match child.phase:
        case Phase.STARTING:
            return f"{spec.id} did not start within {spec.start_timeout_s:g} s"
        case Phase.STOPPING:
            return f"{spec.id} did not stop within {spec.stop_timeout_s:g} s"
        case _:
            return f"{spec.id} was busy with one message for more than {spec.handler_budget_s:g} s"
