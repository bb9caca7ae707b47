"""Mail that nobody will read: counted per actor, told to the log at a bounded rate."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

from loguru import logger

LOG_PERIOD_S = 10.0
ACTORS_COUNTED = 1000


class DeadLetters:
    """Shared by all addresses of a system; callable from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._by_actor: Counter[str] = Counter()
        self._total = 0
        self._untold = 0
        self._told_at = float("-inf")

    def add(self, actor: str, message: object, why: str) -> None:
        """Count one message; the log line names the latest and how many there were since the line before."""
        with self._lock:
            self._total += 1
            self._untold += 1
            if actor in self._by_actor or len(self._by_actor) < ACTORS_COUNTED:
                self._by_actor[actor] += 1
            now = self._clock()
            if now - self._told_at < LOG_PERIOD_S:
                return
            untold, self._untold, self._told_at = self._untold, 0, now
        logger.bind(actor=actor).warning(
            "{} dead letter(s), {} so far; latest: {} to {} ({})",
            untold,
            self._total,
            type(message).__name__,
            actor,
            why,
        )

    @property
    def total(self) -> int:
        return self._total

    def by_actor(self) -> dict[str, int]:
        """Counts per path; only the first 1000 paths have one of their own."""
        with self._lock:
            return dict(self._by_actor)
