"""A clock that stands still until the test turns it."""

from __future__ import annotations

import heapq
import threading
from itertools import count

from actors.supervision import Timer
from actors.supervision._timers import Deliver


class VirtualTimers:
    """A TimerService: messages are delivered by ``advance``, in the thread of the test, in the order of their times."""

    def __init__(self, start_s: float = 1000.0) -> None:
        self._now = start_s
        self._lock = threading.RLock()
        self._order = count()
        self._heap: list[tuple[float, int, Timer]] = []

    def now(self) -> float:
        return self._now

    def after(self, delay_s: float, deliver: Deliver, message: object) -> Timer:
        timer = Timer(self._now + max(delay_s, 0.0), deliver, message, lambda: None)
        with self._lock:
            heapq.heappush(self._heap, (timer.due, next(self._order), timer))
        return timer

    @property
    def pending(self) -> int:
        """Timers that have neither fired nor been cancelled."""
        with self._lock:
            return sum(timer.pending for _, _, timer in self._heap)

    def due_in(self, seconds: float) -> bool:
        """Whether a timer is pending that fires in exactly so many seconds; to wait for, before the clock is turned."""
        with self._lock:
            return any(timer.pending and abs(due - self._now - seconds) < 1e-6 for due, _, timer in self._heap)

    def next_due_s(self) -> float | None:
        """Seconds until the next one; None if there is none."""
        with self._lock:
            dues = [due for due, _, timer in self._heap if timer.pending]
        return min(dues) - self._now if dues else None

    def advance(self, seconds: float) -> None:
        """Let so much time pass. A timer that an earlier one sets is fired too, if it is due by then."""
        end = self._now + seconds
        while True:
            with self._lock:
                if not self._heap or self._heap[0][0] > end:
                    self._now = end
                    return
                due, _, timer = heapq.heappop(self._heap)
                self._now = max(self._now, due)
            timer.fire()

    def start(self) -> None: ...

    def stop(self) -> None:
        with self._lock:
            self._heap.clear()
