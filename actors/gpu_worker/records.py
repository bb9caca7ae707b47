"""What is written for each step of an attempt. Evidence is JSON of the vocabulary's own values, or a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from messages.faults import Fault
from messages.files import FileProof
from messages.jobs import JobExit, Observation
from messages.ledger import AttemptRow, MoveAttempt, MoveBeam, NoteProgress, OpenAttempt, Record
from messages.scheduling import BeamRequest
from messages.states import AttemptState, BeamState

if TYPE_CHECKING:
    from actors.gpu_worker.attempt import Attempt

REQUEST: TypeAdapter[BeamRequest] = TypeAdapter(BeamRequest)
PROOFS: TypeAdapter[tuple[FileProof, ...]] = TypeAdapter(tuple[FileProof, ...])
_EXIT: TypeAdapter[JobExit] = TypeAdapter(JobExit)
_FAULT: TypeAdapter[Fault] = TypeAdapter(Fault)


def opened(attempt: Attempt) -> tuple[Record, ...]:
    """The intent, before anything outside is touched."""
    request, home = attempt.request, attempt.home
    return (
        OpenAttempt(
            key=request.key,
            case=request.case,
            beam=request.beam,
            attempt=request.attempt,
            host=home.host,
            gpu=home.gpu,
            worker=home.worker,
            run_dir=attempt.run_dir,
            request=REQUEST.dump_json(request).decode(),
        ),
    )


def staged(attempt: Attempt) -> tuple[Record, ...]:
    return (MoveAttempt(attempt.key, AttemptState.STAGED), _beam(attempt, BeamState.STAGED))


def launching(attempt: Attempt) -> tuple[Record, ...]:
    return (MoveAttempt(attempt.key, AttemptState.LAUNCHING),)


def running(attempt: Attempt) -> tuple[Record, ...]:
    move = MoveAttempt(attempt.key, AttemptState.RUNNING, attempt.launch_evidence, started=attempt.started)
    return (move, _beam(attempt, BeamState.RUNNING))


def ended(attempt: Attempt) -> tuple[Record, ...]:
    """Written only once no process of the run is left."""
    if attempt.exit is not None:
        evidence = _EXIT.dump_json(attempt.exit).decode()
    elif attempt.observed is Observation.KILLED:
        evidence = f"killed, no exit.json: {attempt.evidence}"
    else:
        evidence = f"no process of the run is left: {attempt.evidence}"
    move = MoveAttempt(attempt.key, AttemptState.ENDED, evidence, started=attempt.started, ended=attempt.finished)
    return (move, _beam(attempt, BeamState.ENDED))


def collected(attempt: Attempt) -> tuple[Record, ...]:
    """The evidence is the files' proofs: a restarted worker tells them again."""
    proofs = PROOFS.dump_json(attempt.output).decode()
    full = NoteProgress(attempt.request.case, attempt.request.beam, attempt.request.attempt, 1.0)
    move = MoveAttempt(attempt.key, AttemptState.COLLECTED, proofs)
    return (move, _beam(attempt, BeamState.COLLECTED), full)


def failed(attempt: Attempt) -> tuple[Record, ...]:
    """The case moves the beam: back for another attempt, or to its end. The evidence is the fault."""
    fault = attempt.verdict()
    return (MoveAttempt(attempt.key, AttemptState.FAILED, _FAULT.dump_json(fault).decode(), ended=attempt.finished),)


def withdrawn(attempt: Attempt) -> tuple[Record, ...]:
    return (MoveAttempt(attempt.key, AttemptState.WITHDRAWN, attempt.leaving),)


def proofs_of(row: AttemptRow) -> tuple[FileProof, ...]:
    """The proofs that ``collected`` wrote; empty where the row holds none."""
    try:
        return PROOFS.validate_json(row.evidence)
    except ValueError:
        return ()


def _beam(attempt: Attempt, to: BeamState) -> MoveBeam:
    return MoveBeam(attempt.request.case, attempt.request.beam, to)
