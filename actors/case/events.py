"""What happened becomes facts of a case; ``workflow.advance`` then sees what follows. Pure."""

from __future__ import annotations

from pathlib import PurePath

from actors.case import beams
from actors.case import effects as fx
from actors.case.retry import RetryPolicy, pause_s
from actors.case.view import SETTLED, Attempt, Beam, CaseView, Doing
from actors.case.workflow import unmatched, why_failed
from actors.mounts import AWAY
from messages.faults import Blame, Fault
from messages.interpretation import Interpretation
from messages.ledger import CaseRow, ExplainBeam
from messages.results import PublishedCase, VerifiedDose
from messages.scheduling import AttemptReport
from messages.states import AttemptState, BeamState, CaseState

ROOM_PAUSE_S = 5.0
"""Between two tries while a disk is full."""
PATIENCE = 12
"""Failures of ours in a row at one step, after which the step counts as failed; a full disk is waited for."""
WRITE_PAUSE_S = 1.0

_ENDED = frozenset({BeamState.DONE, BeamState.FAILED})
_CLEANED = frozenset({CaseState.DONE, CaseState.FAILED, CaseState.CANCELLED})
_WITH_WORKERS = frozenset({CaseState.RUNNING, CaseState.HELD, CaseState.CANCELLED})
_WAITS = frozenset({Blame.HOST, Blame.OURS})
_HOPELESS = frozenset({"result-exists"})
"""Kinds of faults of ours that only a person mends."""
_RANK = {state: rank for rank, state in enumerate(AttemptState)}
_BEAM_AT = {
    AttemptState.STAGED: BeamState.STAGED,
    AttemptState.LAUNCHING: BeamState.STAGED,
    AttemptState.RUNNING: BeamState.RUNNING,
    AttemptState.ENDED: BeamState.ENDED,
    AttemptState.COLLECTED: BeamState.COLLECTED,
}
"""What a worker writes of the beam together with its attempt."""


def loaded(view: CaseView) -> tuple[fx.Effect, ...]:
    """Just read: workers are told again what became of each beam's last attempt, in case they were not."""
    effects: list[fx.Effect] = []
    for beam in view.beams.values():
        last = beam.last
        if not view.going and beam.state not in _ENDED and (last is None or not last.open):
            # Where it waits at the scheduler since before an order, it must not be given to anyone.
            effects.append(fx.Withdraw(beam.number))
        if last is not None and last.state is AttemptState.VERIFIED:
            effects += beams.settle_good(beam)
        elif last is not None and last.state is AttemptState.FAILED:
            effects.append(beams.settle_failed(last))
    return tuple(effects)


def only_priority(view: CaseView, row: CaseRow | None) -> bool:
    """An operator's order was carried out: True if at most the priority is another, which what waits is told again.

    False: the ledger holds something else than is believed here, and is read anew.
    """
    if row is None or view.doing is Doing.READING or row.state is not (view.goal or view.state):
        return False
    for beam in row.beams:
        known = view.beams.get(beam.number)
        if known is None or known.forgiven != beam.forgiven or (beam.state in SETTLED) != known.settled:
            return False
    if view.priority != row.priority:
        view.priority = row.priority
        queue_again(view)
    return True


# -- the case as a whole


def written(view: CaseView) -> tuple[fx.Effect, ...]:
    """The ledger acknowledged the case's write."""
    view.doing, goal = Doing.NOTHING, view.goal
    view.goal, view.tries = None, 0
    if goal is None:
        return _noted(view)
    view.state = goal
    match goal:
        case CaseState.RUNNING:
            for beam in view.beams.values():
                if beam.state is BeamState.PENDING:
                    beam.state = BeamState.INTERPRETED
            return (fx.Alarm(""), *((fx.Announce(view.planned_run),) if view.planned_run else ()))
        case CaseState.FAILED:
            # A beam that still waits at the scheduler from before a restart must not be given to anyone.
            unsettled = tuple(fx.Withdraw(beam.number) for beam in view.beams.values() if not beam.settled)
            return (fx.Alarm(why_failed(view)), *unsettled)
        case _:
            return ()


def _noted(view: CaseView) -> tuple[fx.Effect, ...]:
    """A write that moved nothing: the intent to publish or to remove, or that the case is cleaned."""
    if view.state is CaseState.RUNNING or (view.state is CaseState.FAILED and not view.intent_noted):
        view.intent_noted = True
    elif view.state in _CLEANED:
        view.cleaned = True
    return ()


