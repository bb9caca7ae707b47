"""What operators order of a case, said to Slurm about the case's jobs that wait in its queue."""

from __future__ import annotations

from collections.abc import Iterable

from actors.crash_points import effect
from actors.slurm.cluster import Cluster, Lines
from actors.slurm.options import job_name
from messages.jobs import SteerCase

_USUAL_NICE = 100
"""Of priority 0; room above it, for a user's own jobs may not be given a nice below 0."""
_NICE_A_POINT = 10
_WORST_NICE = 10_000


def steer(order: SteerCase, cluster: Cluster) -> None:
    """Hold, release or re-rank them; a case of which nothing waits there is none of our business. Raises ShellError."""
    numbers = jobs_of(order.case, cluster.call("waiting"), cluster.workspace)
    if not numbers:
        return
    with effect("slurm.steer"):
        if order.held is not None:
            cluster.call("order_jobs", "hold" if order.held else "release", *numbers)
        if order.priority is not None:
            cluster.call("order_jobs", "nice", str(nice(order.priority)), *numbers)


def jobs_of(case: str, lines: Lines, workspace: str) -> tuple[str, ...]:
    """Numbers of this site's waiting jobs of the case: comment and name must both be those that we gave. Pure."""
    return tuple(number for number, name, key in _jobs(lines) if _is_of(case, key) and name == job_name(key, workspace))


def nice(priority: int) -> int:
    """Slurm's adjustment for one of our priorities: higher runs first here, later there. Pure."""
    return min(max(_USUAL_NICE - _NICE_A_POINT * priority, 0), _WORST_NICE)


def _is_of(case: str, key: str) -> bool:
    return key.rpartition("/")[0].rpartition("/")[0] == case


def _jobs(lines: Lines) -> Iterable[tuple[str, str, str]]:
    for word, rest in lines:
        fields = rest.split("|", 2)
        if word == "waiting" and len(fields) == 3 and fields[0].isdecimal():
            yield fields[0], fields[1], fields[2].rstrip()
