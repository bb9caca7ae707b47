"""What the case is told of an attempt, and the scheduler of the lease."""

from __future__ import annotations

from typing import TYPE_CHECKING

from messages.scheduling import AttemptReport
from messages.states import AttemptState

if TYPE_CHECKING:
    from actors.gpu_worker.attempt import Attempt


def attempt_report(attempt: Attempt) -> AttemptReport:
    """Where the attempt stands, as the ledger has it. Before its intent is acknowledged it stands INTENDED."""
    request = attempt.request
    return AttemptReport(
        key=request.key,
        case=request.case,
        beam=request.beam,
        attempt=request.attempt,
        host=attempt.home.host,
        gpu=attempt.home.gpu,
        state=attempt.state or AttemptState.INTENDED,
        progress=attempt.log.fraction,
        fault=attempt.verdict() if attempt.state is AttemptState.FAILED else None,
        output=attempt.output if attempt.state is AttemptState.COLLECTED else (),
        started=attempt.started,
        ended=attempt.finished,
        worker=attempt.home.worker,
        epoch=attempt.epoch,
    )
