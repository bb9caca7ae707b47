"""An attempt's orders to its host."""

from __future__ import annotations

from actors.gpu_worker.attempt import Attempt
from messages.address import Mailbox
from messages.files import FetchFiles, PutFiles
from messages.jobs import JobSpec

LOG_FILES = ("engine.log", "exit.json")


def put_order(attempt: Attempt, request_id: str, reply_to: Mailbox, epoch: int) -> PutFiles:
    """Stage the request's files as the run's ``in/``."""
    request = attempt.request
    return PutFiles(request_id, reply_to, epoch, request.input_dir, f"{attempt.run_dir}/in", request.files)


def fetch_order(attempt: Attempt, request_id: str, reply_to: Mailbox, epoch: int, *, log_only: bool) -> FetchFiles:
    """Collect ``out/`` with engine.log and exit.json beside it; of a failed run only the two."""
    names = LOG_FILES if log_only else ("out", *LOG_FILES)
    return FetchFiles(request_id, reply_to, epoch, attempt.run_dir, attempt.request.output_dir, names)


def job_of(attempt: Attempt, *, asked: bool) -> JobSpec:
    """The run. A GPU is chosen by its UUID; a counted slot chooses none."""
    request = attempt.request
    chosen = (("CUDA_VISIBLE_DEVICES", attempt.home.gpu),) if asked else ()
    return JobSpec(
        key=request.key,
        run_dir=attempt.run_dir,
        epoch=attempt.epoch,
        command=request.command,
        environment=(*request.environment, *chosen, ("MQI_ATTEMPT", request.key)),
        wall_limit_s=request.wall_limit_s,
    )
