"""What a case does next: a view in, effects out. Pure.

``advance`` looks at what is true, never at the event that made it so. A case that was just admitted, one that goes on
after a beam failed, and one that a restarted daemon found in the ledger therefore take the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

from actors.case import beams
from actors.case import effects as fx
from actors.case.cleaning import clean
from actors.case.evidence import interpretation_json, verdict_json
from actors.case.planned import PRIORITY, planned_run
from actors.case.retry import RetryPolicy
from actors.case.view import CaseView, Doing
from messages.alarming import case_failed
from messages.engine import EngineProfile
from messages.faults import Blame, Fault
from messages.ledger import (
    ExpectCase,
    MoveBeam,
    MoveCase,
    NoteEvent,
    NoteInterpretation,
    NoteVerdict,
    RaiseAlarm,
    Record,
    WantPlanned,
)
from messages.results import BeamResult, PublishCase
from messages.states import AttemptState, BeamState, CaseState


@dataclass(frozen=True, slots=True)
class Ways:
    """What does not change while the daemon runs."""

    work_dir: PurePath
    """Of this case."""
    results_dir: str
    policy: RetryPolicy
    profile: EngineProfile
    engine_version: str
    daemon_version: str
    results_mount: str = ""
    planned_run: bool = False
    """The engine also computes the planned spots of every plan, to compare deliveries with."""


def advance(view: CaseView, ways: Ways) -> tuple[fx.Effect, ...]:
    """Everything that can be begun now."""
    if view.doing is Doing.STOPPED or view.doing is Doing.READING:
        return ()
    if view.state in (CaseState.QUEUED, CaseState.RUNNING):
        return _work(view, ways)
    if view.state is CaseState.HELD:
        return _held(view, ways)
    if view.state is CaseState.CANCELLED and not all(beam.settled for beam in view.beams.values()):
        return beams.give_up(view)
    if view.state in (CaseState.DONE, CaseState.CANCELLED, CaseState.FAILED):
        return clean(view)
    return _stop(view)


def _held(view: CaseView, ways: Ways) -> tuple[fx.Effect, ...]:
    """What was launched goes on to its verified end, nothing new is begun; then the case waits for its release."""
    effects = beams.advance(view, ways.policy, ways.work_dir)
    busy = any(beam.doing is not Doing.NOTHING for beam in view.beams.values())
    return effects if busy else (*effects, *_stop(view))


def _stop(view: CaseView) -> tuple[fx.Effect, ...]:
    view.doing = Doing.STOPPED
    return (fx.Stop(),)


def _work(view: CaseView, ways: Ways) -> tuple[fx.Effect, ...]:
    own = _of_the_case(view, ways) if view.doing is Doing.NOTHING else ()
    if view.goal is CaseState.FAILED:
        return own
    return (*own, *beams.advance(view, ways.policy, ways.work_dir))


def _of_the_case(view: CaseView, ways: Ways) -> tuple[fx.Effect, ...]:
    """The next step of the case as a whole; its beams go on beside it."""
    if view.fault is not None:
        # Beams that are on a GPU come to their end first.
        return () if _on_a_gpu(view) else _save(view, CaseState.FAILED, _failed(view, str(view.fault)))
    if _inputs_needed(view) and not view.inputs_good:
        return _interpreted(view)
    if view.state is CaseState.QUEUED or _pending(view):
        return _save(view, CaseState.RUNNING, (*_started(view), *_compared(view, ways)))
    if all(beam.settled for beam in view.beams.values()):
        return _finish(view, ways)
    return ()


def _on_a_gpu(view: CaseView) -> bool:
    return any(beam.last is not None and beam.last.open for beam in view.beams.values())


def _failed(view: CaseView, reason: str) -> tuple[Record, ...]:
    """The end and its alarm in one write: a crash after it keeps neither from anybody."""
    return (MoveCase(view.case, CaseState.FAILED, reason), RaiseAlarm(case_failed(view.case), why_failed(view)))


def why_failed(view: CaseView) -> str:
    """What the alarm of a failed case says."""
    if view.fault is not None:
        return f"case {view.case} failed: {view.fault}"
    reasons = [beam.reason for beam in view.beams.values() if beam.state is BeamState.FAILED]
    return f"case {view.case} failed: {'; '.join(reasons)}"


def _inputs_needed(view: CaseView) -> bool:
    return view.interpretation is None or not all(beam.settled for beam in view.beams.values())


def _pending(view: CaseView) -> bool:
    return any(beam.state is BeamState.PENDING for beam in view.beams.values())


def _interpreted(view: CaseView) -> tuple[fx.Effect, ...]:
    """The inputs made before are used again if they are whole; otherwise they are made, when there is room."""
    if view.interpretation is not None and not view.inputs_checked:
        view.doing = Doing.CHECKING
        return (fx.CheckInputs(view.interpretation, thorough=_given_back(view)),)
    if not view.roomy:
        return ()
    view.doing = Doing.INTERPRETING
    return (fx.Interpret(),)


def _given_back(view: CaseView) -> bool:
    """A worker gave a beam back before its launch: every byte of the inputs is looked at."""
    last = [beam.last for beam in view.beams.values() if not beam.settled]
    return any(attempt is not None and attempt.state is AttemptState.WITHDRAWN for attempt in last)


def _started(view: CaseView) -> tuple[Record, ...]:
    """Interpretation, beams and case in one write: all of it or nothing."""
    assert view.interpretation is not None, "a case starts with its inputs made"
    moves = tuple(
        MoveBeam(view.case, beam.number, BeamState.INTERPRETED)
        for beam in view.beams.values()
        if beam.state is BeamState.PENDING
    )
    note = NoteInterpretation(view.case, interpretation_json(view.interpretation))
    return (note, *moves, MoveCase(view.case, CaseState.RUNNING))


def _compared(view: CaseView, ways: Ways) -> tuple[Record, ...]:
    """The run of the planned spots that this delivery is compared with, where the site wants one."""
    assert view.source is not None and view.interpretation is not None, "an admitted, interpreted case"
    wanted = ways.planned_run and not view.source.planned
    versions = ways.engine_version, ways.daemon_version
    run = planned_run(view.source, view.interpretation, ways.profile, *versions) if wanted else None
    view.planned_run = run.source.case if run is not None else ""
    return (WantPlanned(view.case, run, PRIORITY),) if run is not None else ()


def unmatched(view: CaseView) -> Fault | None:
    """A fault when the interpretation does not hold exactly the beams that were admitted (given up ones aside)."""
    if view.interpretation is None:
        return None
    made = {beam.number for beam in view.interpretation.beams}
    wanted = {beam.number for beam in view.beams.values() if beam.state is not BeamState.CANCELLED}
    if wanted <= made:
        return None
    missing = ", ".join(str(number) for number in sorted(wanted - made))
    return Fault(
        f"the interpretation of {view.case} holds no beam {missing}",
        remedy="Look at the case's plan and deliveries.",
        blame=Blame.INPUT,
        kind="beams-unmatched",
    )


def _finish(view: CaseView, ways: Ways) -> tuple[fx.Effect, ...]:
    """Every beam came to its end."""
    failed = [beam for beam in view.beams.values() if beam.state is BeamState.FAILED]
    if failed:
        reason = "; ".join(beam.reason or f"beam {beam.number} failed" for beam in failed)
        return _save(view, CaseState.FAILED, _failed(view, reason))
    if view.published is not None:
        verdict = NoteVerdict(view.case, verdict_json(view.published))
        return _save(view, CaseState.DONE, (verdict, MoveCase(view.case, CaseState.DONE)))
    if not view.intent_noted:
        view.doing, view.goal = Doing.WRITING, None
        # Refused once an operator has held or cancelled it: nothing is published behind their back.
        still = ExpectCase(view.case, frozenset({CaseState.RUNNING}))
        return (fx.Save(fx.CASE, (still, NoteEvent(view.case, "case: is being published", ways.results_dir))),)
    view.doing = Doing.PUBLISHING
    return (fx.Publish(_publication(view, ways)),)


def _publication(view: CaseView, ways: Ways) -> PublishCase:
    assert view.source is not None and view.interpretation is not None, "an admitted, interpreted case"
    return PublishCase(
        interpretation=view.interpretation,
        plan_path=view.source.plan_path,
        beams=tuple(result for beam in sorted(view.beams) if (result := _result(view, beam)) is not None),
        results_dir=ways.results_dir,
        engine_version=ways.engine_version,
        daemon_version=ways.daemon_version,
        profile_json=ways.profile.model_dump_json(),
        missing=view.source.missing,
        supersedes=view.source.supersedes,
        recalculated_because=view.source.recalculated_because,
        recalculated_by=view.source.recalculated_by,
        results_mount=ways.results_mount,
    )


def _result(view: CaseView, number: int) -> BeamResult | None:
    attempt = view.beams[number].verified
    if attempt is None or attempt.dose is None:
        return None
    return BeamResult(number, attempt.number, attempt.host, attempt.gpu, attempt.dose, attempt.output_dir)


def _save(view: CaseView, goal: CaseState, records: tuple[Record, ...]) -> tuple[fx.Effect, ...]:
    view.doing, view.goal = Doing.WRITING, goal
    return (fx.Save(fx.CASE, records),)
