"""What is known of a run that was handed to Slurm: its files and its job, weighed against each other. Pure.

The files decide. ``exit.json`` is the only evidence of an end by itself; a job that left Slurm's queue is not, and one
that Slurm calls completed is not either. Clocks, pids and locks of the host that is asked say nothing about a run on
another node, so none of them is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from actors.errors import MqiError
from actors.jobs import parse_exit
from actors.slurm.queue import NEVER, QueuedJob
from messages.jobs import JobExit, Observation


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a run may look over before that is believed, in s."""

    lag_s: float = 10.0
    """A network file system may show what a node wrote so much later: only then is a missing exit.json missing."""
    forgotten_s: float = 30.0
    """A job that Slurm does not know for so long, while it answers, is taken to be gone."""


@dataclass(frozen=True, slots=True)
class RunFiles:
    """One look at a run directory."""

    claim: str
    """``made`` | ``absent`` | ``unknown``."""
    folder: bool = True
    """There is a run directory; asked only where there is no claim."""
    started: bool = False
    exit_text: str | None = None
    void: bool = False
    restarts: int | None = None
    """How often Slurm had started the job again when the claim was made; None: not told."""
    lock: str = "unknown"
    """``held``: some process of it lives, whatever Slurm says. ``free``: none does, for it began on the very host that
    is asked. ``unknown``: not asked, or free where a lock that another node holds may not be seen."""
    submitted: str = ""
    """Number of the job; empty: sbatch has not told it."""
    claimed: str = ""
    """Number of the job that made the claim; empty: not told."""

    @property
    def locked(self) -> bool:
        """Some process of it lives."""
        return self.lock == "held"

    @property
    def forgone(self) -> bool:
        """Its claim keeps it from beginning, and it did not begin before."""
        return self.void and not self.started


@dataclass(frozen=True, slots=True)
class Judgement:
    """What may be told of a run, and what follows from it."""

    observation: Observation
    evidence: str
    exit: JobExit | None = None
    gone: bool = False
    """No process of the run is left."""
    forestall: bool = False
    """It is over, but no claim keeps it from beginning yet: one must be made first."""
    leftover: str = ""
    """Number of a job that would still begin, and end at once at the claim: it may be cancelled."""
    doubt: bool = False
    """It looks over; that is believed only when it has looked so for a while (``lost_s``)."""


def files_of(lines: Mapping[str, str]) -> RunFiles:
    """What ``run_facts`` in cluster.sh answered."""
    words = lines.get("slurm", "").split()
    return RunFiles(
        claim=lines.get("claim", "unknown"),
        folder=lines.get("claim") != "absent" or "folder" in lines,
        started="started" in lines,
        exit_text=lines.get("exit"),
        void="void" in lines,
        restarts=int(words[1]) if len(words) == 2 and words[1].isdecimal() else None,
        lock=lines.get("lock", "unknown"),
        submitted=lines.get("submitted", "").strip(),
        claimed=words[0] if words else "",
    )


def judge(
    key: str, files: RunFiles, job: QueuedJob | None, *, silence: str, lost_s: float, patience: Patience
) -> Judgement:
    """``silence``: why Slurm gave no answer, empty if it did; ``lost_s``: for how long judgements have doubted."""
    if (ended := _exit(key, files)) is not None:
        return Judgement(Observation.ENDED, "exit.json is whole.", exit=ended, gone=True)
    if files.claim == "unknown":
        return Judgement(Observation.UNKNOWN, "The run directory cannot be looked at now.")
    if silence:
        return Judgement(Observation.UNKNOWN, f"Slurm does not answer: {silence}.")
    if job is None:
        return _unheard(files, lost_s < patience.forgotten_s)
    if job.over:
        return _over(files, job, lost_s < patience.lag_s)
    return _standing(files, job, lost_s < patience.lag_s)


def _exit(key: str, files: RunFiles) -> JobExit | None:
    if files.claim != "made" or files.exit_text is None:
        return None
    try:
        return parse_exit(files.exit_text, key)
    except MqiError:
        return None  # half seen, or another's: the job and time decide


def _standing(files: RunFiles, job: QueuedJob, early: bool) -> Judgement:
    """Slurm has the job: waiting, or on a node."""
    if files.claim != "made":
        if job.reason in NEVER:
            told = f"{_who(job)}: {job.told}."
            return Judgement(Observation.KILLED, told, gone=True, forestall=True, leftover=job.number)
        return Judgement(Observation.QUEUED, f"{_who(job)}: {job.told}.")
    if files.forgone:
        return _voided(job, early)
    if files.restarts is not None and job.restarts > files.restarts:
        return _started_again(job)
    return Judgement(Observation.RUNNING, f"{_who(job)}: {job.told if job.active else 'it has begun'}.")


def _voided(job: QueuedJob, early: bool) -> Judgement:
    """Where no lock is seen from here, what its node wrote may come later."""
    if job.active and early:
        return Judgement(Observation.UNKNOWN, f"{_who(job)}: its claim was voided; its end is awaited.", doubt=True)
    return Judgement(Observation.KILLED, f"{_who(job)}: its claim was voided before it began.", gone=True)


def _started_again(job: QueuedJob) -> Judgement:
    """What runs under the new count, if anything, sees the claim of the old one and ends at once."""
    why = f"{_who(job)}: Slurm started it again (restart {job.restarts}), which ends what ran before"
    if job.state == "COMPLETING":
        return Judgement(Observation.RUNNING, f"{why}: its processes are being ended.")
    return Judgement(Observation.KILLED, f"{why}.", gone=True, leftover=job.number)


def _over(files: RunFiles, job: QueuedJob, early: bool) -> Judgement:
    """Slurm ended the job, which leaves no process of it; its exit.json may still be on its way."""
    if files.locked:
        return Judgement(Observation.RUNNING, f"{_who(job)}: {job.told}, but processes of it still live.", doubt=True)
    if early and not files.forgone:
        return Judgement(Observation.UNKNOWN, f"{_who(job)}: {job.told}; exit.json is awaited.", doubt=True)
    evidence = f"{_who(job)}: {job.told}, and left no exit.json."
    return Judgement(Observation.KILLED, evidence, gone=True, forestall=files.claim == "absent" and files.folder)


def _unheard(files: RunFiles, early: bool) -> Judgement:
    """Slurm answers and does not know the job: it is not in the queue, which alone proves nothing."""
    if files.claim == "absent" and not files.submitted:
        return Judgement(Observation.ABSENT, "No claim, and Slurm knows no job of it: it was never started.")
    which = f"Slurm job {files.submitted}" if files.submitted else "its Slurm job"
    if files.locked:
        return Judgement(Observation.RUNNING, f"Slurm does not know {which}, but processes of it live.", doubt=True)
    if early and not files.forgone:
        return Judgement(Observation.UNKNOWN, f"Slurm does not know {which} (any more).", doubt=True)
    evidence = f"Slurm does not know {which} any more, and it left no exit.json."
    return Judgement(Observation.KILLED, evidence, gone=True, forestall=files.claim == "absent")


def _who(job: QueuedJob) -> str:
    return f"Slurm job {job.number}"
