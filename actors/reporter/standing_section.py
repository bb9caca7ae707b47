"""What a report says of how its result stands: front, a section on its review, one on the course of its plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from actors.documents.course import RULE
from actors.reporter.content import Report, Section, Table
from actors.reporter.course_dose import CourseDose
from actors.reporter.standing import Standing

_LAST = 2
"""Sections that stay the last ones: what was not verified, and where everything comes from."""


def with_standing(report: Report, standing: Standing, dose: CourseDose) -> Report:
    """The report with what stands around its findings."""
    return replace(
        report,
        identity=(*_identity(report.case, standing), *report.identity),
        sections=(
            _review(standing),
            *report.sections[:-_LAST],
            _course(report.case, standing, dose),
            *report.sections[-_LAST:],
        ),
    )


def standing_document(case: str, standing: Standing, dose: CourseDose) -> dict[str, object]:
    """The same for programs: keys of report.json."""
    course = standing.course(case)
    return {
        "review": {
            "state": str(standing.state),
            "steps": [
                {"at": _time(one.at), "state": str(one.state), "user": one.user, "reason": one.reason}
                for one in standing.reviews
            ],
        },
        "superseded_by": standing.newer.case if standing.newer else None,
        "course": {
            "statement": course.sentence,
            "planned_fractions": course.planned or None,
            "whole": course.whole,
            "partial": course.partial,
            "counted": [row.case for row in course.counted],
            "not_counted": [
                {"case": session.standing.case, "why": session.why_not}
                for session in course.sessions
                if not session.counts
            ],
            "beams": [
                {"number": one.number, "delivered_mu": one.delivered_mu, "planned_mu": one.planned_mu}
                for one in course.beams
            ],
            "dose": dose.document(),
        },
    }


def _identity(case: str, standing: Standing) -> Iterator[tuple[str, str]]:
    if standing.reviews:
        last = standing.reviews[-1]
        said = f": {last.reason}" if last.reason else ""
        yield ("review", f"{last.state.upper()} by {last.user}, {_shown(last.at)}{said}")
    else:
        yield ("review", "nobody has reviewed it")
    if standing.newer is not None:
        why = f" ({standing.newer.why})" if standing.newer.why else ""
        yield ("newer version", f"{standing.newer.case}{why}, {standing.newer.state}")
    yield ("course of the plan", f"{standing.course(case).sentence}, up to this session")


def _review(standing: Standing) -> Section:
    if not standing.reviews:
        return Section("Review", ("Computed. Nobody has reviewed it.",))
    rows = tuple((_shown(one.at), str(one.state), one.user, one.reason) for one in standing.reviews)
    table = Table("", ("when", "state", "by", "reason"), rows, (None,) * len(rows), widths=(24, 12, 22, 42))
    return Section("Review", tables=(table,))


def _course(case: str, standing: Standing, dose: CourseDose) -> Section:
    course = standing.course(case)
    rows = tuple(
        (
            str(number),
            session.standing.case,
            "PARTIAL" if session.standing.partial else "whole",
            session.standing.verdict or str(session.standing.state),
            str(session.standing.review),
            "yes" if session.counts else f"no: {session.why_not}",
        )
        for number, session in enumerate(course.sessions, 1)
    )
    columns = ("session", "case", "delivered", "verdict", "review", "counts")
    sessions = Table("Sessions up to this one", columns, rows, (None,) * len(rows), RULE, (8, 30, 12, 12, 14, 24))
    beams = tuple(
        (str(one.number), one.name, f"{one.delivered_mu:.4f}", f"{one.planned_mu:.4f}") for one in course.beams
    )
    totals = Table(
        "MU of the sessions that count", ("beam", "name", "delivered", "planned"), beams, (None,) * len(beams)
    )
    tables = (sessions, *((totals,) if beams else ()), *dose.tables())
    return Section("Course of the plan", (f"{course.sentence}.", dose.sentence()), tables=tables)


def _time(at: datetime) -> str:
    return at.astimezone().isoformat(timespec="seconds")


def _shown(at: datetime) -> str:
    """As people read it."""
    return at.astimezone().isoformat(" ", "seconds")
