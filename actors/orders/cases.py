"""Orders about a case: its rows in, what is written and said out. Pure.

Everything is a transition in the ledger. The case's actor, the workers and the scanner find it there and act on it,
now or after whatever crash: the transition is the intent. A decision counts only for what it was made on
(``ExpectCase``); if more has happened to the case by then, it is made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from actors.orders.decision import Decision, done, nothing, refuse
from messages.alarming import case_failed
from messages.jobs import SteerCase
from messages.ledger import (
    AttemptRow,
    BeamRow,
    CaseReport,
    CaseRow,
    ClearAlarm,
    ExpectCase,
    ForgiveBeam,
    MoveBeam,
    MoveCase,
    NoteInterpretation,
    OrderRow,
    Record,
    ReleaseCase,
    SetPriority,
)
from messages.operators import OrderKind
from messages.states import OPEN_ATTEMPTS, OPEN_CASES, AttemptState, BeamState, CaseState

_ENDED_BADLY = frozenset({BeamState.FAILED, BeamState.CANCELLED})
_SEEN_TO = frozenset({OrderKind.CANCEL, OrderKind.RETRY})
"""After one of these nobody needs to be told any more that the case had failed."""
_LAUNCHED = frozenset({AttemptState.LAUNCHING, AttemptState.RUNNING})
_BEGUN = frozenset({CaseState.QUEUED, CaseState.RUNNING})


def decide(order: OrderRow, report: CaseReport) -> Decision:
    """What the order means for the case as the ledger has it."""
    row = report.row
    if row is None:
        return refuse(f"there is no case {order.subject}")
    decision = _DECIDE[OrderKind(order.kind)](order, row, report.attempts)
    if not decision.records:
        return decision
    expected = ExpectCase(row.case, frozenset({row.state}), report.last_event)
    over = (ClearAlarm(case_failed(row.case)),) if row.state is CaseState.FAILED and order.kind in _SEEN_TO else ()
    return Decision(decision.outcome, (expected, *decision.records, *over))


def steering(order: OrderRow) -> SteerCase | None:
    """What the order means for runs that wait in a cluster's queue; None: nothing."""
    match order.kind:
        case OrderKind.HOLD | OrderKind.RELEASE:
            return SteerCase(order.subject, held=order.kind == OrderKind.HOLD)
        case OrderKind.PRIORITY:
            return SteerCase(order.subject, priority=int(order.argument))
        case _:
            return None


def standing(rows: Iterable[OrderRow]) -> tuple[SteerCase, ...]:
    """What such orders, oldest first, come to for each case: a job that is held for a moment would lose its place."""
    wanted: dict[str, SteerCase] = {}
    for said in filter(None, map(steering, rows)):
        before = wanted.get(said.case, SteerCase(said.case))
        held = before.held if said.held is None else said.held
        priority = before.priority if said.priority is None else said.priority
        wanted[said.case] = SteerCase(said.case, held, priority)
    return tuple(wanted.values())


def _cancel(order: OrderRow, row: CaseRow, attempts: tuple[AttemptRow, ...]) -> Decision:
    if row.state is CaseState.CANCELLED:
        return nothing("it is cancelled already")
    if row.state is CaseState.DONE:
        return refuse("it is done and published; nothing of it runs that could be ended")
    if _publishing(row):
        return refuse("it comes too late: every beam is verified and the result is being published")
    running = _open(attempts)
    moves = tuple(
        MoveBeam(row.case, beam.number, BeamState.CANCELLED, f"cancelled by {order.user}")
        for beam in row.beams
        if beam.state not in (BeamState.DONE, BeamState.FAILED, BeamState.CANCELLED) and beam.number not in running
    )
    move = MoveCase(row.case, CaseState.CANCELLED, f"cancelled by {order.user}")
    ends = _where([attempt for attempt in running.values() if attempt.state in _LAUNCHED], "is being ended")
    return done(f"it is cancelled{f'; {ends}' if ends else ''}", *moves, move)


def _hold(order: OrderRow, row: CaseRow, attempts: tuple[AttemptRow, ...]) -> Decision:
    if row.state is CaseState.HELD:
        return nothing(f"it is held already ({row.reason or 'no reason was told'})")
    if row.state not in OPEN_CASES:
        return refuse(f"it is {row.state}: there is nothing to hold")
    if _publishing(row):
        return refuse("it comes too late: every beam is verified and the result is being published")
    launched = [attempt for attempt in _open(attempts).values() if attempt.state in _LAUNCHED]
    runs = _where(launched, "runs on to its end")
    move = MoveCase(row.case, CaseState.HELD, f"held by {order.user}")
    return done(f"it is held, nothing new starts for it{f'; {runs}' if runs else ''}", move)


def _release(_order: OrderRow, row: CaseRow, _attempts: tuple[AttemptRow, ...]) -> Decision:
    if row.state is not CaseState.HELD:
        return nothing(f"it is not held, it is {row.state}")
    return done(f"it goes on from where it was: {row.held_from}", ReleaseCase(row.case))


