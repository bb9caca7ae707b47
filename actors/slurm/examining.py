"""The examination of a cluster for ``check``: its commands, its controller, and whether it would take a job."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from actors.errors import MqiError
from actors.mounts import Ground
from actors.slurm import standing
from actors.slurm.cluster import Cluster, Lines
from actors.slurm.options import SlurmOptions, sbatch_words
from actors.slurm.queue import Queue, read_queue
from actors.slurm.shell import OpenShell
from messages.jobs import JobSpec

LEAST_FREE_GB = 5.0


@dataclass(frozen=True, slots=True)
class CheckLine:
    """One line of the examination."""

    name: str
    ok: bool
    text: str
    remedy: str = ""


def check_cluster(open_shell: OpenShell, workspace: str, options: SlurmOptions) -> Iterator[CheckLine]:
    """Blocks. One line each; the first that fails ends what depends on it."""
    try:
        shell = open_shell(lambda _closer: lambda: None)
    except MqiError as error:
        yield CheckLine("shell", False, error.fault.what, error.fault.remedy)
        return
    try:
        cluster = Cluster(shell, workspace)
        yield from _workspace(cluster)
        trial = JobSpec("check", workspace, 0, ("true",), (), 60)
        yield from judge(cluster.call("examine", *sbatch_words(options, trial)))
    except MqiError as error:
        yield CheckLine("shell", False, error.fault.what, error.fault.remedy)
    finally:
        shell.close()


def _workspace(cluster: Cluster) -> Iterator[CheckLine]:
    seen = standing.observe(cluster, Ground(cluster.workspace))
    if seen.fault:
        yield CheckLine("workspace", False, seen.fault, f"make {cluster.workspace} for the user that logs in there")
        return
    roomy = seen.free_gb is None or seen.free_gb >= LEAST_FREE_GB
    free = "" if seen.free_gb is None else f", {seen.free_gb:.0f} GB free"
    text = f"{cluster.workspace}{free}; every node of the partition must see it under this path"
    yield CheckLine("workspace", roomy, text, "" if roomy else "make room, or use another disk")


def judge(lines: Lines) -> Iterator[CheckLine]:
    """What ``examine`` in cluster.sh answered. Pure."""
    missing = [rest for word, rest in lines if word == "lacks"]
    if missing:
        text = f"{', '.join(missing)} not found on this host"
        yield CheckLine("slurm", False, text, "install Slurm's client commands, or name a login node as the address")
        return
    said = dict(lines)
    yield CheckLine("slurm", True, said.get("version", "Slurm"))
    up = said.get("ping-code") == "0" and "UP" in said.get("ping", "")
    yield CheckLine("slurmctld", up, said.get("ping", "no answer"), "" if up else "start slurmctld; see scontrol ping")
    if not up:
        return
    queue = read_queue(lines) or Queue({}, "its answer cannot be understood")
    if queue.fault:
        remedy = "the questions asked need Slurm 20.11 or newer; try: squeue --me -a -O 'JobID:|,Name:|'"
        yield CheckLine("queue", False, queue.fault, remedy)
        return
    books = said.get("books-code") == "0"
    text = (
        "jobs that left the queue are looked up" if books else "is off: jobs are known while slurmctld remembers them"
    )
    yield CheckLine("accounting", True, text)
    taken = said.get("trial-code") == "0"
    words = said.get("trial", "").removeprefix("sbatch: ").removeprefix("error: ")
    remedy = "correct the [hosts.slurm] table: partition, account, qos, gres, time_limit, mem, extra"
    yield CheckLine("job", taken, words or "a beam's job would be taken", "" if taken else remedy)
