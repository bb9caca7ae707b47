"""What is done for one request about a run on a host, in a task of its own."""

from __future__ import annotations

from dataclasses import dataclass

from actors.errors import MqiError
from actors.jobs.orders import Answer, Order, gone, launched, refused, removed
from actors.jobs.places import below
from actors.ssh_connection.ending import Ending
from actors.ssh_connection.launching import launch
from actors.ssh_connection.remote import Remote
from actors.ssh_connection.removing import remove_runs
from actors.ssh_connection.troubles import LinkError
from actors.supervision import TaskScope
from messages.faults import Fault
from messages.jobs import KillJob, LaunchJob, RemoveRuns

__all__ = ["Answer", "Order", "Undone", "carry_out"]


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
                return launched(order, launch(order.job, remote))
            case KillJob():
                run_dir = below(remote.workspace, order.run_dir)
                return gone(order, Ending(remote, run_dir, order.key).run(scope.wait))
            case RemoveRuns():
                remove_runs(remote, order.paths)
                return removed(order)
    except LinkError as error:
        return Undone(order, error.fault)
    except MqiError as error:
        return refused(order, error.fault)