def write_refused(view: CaseView, subject: int, *, for_good: bool) -> tuple[fx.Effect, ...]:
    """Nothing was written: the same again after a while; or, if it contradicts the ledger, read what that holds."""
    if for_good:
        return reread(view)
    holder: CaseView | Beam = view if subject == fx.CASE else view.beams[subject]
    holder.doing, holder.goal = Doing.RESTING, None
    return (fx.Rest(subject, WRITE_PAUSE_S),)


def reread(view: CaseView) -> tuple[fx.Effect, ...]:
    """Begin again from the ledger; what waits at the scheduler is withdrawn, it will be queued again if it must."""
    queued = tuple(fx.Withdraw(beam.number) for beam in view.beams.values() if beam.doing is Doing.QUEUED)
    view.doing = Doing.READING
    view.tries += 1
    return (*queued, fx.Read(min(30.0, pause_s(view.tries))))


def rested(view: CaseView, subject: int) -> None:
    """A pause is over."""
    holder: CaseView | Beam | None = view if subject == fx.CASE else view.beams.get(subject)
    if holder is None:
        return
    if holder.doing is Doing.RESTING:
        holder.doing = Doing.NOTHING
    elif isinstance(holder, CaseView) and holder.doing is Doing.CLEANING and holder.hosts_left:
        holder.doing, holder.tries = Doing.NOTHING, holder.tries + 1


def inputs_checked(view: CaseView, *, good: bool) -> None:
    view.doing, view.inputs_checked, view.inputs_good = Doing.NOTHING, True, good


def interpreted(view: CaseView, interpretation: Interpretation) -> None:
    """Every beam's input lies in the work folder."""
    view.doing, view.tries = Doing.NOTHING, 0
    view.interpretation, view.inputs_checked, view.inputs_good = interpretation, True, True
    view.fault = unmatched(view)


def published(view: CaseView, result: PublishedCase) -> None:
    view.doing, view.tries, view.published = Doing.NOTHING, 0, result


def step_failed(view: CaseView, fault: Fault) -> tuple[fx.Effect, ...]:
    """Interpretation or publication failed: a fault of the case ends it, one of ours is tried again."""
    view.doing = Doing.NOTHING
    view.tries += 0 if _full(view, fault) else 1
    if fault.blame not in _WAITS or fault.kind in _HOPELESS or view.tries > PATIENCE:
        view.fault = fault
        return ()
    view.doing = Doing.RESTING
    return (fx.Rest(fx.CASE, ROOM_PAUSE_S if _full(view, fault) else pause_s(view.tries)),)


def _full(view: CaseView, fault: Fault) -> bool:
    """There is no room on a disk: waited for as long as it takes."""
    return not view.roomy or fault.kind == AWAY or "full" in fault.kind or "space" in fault.kind


# -- beams


def beam_written(beam: Beam) -> tuple[fx.Effect, ...]:
    """The ledger acknowledged the beam's write."""
    beam.doing, goal = Doing.NOTHING, beam.goal
    beam.goal, beam.tries = None, 0
    assert goal is not None, "every write of a beam moves it"
    beam.state = goal
    if goal is BeamState.INTERPRETED:
        beam.returned = len(beam.attempts)
    last = beam.last
    effects: tuple[fx.Effect, ...] = ()
    if last is not None and last.state is AttemptState.COLLECTED:
        if goal is BeamState.DONE:
            last.state = AttemptState.VERIFIED
            effects = beams.settle_good(beam)
        else:
            last.state = AttemptState.FAILED
            effects = (beams.settle_failed(last),)
    return effects


def reported(view: CaseView, report: AttemptReport, work_dir: PurePath) -> tuple[fx.Effect, ...]:
    """A worker says where an attempt stands. Level, not edge: repeated, late and overtaken reports are harmless."""
    beam = view.beams.get(report.beam)
    if beam is None or beam.settled or view.doing is Doing.READING:
        return ()
    attempt = _attempt_of(beam, report, work_dir)
    if attempt is None or not attempt.open or _RANK[report.state] < _RANK[attempt.state]:
        return ()
    if beam.doing in (Doing.WRITING, Doing.VERIFYING):
        return ()
    attempt.state, attempt.fault = report.state, report.fault
    attempt.output = report.output or attempt.output
    beam.state = _BEAM_AT.get(report.state, beam.state)
    beam.doing, beam.waits = Doing.WITH_WORKER, ""
    view.hosts_left.add(report.host)
    if report.state is AttemptState.COLLECTED or not attempt.open:
        beam.doing = Doing.NOTHING
    if report.state is AttemptState.WITHDRAWN:  # it may be our input that could not be staged
        view.inputs_good = view.inputs_checked = False
    return _answer(view, attempt)