def _priority(order: OrderRow, row: CaseRow, _attempts: tuple[AttemptRow, ...]) -> Decision:
    wanted = int(order.argument)
    if row.priority == wanted:
        return nothing(f"its priority is {wanted} already")
    if row.state is CaseState.DONE:
        return refuse("it is done: nothing of it waits")
    return done(f"its priority is {wanted}, it was {row.priority}", SetPriority(row.case, wanted))


def _retry(order: OrderRow, row: CaseRow, attempts: tuple[AttemptRow, ...]) -> Decision:
    if row.state is CaseState.DONE:
        return refuse("it is done: a verified beam is not computed again")
    if row.source is None:
        return _look_again(order, row)
    return _retry_beam(row, attempts, int(order.argument)) if order.argument else _retry_all(row, attempts)


def _look_again(order: OrderRow, row: CaseRow) -> Decision:
    """It was never complete: the scanner decides on its files anew."""
    if row.state in OPEN_CASES:
        return refuse(f"it was never complete, there is nothing to retry: {row.reason or 'it is being looked at'}")
    if order.argument:
        return refuse(f"it was never complete: it has no beam {order.argument}")
    return done("its files are looked at again", MoveCase(row.case, CaseState.INCOMING))


def _retry_beam(row: CaseRow, attempts: tuple[AttemptRow, ...], number: int) -> Decision:
    beam = next((beam for beam in row.beams if beam.number == number), None)
    if beam is None:
        return refuse(f"it has no beam {number}; there are {_numbers(row.beams)}")
    if beam.state is BeamState.DONE:
        return refuse(f"beam {number} is done: its dose is verified, and kept")
    if beam.state not in _ENDED_BADLY:
        if row.state in OPEN_CASES:
            return nothing(f"beam {number} is {beam.state}: it neither failed nor was cancelled")
        return done(f"beam {number} goes on", *_back_to_work(row))
    return done(f"beam {number} is tried again with a fresh budget", *_again(row, attempts, (beam,)))


def _retry_all(row: CaseRow, attempts: tuple[AttemptRow, ...]) -> Decision:
    beams = tuple(beam for beam in row.beams if beam.state in _ENDED_BADLY)
    if not beams and row.state in OPEN_CASES:
        return nothing(f"no beam of it failed or was cancelled; it is {row.state}")
    kept = [beam for beam in row.beams if beam.state is BeamState.DONE]
    tried = f"{_beams(beams)} tried again with a fresh budget" if beams else "it is begun again"
    stays = f"; {_beams(kept)} done and kept" if kept else ""
    return done(f"{tried}{stays}", *_again(row, attempts, beams))


def _again(row: CaseRow, attempts: tuple[AttemptRow, ...], beams: tuple[BeamRow, ...]) -> tuple[Record, ...]:
    """Beams back to work. Where nothing of the case is done or under way it is interpreted anew: what was wrong with
    calibration or profile may be mended; otherwise its beams stay beams of one interpretation."""
    anew = row.state not in OPEN_CASES and not _open(attempts) and not _any_done(row) and set(beams) == set(row.beams)
    made = bool(row.interpretation) and not anew
    to = BeamState.INTERPRETED if made else BeamState.PENDING
    forget = (NoteInterpretation(row.case, ""),) if anew and row.interpretation else ()
    moves = tuple(MoveBeam(row.case, beam.number, to) for beam in beams)
    fresh = tuple(ForgiveBeam(row.case, beam.number) for beam in beams)
    return (*forget, *moves, *fresh, *_back_to_work(row))


def _back_to_work(row: CaseRow) -> tuple[Record, ...]:
    return () if row.state in OPEN_CASES else (MoveCase(row.case, CaseState.QUEUED),)


def _any_done(row: CaseRow) -> bool:
    return any(beam.state is BeamState.DONE for beam in row.beams)


def _publishing(row: CaseRow) -> bool:
    """Nothing but the publication is left, and it may be under way."""
    over = {BeamState.DONE, BeamState.CANCELLED}
    return row.state in _BEGUN and _any_done(row) and all(beam.state in over for beam in row.beams)


def _open(attempts: Iterable[AttemptRow]) -> Mapping[int, AttemptRow]:
    """Beam → its open attempt."""
    return {attempt.beam: attempt for attempt in attempts if attempt.state in OPEN_ATTEMPTS}


def _where(attempts: Iterable[AttemptRow], does: str) -> str:
    return ", ".join(f"beam {attempt.beam} on {attempt.worker} {does}" for attempt in attempts)


def _beams(beams: Iterable[BeamRow]) -> str:
    numbers = [beam.number for beam in beams]
    return f"beam{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))} {'are' if len(numbers) > 1 else 'is'}"


def _numbers(beams: Iterable[BeamRow]) -> str:
    return ", ".join(str(beam.number) for beam in beams) or "none"


_DECIDE: Mapping[OrderKind, Callable[[OrderRow, CaseRow, tuple[AttemptRow, ...]], Decision]] = MappingProxyType(
    {
        OrderKind.CANCEL: _cancel,
        OrderKind.HOLD: _hold,
        OrderKind.RELEASE: _release,
        OrderKind.PRIORITY: _priority,
        OrderKind.RETRY: _retry,
    }
)
