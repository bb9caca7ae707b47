"""Who listens: every listener has one place for what is new, so that a slow one holds nothing up and misses nothing."""

from __future__ import annotations

import asyncio
import threading

from actors.console.looking import Sight
from actors.documents import Around

LISTENERS = 40
"""At a time; more are refused."""


class Line:
    """One listener: the newest sight, and every case that changed since it was last taken."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._sight: Sight | None = None
        self._changed: frozenset[str] = frozenset()
        self.missed = 0
        """Sights that were replaced by a newer one before they were taken."""

    def put(self, sight: Sight) -> None:
        """From any thread; never waits."""
        try:
            self._loop.call_soon_threadsafe(self._put, sight)
        except RuntimeError:
            return  # its loop has ended: nobody listens any more

    def _put(self, sight: Sight) -> None:
        self.missed += self._news.is_set()
        self._sight, self._changed = sight, self._changed | sight.changed
        self._news.set()

    async def take(self, limit_s: float) -> tuple[Sight, frozenset[str]] | None:
        """What is new; None: nothing for so long."""
        try:
            await asyncio.wait_for(self._news.wait(), limit_s)
        except TimeoutError:
            return None
        self._news.clear()
        assert self._sight is not None
        changed, self._changed = self._changed, frozenset()
        return self._sight, changed


class Hub:
    """All listeners; ``publish`` is called by the one thread that looks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: set[Line] = set()
        self._newest: Sight | None = None

    @property
    def newest(self) -> Sight | None:
        return self._newest

    @property
    def around(self) -> Around:
        """What cases are seen against, as it was seen last."""
        return self._newest.around if self._newest else Around()

    @property
    def listeners(self) -> int:
        return len(self._lines)

    def publish(self, sight: Sight) -> None:
        with self._lock:
            self._newest = sight
            lines = tuple(self._lines)
        for line in lines:
            line.put(sight)

    def join(self) -> Line | None:
        """A new listener, told the newest sight at once; None: there are too many. In its event loop."""
        line = Line()
        with self._lock:
            if len(self._lines) >= LISTENERS:
                return None
            self._lines.add(line)
            newest = self._newest
        if newest is not None:
            line.put(newest)
        return line

    def leave(self, line: Line) -> None:
        with self._lock:
            self._lines.discard(line)
