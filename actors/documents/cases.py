"""One case, or all of them, as outside programs rely on it. Pure: rows and the time in, plain values out."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from actors.documents.around import NOWHERE, Around
from actors.documents.forecast import Estimate
from actors.documents.sending import sending_documents
from actors.documents.times import iso
from messages.ledger import AttemptRow, BeamRow, CaseRow, EventRow, ReviewRow, SendingRow
from messages.states import BeamState, CaseState

_NOTICEABLE = 0.02
"""Of a case's progress: before this nothing is said about its end."""
_UNSURE = 1.5
"""By how much longer it may take where nothing was learned."""


def beam_progress(beam: BeamRow) -> float:
    """0 to 1; only a verified beam is all done."""
    if beam.state is BeamState.DONE:
        return 1.0
    return min(max(beam.progress, 0.0), 0.99)


def case_progress(row: CaseRow) -> float:
    """0 to 1: the mean of its beams."""
    if row.state is CaseState.DONE:
        return 1.0
    return round(sum(map(beam_progress, row.beams)) / len(row.beams), 4) if row.beams else 0.0


def estimate(row: CaseRow, now: datetime, around: Around) -> Estimate | None:
    """When an open case will be done; None when there is nothing to go by.

    Where nothing was learned yet, a running case that goes on as it did says something about its end.
    """
    known = around.of_case(row.case)
    progress = case_progress(row)
    if known is not None:
        return known
    if row.state is not CaseState.RUNNING or row.started is None or not _NOTICEABLE <= progress < 1:
        return None
    left = (now - row.started) * ((1 - progress) / progress)
    return Estimate(now + left, now + left * _UNSURE)


def case_document(row: CaseRow, now: datetime, around: Around = NOWHERE) -> dict[str, Any]:
    """One element of ``cases``. ``eta``: as likely later as earlier; nine of ten are done by ``eta_bound``.

    ``kind``: ``delivery``, or ``planned`` for the engine's run of planned spots, which nobody delivered.
    ``verdict``: null before a result is published; ``partial``: not all was delivered; ``review``: null before there
    is a result to review; ``superseded_by``: the next version of it, in whatever state.
    """
    foretold = estimate(row, now, around)
    return {
        "case": row.case,
        "state": str(row.state),
        "reason": row.reason,
        "priority": row.priority,
        "path": row.path,
        "plan_uid": row.plan_uid,
        "seen": iso(row.seen),
        "started": iso(row.started),
        "ended": iso(row.ended),
        "progress": case_progress(row),
        "eta": iso(foretold.eta if foretold else None),
        "eta_bound": iso(foretold.bound if foretold else None),
        "kind": row.kind,
        "partial": row.source is not None and row.source.partial,
        "verdict": verdict_of(row),
        "review": str(row.review) if row.state is CaseState.DONE and not row.planned else None,
        "superseded_by": row.superseded_by or None,
        "beams": [_beam(row, beam, around) for beam in row.beams],
    }


def _beam(row: CaseRow, beam: BeamRow, around: Around) -> dict[str, Any]:
    foretold = around.of_beam(row.case, beam.number)
    return {
        "number": beam.number,
        "name": beam.name,
        "state": str(beam.state),
        "attempt": beam.attempt,
        "host": beam.host,
        "gpu": beam.gpu,
        "progress": round(beam_progress(beam), 4),
        "reason": beam.reason,
        "eta": iso(foretold.eta if foretold else None),
        "eta_bound": iso(foretold.bound if foretold else None),
    }


def show_document(
    row: CaseRow,
    attempts: Iterable[AttemptRow],
    events: Iterable[EventRow],
    now: datetime,
    around: Around = NOWHERE,
    *,
    reviews: Iterable[ReviewRow] = (),
    sendings: Iterable[SendingRow] = (),
) -> dict[str, Any]:
    """``show``: the case with its attempts and history, and what was found out about it."""
    source = row.source
    return {
        **case_document(row, now, around),
        "supersedes": (source.supersedes or None) if source else None,
        "recalculation": {"because": source.recalculated_because, "by": source.recalculated_by}
        if source and source.recalculated_because
        else None,
        "reviews": [
            {"at": iso(review.at), "state": str(review.state), "user": review.user, "reason": review.reason}
            for review in reviews
        ],
        "sendings": sending_documents(sendings),
        "attempts": [
            {
                "beam": attempt.beam,
                "attempt": attempt.attempt,
                "host": attempt.host,
                "gpu": attempt.gpu,
                "key": attempt.key,
                "launched": attempt.launched or None,
                "ended": attempt.ended or None,
                "outcome": str(attempt.state),
                "evidence": attempt.evidence,
            }
            for attempt in attempts
        ],
        "events": [{"at": iso(event.at), "what": event.what, "detail": event.detail} for event in events],
        "result": _embedded(row.verdict),
        "interpretation": _embedded(row.interpretation),
    }


def verdict_of(row: CaseRow) -> str | None:
    """``accepted`` | ``review`` | ``suspect``; None before a result is published."""
    result = _embedded(row.verdict)
    word = result.get("verdict") if isinstance(result, dict) else None
    return str(word) if word else None


def _embedded(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text
