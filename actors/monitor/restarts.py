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

    _known: dict[str, int] | None = None
    """Actor → its crashes when last looked at; of those that are gone nothing is kept. None: before the first look,
    and nobody knows when those were that it finds."""
    _crashes: dict[str, tuple[float, ...]] = field(default_factory=dict)
    _letters: deque[tuple[float, int]] = field(default_factory=deque)

    def conditions(self, actors: Iterable[Incarnations], dead_letters: int, now: float) -> dict[str, Condition]:
        """Alarm conditions by id."""
        found, there = {}, list(actors)
        self._crashes = {actor.id: times for actor in there if (times := self._recent(actor, now))}
        self._known = {actor.id: actor.crashes for actor in there}
        for actor in there:
            recent = len(self._crashes.get(actor.id, ()))
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

    def _recent(self, actor: Incarnations, now: float) -> tuple[float, ...]:
        """When the actor crashed within the window."""
        more = max(0, actor.crashes - self._known.get(actor.id, 0)) if self._known is not None else 0
        return tuple(at for at in (*self._crashes.get(actor.id, ()), *[now] * more) if now - at <= WINDOW_S)

    def _lost(self, total: int, now: float) -> int:
        self._letters.append((now, total))
        while now - self._letters[0][0] > WINDOW_S:
            self._letters.popleft()
        return total - self._letters[0][1]
