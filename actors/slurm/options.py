"""What a beam's job asks of Slurm: sbatch's options, one word each. Pure."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

from messages.jobs import JobSpec

_ROOM_S = 120
"""Slurm's limit lies so far above the wrapper's own, which leaves evidence behind when it ends a run."""


@dataclass(frozen=True, slots=True)
class SlurmOptions:
    """Of one cluster, as configured; empty: Slurm's own default."""

    partition: str = ""
    account: str = ""
    qos: str = ""
    gres: str = ""
    """Such as ``gpu:1`` or ``gpu:h200:1``."""
    time_limit: str = ""
    """As sbatch has it; empty: from the run's own wall-clock limit."""
    mem: str = ""
    extra: tuple[str, ...] = ()
    """More options, one word each."""


PREFIX = "mqi-"
"""What the names of our jobs begin with."""


def job_name(key: str, workspace: str) -> str:
    """The name that a run's job has, and no other: it is looked up by it. Two sites on one cluster never share one."""
    identity = "\0".join((workspace, key)).encode("utf-8", "surrogateescape")
    return f"{PREFIX}{hashlib.sha256(identity).hexdigest()[:24]}"


def sbatch_words(options: SlurmOptions, job: JobSpec) -> tuple[str, ...]:
    """Options beside name and folder.

    Slurm does not start a job again by itself: a run of which nobody knows how far it came is over, and a new attempt
    in a new directory follows. An administrator's requeue is recognised all the same, by the claim. The environment is
    exported whole: ``bare`` in cluster.sh has made it small, and nobody's login shell is asked on the node.
    """
    named = (
        ("partition", options.partition),
        ("account", options.account),
        ("qos", options.qos),
        ("gres", options.gres),
        ("time", options.time_limit or _minutes(job.wall_limit_s)),
        ("mem", options.mem),
        ("comment", job.key),
    )
    given = [f"--{name}={value}" for name, value in named if value]
    fixed = ("--no-requeue", "--export=ALL", "--input=/dev/null", "--output=/dev/null", "--error=/dev/null")
    return (*fixed, *given, *options.extra)


def _minutes(seconds: int) -> str:
    return str(math.ceil((seconds + _ROOM_S) / 60))
