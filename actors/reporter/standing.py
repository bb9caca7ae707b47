"""How a result stands besides what was found in it: who reviewed it, which version follows it, its plan's course.

That changes after a report was made. The findings do not: a report that is made again for it says what it said before.
Light: the daemon imports it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from actors.documents.course import Course, course_from
from messages.ledger import FractionRow, ReviewRow, VersionRow
from messages.states import CaseState, ReviewState

_ENDED = frozenset({CaseState.DONE, CaseState.FAILED, CaseState.CANCELLED})


@dataclass(frozen=True, slots=True)
class Standing:
    """As the ledger has it."""

    reviews: tuple[ReviewRow, ...] = ()
    """Oldest step first."""
    newer: VersionRow | None = None
    fractions: tuple[FractionRow, ...] = ()
    """All cases of its plan."""

    @property
    def state(self) -> ReviewState:
        return self.reviews[-1].state if self.reviews else ReviewState.COMPUTED

    def course(self, case: str) -> Course:
        """Of the plan, up to this case's session."""
        return course_from(self.fractions).upto(case)

    def mark(self, case: str) -> str:
        """32 hexadecimal digits that differ when what a report says of it does."""
        newer = (self.newer.case, self.newer.state in _ENDED and self.newer.state) if self.newer else None
        sessions = [
            (row.case, row.state is CaseState.DONE, row.result_sha256, session.why_not)
            for session in self.course(case).sessions
            for row in session.versions
        ]
        said = [(one.review, one.state, one.user, one.reason) for one in self.reviews]
        return hashlib.sha256(json.dumps([said, newer, sessions]).encode()).hexdigest()[:32]
