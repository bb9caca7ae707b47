"""The compute actor: a queue, and a few worker processes that are warm before they are needed."""

from __future__ import annotations

from dataclasses import dataclass

from actors.compute.process import JobDone, ProcessEnded, ProcessReady, WorkerProcess
from actors.compute.waiting import Job, Waiting
from actors.supervision import Actor, Context, TaskFailed
from messages import compute
from messages.compute import AbandonCompute, ComputeFailed
from messages.faults import Blame, Fault

DEATHS_FORGIVEN = 1
STARTS_FORGIVEN = 3
RESTART_DELAY_S = 0.2
RESTART_DELAY_MAX_S = 10.0


@dataclass(frozen=True, slots=True)
class _Overrun:
    """Tick: the time of the job that this process was given is up."""

    process: WorkerProcess
    job: Job


@dataclass(frozen=True, slots=True)
class _StartProcess:
    """Tick: a process that could not be started is tried again."""

    slot: int


class Compute(Actor):
    """Owns ``processes`` worker processes. One that holds more than ``memory_limit_mb`` after a job is replaced.

    Every request is answered once, unless it is abandoned: with the value, with the function's own fault, or with a
    fault of blame OURS. A process that dies under a request gets it a second, silent try.
    """

    def __init__(
        self, context: Context, *, processes: int = 2, memory_limit_mb: int = 1500, warm: tuple[str, ...] = ()
    ) -> None:
        super().__init__(context)
        self._warm = warm
        self._slots = processes
        self._memory_limit_mb = memory_limit_mb
        self._waiting = Waiting()
        self._processes: dict[int, WorkerProcess] = {}
        self._failed_starts = 0

    def started(self) -> None:
        for slot in range(self._slots):
            self._start(slot)

    def receive(self, message: object) -> None:
        match message:
            case compute.Compute():
                self._add(message)
            case AbandonCompute(request_id):
                self._abandon(request_id)
            case ProcessReady(process):
                process.up = process.accepts = True
                self._failed_starts = 0
            case JobDone():
                self._done(message)
            case ProcessEnded(process, how):
                self._ended(process, how)
            case _:
                self._tick(message)
        self._feed()

    def _tick(self, message: object) -> None:
        match message:
            case _Overrun(process, job) if process.job is job:
                self._overrun(process, job)
            case _StartProcess(slot):
                self._start(slot)
            case TaskFailed(name, error):
                slot = int(name.rpartition("-")[2])
                self._ended(self._processes[slot], f"{type(error).__name__}: {error}")

    def stopped(self) -> None:
        """Nobody waits for an answer for ever: what was not done is told so."""
        running = [process.job for process in self._processes.values() if process.job is not None]
        heirs = [process.heir for process in self._processes.values() if process.heir is not None]
        for job in [*running, *heirs, *self._waiting.drain()]:
            self._fail(job, "was given up because the compute actor ended", "compute-restarted")

    # -- requests

    def _add(self, request: compute.Compute) -> None:
        for process in self._processes.values():
            if process.job is not None and process.job.request.request_id == request.request_id:
                return  # it is being done
        if request.alone:
            self._waiting.drop_alone(request.alone)
        holder = self._holder(request.alone)
        if holder is None:
            self._waiting.add(Job(request))
        else:
            holder.heir = Job(request)

    def _holder(self, alone: str) -> WorkerProcess | None:
        """The process that is at this, or was and is not gone yet; its job is taken from it."""
        process = next((one for one in self._processes.values() if alone and one.alone == alone), None)
        if process is not None and process.job is not None:
            self._discard(process)
        return process

    def _abandon(self, request_id: str) -> None:
        self._waiting.drop(request_id)
        for process in self._processes.values():
            if process.heir is not None and process.heir.request.request_id == request_id:
                process.heir = None
            if process.job is not None and process.job.request.request_id == request_id:
                self._discard(process)

    def _feed(self) -> None:
        for process in self._processes.values():
            if process.accepts and process.job is None and (job := self._waiting.take()) is not None:
                process.give(job, self.after(job.request.timeout_s, _Overrun(process, job)))

    def _done(self, done: JobDone) -> None:
        process, job = done.process, done.process.take_back()
        if job is not None:
            process.alone = ""
            job.request.reply_to.tell(done.answer)
        if done.rss_mb > self._memory_limit_mb:
            self.log.debug("worker process {} holds {:.0f} MB and is replaced", process.pid, done.rss_mb)
            process.accepts = False
            process.retire()

    def _overrun(self, process: WorkerProcess, job: Job) -> None:
        self._discard(process)
        self._fail(job, f"took longer than its limit of {job.request.timeout_s:g} s and was ended", "compute-timeout")

    def _fail(self, job: Job, what: str, kind: str) -> None:
        request = job.request
        fault = Fault(
            what=f"{request.label or request.function} {what}.",
            where=request.function,
            remedy="It is tried again after a while; if it stays, look at this machine's memory and load.",
            blame=Blame.OURS,
            kind=kind,
        )
        request.reply_to.tell(ComputeFailed(request.request_id, fault))

    # -- processes

    def _start(self, slot: int) -> None:
        process = self._processes[slot] = WorkerProcess(slot, self._warm)
        self.task(f"process-{slot}", process.serve)

    def _discard(self, process: WorkerProcess) -> None:
        process.accepts = False
        process.take_back()
        process.kill()

    def _ended(self, process: WorkerProcess, how: str) -> None:
        process.accepts = False
        if (job := process.take_back()) is not None:
            self._died_under(job, how)
        if process.heir is not None:
            self._waiting.add_first(process.heir)
        if process.up:
            self._start(process.slot)
        else:
            self._start_failed(process.slot, how)

    def _died_under(self, job: Job, how: str) -> None:
        if job.deaths < DEATHS_FORGIVEN:
            self.log.warning("a worker process died under {} ({}); it is tried again", _name(job), how)
            self._waiting.add_first(Job(job.request, job.deaths + 1))
        else:
            self._fail(job, f"ended {job.deaths + 1} worker processes: {how}", "compute-died")

    def _start_failed(self, slot: int, how: str) -> None:
        """Tried again with growing delays; after some tries those who wait are told, and so are all who come then."""
        self._failed_starts += 1
        delay_s = min(RESTART_DELAY_S * 2 ** min(self._failed_starts - 1, 10), RESTART_DELAY_MAX_S)
        self.log.error("worker process {} did not start: {}; again in {:g} s", slot, how, delay_s)
        self.after(delay_s, _StartProcess(slot))
        if self._failed_starts >= STARTS_FORGIVEN:
            for job in self._waiting.drain():
                self._fail(job, f"cannot be computed, for no worker process starts: {how}", "compute-start")


def _name(job: Job) -> str:
    return job.request.label or job.request.function
