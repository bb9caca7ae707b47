"""Actors that crash again and again, and mail that nobody reads: faults of the program itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from actors.monitor.alarms import Condition

WINDOW_S = 600.0
MANY_CRASHES = 3
MANY_LETTERS = 100


class Incarnations(Protocol):
    """What is read of an actor's status."""

    @property
    def id(self) -> str: ...
    @property
    def crashes(self) -> int: ...
    @property
    def last_cause(self) -> str: ...


@dataclass(slots=True)
class Unrest:
    """Crashes and dead letters of the last minutes. ``now`` is monotonic seconds."""

    _known: dict[str, int] = field(default_factory=dict)
    _crashes: dict[str, deque[float]] = field(default_factory=dict)
    _letters: deque[tuple[float, int]] = field(default_factory=deque)

    def conditions(self, actors: Iterable[Incarnations], dead_letters: int, now: float) -> dict[str, Condition]:
        """Alarm conditions by id."""
        found = {}
        for actor in actors:
            recent = self._count(actor, now)
            if recent >= MANY_CRASHES:
                text = (
                    f"{actor.id} crashed {recent} times in {WINDOW_S / 60:.0f} minutes; the last cause: "
                    f"{actor.last_cause}. Look into the log, and report it."
                )
                found[f"actor:{actor.id}"] = Condition(text, actor.last_cause)
        lost = self._lost(dead_letters, now)
        if lost >= MANY_LETTERS:
            text = f"{lost} messages found no reader in {WINDOW_S / 60:.0f} minutes. Look into the log, and report it."
            found["dead-letters"] = Condition(text, "many")
        return found

    def _count(self, actor: Incarnations, now: float) -> int:
        """Crashes of the actor within the window."""
        more = actor.crashes - self._known.get(actor.id, 0)
        self._known[actor.id] = actor.crashes
        if more <= 0 and actor.id not in self._crashes:
            return 0
        times = self._crashes.setdefault(actor.id, deque())
        times.extend([now] * max(more, 0))
        while times and now - times[0] > WINDOW_S:
            times.popleft()
        if not times:
            del self._crashes[actor.id]
        return len(times)

    def _lost(self, total: int, now: float) -> int:
        self._letters.append((now, total))
        while now - self._letters[0][0] > WINDOW_S:
            self._letters.popleft()
        return total - self._letters[0][1]
