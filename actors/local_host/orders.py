"""What is done for one request about a run on this machine, in a task of its own."""

from __future__ import annotations

from pathlib import Path

from actors.errors import MqiError
from actors.jobs.orders import Answer, Order, gone, launched, refused, removed
from actors.local_host.ending import Ending
from actors.local_host.launching import launch
from actors.local_host.places import below
from actors.local_host.removing import remove_runs
from actors.supervision import TaskScope
from messages.jobs import KillJob, LaunchJob, RemoveRuns

__all__ = ["Answer", "Order", "carry_out"]


def carry_out(order: Order, workspace: Path, boot_id: str, scope: TaskScope) -> Answer:
    """Blocks. Anything but an MqiError is a fault of ours and goes up: a restarted control is asked again."""
    try:
        match order:
            case LaunchJob():
                return launched(order, launch(order.job, workspace, scope.wait))
            case KillJob():
                run_dir = below(workspace, Path(order.run_dir))
                return gone(order, Ending(run_dir, order.key, boot_id).run(scope.wait))
            case RemoveRuns():
                remove_runs(workspace, order.paths)
                return removed(order)
    except MqiError as error:
        return refused(order, error.fault)
