"""The actor as its author sees it: three methods to override, and what the runtime gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from loguru import logger

from messages.address import Mailbox

if TYPE_CHECKING:
    from loguru import Logger

    from actors.supervision._incarnation import Incarnation
    from actors.supervision._mailbox import Address
    from actors.supervision._system import System
    from actors.supervision._tasks import Task, TaskScope
    from actors.supervision._timers import Timer


@dataclass(frozen=True, slots=True)
class Context:
    """What one incarnation is told of its place in the tree."""

    address: Address
    """Its own."""
    epoch: int
    parent: Mailbox
    """Of its supervisor: StartChild and StopChild go there."""
    system: System
    incarnation: Incarnation
    """For the runtime: the thread that this life of the actor is lived in."""


class Actor:
    """Override ``started``, ``receive``, ``stopped``; the constructor only keeps what it is given.

    All three run in the actor's own thread, one at a time. Whatever they raise ends this incarnation; the supervisor
    decides what follows.
    """

    def __init__(self, context: Context) -> None:
        self.context = context

    # -- to override

    def started(self) -> None:
        """Once per incarnation, before the first message."""

    def receive(self, message: object) -> None:
        """One message. Returns in milliseconds: what blocks belongs in a task."""

    def stopped(self) -> None:
        """Once, however the incarnation ended, after its tasks were cancelled: free resources here."""

    def closing(self) -> None:
        """Asked by the supervisor to end: ``stop``, at once or after some last work, within its stop_timeout_s."""
        self.stop()

    # -- to use

    @property
    def address(self) -> Address:
        return self.context.address

    @property
    def epoch(self) -> int:
        """Fencing token of this incarnation."""
        return self.context.epoch

    @cached_property
    def log(self) -> Logger:
        return logger.bind(actor=self.address.id)

    def after(self, delay_s: float, message: object) -> Timer:
        """The message comes back to this incarnation after the delay, unless it has ended by then."""
        return self.context.incarnation.after(delay_s, message)

    def task(self, name: str, work: Callable[[TaskScope], object]) -> Task:
        """Run blocking work in a thread; see Task for what comes back. Cancelled when the incarnation ends."""
        return self.context.incarnation.task(name, work)

    def watch(self, address: Mailbox) -> None:
        """Be told Up and Exited of the actor there from now on; Up at once if it is up."""
        self.context.incarnation.watch(address)

    def unwatch(self, address: Mailbox) -> None:
        """Be told nothing more of it. Whoever watches ever new addresses lets go of the old ones."""
        self.context.incarnation.unwatch(address)

    def stop(self) -> None:
        """End normally after the message at hand; the mail that waits is left."""
        self.context.incarnation.end()
