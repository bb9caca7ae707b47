"""The watch of all runs of a cluster: one script a round, one squeue and one sacct an interval, however many runs."""

from __future__ import annotations

import queue
import shlex
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from actors.jobs.following import Follower
from actors.slurm.cluster import Cluster, Lines, facts_of, log_of, runs_of
from actors.slurm.options import job_name
from actors.slurm.queue import Queue, QueuedJob, read_books, read_queue
from actors.slurm.verdict import Judgement, Patience, files_of, judge
from messages.address import Mailbox
from messages.jobs import JobObserved, Observation, UnwatchJob, WatchJob

_ROUND_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How often, in s."""

    files_s: float = 0.5
    """The run directories are looked at."""
    queue_s: float = 5.0
    """Slurm is asked for its queue."""
    silent_s: float = 60.0
    """The longest pause between two questions to a Slurm that does not answer."""
    idle_s: float = 10.0
    """Slurm is asked whether it is there, while nothing runs."""
    slots_s: float = 5.0
    """The slots, and how long a run waits for its node, are told again."""


@dataclass(frozen=True, slots=True)
class Observed:
    """From the watch to its actor: news for whoever watches."""

    reply_to: Mailbox
    news: JobObserved


@dataclass(frozen=True, slots=True)
class QueueHeard:
    """From the watch to its actor: whether Slurm answers. ``fault`` empty: it does."""

    fault: str
    jobs: tuple[QueuedJob, ...] = ()
    clock: str = ""
    """What the cluster's clock showed; its jobs' times are of it."""


class Run:
    """One watched run: what was told of it, and since when it is in doubt."""

    def __init__(self, order: WatchJob, number: int, workspace: str) -> None:
        self.order = order
        self.number = number
        self.name = job_name(order.key, workspace)
        self.log = Follower(order.offset)
        self.told: tuple[Observation, bool, str] | None = None
        self.doubted_at: float | None = None
        self.past: QueuedJob | None = None
        """What the accounting knows, once the queue does not."""
        self.forestall = False

    @property
    def over(self) -> bool:
        return self.told is not None and self.told[1]

    def lost_s(self, now: float) -> float:
        return 0.0 if self.doubted_at is None else now - self.doubted_at

    def news(self, found: Judgement, log: tuple[int, bytes] | None, now: float) -> JobObserved | None:
        """What is to be told after a look; None when nothing is new."""
        self.doubted_at = (self.doubted_at or now) if found.doubt else None
        self.forestall = found.forestall
        gone = found.gone and not found.forestall
        start, data = log or (self.log.seen, b"")
        text = self.log.take(data, start, ended=gone)
        observation = found.observation if gone or not found.gone else Observation.UNKNOWN
        standing = (observation, gone, found.evidence if observation is Observation.QUEUED else "")
        if standing == self.told and not text:
            return None
        self.told = standing
        return JobObserved(
            self.order.key, observation, text, self.log.offset, found.exit, group_gone=gone, evidence=found.evidence
        )

    def lost(self, why: str) -> JobObserved:
        """Nothing can be told now; what was in doubt was not looked at meanwhile, so its time begins anew."""
        self.told = None
        self.doubted_at = None
        self.log.begin_again()
        return JobObserved(self.order.key, Observation.UNKNOWN, "", self.log.offset, evidence=why)


@dataclass(slots=True)
class _Asked:
    """When Slurm was asked last, and what it said."""

    due: float = 0.0
    queue: Queue = field(default_factory=lambda: Queue({}, "it was not asked yet"))
    failures: int = 0


class Watch:
    """The runs that are watched, whatever becomes of the shell. Orders come from any thread, ``loop`` runs in one."""

    def __init__(self, workspace: str, pace: Pace, patience: Patience) -> None:
        self._workspace = workspace
        """Jobs are looked up by names that it is part of: also of runs that are ordered while there is no shell."""
        self._pace = pace
        self._patience = patience
        self._orders: queue.SimpleQueue[WatchJob | UnwatchJob] = queue.SimpleQueue()
        self._bell = threading.Event()
        self._again = threading.Event()
        self._numbers = 0
        self._runs: dict[str, Run] = {}
        self._asked = _Asked()
        self._leftovers: set[tuple[str, str]] = set()
        """Names and numbers of jobs of runs that are over, which Slurm would still begin."""

    def order(self, order: WatchJob | UnwatchJob) -> None:
        """Watch a run (in place of a former order for it), or watch it no more."""
        self._orders.put(order)
        self._bell.set()

    def ring(self) -> None:
        """Wake the loop: it is to end."""
        self._bell.set()

    def ask_again(self) -> None:
        """Somebody else had no answer from Slurm: nothing waits for the next interval to find out."""
        self._again.set()
        self._bell.set()

    def lost(self, why: str) -> tuple[Observed, ...]:
        """The shell is gone, and no loop runs: what each watcher is told."""
        self._take_orders()
        return tuple(Observed(run.order.reply_to, run.lost(why)) for run in self._runs.values())

    def loop(self, cluster: Cluster, tell: Callable[[object], None], ended: Callable[[], bool]) -> None:
        """Until ``ended``. Raises MqiError when the shell is lost."""
        self._asked.due = 0.0
        while not ended():
            self._bell.clear()
            self._take_orders()
            self._round(cluster, tell)
            self._bell.wait(self._pause_s())

    # -- orders

    def _take_orders(self) -> None:
        while True:
            try:
                order = self._orders.get_nowait()
            except queue.Empty:
                return
            self._runs.pop(order.key, None)
            if isinstance(order, WatchJob) and "\n" not in order.run_dir:
                self._numbers += 1
                self._runs[order.key] = Run(order, self._numbers, self._workspace)
                self._asked.due = 0.0  # what Slurm said before may not know this run yet

    def _pause_s(self) -> float:
        until_queue = max(self._asked.due - time.monotonic(), 0.0)
        return min(self._pace.files_s, until_queue) if self._runs or self._leftovers else until_queue

    # -- rounds

    def _round(self, cluster: Cluster, tell: Callable[[object], None]) -> None:
        now = time.monotonic()
        asks = now >= self._asked.due or self._again.is_set()
        self._again.clear()
        leftovers = frozenset(self._leftovers)
        script = "\n".join(self._script(asks=asks))
        if not script:
            return
        answer = cluster.script(script, _ROUND_WITHIN_S)
        self._leftovers -= leftovers
        books = read_books(answer)
        if asks:
            self._hear(read_queue(answer) or Queue({}, "its answer cannot be understood"), tell)
        parts = dict(runs_of(answer))
        for run in [run for run in self._runs.values() if run.number in parts]:
            run.past = run.past or books.get(run.name)
            self._look(run, parts[run.number], tell)

    def _script(self, *, asks: bool) -> Iterator[str]:
        """The queue first: a run that it says is over has written its evidence before."""
        for name, number in sorted(self._leftovers):
            yield f"cancel {name} {number}"
        if asks:
            yield "queue"
            forgotten = [run.name for run in self._runs.values() if self._is_forgotten(run)]
            if forgotten:
                yield f"books {','.join(forgotten)} now-7days"
        for run in self._runs.values():
            folder = shlex.quote(run.order.run_dir)
            if run.forestall:
                yield f"void {folder} >/dev/null"
            asked = f"; lock_of {folder}" if run.doubted_at is not None else ""
            yield f"run_facts {run.number} {folder}{asked}; log_text {run.number} {folder} {run.log.seen}"

    def _is_forgotten(self, run: Run) -> bool:
        """By the queue, when it was asked before; and the accounting has not said what became of it."""
        return run.doubted_at is not None and run.past is None and run.name not in self._asked.queue.jobs

    def _hear(self, heard: Queue, tell: Callable[[object], None]) -> None:
        asked, pace = self._asked, self._pace
        asked.queue = heard
        asked.failures = asked.failures + 1 if heard.fault else 0
        calm_s = pace.queue_s if self._runs else pace.idle_s
        backoff_s = min(pace.silent_s, pace.queue_s * 2.0 ** min(asked.failures, 16))
        asked.due = time.monotonic() + (backoff_s if heard.fault else calm_s)
        tell(QueueHeard(heard.fault, tuple(heard.jobs.values()), heard.clock))

    def _look(self, run: Run, lines: Lines, tell: Callable[[object], None]) -> None:
        now = time.monotonic()
        heard = self._asked.queue
        files = files_of(facts_of(lines))
        job = heard.job(run.name, files.claimed, files.submitted) or run.past
        found = judge(
            run.order.key,
            files,
            job,
            silence=heard.fault,
            lost_s=run.lost_s(now),
            patience=self._patience,
        )
        if found.leftover:
            self._leftovers.add((run.name, found.leftover))
        news = run.news(found, log_of(lines), now)
        if news is not None:
            tell(Observed(run.order.reply_to, news))
        if run.over:
            self._runs.pop(run.order.key, None)
