"""When the progress of a move is told: not of a quick one, and seldom of a long one. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from messages.files import MoveProgress

FIRST_AFTER_S = 3.0
EVERY_S = 5.0


@dataclass
class Teller:
    """Of one move; times are those of one clock, in s."""

    request_id: str
    begun_s: float
    _told_s: float = 0.0
    _told_landed: int = -1
    """-1: nothing was told yet."""
    _first_landed: int = -1

    def news(self, landed: int, size: int, now_s: float) -> MoveProgress | None:
        """What is to be told now that so much has landed; None: nothing."""
        if self._first_landed < 0:
            self._first_landed = landed  # what an earlier try left says nothing of the speed
        told = self._told_landed >= 0
        since_s = now_s - (self._told_s if told else self.begun_s)
        if since_s < (EVERY_S if told else FIRST_AFTER_S):
            return None
        gained = max(landed - (self._told_landed if told else self._first_landed), 0)
        self._told_s, self._told_landed = now_s, landed
        return MoveProgress(self.request_id, landed, size, gained / since_s)
