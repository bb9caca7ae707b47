"""Alarms: what they are called, and how they reach people who look at no page."""

from __future__ import annotations

from dataclasses import dataclass


def case_failed(case: str) -> str:
    """Id of the alarm that stands while a case has failed and nobody has done anything about it."""
    return f"case-failed:{case}"


def node_unreached(node: str) -> str:
    """Id of the alarm that stands while results have not reached a node for long."""
    return f"send:{node}"


@dataclass(frozen=True, slots=True)
class AlarmsNoted:
    """Monitor → notifier. The ledger has news of alarms: ask it. A hint only; who misses it finds it later."""
