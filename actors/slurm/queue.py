"""What Slurm says of jobs: its lines, read; its states, in the words that matter here. Pure.

States and reasons as squeue(1) and sacct(1) of Slurm 22.05 name them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

WAITING = frozenset({"PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"})
ACTIVE = frozenset(
    {"CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"}
)
"""It has a node, or had it a moment ago; anything else that is not WAITING is an end."""

_ENDS = {
    "COMPLETED": "its script ended",
    "FAILED": "its script failed",
    "CANCELLED": "it was cancelled",
    "TIMEOUT": "it reached Slurm's time limit",
    "PREEMPTED": "it was preempted by a job of higher priority",
    "NODE_FAIL": "its node failed",
    "BOOT_FAIL": "its node failed to boot",
    "OUT_OF_MEMORY": "it used more memory than its job was given",
    "DEADLINE": "it reached its deadline",
    "REVOKED": "another cluster took it",
}
_LAUNCH_FAILED = "launch failed requeued held"
_HELD = {
    "JobHeldAdmin": "it is held by an administrator",
    "JobHeldUser": "it is held",
    "DependencyNeverSatisfied": "its dependency is never satisfied",
    _LAUNCH_FAILED: "its start failed on the node, and Slurm holds it",
}
NEVER = frozenset({"DependencyNeverSatisfied", _LAUNCH_FAILED})
"""Reasons for which a waiting job never begins by itself, and nobody has held it on purpose."""


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """One job, as squeue or sacct last told it."""

    number: str
    name: str
    state: str
    reason: str = ""
    restarts: int = 0
    start: str = ""
    """When it began, or is expected to; cluster's clock. Empty: not told."""
    end: str = ""
    submitted: str = ""

    @property
    def waiting(self) -> bool:
        return self.state in WAITING

    @property
    def active(self) -> bool:
        return self.state in ACTIVE

    @property
    def over(self) -> bool:
        return not self.waiting and not self.active

    @property
    def told(self) -> str:
        """A clause: why it is where it is."""
        if self.over:
            return _ENDS.get(self.state, f"Slurm ended it ({self.state})")
        if self.waiting:
            expected = f"; Slurm expects to start it at {self.start}" if self.start else ""
            said = _HELD.get(self.reason) or (f"Slurm says {self.reason}" if self.reason else "it is new")
            return f"it waits: {said}{expected}"
        return f"it is {self.state.lower()}"


@dataclass(frozen=True, slots=True)
class Queue:
    """One answer about all jobs of ours. ``fault`` says why there is none."""

    jobs: dict[str, QueuedJob]
    """By name. Of several with one name, that which has not ended, else the newest."""
    fault: str = ""
    clock: str = ""
    """What the cluster's clock showed."""
    twins: Mapping[str, tuple[QueuedJob, ...]] = field(default_factory=dict)
    """All jobs of the names that several have, oldest first."""

    def job(self, name: str, claimed: str, submitted: str) -> QueuedJob | None:
        """The job of a run: number ``claimed`` made its claim, ``submitted`` was told by sbatch; empty: not known.

        No other than the one with the claim can begin it. Without a claim, any that waits still can.
        """
        chosen = self.jobs.get(name)
        twins = {job.number: job for job in self.twins.get(name, ())}
        if claimed in twins:
            return twins[claimed]
        told = twins.get(submitted)
        return told if told is not None and chosen is not None and (chosen.over or not told.over) else chosen


def read_queue(lines: Iterable[tuple[str, str]], word: str = "job") -> Queue | None:
    """Lines of ``queue`` in cluster.sh as (word, rest); None when they hold no answer at all."""
    lines = tuple(lines)
    mine = [(kind, rest) for kind, rest in lines if kind in (word, f"{word}-code")]
    codes = [rest for kind, rest in mine if kind == f"{word}-code"]
    if not codes:
        return None
    said = [rest for kind, rest in mine if kind == word]
    if codes[-1] != "0":
        return Queue({}, _why(said, codes[-1]))
    jobs: dict[str, QueuedJob] = {}
    named = defaultdict[str, list[QueuedJob]](list)
    for job in filter(None, map(_job, said)):
        named[job.name].append(job)
        known = jobs.get(job.name)
        if known is None or known.over:
            jobs[job.name] = job
    if not jobs and (strange := [line for line in said if "|" in line]):
        return Queue({}, f"its answer cannot be understood: {strange[0][:80]}")
    twins = {name: tuple(several) for name, several in named.items() if len(several) > 1}
    return Queue(jobs, clock=next((rest for kind, rest in lines if kind == "clock"), ""), twins=twins)


def read_books(lines: Iterable[tuple[str, str]]) -> dict[str, QueuedJob]:
    """Lines of ``books`` in cluster.sh: by name, the newest job that the accounting knows to be over.

    A job that it calls running though the queue has forgotten it ("runaway") is one whose end it missed: no news.
    """
    known: dict[str, QueuedJob] = {}
    for kind, rest in lines:
        fields = rest.split("|")
        if kind != "past" or len(fields) != 4 or not fields[0].isdecimal() or not fields[2]:
            continue
        job = QueuedJob(fields[0], fields[1], fields[2].split()[0], end=_time(fields[3]))
        if job.over:
            known[job.name] = job
    return known


def _job(line: str) -> QueuedJob | None:
    fields = [field.strip() for field in line.split("|")]
    if len(fields) < 7 or not fields[0].isdecimal() or not fields[2]:
        return None
    number, name, state, reason, restarts, start, end = fields[:7]
    told = "" if reason in ("None", "(null)") else reason.replace("launch_failed_requeued_held", _LAUNCH_FAILED)
    return QueuedJob(number, name, state, told, _count(restarts), _time(start), _time(end), _time("".join(fields[7:8])))


def _why(said: list[str], code: str) -> str:
    sentence = next((line for line in reversed(said) if line.strip()), "").strip().rstrip(".")
    return sentence or ("it took too long" if code in ("124", "137") else f"squeue ended with code {code}")


def _count(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _time(text: str) -> str:
    return "" if text in ("N/A", "Unknown", "None") else text
