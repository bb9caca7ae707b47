"""Pauses between orders that Slurm did not take: ever longer while it goes on, over at once when one is taken. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from actors.supervision import Backoff


@dataclass(slots=True)
class Pause:
    """Of one kind of orders. ``lasts``: nothing of that kind is asked now."""

    backoff: Backoff
    lasts: bool = False
    times: int = 0
    """In a row so far."""

    def begin(self, chance: float) -> float | None:
        """It is over so many seconds from now; None: one lasts already. ``chance`` is uniform in [0, 1)."""
        if self.lasts:
            return None
        delay_s = self.backoff.delay_s(self.times, chance)
        self.times, self.lasts = self.times + 1, True
        return delay_s

    def over(self) -> None:
        """Its time is up: one more is tried."""
        self.lasts = False

    def forget(self) -> None:
        """An order was taken: the next pause is a first one."""
        self.times = 0
