"""What is done for one request about a run, in a task of its own, and its answer."""

from __future__ import annotations

from dataclasses import dataclass

from actors.errors import MqiError
from actors.jobs.places import below
from actors.ssh_connection.ending import Ending
from actors.ssh_connection.launching import launch
from actors.ssh_connection.remote import Remote
from actors.ssh_connection.removing import remove_runs
from actors.ssh_connection.troubles import LinkError
from actors.supervision import TaskScope
from messages.faults import Fault
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
    """From the task to the actor: the order, its answer, and what is to be watched from now on."""

    order: Order
    message: JobLaunched | LaunchFailed | JobGone | KillFailed | RunsRemoved
    watch: WatchJob | None = None


@dataclass(frozen=True, slots=True)
class Undone:
    """From the task to the actor: the link failed, nobody knows how far it came, so it is done again from its start."""

    order: Order
    fault: Fault


def carry_out(order: Order, remote: Remote, scope: TaskScope) -> Answer | Undone:
    """Blocks. Anything but an MqiError is a fault of ours and goes up: a restarted control is asked again."""
    try:
        match order:
            case LaunchJob():
                return _launch(order, remote)
            case KillJob():
                return _kill(order, remote, scope)
            case RemoveRuns():
                return _remove(order, remote)
    except LinkError as error:
        return Undone(order, error.fault)


def _launch(order: LaunchJob, remote: Remote) -> Answer:
    job = order.job
    try:
        evidence = launch(job, remote)
    except LinkError:
        raise
    except MqiError as error:
        return Answer(order, LaunchFailed(order.request_id, job.key, error.fault))
    launched = JobLaunched(order.request_id, job.key, evidence)
    return Answer(order, launched, WatchJob(order.reply_to, job.key, job.run_dir))


def _kill(order: KillJob, remote: Remote, scope: TaskScope) -> Answer:
    try:
        run_dir = below(remote.workspace, order.run_dir)
        evidence = Ending(remote, run_dir, order.key).run(scope.wait)
    except LinkError:
        raise
    except MqiError as error:
        return Answer(order, KillFailed(order.request_id, order.key, error.fault))
    return Answer(order, JobGone(order.request_id, order.key, evidence))


def _remove(order: RemoveRuns, remote: Remote) -> Answer:
    try:
        remove_runs(remote, order.paths)
    except LinkError:
        raise
    except MqiError as error:
        return Answer(order, RunsRemoved(order.request_id, error.fault))
    return Answer(order, RunsRemoved(order.request_id))
