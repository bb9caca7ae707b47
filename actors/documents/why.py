"""Why a case is where it is, in one sentence. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from messages.ledger import BeamRow, CaseRow
from messages.states import BeamState, CaseState

_WAITING = (BeamState.PENDING, BeamState.INTERPRETED, BeamState.STAGED)
_WORDS = {
    BeamState.PENDING: "not interpreted yet",
    BeamState.INTERPRETED: "waiting for a GPU",
    BeamState.STAGED: "staged, waiting for its GPU",
    BeamState.RUNNING: "running",
    BeamState.ENDED: "ended, being fetched",
    BeamState.COLLECTED: "being verified",
    BeamState.DONE: "done",
    BeamState.FAILED: "failed",
    BeamState.CANCELLED: "cancelled",
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
            said = f"It is done: {_count(row)} verified and published in {results / row.case}{_verdict(row, reason)}."
        case CaseState.QUEUED | CaseState.RUNNING:
            said = _under_way(row, reason, halted)
    return said


def _verdict(row: CaseRow, reason: str) -> str:
    """What a physicist should know of a result: its verdict where it was not simply accepted, and why."""
    try:
        verdict = json.loads(row.verdict) if row.verdict else {}
    except ValueError:
        verdict = {}
    sentences = "; ".join(_one_line(str(sentence)) for sentence in verdict.get("reasons", ()))
    word = verdict.get("verdict", "accepted")
    told = ": ".join(part for part in (word if word != "accepted" else "", sentences or reason) if part)
    return f" ({told})" if told else ""


def _under_way(row: CaseRow, reason: str, halted: str) -> str:
    """Queued or running: what its beams are at."""
    if not row.beams:
        return f"It waits to be interpreted{_because(reason)}."
    open_beams = [beam for beam in row.beams if beam.state is not BeamState.DONE]
    if not open_beams:
        room = f"; there is no room: {_one_line(halted)}" if halted else _because(reason)
        return f"Every beam is verified ({_count(row)}); the result is being published{room}."
    groups: dict[str, list[int]] = {}
    for beam in open_beams:
        told_once = bool(halted) and beam.state in _WAITING
        groups.setdefault(_beam(beam, reason=not told_once), []).append(beam.number)
    said = ", ".join(f"{_numbered(numbers)} {words}" for words, numbers in groups.items())
    done = len(row.beams) - len(open_beams)
    tail = f"; {done} of {_count(row)} done" if done else ""
    waits = halted and any(beam.state in _WAITING for beam in open_beams)
    return f"{_capital(said)}{tail}{f'; no new work starts: {_one_line(halted)}' if waits else _because(reason)}."


def halting(alarms: Iterable[tuple[str, str]]) -> str:
    """Of the alarms that stand, as (id, text): what keeps all new work from starting; empty: nothing does."""
    return " ".join(text for id_, text in alarms if id_.startswith("disk:") or id_ == "ledger-write")


def _beam(beam: BeamRow, *, reason: bool) -> str:
    """What a beam is at, without its number: beams that are at the same thing are told together."""
    said = _WORDS[beam.state]
    if beam.state is BeamState.RUNNING:
        said += f" on {beam.host}/{beam.gpu} at {beam.progress:.0%}"
    if beam.attempt > 1:
        said += f" in attempt {beam.attempt}"
    return said + (f" ({_one_line(beam.reason)})" if reason and beam.reason else "")


def _numbered(numbers: list[int]) -> str:
    return f"beam{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}:"


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
