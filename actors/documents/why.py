"""Why a case is where it is, in one sentence with its numbers. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from actors.documents.around import NOWHERE, Around
from actors.documents.line import UNDER_WAY
from actors.documents.sending import sending_words
from actors.documents.status import halt_words
from actors.documents.waits import clock, ordinal, spoken_wait, until
from messages.ledger import AttemptRow, BeamRow, CaseRow, SendingRow
from messages.states import OPEN_ATTEMPTS, AttemptState, BeamState, CaseState

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


def why(
    row: CaseRow,
    *,
    running: bool,
    results: Path,
    halted: str = "",
    around: Around = NOWHERE,
    attempts: Iterable[AttemptRow] = (),
    sendings: Iterable[SendingRow] = (),
) -> str:
    """One sentence. ``running``: whether a daemon runs; ``halted``: why no new work starts at all, if so; ``attempts``:
    of the case, for how often its beams were tried; ``sendings``: where its result is sent."""
    said = _Sentence(row, results, halted, around, tuple(attempts)).said()
    if row.state is CaseState.DONE and (sent := sending_words(sendings)):
        said = f"{said.removesuffix('.')}; {sent}."
    moves = row.state in (CaseState.INCOMING, CaseState.QUEUED, CaseState.RUNNING, CaseState.INCOMPLETE)
    if moves and not running:
        return f"No daemon is running, so nothing goes on (mqi-actors start); when one last ran: {said}"
    return said


def halting(alarms: Iterable[tuple[str, str]], case: str = "") -> str:
    """Of the alarms that stand, as (id, text): what keeps new work from starting, everywhere or of this case (its actor
    crashes again and again); empty: nothing does."""
    own = f"actor:root/pipeline/cases/{case}" if case else None
    return " ".join(text for id_, text in alarms if id_.startswith("disk:") or id_ in ("ledger-write", own))


class _Sentence:
    """Of one case."""

    def __init__(
        self, row: CaseRow, results: Path, halted: str, around: Around, attempts: tuple[AttemptRow, ...]
    ) -> None:
        self._row, self._results, self._halted, self._around = row, results, halted, around
        self._attempts = attempts
        self._reason = one_line(row.reason)

    def said(self) -> str:
        row, reason = self._row, self._reason
        told = reason or "no reason was told"
        match row.state:
            case CaseState.INCOMING:
                said = f"It is not complete: {reason or 'it was seen a moment ago and is being looked at'}."
            case CaseState.INCOMPLETE:
                said = f"It did not become complete in time: {told}; it starts if the rest arrives."
            case CaseState.HELD:
                release = f"mqi-actors release {row.case} lets it go on"
                said = f"An operator holds it{_because(reason)}{self._goes_on('runs on to its end')}; {release}."
            case CaseState.CANCELLED:
                said = f"An operator cancelled it{_because(reason)}{self._goes_on('is being ended')}."
            case CaseState.FAILED:
                said = f"It failed: {reason or _failed_beams(row) or told}."
            case CaseState.DONE:
                where = self._results / row.case
                said = f"It is done: {_count(row)} verified and published in {where}{_verdict(row, reason)}."
            case CaseState.QUEUED | CaseState.RUNNING:
                said = self._under_way()
        return said

    def _goes_on(self, does: str) -> str:
        """What of it still runs."""
        beams = [beam for beam in self._row.beams if beam.state in UNDER_WAY]
        if self._attempts:
            still = {attempt.beam for attempt in self._attempts if attempt.state in OPEN_ATTEMPTS}
            beams = [beam for beam in beams if beam.number in still]
        return "".join(f"; {self._where(beam, does)}" for beam in beams)

    def _where(self, beam: BeamRow, does: str) -> str:
        """A GPU's lease ends with proof that its process is gone, which nobody can ask of a host that is not known."""
        hosts = self._around.hosts
        if not hosts or beam.host in hosts:
            return f"beam {beam.number} {does} on {beam.host}/{beam.gpu}"
        return (
            f"beam {beam.number} was begun on {beam.host}, which is not configured any more: nobody can tell whether "
            f"it still runs there, so it stays open until {beam.host} is configured again (drained, for nothing new)"
        )

    def _under_way(self) -> str:
        """Queued or running: what its beams are at."""
        row, reason = self._row, self._reason
        paused = self._around.paused
        if paused is not None and row.started is None:
            return f"It waits to be begun: intake is paused {halt_words(paused)} (mqi-actors unpause)."
        if row.state is CaseState.QUEUED and row.case in self._around.ahead:
            return self._in_line(self._around.ahead[row.case])
        if not row.beams:
            return f"It waits to be interpreted{_because(reason)}."
        open_beams = [beam for beam in row.beams if beam.state is not BeamState.DONE]
        if not open_beams:
            room = f"; held up: {one_line(self._halted)}" if self._halted else _because(reason)
            return f"Every beam is verified ({_count(row)}); the result is being published{room}."
        groups: dict[str, list[int]] = {}
        for beam in open_beams:
            told_once = bool(self._halted) and beam.state in _WAITING
            groups.setdefault(self._beam(beam, reason=not told_once), []).append(beam.number)
        said = ", ".join(f"{_numbered(numbers)} {words}" for words, numbers in groups.items())
        return f"{_capital(said)}{self._tail(open_beams)}."

    def _in_line(self, ahead: int) -> str:
        """There is no place for it yet."""
        most = self._around.active_cases
        open_beams = [beam for beam in self._row.beams if beam.state is not BeamState.DONE]
        cases = "case is" if ahead == 1 else "cases are"
        places = f"{most} {'is' if most == 1 else 'are'} worked on at once"
        return f"It waits to be begun: {ahead} {cases} ahead of it ({places}){self._tail(open_beams)}."

    def _tail(self, open_beams: list[BeamRow]) -> str:
        """What concerns the whole case."""
        row = self._row
        done = len(row.beams) - len(open_beams)
        tail = f"; {done} of {_count(row)} done" if done else ""
        if self._halted and any(beam.state in _WAITING for beam in open_beams):
            return f"{tail}; no new work starts: {one_line(self._halted)}"
        foretold = self._around.of_case(row.case)
        end = f"; done {until(foretold)}" if foretold is not None else ""
        return f"{tail}{_because(self._reason)}{end}"

    def _beam(self, beam: BeamRow, *, reason: bool) -> str:
        """What a beam is at, without its number: beams that are at the same thing are told together."""
        said = _WORDS[beam.state]
        if beam.state is BeamState.RUNNING:
            foretold = self._around.of_beam(self._row.case, beam.number)
            end = f" until about {clock(foretold.eta)}" if foretold is not None else ""
            said += f" on {beam.host}/{beam.gpu} at {beam.progress:.0%}{end}"
        because = spoken_wait(beam.reason, self._around) if beam.state in _WAITING else beam.reason
        return said + self._tried(beam) + (f" ({one_line(because)})" if reason and because else "")

    def _tried(self, beam: BeamRow) -> str:
        """Which of its attempts it is, where it is not the first."""
        spent = sum(
            attempt.beam == beam.number and attempt.number > beam.forgiven and _spends(attempt)
            for attempt in map(_Tried, self._attempts)
        )
        if self._attempts and self._around.attempts:
            waits = beam.state in _WAITING or beam.state in UNDER_WAY
            return f" in its {ordinal(spent + 1)} attempt of {self._around.attempts}" if spent and waits else ""
        return f" in attempt {beam.attempt}" if beam.attempt > 1 else ""


