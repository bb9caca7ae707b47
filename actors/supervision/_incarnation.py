"""One life of an actor: its thread, and the death watch that covers every way out of it.

pykka gives the thread's loop and the inbox protocol. Contract tests pin what is relied on: the two extension points
``_create_actor_inbox`` and ``_start_actor_loop``, and that the loop ends once ``actor_stopped`` is set.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import pykka
from loguru import logger

from actors.supervision._core import Close, Overdue, Phase
from actors.supervision._mailbox import Address, Fenced, Window
from actors.supervision._messages import Exited, Up
from actors.supervision._spec import Spec
from actors.supervision._tasks import Task, TaskScope
from actors.supervision._timers import Timer

if TYPE_CHECKING:
    from actors.supervision._actor import Actor
    from actors.supervision._system import System

TASKS_END_WITHIN_S = 1.0
FEW_TIMERS = 16
"""As many may have fired already before they are looked through."""


@runtime_checkable
class Watchable(Protocol):
    """An address, or what stands for one in a test."""

    def watch(self, watcher: Window) -> None:
        """Tell the watcher Up and Exited, beginning with Up if it is up."""


@dataclass(frozen=True, slots=True)
class Busy:
    """What a thread is at since when, and how long it may be."""

    since: float
    budget_s: float


class Incarnation(pykka.ThreadingActor):
    """Made by a supervisor for one start of one child; never started twice."""

    def __init__(
        self, address: Address, epoch: int, spec: Spec, system: System, report: Callable[[object], None]
    ) -> None:
        self.address, self.epoch, self.spec = address, epoch, spec
        self.window = Window(address, epoch)
        self.thread: threading.Thread | None = None
        self._system = system
        self._report = report  # to the supervisor: Up and Exited
        self._actor: Actor | None = None
        self._cause: BaseException | None = None
        self._busy: Busy | None = None
        self._tasks: list[Task] = []
        self._timers: list[Timer] = []
        self._timers_looked_through_at = FEW_TIMERS
        self._watched: list[Watchable] = []  # held, so that the address of an actor still to come stays the same
        super().__init__()

    # -- for the supervisor and the watchdog, from their threads

    def live(self, actor: Actor) -> None:
        """Open the mailbox and start the thread. Raises where no thread is to be had."""
        self._actor = actor
        self.address.open(self.window, self.spec)
        pykka.ActorRegistry.register(self.actor_ref)
        self._system.enlist(self)
        try:
            self._start_actor_loop()
        except BaseException as error:
            self._leave(error)
            raise

    def order_stop(self) -> None:
        """End in good order, after the message at hand."""
        self.window.control(Close())

    @property
    def overruns(self) -> bool:
        """It has been at one thing for longer than it may."""
        busy = self._busy
        return busy is not None and time.monotonic() - busy.since > busy.budget_s

    def report_overrun(self) -> None:
        """To whoever supervises it; nothing happens to it here."""
        self._report(Overdue(self.address.name, self.epoch, Phase.UP))

    def abandon(self, cause: BaseException) -> None:
        """Not another message for it, its tasks cut short, its watchers told."""
        self.actor_stopped.set()
        self.window.fence()
        self.address.went_down(self.epoch, cause)
        self._drop_timers()
        # Closers may block just as the handler does: in a thread that nobody waits for.
        threading.Thread(target=self._cancel_tasks, name=f"{self.address.id}:closers", daemon=True).start()

    def join(self, timeout_s: float) -> bool:
        """Wait for its thread; True if it has ended."""
        if self.thread is None or not self.thread.ident:
            return True
        self.thread.join(timeout_s)
        return not self.thread.is_alive()

    # -- for the actor, from its own thread

    def after(self, delay_s: float, message: object) -> Timer:
        timer = self._system.timers.after(delay_s, self.window.control, message)
        self._timers.append(timer)
        if len(self._timers) > self._timers_looked_through_at:
            self._timers = [timer for timer in self._timers if timer.pending]
            self._timers_looked_through_at = 2 * len(self._timers) + FEW_TIMERS
        return timer

    def task(self, name: str, work: Callable[[TaskScope], object]) -> Task:
        if self.window.fenced:
            raise Fenced
        self._tasks = [task for task in self._tasks if task.running]
        task = Task(name, work, self.window)
        task.start()
        self._tasks.append(task)
        return task

    def watch(self, address: object) -> None:
        if not isinstance(address, Watchable):
            raise TypeError(f"{address!r} tells nobody whether its actor is up")
        if not any(watched is address for watched in self._watched):
            self._watched.append(address)
        address.watch(self.window)

    def unwatch(self, address: object) -> None:
        self._watched = [watched for watched in self._watched if watched is not address]
        if isinstance(address, Address):
            address.unwatch(self.window)

    def end(self) -> None:
        if not self.actor_stopped.is_set():
            self.stop()

    # -- pykka's extension points

    def _create_actor_inbox(self) -> Any:  # type: ignore[override]  # static in pykka, called on the instance
        return self.window

    def _start_actor_loop(self) -> None:
        name = f"{self.address.id}#{self.epoch % 2**32}"
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.thread.start()

    def on_start(self) -> None:
        assert self._actor is not None
        # Its time limit is the supervisor's start_timeout_s, so the watchdog's budget is endless here.
        if self._guarded(float("inf"), self._actor.started):
            self.address.came_up(self.epoch)
            self._report(Up(self.address.id, self.epoch))

    def on_receive(self, message: Any) -> None:
        assert self._actor is not None
        if isinstance(message, Close):
            self._guarded(self.spec.handler_budget_s, self._actor.closing)
        else:
            self._guarded(self.spec.handler_budget_s, self._actor.receive, message)

    def _guarded(self, budget_s: float, call: Callable[..., None], *arguments: object) -> bool:
        """Run the author's code; whatever it raises becomes the cause of this incarnation's end.

        Nothing is passed on to pykka, which would log in several lines, or stop all actors for a SystemExit.
        """
        self._busy = Busy(time.monotonic(), budget_s)
        try:
            call(*arguments)
        except BaseException as error:
            self._cause = self._cause or error
            self.actor_stopped.set()
            return False
        finally:
            self._busy = None
        return True

    def _run(self) -> None:
        try:
            self._actor_loop()
        except Fenced:
            pass
        except BaseException as error:  # a fault of the runtime itself: still a death that must be told
            self._cause = self._cause or error
        self.actor_stopped.set()
        assert self._actor is not None
        self._end_tasks()
        self._guarded(max(self.spec.handler_budget_s, self.spec.stop_timeout_s), self._actor.stopped)
        self._leave(self._cause)
        self._report(Exited(self.address.id, self.epoch, self._cause))

    def _leave(self, cause: BaseException | None) -> None:
        pykka.ActorRegistry.unregister(self.actor_ref)
        self.window.close()
        self._system.discharge(self)
        self.address.went_down(self.epoch, cause)
        self._drop_timers()

    def _drop_timers(self) -> None:
        """Nobody is there for their messages; a limit of hours would keep this life and all it knew for hours."""
        for timer in tuple(self._timers):
            timer.cancel()

    def _cancel_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _end_tasks(self) -> None:
        self._cancel_tasks()
        deadline = time.monotonic() + TASKS_END_WITHIN_S
        for task in self._tasks:
            if not task.join(max(deadline - time.monotonic(), 0.0)):
                self._system.note_stuck(task.thread)
                logger.bind(actor=self.address.id).warning("{} goes on after its end was ordered", task.thread.name)