def _answer(view: CaseView, attempt: Attempt) -> tuple[fx.Effect, ...]:
    """What a worker is told of an attempt that it reports."""
    if view.state is CaseState.CANCELLED and attempt.open:  # told before the worker was up, or had read its attempts
        return (fx.Cancel(attempt.worker, attempt.key, view.reason),)
    return (beams.settle_failed(attempt),) if attempt.state is AttemptState.FAILED else ()


def _attempt_of(beam: Beam, report: AttemptReport, work_dir: PurePath) -> Attempt | None:
    """The attempt that a report is about; a new one when a worker has just opened it; None for an old one."""
    last = beam.last
    if last is not None and last.number >= report.attempt:
        return last if last.key == report.key else None
    attempt = Attempt(
        key=report.key,
        number=report.attempt,
        state=AttemptState.INTENDED,
        host=report.host,
        gpu=report.gpu,
        worker=report.worker,
        epoch=report.epoch,
        output_dir=beams.output_dir(work_dir, beam.number, report.attempt),
    )
    beam.attempts.append(attempt)
    return attempt


def unknown(view: CaseView, key: str) -> tuple[fx.Effect, ...]:
    """A worker is not answerable for an attempt: what the ledger has is read again, if we believed otherwise."""
    if view.doing is Doing.READING or view.state not in _WITH_WORKERS:
        return ()
    ours = any(
        (beam.last is not None and beam.last.key == key and beam.last.open) or beam.doing is Doing.QUEUED
        for beam in view.beams.values()
    )
    return reread(view) if ours else ()


def verified(view: CaseView, beam: Beam, dose: VerifiedDose) -> tuple[fx.Effect, ...]:
    """Its dose may be published."""
    if beam.last is None:
        return ()
    beam.last.dose = dose
    return beams.accepted(view, beam)


def verify_failed(view: CaseView, beam: Beam, fault: Fault, policy: RetryPolicy) -> tuple[fx.Effect, ...]:
    """The output is no dose; or we could not look at it, then again after a pause."""
    beam.tries += 0 if _full(view, fault) else 1
    if fault.blame in _WAITS and beam.tries <= PATIENCE:
        beam.doing = Doing.RESTING
        return (fx.Rest(beam.number, ROOM_PAUSE_S if _full(view, fault) else pause_s(beam.tries)),)
    beam.tries = 0
    return beams.rejected(view, beam, fault, policy)


def waits(view: CaseView, number: int, sentence: str) -> tuple[fx.Effect, ...]:
    """The scheduler says why a beam waits; it is kept for whoever asks, while the beam does wait."""
    beam = view.beams.get(number)
    if beam is None or beam.doing is not Doing.QUEUED or beam.waits == sentence:
        return ()
    beam.waits = sentence
    return (fx.Note((ExplainBeam(view.case, number, sentence),)),)


def ask_again(view: CaseView) -> tuple[fx.Effect, ...]:
    """Now and then: workers are asked for attempts again; an answer that was lost must not hold a case for ever."""
    waiting = [beam.last for beam in view.beams.values() if beam.doing is Doing.WITH_WORKER and beam.last is not None]
    if view.state is CaseState.CANCELLED:
        return tuple(fx.Cancel(attempt.worker, attempt.key, view.reason) for attempt in waiting)
    return tuple(fx.Ask(attempt.worker, attempt.key) for attempt in waiting)


def queue_again(view: CaseView) -> None:
    """The scheduler is new: what waited there is queued again."""
    for beam in view.beams.values():
        if beam.doing is Doing.QUEUED:
            beam.doing = Doing.NOTHING


# -- cleaning


def runs_removed(view: CaseView, host: str, fault: Fault | None) -> tuple[fx.Effect, ...]:
    """A host removed the case's run directories, or could not: again after a pause."""
    if view.doing is not Doing.CLEANING:
        return ()
    if fault is None:
        view.hosts_left.discard(host)
        if not view.hosts_left:
            view.doing = Doing.NOTHING
        return ()
    view.tries += 1
    view.doing = Doing.RESTING
    alive = fault.kind == "run-alive" and view.state is CaseState.CANCELLED
    return (*((fx.EndRuns(host),) if alive else ()), fx.Rest(fx.CASE, pause_s(view.tries)))


def work_removed(view: CaseView, *, removed: bool) -> tuple[fx.Effect, ...]:
    """The working files here are gone, or could not be removed."""
    view.work_removed = removed
    view.doing = Doing.NOTHING
    if removed:
        return ()
    view.tries += 1
    view.doing = Doing.RESTING
    return (fx.Rest(fx.CASE, pause_s(view.tries)),)
