"""The root of the tree, and what all actors of a process share: epochs, timers, addresses, counters, watchdog."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

from loguru import logger

from actors.supervision._actor import Context
from actors.supervision._board import ActorStatus, Board
from actors.supervision._core import Overdue, Phase
from actors.supervision._dead_letters import DeadLetters
from actors.supervision._directory import Directory
from actors.supervision._epochs import Epochs
from actors.supervision._incarnation import Incarnation
from actors.supervision._mailbox import Address
from actors.supervision._messages import Exited, Up
from actors.supervision._spec import Spec
from actors.supervision._timers import Timers, TimerService
from actors.supervision._traces import describe, stack_of
from actors.supervision._watchdog import Watchdog

MAX_STUCK = 3


class TooManyStuck(Exception):  # noqa: N818 - it says what happened, as an exit cause
    """Threads that do not return can only be got rid of with the process."""


class System:
    """One tree of actors. ``start``, then ``wait`` until it has finished; ``cause`` says why, None if it was asked to.

    ``boot`` is a counter that grows with every start of the daemon; it makes the epochs of this run greater than those
    of all runs before.
    """

    def __init__(
        self,
        root: Spec,
        *,
        boot: int,
        timers: TimerService | None = None,
        watchdog_period_s: float = 0.5,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.timers: TimerService = timers or Timers()
        self.chance = chance
        self.dead_letters = DeadLetters()
        self.board = Board()
        self._spec = root
        self._epochs = Epochs(boot)
        self._directory = Directory(self.dead_letters)
        self._watchdog = Watchdog(self._living, watchdog_period_s)
        self._lock = threading.Lock()
        self._incarnations: dict[tuple[str, int], Incarnation] = {}
        self._stuck: list[threading.Thread] = []
        self._root: Incarnation | None = None
        self._cause: BaseException | None = None
        self._over = threading.Event()

    # -- for whoever runs the tree

    def start(self) -> None:
        """Start the root, and with it the tree; returns at once. Once per system."""
        self.timers.start()
        self._watchdog.start()
        nobody = Address("nobody", self.dead_letters, lambda _address: None)
        nobody.forget("the root has no supervisor")
        address, epoch = self.claim(self._spec.id), self.next_epoch()
        self.board.note(address.id, Phase.STARTING, epoch)
        self._root = Incarnation(address, epoch, self._spec, self, self._root_news)
        self._root.live(self._spec.actor(Context(address, epoch, nobody, self, self._root), **self._spec.arguments))

    def stop(self, limit_s: float | None = None) -> None:
        """Order the tree to stop, children before parents; returns at once.

        What has not ended after the limit (by default the root's own) is given up, with a cause.
        """
        if self._root is None:
            self._finish(None)
            return
        self._root.order_stop()
        limit_s = self._spec.stop_timeout_s if limit_s is None else limit_s
        self.timers.after(limit_s, self._give_up_root, f"the actors did not stop within {limit_s:g} s")

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end of the tree; True if it has finished, and then timers and watchdog are gone too."""
        if not self._over.wait(timeout_s):
            return False
        self._watchdog.stop()
        self.timers.stop()
        if self._root is not None and not self._given_up(self._root):
            self._root.join(self._spec.stop_timeout_s)
        return True

    @property
    def cause(self) -> BaseException | None:
        """Why it finished; None if it was asked to, or has not finished."""
        return self._cause

    def address(self, path: str) -> Address:
        """Address of the actor with that path, now or later; mail for one that is not there yet waits for it."""
        return self._directory.address(path)

    def snapshot(self) -> tuple[ActorStatus, ...]:
        """Every actor of the tree with its phase, epoch and restarts, by path."""
        return self.board.snapshot()

    @property
    def stuck(self) -> int:
        """Threads that were given up and still run."""
        with self._lock:
            self._stuck = [thread for thread in self._stuck if thread.is_alive()]
            return len(self._stuck)

    # -- for the runtime

    def next_epoch(self) -> int:
        return self._epochs.next()

    def claim(self, path: str) -> Address:
        """A child with this path exists from now on."""
        return self._directory.claim(path)

    def release(self, path: str, why: str) -> None:
        """It exists no more."""
        self._directory.release(path, why)
        self.board.drop(path)

    def enlist(self, incarnation: Incarnation) -> None:
        """It lives: the watchdog has an eye on it."""
        with self._lock:
            self._incarnations[incarnation.address.id, incarnation.epoch] = incarnation

    def discharge(self, incarnation: Incarnation) -> None:
        """It has ended, or was given up."""
        with self._lock:
            self._incarnations.pop((incarnation.address.id, incarnation.epoch), None)

    def abandon(self, incarnation: Incarnation, cause: BaseException) -> None:
        """Do without an actor that does not come back, and without all below it: they have no supervisor now."""
        inside = f"{incarnation.address.id}/"
        for lost in (incarnation, *(other for other in self._living() if other.address.id.startswith(inside))):
            lost.abandon(cause)
            self.discharge(lost)
        if incarnation.thread is not None:
            self.note_stuck(incarnation.thread)

    def note_stuck(self, thread: threading.Thread) -> None:
        """Count a thread that was given up; too many, and the system gives up: only a new process is rid of them."""
        with self._lock:
            self._stuck.append(thread)
        if self.stuck > MAX_STUCK and self._cause is None:
            self._cause = TooManyStuck(f"{self.stuck} threads do not come back; the last: {thread.name}")
            logger.bind(actor=self._spec.id).error("{} gives up: {}", self._spec.id, describe(self._cause))
            self.stop()

    def _living(self) -> list[Incarnation]:
        with self._lock:
            return list(self._incarnations.values())

    def _given_up(self, incarnation: Incarnation) -> bool:
        with self._lock:
            return incarnation.thread in self._stuck

    # -- what a supervisor would do for the root: it is never restarted, its end is the end of the system

    def _root_news(self, news: object) -> None:
        match news:
            case Up(path, epoch):
                self.board.note(path, Phase.UP, epoch)
            case Exited(path, epoch, cause):
                self.board.note(path, Phase.DOWN, epoch)
                self._finish(cause)
            case Overdue():
                self._give_up_root(f"{self._spec.id} was busy with one message for too long")

    def _give_up_root(self, why: object) -> None:
        root = self._root
        if root is None or self._over.is_set():
            return
        cause = TimeoutError(str(why))
        logger.bind(actor=self._spec.id).error("{}; {} is at {}", why, self._spec.id, stack_of(root.thread))
        self.abandon(root, cause)
        self._finish(cause)

    def _finish(self, cause: BaseException | None) -> None:
        with self._lock:
            self._cause = self._cause or cause
        self._over.set()
