"""Handing a run to Slurm: looked for before it is submitted, submitted once, and fenced by the claim all the same."""

from __future__ import annotations

import re

from actors.crash_points import effect
from actors.errors import MqiError
from actors.jobs import job_files, wrapper_name, wrapper_script
from actors.jobs.places import below
from actors.slurm.cluster import Cluster
from actors.slurm.options import SlurmOptions, job_name, sbatch_words
from messages.faults import Blame, Fault
from messages.jobs import JobSpec

_LOOKED_FOR = "now-7days"
"""How far back the accounting is asked for a submission whose answer was lost."""
_SUBMITTED_WITHIN_S = 120.0
_MAYBE = (
    "unable to contact",
    "timed out",
    "connection refused",
    "connection timed out",
    "zero bytes",
    "not responding",
    "protocol authentication error",
    "authentication credential",
    "munge",
)
"""What sbatch says when it cannot know whether its job was taken."""
_LIMIT = re.compile(r"\b(?:qos|assoc)\w*limit\w*")
"""Slurm's names of its limits, such as QOSMaxSubmitJobPerUserLimit; only the one about jobs that are there passes."""


class Unclear(Exception):  # noqa: N818 - no error: the order is done again later
    """Slurm did not say whether it has the job; the fault says why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


class Full(Exception):  # noqa: N818 - no error: the order is done again later
    """Slurm takes no more jobs of ours until one of those that it has ends; the fault says why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


def submit(job: JobSpec, cluster: Cluster, options: SlurmOptions) -> str:
    """Submit the run unless it is submitted or claimed already; the evidence of it. Safe to repeat.

    Raises Unclear when nothing is known, Full when there is no room in the queue, MqiError when it is certain that this
    attempt is not queued (or when the shell failed, which its kind tells).
    """
    run_dir = below(cluster.workspace, job.run_dir)
    texts = {name: content.decode("utf-8", "surrogateescape") for name, content in job_files(job).items()}
    name = job_name(job.key, cluster.workspace)
    given = (wrapper_name(), texts["job.json"], texts["job.sh"], name, _LOOKED_FOR, *sbatch_words(options, job))
    answer = cluster.call("submit", run_dir, *given, timeout_s=_SUBMITTED_WITHIN_S)
    if ("no", "wrapper") in answer:
        install(cluster)
        answer = cluster.call("submit", run_dir, *given, timeout_s=_SUBMITTED_WITHIN_S)
    return judge(job, answer)


def install(cluster: Cluster) -> None:
    """Have the wrapper in the workspace under its hash, whole or not at all. Raises MqiError."""
    with effect("launch.install"):
        said = dict(cluster.call("install_wrapper", wrapper_name(), wrapper_script().decode().rstrip("\n")))
    if "error" in said:
        raise _fault(f"The wrapper cannot be put on the cluster: {said['error']}.", cluster.workspace)


def judge(job: JobSpec, lines: tuple[tuple[str, str], ...]) -> str:
    """The evidence of a submission. Raises as ``submit`` does. Pure."""
    said = dict(lines)
    if "outside" in said:
        what = f"{job.run_dir} does not lie below the workspace: it was not touched."
        raise MqiError(Fault(what=what, where=job.run_dir, blame=Blame.OURS, kind="outside-workspace"))
    if "unclear" in said:
        raise Unclear(_doubt(job, said["unclear"]))
    if "sbatch-code" in said:
        _refusal(job, [rest for word, rest in lines if word == "sbatch"], said["sbatch-code"])
    if "void" in said and "started" not in said:
        raise _fault(f"Run {job.key} was not submitted: its claim was voided before.", job.run_dir, "run-void")
    if number := said.get("submitted", "").strip():
        return f"Slurm job {number}"
    if said.get("claim") == "made":
        return "claimed before"
    if "error" in said:
        raise _fault(f"Run {job.key} was not submitted: {said['error']}.", job.run_dir)
    raise Unclear(_doubt(job, "the answer cannot be understood"))


def _refusal(job: JobSpec, told: list[str], code: str) -> None:
    """Slurm said no, not now, or nothing."""
    words = " ".join(line.removeprefix("sbatch: ").removeprefix("error: ") for line in told).strip().rstrip(".")
    if not words or code in ("124", "137") or any(sign in words.lower() for sign in _MAYBE):
        raise Unclear(_doubt(job, words or f"sbatch ended with code {code}"))
    if _is_full(words.lower()):
        raise Full(_no_room(job, words))
    remedy = "Correct the [hosts.slurm] table (partition, account, qos, gres, …), or ask the cluster's administrator."
    raise MqiError(
        Fault(
            what=f"Slurm refused run {job.key}: {words}.",
            where=job.run_dir,
            remedy=remedy,
            blame=Blame.HOST,
            kind="slurm-refused",
        )
    )


def _is_full(words: str) -> bool:
    """Slurm's sentence speaks of several limits at once; where it names one besides, that decides."""
    named = _LIMIT.findall(words)
    return any("submit" in limit for limit in named) if named else "submit limit" in words


def _no_room(job: JobSpec, words: str) -> Fault:
    what = f"Slurm takes no more jobs for now; run {job.key} waits: {words}."
    remedy = "Set max_queued of the host no higher than the cluster's limit of submitted jobs."
    return Fault(what=what, where=job.run_dir, remedy=remedy, blame=Blame.HOST, kind="slurm-full")


def _doubt(job: JobSpec, why: str) -> Fault:
    what = f"Whether Slurm has run {job.key} is not known: {why}."
    return Fault(what=what, where=job.run_dir, remedy="It is looked for.", blame=Blame.HOST, kind="slurm-unclear")


def _fault(what: str, where: str, kind: str = "launch-refused") -> MqiError:
    remedy = "Check the workspace's disk and rights; a new attempt follows."
    return MqiError(Fault(what=what, where=where, remedy=remedy, blame=Blame.HOST, kind=kind))
