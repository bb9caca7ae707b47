"""One thread and one heap for all delays of a system."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Protocol

Deliver = Callable[[object], object]
"""Takes a message and neither blocks nor raises: a window's ``control``, a mailbox's ``tell``."""

IDLE_S = 3600.0
COMPACT_ABOVE = 64


class Timer:
    """A message to come."""

    __slots__ = ("_deliver", "_message", "_on_cancel", "due")

    def __init__(self, due: float, deliver: Deliver, message: object, on_cancel: Callable[[], None]) -> None:
        self.due = due
        self._deliver: Deliver | None = deliver
        self._message = message
        self._on_cancel = on_cancel

    @property
    def pending(self) -> bool:
        return self._deliver is not None

    def cancel(self) -> None:
        """The message is not sent, unless that has happened already. Callable more than once."""
        if self._deliver is not None:
            self._deliver = self._message = None
            self._on_cancel()

    def fire(self) -> None:
        """For the clock's owner: deliver, once."""
        deliver, message = self._deliver, self._message
        self._deliver = self._message = None
        if deliver is not None:
            deliver(message)


class TimerService(Protocol):
    """What the runtime needs of time; the tests have one whose clock they turn themselves."""

    def now(self) -> float:
        """Seconds on a clock that never goes back."""

    def after(self, delay_s: float, deliver: Deliver, message: object) -> Timer:
        """Deliver the message after the delay, never before it."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Timers:
    """The real ones, by the monotonic clock."""

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = count()
        self._cancelled = 0
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="timers", daemon=True)

    def now(self) -> float:
        return time.monotonic()

    def after(self, delay_s: float, deliver: Deliver, message: object) -> Timer:
        timer = Timer(self.now() + max(delay_s, 0.0), deliver, message, self._count_cancelled)
        with self._changed:
            heapq.heappush(self._heap, (timer.due, next(self._order), timer))
            if self._heap[0][2] is timer:
                self._changed.notify()
        return timer

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """No timer fires after this. Callable more than once, and without a start."""
        with self._changed:
            self._stopped = True
            self._heap.clear()
            self._changed.notify()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def _count_cancelled(self) -> None:
        with self._changed:
            self._cancelled += 1
            if self._cancelled > COMPACT_ABOVE and self._cancelled * 2 > len(self._heap):
                self._heap = [entry for entry in self._heap if entry[2].pending]
                heapq.heapify(self._heap)
                self._cancelled = 0

    def _run(self) -> None:
        while (timer := self._next()) is not None:
            timer.fire()

    def _next(self) -> Timer | None:
        with self._changed:
            while not self._stopped:
                wait_s = self._heap[0][0] - self.now() if self._heap else IDLE_S
                if wait_s <= 0:
                    return heapq.heappop(self._heap)[2]
                self._changed.wait(min(wait_s, IDLE_S))
        return None