class _Tried:
    """An attempt, as far as it counts."""

    def __init__(self, row: AttemptRow) -> None:
        self.beam, self.number, self.state, self.evidence = row.beam, row.attempt, row.state, row.evidence


def _spends(attempt: _Tried) -> bool:
    """It failed by engine or GPU: one less is left."""
    if attempt.state is not AttemptState.FAILED:
        return False
    try:
        return json.loads(attempt.evidence).get("blame", "engine") in ("engine", "gpu")
    except (ValueError, AttributeError):
        return True


def _verdict(row: CaseRow, reason: str) -> str:
    """What a physicist should know of a result: its verdict where it was not simply accepted, and why."""
    try:
        verdict = json.loads(row.verdict) if row.verdict else {}
    except ValueError:
        verdict = {}
    sentences = "; ".join(one_line(str(sentence)) for sentence in verdict.get("reasons", ()))
    word = verdict.get("verdict", "accepted")
    told = ": ".join(part for part in (word if word != "accepted" else "", sentences or reason) if part)
    return f" ({told})" if told else ""


def _numbered(numbers: list[int]) -> str:
    return f"beam{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}:"


def _failed_beams(row: CaseRow) -> str:
    failed = [beam for beam in row.beams if beam.state is BeamState.FAILED]
    return ", ".join(f"beam {beam.number}: {one_line(beam.reason) or 'no reason was told'}" for beam in failed)


def _count(row: CaseRow) -> str:
    return f"{len(row.beams)} beam{'s' if len(row.beams) != 1 else ''}"


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


def one_line(text: str) -> str:
    """Without line breaks, and without the full stop at its end."""
    return " ".join(text.split()).rstrip(".")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
