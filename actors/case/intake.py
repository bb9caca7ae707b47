"""Which cases are active: the oldest of the highest priority, not more than a number of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from actors.case.view import expired
from messages.ledger import CaseRow
from messages.states import BeamState, CaseState

ASKED_FOR = frozenset({CaseState.QUEUED, CaseState.RUNNING, CaseState.HELD})
_BEGINS = frozenset({CaseState.QUEUED, CaseState.RUNNING})
_UNDER_WAY = frozenset({BeamState.STAGED, BeamState.RUNNING, BeamState.ENDED, BeamState.COLLECTED})
"""Of a beam of a held case: what was launched is brought to its end."""
_TO_CLEAN = frozenset({CaseState.DONE, CaseState.CANCELLED})
"""Ended cases whose files are removed; a failed one keeps for a while what a retry goes on from."""


@dataclass(slots=True)
class Intake:
    """The cases that have an actor now."""

    max_active: int
    """Worked on at once. As many again may be cleaned: a host that is away holds up no work."""
    failed_before: datetime | None = None
    """A case that failed before then is cleaned too."""
    paused: bool = False
    """An operator wants no further case to be begun."""
    active: set[str] = field(default_factory=set)
    cleaning: set[str] = field(default_factory=set)
    """Of the active ones: ended, as the ledger had it last; they wait for nothing but their removal."""
    _gave_up: set[str] = field(default_factory=set)
    """Cases whose actor ended a short while ago: if they are not clean, it did what it could."""

    @property
    def room(self) -> int:
        """Places for cases that are to be worked on."""
        return max(0, self.max_active - len(self.active - self.cleaning))

    @property
    def room_to_clean(self) -> int:
        return max(0, self.max_active - len(self.cleaning))

    def choose(self, rows: Iterable[CaseRow]) -> tuple[str, ...]:
        """Cases to start now: those that had begun, then by the ledger's order, then what is to be cleaned."""
        found = tuple(rows)
        ended = {row.case for row in found if row.state not in ASKED_FOR}
        self.cleaning = self.active & (ended | (self.cleaning - {row.case for row in found}))
        wanted = sorted((row for row in found if row.case not in self.active and self._wanted(row)), key=_urgency)
        work = [row.case for row in wanted if row.case not in ended][: self.room]
        clean = [row.case for row in wanted if row.case in ended][: self.room_to_clean]
        self.cleaning.update(clean)
        self.active.update(work, clean)
        return (*work, *clean)

    def ended(self, case: str) -> None:
        self.active.discard(case)
        self.cleaning.discard(case)
        self._gave_up.add(case)

    def wake(self, case: str) -> None:
        """An operator's order concerns it: whatever is to be done for it is possible now."""
        self._gave_up.discard(case)

    def look_again(self) -> None:
        """A while has passed: what could not be cleaned may be possible now."""
        self._gave_up.clear()

    def _wanted(self, row: CaseRow) -> bool:
        if row.state is CaseState.HELD:
            return any(beam.state in _UNDER_WAY for beam in row.beams)
        if row.state in _BEGINS:
            return row.started is not None or not self.paused
        return not row.cleaned and row.case not in self._gave_up and (row.state in _TO_CLEAN or self._expired(row))

    def _expired(self, row: CaseRow) -> bool:
        return self.failed_before is not None and expired(row, self.failed_before)


def _urgency(row: CaseRow) -> int:
    """What runs before queued; what still runs of a cancelled case before what is only cleaned.

    Sorting keeps the ledger's order (priority, then age) within each.
    """
    if row.state is CaseState.CANCELLED and any(beam.state in _UNDER_WAY for beam in row.beams):
        return 0
    return {CaseState.RUNNING: 0, CaseState.HELD: 0, CaseState.QUEUED: 1}.get(row.state, 2)
