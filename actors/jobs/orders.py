"""What a control is asked to do about runs, and its answers: the same words from every kind of host. Pure."""

from __future__ import annotations

from dataclasses import dataclass

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


def launched(order: LaunchJob, evidence: str) -> Answer:
    """It runs, and is watched from now on."""
    job = order.job
    watch = WatchJob(order.reply_to, job.key, job.run_dir)
    return Answer(order, JobLaunched(order.request_id, job.key, evidence), watch)


def gone(order: KillJob, evidence: str) -> Answer:
    """It is proven ended."""
    return Answer(order, JobGone(order.request_id, order.key, evidence))


def removed(order: RemoveRuns) -> Answer:
    """Nothing of them is there."""
    return Answer(order, RunsRemoved(order.request_id))


def refused(order: Order, fault: Fault) -> Answer:
    """It could not be done."""
    match order:
        case LaunchJob():
            return Answer(order, LaunchFailed(order.request_id, order.job.key, fault))
        case KillJob():
            return Answer(order, KillFailed(order.request_id, order.key, fault))
        case RemoveRuns():
            return Answer(order, RunsRemoved(order.request_id, fault))
