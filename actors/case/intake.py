"""Which cases are active: the oldest of the highest priority, not more than a number of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from messages.ledger import CaseRow
from messages.states import CaseState

ASKED_FOR = frozenset({CaseState.QUEUED, CaseState.RUNNING})
_TO_CLEAN = frozenset({CaseState.DONE, CaseState.CANCELLED})
"""Ended cases whose files are removed; a failed one keeps what a retry goes on from."""


@dataclass(slots=True)
class Intake:
    """The cases that have an actor now."""

    max_active: int
    active: set[str] = field(default_factory=set)
    _gave_up: set[str] = field(default_factory=set)
    """Cases whose actor ended a short while ago: if they are not clean, it did what it could."""

    @property
    def room(self) -> int:
        return max(0, self.max_active - len(self.active))

    def choose(self, rows: Iterable[CaseRow]) -> tuple[str, ...]:
        """Cases to start now: those that had begun, then by the ledger's order, then what is to be cleaned."""
        wanted = [row for row in rows if row.case not in self.active and self._wanted(row)]
        chosen = tuple(row.case for row in sorted(wanted, key=_urgency)[: self.room])
        self.active.update(chosen)
        return chosen

    def ended(self, case: str) -> None:
        self.active.discard(case)
        self._gave_up.add(case)

    def look_again(self) -> None:
        """A while has passed: what could not be cleaned may be possible now."""
        self._gave_up.clear()

    def _wanted(self, row: CaseRow) -> bool:
        if row.state in ASKED_FOR:
            return True
        return row.state in _TO_CLEAN and not row.cleaned and row.case not in self._gave_up


def _urgency(row: CaseRow) -> int:
    """Running before queued before cleaning; sorting keeps the ledger's order (priority, then age) within each."""
    return {CaseState.RUNNING: 0, CaseState.QUEUED: 1}.get(row.state, 2)
