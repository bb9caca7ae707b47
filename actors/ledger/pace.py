"""How long commits take, gathered so that telling of them costs nothing beside them. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

TOLD_EVERY_S = 1.0


@dataclass(slots=True)
class Pace:
    """Times in monotonic seconds."""

    _taken: list[float] = field(default_factory=list)
    _told_at: float = float("-inf")

    def took(self, begun: float, ended: float) -> tuple[float, ...]:
        """One commit more; the durations (s) to be told now: all since they were told last, or none yet."""
        self._taken.append(ended - begun)
        if ended - self._told_at < TOLD_EVERY_S:
            return ()
        self._told_at = ended
        told, self._taken = tuple(self._taken), []
        return told
