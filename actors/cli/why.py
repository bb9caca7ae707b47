"""Why a case is where it is, in one sentence. Pure."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from messages.ledger import BeamRow, CaseRow
from messages.states import BeamState, CaseState

_WAITING = (BeamState.PENDING, BeamState.INTERPRETED, BeamState.STAGED)
_WORDS = {
    BeamState.PENDING: "is not interpreted yet",
    BeamState.INTERPRETED: "waits for a GPU",
    BeamState.STAGED: "is staged and waits for its GPU",
    BeamState.RUNNING: "runs",
    BeamState.ENDED: "has ended and is being fetched",
    BeamState.COLLECTED: "is being verified",
    BeamState.DONE: "is done",
    BeamState.FAILED: "has failed",
    BeamState.CANCELLED: "was cancelled",
}


def why(row: CaseRow, *, running: bool, results: Path, halted: str = "") -> str:
    """One sentence. ``running``: whether a daemon runs; ``halted``: why no new work starts at all, if so."""
    said = _sentence(row, results, halted)
    moves = row.state in (CaseState.INCOMING, CaseState.QUEUED, CaseState.RUNNING, CaseState.INCOMPLETE)
    if moves and not running:
        return f"No daemon is running, so nothing goes on (mqi-actors start); when one last ran: {said}"
    return said


def _sentence(row: CaseRow, results: Path, halted: str) -> str:
    reason = _one_line(row.reason)
    told = reason or "no reason was told"
    match row.state:
        case CaseState.INCOMING:
            said = f"It is not complete: {reason or 'it was seen a moment ago and is being looked at'}."
        case CaseState.INCOMPLETE:
            said = f"It did not become complete in time: {told}; it starts if the rest arrives."
        case CaseState.HELD:
            said = f"An operator holds it{_because(reason)}; mqi-actors release {row.case} lets it go on."
        case CaseState.CANCELLED:
            said = f"An operator cancelled it{_because(reason)}."
        case CaseState.FAILED:
            said = f"It failed: {reason or _failed_beams(row) or told}."
        case CaseState.DONE:
            review = f" ({reason})" if reason else ""
            said = f"It is done: {_count(row)} verified and published in {results / row.case}{review}."
        case CaseState.QUEUED | CaseState.RUNNING:
            said = _under_way(row, reason, halted)
    return said


def _under_way(row: CaseRow, reason: str, halted: str) -> str:
    """Queued or running: what its beams are at."""
    if not row.beams:
        return f"It waits to be interpreted{_because(reason)}."
    parts = [_beam(beam) for beam in row.beams if beam.state is not BeamState.DONE]
    done = len(row.beams) - len(parts)
    if not parts:
        return f"All of its {_count(row)} are verified; the result is being published{_because(reason)}."
    counts = Counter(parts)
    said = ", ".join(f"{n} beams {part}" if n > 1 else part for part, n in counts.items())
    waits = halted and any(beam.state in _WAITING for beam in row.beams)
    tail = f"; {done} of {_count(row)} done" if done else ""
    return f"{_capital(said)}{tail}{f'; no new work starts: {halted}' if waits else _because(reason)}."


def _beam(beam: BeamRow) -> str:
    said = f"beam {beam.number} {_WORDS[beam.state]}"
    if beam.state is BeamState.RUNNING:
        said += f" on {beam.host}/{beam.gpu} at {beam.progress:.0%}"
    if beam.attempt > 1:
        said += f" (attempt {beam.attempt})"
    return said + (f": {_one_line(beam.reason)}" if beam.reason else "")


def _failed_beams(row: CaseRow) -> str:
    failed = [beam for beam in row.beams if beam.state is BeamState.FAILED]
    return ", ".join(f"beam {beam.number}: {_one_line(beam.reason) or 'no reason was told'}" for beam in failed)


def _count(row: CaseRow) -> str:
    return f"{len(row.beams)} beam{'s' if len(row.beams) != 1 else ''}"


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


def _one_line(text: str) -> str:
    return " ".join(text.split()).rstrip(".")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
