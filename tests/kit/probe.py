"""A mailbox for tests: it records what it is told, and a test waits on it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from actors.supervision import Exited, Up
from actors.supervision._mailbox import Window

M = TypeVar("M")


class Probe:
    """Satisfies ``messages.address.Mailbox``; stands wherever an actor's address is asked for."""

    def __init__(self, path: str = "probe") -> None:
        self._id = path
        self._changed = threading.Condition()
        self._received: list[object] = []
        self._next = 0
        self._watchers: list[Window] = []
        self._epoch = 1
        self._up = True

    def __repr__(self) -> str:
        return f"<Probe {self._id}: {len(self._received)} received>"

    @property
    def id(self) -> str:
        return self._id

    def tell(self, message: object) -> bool:
        with self._changed:
            self._received.append(message)
            self._changed.notify_all()
        return True

    @property
    def received(self) -> tuple[object, ...]:
        """Everything told so far, oldest first."""
        with self._changed:
            return tuple(self._received)

    def all(self, kind: type[M]) -> list[M]:
        """Everything of that type told so far, taken or not."""
        return [message for message in self.received if isinstance(message, kind)]

    def expect(self, kind: type[M], timeout: float = 5.0, where: Callable[[M], bool] = lambda _message: True) -> M:
        """The next message of that type (for which ``where`` holds) after the last one taken; others are passed over.

        AssertionError, with what came instead, after the timeout in s.
        """
        deadline = time.monotonic() + timeout
        position = self._next
        with self._changed:
            while True:
                for index in range(position, len(self._received)):
                    message = self._received[index]
                    if isinstance(message, kind) and where(message):
                        self._next = index + 1
                        return message
                position = len(self._received)
                if not self._changed.wait(max(deadline - time.monotonic(), 0.0)) and time.monotonic() >= deadline:
                    came = self._received[self._next :]
                    raise AssertionError(f"{self._id}: no {kind.__name__} within {timeout:g} s; came: {came}")

    def none(self, kind: type[object], within_s: float = 0.0) -> None:
        """No message of that type after the last one taken, nor for so many seconds from now; else AssertionError."""
        deadline = time.monotonic() + within_s
        while True:
            with self._changed:
                came = [message for message in self._received[self._next :] if isinstance(message, kind)]
                if came:
                    raise AssertionError(f"{self._id}: unexpected {came}")
                if time.monotonic() >= deadline:
                    return
                self._changed.wait(deadline - time.monotonic())

    def watch(self, watcher: Window) -> None:
        """For actors that watch this address: to them it is up from the start."""
        with self._changed:
            self._watchers.append(watcher)
            if self._up:
                watcher.control(Up(self._id, self._epoch))

    def go_down(self, cause: BaseException | None = None) -> None:
        """Tell the watchers that the actor here is gone."""
        with self._changed:
            self._up = False
            for watcher in self._watchers:
                watcher.control(Exited(self._id, self._epoch, cause))

    def come_up(self) -> None:
        """Tell the watchers that there is a new incarnation."""
        with self._changed:
            self._up = True
            self._epoch += 1
            for watcher in self._watchers:
                watcher.control(Up(self._id, self._epoch))

    def clear(self) -> None:
        """Forget everything told so far."""
        with self._changed:
            self._received.clear()
            self._next = 0
