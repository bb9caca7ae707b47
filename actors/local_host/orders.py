"""What is done for one request about a run, in a task of its own, and its answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from actors.errors import MqiError
from actors.local_host.ending import Ending
from actors.local_host.launching import launch
from actors.local_host.places import below
from actors.local_host.removing import remove_runs
from actors.supervision import TaskScope
from messages.address import Mailbox
from messages.jobs import (
    JobGone,
    JobLaunched,
    KillFailed,
    KillJob,
    LaunchFailed,
    LaunchJob,
    RemoveRuns,
    RunsRemoved,
    WatchJob,
)

Order = LaunchJob | KillJob | RemoveRuns


@dataclass(frozen=True, slots=True)
class Answer:
    """From the task to the actor: the answer, whom it goes to, and what is to be watched from now on."""

    reply_to: Mailbox
    message: JobLaunched | LaunchFailed | JobGone | KillFailed | RunsRemoved
    watch: WatchJob | None = None


def carry_out(order: Order, workspace: Path, boot_id: str, scope: TaskScope) -> Answer:
    """Blocks. Anything but an MqiError is a fault of ours and goes up: a restarted control is asked again."""
    match order:
        case LaunchJob():
            return _launch(order, workspace, scope)
        case KillJob():
            return _kill(order, workspace, boot_id, scope)
        case RemoveRuns():
            return _remove(order, workspace)


def _launch(order: LaunchJob, workspace: Path, scope: TaskScope) -> Answer:
    job = order.job
    try:
        evidence = launch(job, workspace, scope.wait)
    except MqiError as error:
        return Answer(order.reply_to, LaunchFailed(order.request_id, job.key, error.fault))
    launched = JobLaunched(order.request_id, job.key, evidence)
    return Answer(order.reply_to, launched, WatchJob(order.reply_to, job.key, job.run_dir))


def _kill(order: KillJob, workspace: Path, boot_id: str, scope: TaskScope) -> Answer:
    try:
        run_dir = below(workspace, Path(order.run_dir))
        evidence = Ending(run_dir, order.key, boot_id).run(scope.wait)
    except MqiError as error:
        return Answer(order.reply_to, KillFailed(order.request_id, order.key, error.fault))
    return Answer(order.reply_to, JobGone(order.request_id, order.key, evidence))


def _remove(order: RemoveRuns, workspace: Path) -> Answer:
    try:
        remove_runs(workspace, order.paths)
    except MqiError as error:
        return Answer(order.reply_to, RunsRemoved(order.request_id, error.fault))
    return Answer(order.reply_to, RunsRemoved(order.request_id))
