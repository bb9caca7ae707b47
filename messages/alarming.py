"""Monitor → notifier: alarms reach people who look at no page."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AlarmsNoted:
    """The ledger has news of alarms: ask it. A hint only; who misses it finds the news a little later."""
