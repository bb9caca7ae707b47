"""Blocking work of an actor: a thread of its own, a way to cut it short, one message at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable

from loguru import logger

from actors.supervision._mailbox import Window
from actors.supervision._messages import TaskFailed

Closer = Callable[[], object]
"""Makes the blocking call of a task return or raise: ``channel.close``, a ``killpg``, ``socket.shutdown``. Quick."""

CROWDED_POLL_S = 0.01


class TaskScope:
    """What the work of a task is given."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._cancelled = threading.Event()
        self._lock = threading.Lock()
        self._closers: list[Closer] = []

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep; True, at once, if the task is cancelled."""
        return self._cancelled.wait(seconds)

    def on_cancel(self, closer: Closer) -> Callable[[], None]:
        """Call this when the task is cancelled, at once if it is already. Returns what takes it back."""
        with self._lock:
            if not self.cancelled:
                self._closers.append(closer)
                return lambda: self._withdraw(closer)
        _close(closer)
        return lambda: None

    def tell(self, message: object) -> None:
        """A message to the actor. Waits while more mail lies there than a mailbox holds: a torrent is slowed."""
        while self._window.crowded and not self.wait(CROWDED_POLL_S):
            pass
        self._window.control(message)

    def _withdraw(self, closer: Closer) -> None:
        with self._lock:
            if closer in self._closers:
                self._closers.remove(closer)

    def _cancel(self) -> None:
        with self._lock:
            self._cancelled.set()
            closers, self._closers = self._closers, []
        for closer in reversed(closers):
            _close(closer)


class Task:
    """One piece of work in its thread.

    What it returns is told to the actor unless it is None, also after a cancel; what it raises is told as TaskFailed,
    but not after a cancel, for a call that was cut short raises anything. Nothing reaches a later incarnation.
    """

    def __init__(self, name: str, work: Callable[[TaskScope], object], window: Window) -> None:
        self.name = name
        self._work = work
        self._window = window
        self._scope = TaskScope(window)
        thread_name = f"{window.address.id}#{window.epoch % 2**32}:{name}"
        self._thread = threading.Thread(target=self._run, name=thread_name, daemon=True)

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    @property
    def thread(self) -> threading.Thread:
        return self._thread

    def cancel(self) -> None:
        """Let it end soon: its scope says so and its closers are called, here. Callable more than once."""
        self._scope._cancel()

    def start(self) -> None:
        """For the runtime. Raises RuntimeError where no thread is to be had."""
        self._thread.start()

    def join(self, timeout_s: float) -> bool:
        """True if it has ended. An actor never waits for its own tasks; the runtime does, at its end."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            value = self._work(self._scope)
        except BaseException as error:  # SystemExit too: a task's end is always told
            if not self._scope.cancelled:
                self._window.control(TaskFailed(self.name, error, self._window.epoch))
            return
        if value is not None:
            self._window.control(value)


def _close(closer: Closer) -> None:
    try:
        closer()
    except Exception as error:
        logger.debug("closing {} for a cancelled task: {!r}", closer, error)
