"""What is done for one request about a run, in a task of its own, and its answer."""

from __future__ import annotations

from dataclasses import dataclass

from actors.crash_points import effect
from actors.errors import MqiError
from actors.jobs import check_path
from actors.jobs.orders import Answer, Order, gone, launched, refused, removed
from actors.jobs.places import below
from actors.jobs.removal import not_removed
from actors.slurm.cluster import Cluster
from actors.slurm.ending import Ending
from actors.slurm.options import SlurmOptions
from actors.slurm.shell import Shell, ShellError
from actors.slurm.steering import steer
from actors.slurm.submitting import Full, Unclear, submit
from actors.slurm.verdict import Patience
from actors.supervision import TaskScope
from messages.faults import Fault
from messages.jobs import KillJob, LaunchJob, RemoveRuns, SteerCase

__all__ = ["Answer", "Steered", "Task", "Undone", "carry_out"]

Task = Order | SteerCase

_REMOVED_WITHIN_S = 120.0


@dataclass(frozen=True, slots=True)
class Steered:
    """From the task to the actor: done, and nobody waits for an answer."""

    order: SteerCase


@dataclass(frozen=True, slots=True)
class Undone:
    """From the task to the actor: nobody knows how far it came, so it is done again from its start, later."""

    order: Task
    fault: Fault
    lost: Shell | None = None
    """The shell that failed; None: it is Slurm that gave no clear answer, or has no room."""
    full: bool = False
    """Slurm takes no more jobs for now; it answers."""


def carry_out(
    order: Task, cluster: Cluster, options: SlurmOptions, patience: Patience, scope: TaskScope
) -> Answer | Steered | Undone:
    """Blocks. Anything but an MqiError is a fault of ours and goes up: a restarted control is asked again."""
    try:
        if isinstance(order, SteerCase):
            steer(order, cluster)
            return Steered(order)
        return _answer(order, cluster, options, patience, scope)
    except Unclear as doubt:
        return Undone(order, doubt.fault)
    except Full as full:
        return Undone(order, full.fault, full=True)
    except ShellError as lost:
        return Undone(order, lost.fault, lost=cluster.shell)


def _answer(order: Order, cluster: Cluster, options: SlurmOptions, patience: Patience, scope: TaskScope) -> Answer:
    try:
        match order:
            case LaunchJob():
                return _launch(order, cluster, options)
            case KillJob():
                return _kill(order, cluster, patience, scope)
            case RemoveRuns():
                return _remove(order, cluster)
    except ShellError:
        raise
    except MqiError as error:
        return refused(order, error.fault)


def _launch(order: LaunchJob, cluster: Cluster, options: SlurmOptions) -> Answer:
    with effect("launch.start"):
        evidence = submit(order.job, cluster, options)
    return launched(order, evidence)


def _kill(order: KillJob, cluster: Cluster, patience: Patience, scope: TaskScope) -> Answer:
    return gone(order, Ending(cluster, below(cluster.workspace, order.run_dir), order.key, patience).run(scope.wait))


def _remove(order: RemoveRuns, cluster: Cluster) -> Answer:
    faults = [fault for path in order.paths if (fault := _removed(path, cluster)) is not None]
    return refused(order, faults[0]) if faults else removed(order)


def _removed(path: str, cluster: Cluster) -> Fault | None:
    try:
        check_path(path)
        folder = below(cluster.workspace, f"{cluster.workspace}/{path}")
    except MqiError as error:
        return error.fault
    with effect("clean.runs"):
        said = dict(cluster.call("remove", folder, timeout_s=_REMOVED_WITHIN_S))
    return not_removed(path, folder, said)
