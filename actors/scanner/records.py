"""What the ledger is to be told about a decision. Pure."""

from __future__ import annotations

from actors.scanner.assessment import Assessment
from actors.scanner.readiness import Act, Decision
from actors.scanner.register import Entry
from messages.cases import CaseSource
from messages.ledger import AdmitCase, MoveBeam, MoveCase, Record, SightCase
from messages.states import BeamState, CaseState


def records_of(case: Assessment, decision: Decision, entry: Entry | None) -> tuple[Record, ...]:
    """Records in order; empty when the ledger says so already. ``entry``: what it has of the case."""
    match decision.act:
        case Act.ADMIT:
            return _admission(case, entry)
        case Act.FAIL:
            return _moved(case, CaseState.FAILED, decision.sentence, entry)
        case Act.GIVE_UP:
            return _moved(case, CaseState.INCOMPLETE, decision.sentence, entry)
        case Act.WAIT:
            return _sighting(case, decision.sentence, entry)


def _admission(case: Assessment, entry: Entry | None) -> tuple[Record, ...]:
    if case.failed_before and entry is not None:
        beams = (MoveBeam(case.case, beam, BeamState.PENDING, "its files changed") for beam in entry.failed_beams)
        return (*beams, MoveCase(case.case, CaseState.QUEUED, "its files changed"))
    source: CaseSource | None = case.source
    return (AdmitCase(source, case.beams),) if source is not None else ()


def _sighting(case: Assessment, sentence: str, entry: Entry | None) -> tuple[Record, ...]:
    if entry is None:
        return (_sight(case, sentence),)
    if case.failed_before or (_says(entry, case, sentence) and entry.state in {CaseState.INCOMING, CaseState.HELD}):
        return ()
    if entry.state in {CaseState.FAILED, CaseState.INCOMPLETE}:
        # Something arrived since it failed or was given up: it waits again.
        return MoveCase(case.case, CaseState.INCOMING, sentence), _sight(case, sentence)
    return (_sight(case, sentence),)


def _moved(case: Assessment, to: CaseState, sentence: str, entry: Entry | None) -> tuple[Record, ...]:
    if entry is None:
        return _sight(case, sentence), MoveCase(case.case, to, sentence)
    if case.failed_before or (entry.state is to and _says(entry, case, sentence)):
        return ()
    if entry.state is CaseState.HELD and to is CaseState.INCOMPLETE:
        return ()
    if entry.state is CaseState.FAILED and to is CaseState.INCOMPLETE:
        return (
            MoveCase(case.case, CaseState.INCOMING, sentence),
            _sight(case, sentence),
            MoveCase(case.case, to, sentence),
        )
    return _sight(case, sentence), MoveCase(case.case, to, sentence)


def _says(entry: Entry, case: Assessment, sentence: str) -> bool:
    return entry.reason == sentence and entry.keys == case.keys and entry.path == case.path


def _sight(case: Assessment, sentence: str) -> SightCase:
    return SightCase(case.case, case.identity, case.path, sentence, case.plan_uid, case.study_uid, case.keys)
