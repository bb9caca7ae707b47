"""What the beams of a running case do next. Pure."""

from __future__ import annotations

from math import prod
from pathlib import PurePath

from actors.case import effects as fx
from actors.case.evidence import dose_json, fault_json
from actors.case.retry import SPENDS, GiveUp, RetryPolicy, Try
from actors.case.view import Attempt, Beam, CaseView, Doing
from messages.faults import Fault
from messages.ledger import MoveAttempt, MoveBeam, Record
from messages.results import VerifyRun
from messages.scheduling import BeamRequest
from messages.states import AttemptState, BeamState

_NOT_LAUNCHED = frozenset({AttemptState.INTENDED, AttemptState.STAGED})


def advance(view: CaseView, policy: RetryPolicy, work_dir: PurePath) -> tuple[fx.Effect, ...]:
    """Everything that can be begun now for any beam."""
    effects: list[fx.Effect] = []
    for beam in view.beams.values():
        if beam.doing is Doing.NOTHING and not beam.settled and beam.state is not BeamState.PENDING:
            effects += _next(view, beam, policy, work_dir)
    return tuple(effects)


def _next(view: CaseView, beam: Beam, policy: RetryPolicy, work_dir: PurePath) -> tuple[fx.Effect, ...]:
    last = beam.last
    if last is not None and last.open:
        return _follow(view, beam, last)
    decision = policy.decide(beam.number, beam.spoilt) if view.fault is None else GiveUp(str(view.fault))
    if isinstance(decision, GiveUp):
        beam.reason = decision.reason
        return save(beam, BeamState.FAILED, (MoveBeam(view.case, beam.number, BeamState.FAILED, decision.reason),))
    if beam.state is not BeamState.INTERPRETED or beam.returned < len(beam.attempts):
        # Written even where it should be there already: a worker's report on the way there may have been lost.
        move = MoveBeam(view.case, beam.number, BeamState.INTERPRETED, _why_again(beam))
        return save(beam, BeamState.INTERPRETED, (move,))
    if not view.going:
        return ()
    if decision.after_s > 0 and beam.rested < len(beam.attempts):
        beam.doing, beam.rested = Doing.RESTING, len(beam.attempts)
        return (fx.Rest(beam.number, decision.after_s),)
    return _queue(view, beam, decision.avoid, work_dir) if view.inputs_good else ()


def _follow(view: CaseView, beam: Beam, attempt: Attempt) -> tuple[fx.Effect, ...]:
    """An open attempt: its worker brings it to COLLECTED, from there on it is ours."""
    staged_for = view.input_of(beam.number)
    if not view.going and attempt.state in _NOT_LAUNCHED:
        beam.doing = Doing.WITH_WORKER
        return (fx.GiveBack(attempt.worker, attempt.key, view.reason), fx.Ask(attempt.worker, attempt.key))
    if attempt.state is not AttemptState.COLLECTED or staged_for is None:
        beam.doing = Doing.WITH_WORKER
        return (fx.Ask(attempt.worker, attempt.key),)
    beam.doing = Doing.VERIFYING
    return (
        fx.Verify(
            beam.number,
            VerifyRun(attempt.key, attempt.epoch, staged_for, attempt.output_dir, attempt.output),
        ),
    )


def give_up(view: CaseView) -> tuple[fx.Effect, ...]:
    """The case is cancelled: what is with a worker is ended there, and once nothing of a beam is left it is over."""
    effects: list[fx.Effect] = []
    for beam in view.beams.values():
        if beam.doing is not Doing.NOTHING or beam.settled:
            continue
        if beam.last is not None and beam.last.open:
            beam.doing = Doing.WITH_WORKER
            effects.append(fx.Cancel(beam.last.worker, beam.last.key, view.reason))
        else:
            move = MoveBeam(view.case, beam.number, BeamState.CANCELLED, view.reason)
            effects += save(beam, BeamState.CANCELLED, (move,))
    return tuple(effects)


def _queue(view: CaseView, beam: Beam, avoid: frozenset[str], work_dir: PurePath) -> tuple[fx.Effect, ...]:
    made = view.input_of(beam.number)
    assert made is not None and view.admitted is not None, "only beams of an interpreted, admitted case are queued"
    number = beam.last.number + 1 if beam.last else 1
    request = BeamRequest(
        case=view.case,
        beam=beam.number,
        attempt=number,
        priority=view.priority,
        admitted=view.admitted,
        input_dir=made.directory,
        files=made.files,
        command=made.command,
        environment=made.environment,
        memory_mb=made.memory_mb,
        wall_limit_s=made.wall_limit_s,
        output_dir=output_dir(work_dir, beam.number, number),
        avoid=avoid,
        profile=view.interpretation.profile if view.interpretation else "",
        particles=made.counts,
        voxels=prod(made.grid.size),
    )
    beam.doing = Doing.QUEUED
    return (fx.Queue(request),)


def accepted(view: CaseView, beam: Beam) -> tuple[fx.Effect, ...]:
    """The dose of its last attempt was verified: both rows at once."""
    attempt = beam.last
    assert attempt is not None and attempt.dose is not None
    moved = MoveAttempt(attempt.key, AttemptState.VERIFIED, dose_json(attempt.dose))
    return save(beam, BeamState.DONE, (moved, MoveBeam(view.case, beam.number, BeamState.DONE)))


def rejected(view: CaseView, beam: Beam, fault: Fault, policy: RetryPolicy) -> tuple[fx.Effect, ...]:
    """The output of its last attempt is no dose: another attempt, or the beam's end, in the same write."""
    attempt = beam.last
    assert attempt is not None
    attempt.fault = fault
    failed = MoveAttempt(attempt.key, AttemptState.FAILED, fault_json(fault))
    tries = (*beam.spoilt, Try(attempt.number, attempt.place, fault))
    decision = policy.decide(beam.number, tries)
    goal = BeamState.FAILED if isinstance(decision, GiveUp) else BeamState.INTERPRETED
    beam.reason = decision.reason if isinstance(decision, GiveUp) else _again(attempt.number, fault)
    return save(beam, goal, (failed, MoveBeam(view.case, beam.number, goal, beam.reason)))


def save(beam: Beam, goal: BeamState, records: tuple[Record, ...]) -> tuple[fx.Effect, ...]:
    beam.doing, beam.goal = Doing.WRITING, goal
    return (fx.Save(beam.number, records),)


def settle_failed(attempt: Attempt) -> fx.Settle:
    """Tell the attempt's worker that it failed."""
    return fx.Settle(attempt.worker, attempt.key, good=False)


def settle_good(beam: Beam) -> tuple[fx.Effect, ...]:
    """Tell its worker that a dose was accepted, and the workers of other GPUs on which the beam had failed."""
    good = beam.verified
    if good is None:
        return ()
    blamed = tuple(
        fx.Settle(attempt.worker, attempt.key, good=False, blame_gpu=True)
        for attempt in beam.attempts
        if attempt.fault is not None and attempt.fault.blame in SPENDS and attempt.place != good.place
    )
    return (fx.Settle(good.worker, good.key, good=True), *blamed)


def output_dir(work_dir: PurePath, beam: int, attempt: int) -> str:
    """Where an attempt's output is collected to."""
    return str(work_dir / "output" / str(beam) / str(attempt))


def _why_again(beam: Beam) -> str:
    last = beam.last
    if last is None:
        return ""
    return _again(last.number, last.fault) if last.fault else f"attempt {last.number} was given back"


def _again(number: int, fault: Fault) -> str:
    return f"attempt {number} failed: {fault.what}"
