"""Ending a run on a cluster, with the proof that nothing of it runs or will run."""

from __future__ import annotations

import itertools
import shlex
import time
from collections.abc import Callable

from actors.crash_points import effect
from actors.errors import MqiError
from actors.jobs import GRACE_S
from actors.slurm.cluster import Cluster
from actors.slurm.options import job_name
from actors.slurm.queue import Queue, QueuedJob, read_queue
from actors.slurm.submitting import Unclear
from actors.slurm.verdict import Patience, RunFiles, files_of
from actors.supervision import Backoff
from messages.faults import Blame, Fault

GIVE_UP_AFTER_S = 90.0
"""Longer than our grace and Slurm's own KillWait (30 s by default) take."""
_GRACE_S = GRACE_S + 3.0
"""The wrapper's own, and time to write exit.json."""
_POLL = Backoff(min_s=0.3, max_s=3.0, jitter=0.0)
"""Each look is a question to Slurm."""


class Ending:
    """One order to end a run: the wrapper is asked first, Slurm ends it after the grace."""

    def __init__(self, cluster: Cluster, run_dir: str, key: str, patience: Patience, grace_s: float = _GRACE_S) -> None:
        self._cluster = cluster
        self._run_dir = run_dir
        self._key = key
        self._name = job_name(key, cluster.workspace)
        self._patience = patience
        self._grace_s = grace_s
        self._begun = time.monotonic()
        self._asked = ""
        self._absent_since: float | None = None
        """Slurm has answered without its job from then on."""

    def run(self, wait: Callable[[float], bool]) -> str:
        """Evidence that it is over. Raises MqiError (``kill-failed``, or the shell's), Unclear.

        ``wait`` waits so many seconds and says whether to give up.
        """
        for looks in itertools.count():
            files, job = self._look()
            if evidence := proof(files, job, forgotten=self._is_forgotten(job)):
                return evidence
            if time.monotonic() - self._begun > GIVE_UP_AFTER_S:
                raise self._failed(job)
            self._push(job)
            if wait(_POLL.delay_s(looks, 0.0)):
                raise self._failed(job)
        raise AssertionError("looks are endless")

    def _look(self) -> tuple[RunFiles, QueuedJob | None]:
        folder = shlex.quote(self._run_dir)
        answer = self._cluster.script(f"queue; run_facts 0 {folder}; lock_of {folder}")
        heard = read_queue(answer) or Queue({}, "its answer cannot be understood")
        if heard.fault:
            what = f"Whether run {self._key} is ended is not known: Slurm does not answer ({heard.fault})."
            raise Unclear(Fault(what, remedy="It is asked again.", blame=Blame.HOST, kind="slurm-silent"))
        files = files_of(dict(answer))
        return files, heard.job(self._name, files.claimed, files.submitted)

    def _is_forgotten(self, job: QueuedJob | None) -> bool:
        """Every answer for long enough was without its job."""
        now = time.monotonic()
        self._absent_since = None if job is not None else self._absent_since or now
        return self._absent_since is not None and now - self._absent_since >= self._patience.forgotten_s

    def _push(self, job: QueuedJob | None) -> None:
        """Each word once, besides the claim, which is taken each time until it is ours."""
        number = job.number if job is not None and not job.over else ""
        hard = time.monotonic() - self._begun > self._grace_s
        word = f"{number} {'now' if hard else ''}"
        if number and word == self._asked:
            return
        self._asked = word
        with effect("kill.signal"):
            self._cluster.call("give_up", self._run_dir, number, self._name, *(["now"] if hard else []))

    def _failed(self, job: QueuedJob | None) -> MqiError:
        told = f"Slurm job {job.number}: {job.told}" if job is not None else "Slurm knows no job of it"
        return MqiError(
            Fault(
                what=f"Run {self._key} cannot be proven ended: {told}.",
                where=self._run_dir,
                remedy=f"Look at it on the cluster: squeue --name={self._name}; scancel ends it.",
                blame=Blame.HOST,
                kind="kill-failed",
            )
        )


def proof(files: RunFiles, job: QueuedJob | None, *, forgotten: bool) -> str:
    """Why nothing of it runs or will; empty: that is not certain. Pure.

    ``forgotten``: Slurm has not had its job for so long that a node on which it ran has given it up as well. One answer
    without a job that has begun proves nothing: a controller that lost its state answers so while the run goes on.
    """
    if files.claim == "unknown":
        return ""
    begun = files.claim == "made" and files.started
    if job is not None and not job.over:
        return ""
    told = f"Slurm job {job.number}: {job.told}" if job is not None else "Slurm has no job of it"
    if begun:
        certain = not files.locked and (job is not None or files.lock == "free" or forgotten)
        return f"No process of the run is left. {told}." if certain else ""
    if not files.folder and job is None:
        return f"{told}, and it has no run directory."
    return f"{told}, and its claim keeps it from beginning." if files.void else ""
