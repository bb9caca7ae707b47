"""Actors under a real system, and actors without one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from actors.supervision import Actor, Address, Context, Spec, System, TimerService, supervisor
from actors.supervision._incarnation import Incarnation
from actors.supervision._mailbox import Window
from actors.supervision._spec import Backoff
from messages.address import Mailbox
from tests.kit.virtual import VirtualTimers
from tests.kit.waiting import wait_until

A = TypeVar("A", bound=Actor)

ENDS_WITHIN_S = 10.0


class Running:
    """What ``running`` yields: tells like the actor's address, and knows its system."""

    def __init__(self, address: Address, system: System) -> None:
        self.address = address
        self.system = system

    @property
    def id(self) -> str:
        return self.address.id

    def tell(self, message: object) -> bool:
        return self.address.tell(message)

    def watch(self, watcher: Window) -> None:
        self.address.watch(watcher)

    @property
    def epoch(self) -> int:
        """Of the present incarnation."""
        return next((row.epoch for row in self.system.snapshot() if row.id == self.id), 0)

    @property
    def restarts(self) -> int:
        return next((row.restarts for row in self.system.snapshot() if row.id == self.id), 0)


@contextmanager
def running(
    actor: Callable[..., Actor],
    *,
    name: str = "actor",
    spec: Mapping[str, Any] | None = None,
    timers: TimerService | None = None,
    boot: int = 1,
    parent: Mailbox | None = None,
    max_restarts: int = 3,
    watchdog_period_s: float = 0.05,
    may_fail: bool = False,
    **arguments: Any,
) -> Iterator[Running]:
    """Run one actor as ``root/<name>`` and stop it at the end.

    ``spec``: further fields of its Spec; ``timers``: a VirtualTimers to turn its clock by hand; ``parent``: a Probe
    that stands for its supervisor in its context. Crashes are restarted as in the tree; if they spend the budget, the
    end of the block raises, unless ``may_fail``.
    """

    def make(context: Context, **given: Any) -> Actor:
        if parent is not None:
            context = replace(context, parent=parent)
        return actor(context, **given)

    child = Spec(name, make, arguments, **{"backoff": Backoff(), **(spec or {})})
    root = supervisor("root", [child], max_restarts=max_restarts)
    system = System(root, boot=boot, timers=timers, watchdog_period_s=watchdog_period_s)
    system.start()
    try:
        wait_until(lambda: len(system.snapshot()) > 1, what="the supervisor starts its child")
        yield Running(system.address(f"root/{name}"), system)
    finally:
        system.stop()
        ended = system.wait(ENDS_WITHIN_S)
    assert ended, f"the system did not stop: {system.snapshot()}"
    if system.cause is not None and not may_fail:
        raise AssertionError(f"the system gave up: {system.cause!r}") from system.cause


def solo(
    actor: Callable[..., A],
    *,
    path: str = "root/actor",
    timers: VirtualTimers | None = None,
    parent: Mailbox | None = None,
    boot: int = 1,
    **arguments: Any,
) -> A:
    """An actor without a thread, for unit tests: call its ``started``, ``receive`` and ``stopped`` yourself.

    What it tells itself with ``after`` waits in ``solo_mail``; time passes only by ``timers.advance``.
    """
    system = System(supervisor("root", []), boot=boot, timers=timers or VirtualTimers())
    address, epoch, spec = system.address(path), system.next_epoch(), Spec("solo", actor)
    incarnation = Incarnation(address, epoch, spec, system, lambda _news: None)
    address.open(incarnation.window, spec)
    return actor(Context(address, epoch, parent or system.address("root"), system, incarnation), **arguments)


def solo_mail(actor: Actor) -> list[object]:
    """Take what waits for a solo actor: what its timers, its tasks and its watched actors told it, then its mail."""
    window, mail = actor.context.incarnation.window, []
    while window._control or window.address._user:
        mail.append(window.get().message)
    return mail
