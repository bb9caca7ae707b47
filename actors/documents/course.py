"""The course of a plan: its sessions, which of them count, and how much of it was delivered. Pure.

A session counts once, by its latest version that is done: a recalculation stands for what it recalculates, a whole one
for the partial one that it completes. It does not count while no version of it is done, when that version was
rejected, or when it was a QA session.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from messages.ledger import FractionRow
from messages.states import CaseState, ReviewState

RULE = (
    "A session counts once, by its latest version that is done; one that was rejected, a QA session, and one without a "
    "result do not count."
)


@dataclass(frozen=True, slots=True)
class Session:
    """What was delivered together, in all its versions."""

    versions: tuple[FractionRow, ...]
    """Oldest first; one at least."""

    @property
    def standing(self) -> FractionRow:
        """The version to go by: the last one that is done, else the last one."""
        done = [row for row in self.versions if row.state is CaseState.DONE]
        return done[-1] if done else self.versions[-1]

    @property
    def why_not(self) -> str:
        """Why it does not count; empty: it does."""
        row = self.standing
        if row.state is not CaseState.DONE:
            return f"it is {row.state}"
        if not row.treatment:
            return "it is a QA session"
        if row.review is ReviewState.REJECTED:
            return f"rejected by {row.reviewer}: {row.review_reason}"
        return ""

    @property
    def counts(self) -> bool:
        return not self.why_not


@dataclass(frozen=True, slots=True)
class BeamTotal:
    """One beam over all sessions that count."""

    number: int
    name: str
    delivered_mu: float
    planned_mu: float
    """Of as many fractions as were begun."""


@dataclass(frozen=True, slots=True)
class Course:
    """All sessions of a plan, or those up to one of them."""

    sessions: tuple[Session, ...]
    """In order of delivery."""

    @property
    def counted(self) -> tuple[FractionRow, ...]:
        """The results that count."""
        return tuple(session.standing for session in self.sessions if session.counts)

    @property
    def whole(self) -> int:
        return sum(not row.partial for row in self.counted)

    @property
    def partial(self) -> int:
        return sum(row.partial for row in self.counted)

    @property
    def planned(self) -> int:
        """Fractions that the plan prescribes; 0: not known."""
        return max((row.planned_fractions for session in self.sessions for row in session.versions), default=0)

    @property
    def beams(self) -> tuple[BeamTotal, ...]:
        """By number."""
        totals: dict[int, BeamTotal] = {}
        for row in self.counted:
            for amount in json.loads(row.amounts):
                known = totals.get(
                    int(amount["number"]), BeamTotal(int(amount["number"]), str(amount["name"]), 0.0, 0.0)
                )
                totals[known.number] = BeamTotal(
                    known.number,
                    known.name,
                    known.delivered_mu + float(amount["delivered_mu"]),
                    known.planned_mu + float(amount["planned_mu"]),
                )
        return tuple(totals[number] for number in sorted(totals))

    @property
    def sentence(self) -> str:
        """How far it is."""
        whole, partial = self.whole, self.partial
        of = f" of {self.planned} planned" if self.planned else ""
        begun = f" and {partial} partial one{'s' if partial > 1 else ''}" if partial else ""
        left = sum(not session.counts for session in self.sessions)
        out = f"; {left} session{'s do' if left > 1 else ' does'} not count" if left else ""
        return f"{whole} whole fraction{'' if whole == 1 else 's'}{begun}{of}{out}"

    def upto(self, case: str) -> Course:
        """Its sessions up to the one that this case is a version of; all, if it is of none."""
        for index, session in enumerate(self.sessions):
            if any(row.case == case for row in session.versions):
                return Course(self.sessions[: index + 1])
        return self


def course_from(rows: Iterable[FractionRow]) -> Course:
    """The course that these cases of one plan make."""
    found = {row.case: row for row in rows}
    after = {row.supersedes: row for row in found.values() if row.supersedes in found}
    sessions = []
    for first in sorted((row for row in found.values() if row.supersedes not in found), key=lambda row: row.case):
        versions = [first]
        while (later := after.get(versions[-1].case)) is not None and len(versions) <= len(found):
            versions.append(later)
        sessions.append(Session(tuple(versions)))
    return Course(tuple(sessions))


def course_document(plan_uid: str, course: Course, dose: object) -> dict[str, Any]:
    """``plan``: the plan's sessions, what they delivered, and the dose of them together as the latest report has it."""
    return {
        "plan_uid": plan_uid,
        "planned_fractions": course.planned or None,
        "whole": course.whole,
        "partial": course.partial,
        "not_counted": sum(not session.counts for session in course.sessions),
        "statement": course.sentence,
        "rule": RULE,
        "sessions": [_session(number, session) for number, session in enumerate(course.sessions, 1)],
        "beams": [
            {
                "number": beam.number,
                "name": beam.name,
                "delivered_mu": round(beam.delivered_mu, 6),
                "planned_mu": round(beam.planned_mu, 6),
            }
            for beam in course.beams
        ],
        "dose": dose_document(course, dose),
    }


def dose_document(course: Course, told: object) -> dict[str, Any] | None:
    """The dose of the course as a report tells it; ``current``: it is of just what counts now. None: none tells."""
    if not isinstance(told, dict) or not isinstance(told.get("dose"), dict):
        return None
    of = told.get("counted", [])
    return {**told["dose"], "of": of, "current": of == [row.case for row in course.counted]}


def _session(number: int, session: Session) -> dict[str, Any]:
    row, amounts = session.standing, _amounts(session.standing)
    return {
        "number": number,
        "case": row.case,
        "state": str(row.state),
        "partial": row.partial,
        "verdict": row.verdict or None,
        "report": row.report or None,
        "review": str(row.review) if row.state is CaseState.DONE else None,
        "reviewer": row.reviewer or None,
        "counts": session.counts,
        "why_not": session.why_not,
        "delivered_mu": round(sum(float(one["delivered_mu"]) for one in amounts), 6),
        "planned_mu": round(sum(float(one["planned_mu"]) for one in amounts), 6),
        "versions": [{"case": one.case, "state": str(one.state), "partial": one.partial} for one in session.versions],
    }


def _amounts(row: FractionRow) -> Sequence[dict[str, Any]]:
    found: Sequence[dict[str, Any]] = json.loads(row.amounts)
    return found
