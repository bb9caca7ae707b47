"""What the scanner tells itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from actors.supervision import Timer


@dataclass(frozen=True, slots=True)
class Round:
    """To myself: a full scan is due."""


@dataclass(frozen=True, slots=True)
class Wake:
    """To myself: some folder's time has come."""


@dataclass(frozen=True, slots=True)
class Sync:
    """To myself: ask the ledger how waiting and failed cases stand."""


@dataclass(frozen=True, slots=True)
class AskKnown:
    """To myself: ask the ledger what it knows, unless it has answered."""


class Waking:
    """One timer for the soonest of many times (monotonic s)."""

    def __init__(self, after: Callable[[float, object], Timer], now: Callable[[], float]) -> None:
        self._after, self._now = after, now
        self._timer: Timer | None = None
        self._at = float("inf")

    def set(self, soonest: float | None) -> None:
        """Wake comes then, if none comes before."""
        if soonest is None or soonest >= self._at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._at = soonest
        self._timer = self._after(max(soonest - self._now(), 0.0) + 0.001, Wake())

    def came(self) -> None:
        """It has come."""
        self._timer, self._at = None, float("inf")
