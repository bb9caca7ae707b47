"""What is done for one request about a run on this machine, in a task of its own."""

from __future__ import annotations

from concurrent.futures import CancelledError
from pathlib import Path

from actors.errors import MqiError
from actors.jobs.orders import Answer, Order, gone, launched, refused, removed
from actors.local_host.ending import Ending
from actors.local_host.launching import launch
from actors.local_host.places import below
from actors.local_host.removing import remove_runs
from actors.mounts import Ground
from actors.supervision import TaskScope
from messages.jobs import KillJob, LaunchJob, RemoveRuns

__all__ = ["Answer", "Order", "carry_out"]


AWAY_POLL_S = 1.0


def carry_out(order: Order, workspace: Path, boot_id: str, ground: Ground, scope: TaskScope) -> Answer:
    """Blocks, also while the workspace's disk is not mounted: nothing can be told of a run then.

    Anything but an MqiError is a fault of ours and goes up: a restarted control is asked again.
    """
    while why := ground.away():
        if scope.wait(AWAY_POLL_S):
            raise CancelledError(why)
    try:
        match order:
            case LaunchJob():
                return launched(order, launch(order.job, workspace, scope.wait))
            case KillJob():
                run_dir = below(workspace, Path(order.run_dir))
                return gone(order, Ending(run_dir, order.key, boot_id, away=ground.away).run(scope.wait))
            case RemoveRuns():
                remove_runs(workspace, order.paths)
                return removed(order)
    except MqiError as error:
        return refused(order, error.fault)
