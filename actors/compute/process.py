"""The daemon's end of one worker process: started, fed and waited for in a task thread of the compute actor."""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from actors.compute.frames import Call, Raised, Ready, Returned, load_light, receive, send
from actors.compute.waiting import Job
from actors.crash_points import effect
from actors.supervision import TaskScope, Timer
from messages.compute import Computed, ComputeFailed
from messages.faults import Blame, Fault

ROOT = Path(__file__).resolve().parents[2]
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
NOTES_BYTES = 2000


@dataclass(frozen=True, slots=True)
class ProcessReady:
    """It takes a job now."""

    process: WorkerProcess


@dataclass(frozen=True, slots=True)
class JobDone:
    """It answered and takes the next."""

    process: WorkerProcess
    answer: Computed | ComputeFailed
    rss_mb: float


@dataclass(frozen=True, slots=True)
class ProcessEnded:
    """It is gone, waited for."""

    process: WorkerProcess
    how: str
    """In words: exit status or signal, and what it said last."""


class WorkerProcess:
    """One life of one process. ``serve`` is the task; the other methods are called by the actor and never wait."""

    def __init__(self, slot: int, warm: tuple[str, ...] = ()) -> None:
        self._warm = warm
        self.slot = slot
        self.up = False  # these are the actor's: it has said that it is ready
        self.accepts = False  # it may be given a job when it has none
        self.job: Job | None = None  # what it was given and has not answered
        self.limit: Timer | None = None  # of that job's time
        self.alone = ""  # the word of what it was given last; it may be at that still, also where it is to be killed
        self.heir: Job | None = None  # begins when it is gone
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._popen: subprocess.Popen[bytes] | None = None

    def give(self, job: Job, limit: Timer) -> None:
        self.job, self.limit, self.alone = job, limit, job.request.alone
        self._jobs.put(job)

    def take_back(self) -> Job | None:
        """The job that it has no more to answer."""
        job, self.job = self.job, None
        if self.limit is not None:
            self.limit.cancel()
        return job

    def retire(self) -> None:
        """End when idle."""
        self._jobs.put(None)

    def kill(self) -> None:
        """End now, whatever it is at."""
        self._jobs.put(None)
        if self._popen is not None:
            with effect("compute.kill"):
                self._popen.kill()

    @property
    def pid(self) -> int | None:
        return self._popen.pid if self._popen is not None else None

    def serve(self, scope: TaskScope) -> ProcessEnded:
        """Start the process and pass jobs to it until it ends, or is to end. Raises OSError if it cannot be started."""
        with tempfile.TemporaryFile() as notes:
            # The kernel ties the child's life to this very thread, which waits for it below.
            with effect("compute.start"):
                self._popen = subprocess.Popen(
                    [sys.executable, "-m", "actors.compute.worker", str(os.getpid()), *self._warm],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=notes,
                    env=_environment(),
                    process_group=0,  # a Ctrl-C in the daemon's terminal is not for it
                )
            scope.on_cancel(self.kill)
            try:
                with suppress(OSError, EOFError):  # it is gone; how, its status says
                    self._talk(scope, self._popen, notes)
            finally:
                self._popen.kill()
                _close(self._popen)
                status = self._popen.wait()
            return ProcessEnded(self, f"{_words(status)}{_tail(notes)}")

    def _talk(self, scope: TaskScope, popen: subprocess.Popen[bytes], notes: IO[bytes]) -> None:
        assert popen.stdin is not None
        assert popen.stdout is not None
        if not isinstance(receive(popen.stdout), Ready):
            return
        scope.tell(ProcessReady(self))
        while (job := self._jobs.get()) is not None:
            notes.truncate(0)
            scope.tell(self._do(job, popen.stdin, popen.stdout))

    def _do(self, job: Job, stdin: IO[bytes], stdout: IO[bytes]) -> JobDone:
        request = job.request
        try:
            argument = pickle.dumps(request.argument, protocol=pickle.HIGHEST_PROTOCOL)
        except Exception as error:
            return JobDone(self, _not_carried(job, "argument", error), 0.0)
        send(stdin, Call(request.function, argument))
        match receive(stdout):
            case Returned(value, rss_mb):
                try:
                    return JobDone(self, Computed(request.request_id, load_light(value)), rss_mb)
                except Exception as error:
                    return JobDone(self, _not_carried(job, "value", error), rss_mb)
            case Raised(fault, rss_mb):
                return JobDone(self, ComputeFailed(request.request_id, fault), rss_mb)
            case other:
                raise EOFError(f"not an answer: {other!r}")


def _not_carried(job: Job, what: str, error: Exception) -> ComputeFailed:
    fault = Fault(
        what=f"The {what} of {job.request.function} cannot go between processes: {type(error).__name__}: {error}.",
        where=job.request.function,
        remedy="A fault of ours; report it with this line.",
        blame=Blame.OURS,
        kind="compute-error",
    )
    return ComputeFailed(job.request.request_id, fault)


def _environment() -> dict[str, str]:
    path = os.pathsep.join(part for part in (str(ROOT), os.environ.get("PYTHONPATH", "")) if part)
    return {**os.environ, **ONE_THREAD, "PYTHONPATH": path}


def _close(popen: subprocess.Popen[bytes]) -> None:
    for stream in (popen.stdin, popen.stdout):
        if stream is not None:
            with suppress(OSError):  # a frame for a process that is gone
                stream.close()


def _words(status: int) -> str:
    return f"killed by signal {-status}" if status < 0 else f"exit status {status}"


def _tail(notes: IO[bytes]) -> str:
    """What it printed during its last job, in one line."""
    notes.seek(0, os.SEEK_END)
    notes.seek(max(notes.tell() - NOTES_BYTES, 0))
    text = " ".join(notes.read().decode(errors="replace").split())
    return f"; it said: {text}" if text else ""
