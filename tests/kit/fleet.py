"""Many GPUs on a virtual clock, driven by the real book of the scheduler: what it decides, and what that costs.

Workers and cases are played here as the real ones behave towards the scheduler: a worker reports every second and at
every change of its lease, takes one beam ahead, stages it, runs it, collects it.
"""

from __future__ import annotations

import heapq
import math
import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from actors.scheduler.book import Book, Tell
from messages.hosts import GpuState
from messages.scheduling import BeamRequest, QueueBeam, ReturnBeam, RunBeam, WaitReason, WorkerReport

DAY_S = 86400.0
STAGING_S, COLLECTING_S = 5.0, 5.0
BEGIN = datetime(2026, 3, 2, tzinfo=UTC)


class Nowhere:
    """An address that takes everything."""

    def __init__(self, name: str) -> None:
        self.id = name

    def tell(self, _message: object) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Load:
    """What comes in."""

    cases_a_day: int = 50_000
    beams: tuple[int, ...] = (2, 2, 3, 3, 3, 4, 4)
    """Of a case, drawn: 3 on average."""
    median_s: float = 300.0
    spread: float = 0.5
    """Of the logarithm of a beam's duration: 340 s on average, 5 % take longer than 680 s."""
    swing: float = 0.25
    """By so much more than on average arrives at noon, and less at midnight."""

    def arrivals(self, chance: random.Random, begin_s: float, end_s: float) -> Iterator[float]:
        """Poisson, thinned."""
        at, most = begin_s, self.cases_a_day / DAY_S * (1 + self.swing)
        while (at := at + chance.expovariate(most)) < end_s:
            share = (1 - self.swing * math.cos(2 * math.pi * at / DAY_S)) / (1 + self.swing)
            if chance.random() < share:
                yield at


@dataclass(slots=True)
class Worker:
    """One GPU."""

    host: str
    index: int
    address: Nowhere
    running: str = ""
    began: float = 0.0
    ends: float = 0.0
    ahead: str = ""
    staged: bool = False
    collecting: tuple[str, ...] = ()

    def report(self, now: float) -> WorkerReport:
        share = (now - self.began) / (self.ends - self.began) if self.running else 0.0
        return WorkerReport(
            worker=f"{self.host}/gpu-{self.index}",
            address=self.address,
            epoch=1,
            host=self.host,
            index=self.index,
            uuid=f"GPU-{self.host}-{self.index}",
            state=GpuState.BUSY if self.running else GpuState.IDLE,
            running=self.running,
            next=self.ahead,
            keys=tuple(key for key in (self.running, self.ahead, *self.collecting) if key),
            free_mb=80_000,
            accepts=not self.ahead,
            progress=min(share, 1.0),
        )


@dataclass
class Fleet:
    """``heartbeat_s`` of more than a second leaves out reports that say nothing new."""

    hosts: int = 100
    gpus: int = 8
    load: Load = field(default_factory=Load)
    seed: int = 1
    heartbeat_s: float = 1.0
    tick_s: float = 1.0
    """Sentences are told, and beams called back, so often."""
    book: Book = field(default_factory=Book)
    costs_s: dict[str, list[float]] = field(default_factory=dict)
    """Kind of event → processor time of deciding on each."""
    waits_s: list[float] = field(default_factory=list)
    """From a beam's arrival to the begin of its engine."""
    told: int = 0
    """Sentences told to cases."""
    longest: int = 0
    """Most beams that waited at once."""
    busy_s: float = 0.0
    now: float = 0.0
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _arrived: dict[str, float] = field(default_factory=dict)
    _numbers: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.case = Nowhere("cases/one")
        self.workers = {
            f"{worker.host}/gpu-{worker.index}": worker
            for host in range(self.hosts)
            for index in range(self.gpus)
            for worker in [Worker(f"h{host:03}", index, Nowhere(f"hosts/h{host:03}/gpu-{index}"))]
        }

    # -- running it

    def live(self, begin_s: float, end_s: float, *, waiting: int = 0, then_s: float = 0.0) -> None:
        """From ``begin_s`` to ``end_s`` of the day, with so many beams waiting at the begin.

        ``then_s``: so much longer beams arrive, for whoever goes on.
        """
        self.now = begin_s
        for worker in self.workers.values():
            self._at(self.random.random() * self.heartbeat_s, lambda worker=worker: self._heartbeat(worker))  # type: ignore[misc]
        self._at(1.0, self._tick)
        arrivals = deque(self.load.arrivals(self.random, begin_s, end_s + then_s))
        for _ in range(waiting):
            self._at(0.0, lambda: self._case(beams=1))
        for at in arrivals:
            self._at(at - begin_s, self._case)
        self.go_on(end_s)

    def go_on(self, end_s: float) -> None:
        """Until then."""
        while self._events and self._events[0][0] <= end_s:
            self.now, _, act = heapq.heappop(self._events)
            act()

    def _at(self, after_s: float, act: Callable[[], None]) -> None:
        self._numbers += 1
        heapq.heappush(self._events, (self.now + after_s, self._numbers, act))

    def _heartbeat(self, worker: Worker) -> None:
        self._at(self.heartbeat_s, lambda: self._heartbeat(worker))
        self._report(worker, "report, nothing new")

    def _tick(self) -> None:
        self._at(self.tick_s, self._tick)
        began = time.thread_time_ns()
        effects = (*self.book.explain(self.now), *self.book.call_back(self.now))
        self._cost("tick", began)
        self.told += sum(isinstance(one, Tell) and isinstance(one.message, WaitReason) for one in effects)
        self._take(effects)
        self._dispatch("tick")
        self.longest = max(self.longest, len(self._arrived))

    def _cost(self, kind: str, began: int) -> None:
        self.costs_s.setdefault(kind, []).append((time.thread_time_ns() - began) / 1e9)

    def _dispatch(self, kind: str, began: int | None = None) -> None:
        began = time.thread_time_ns() if began is None else began
        effects = self.book.dispatch(self.now)
        self._cost(kind, began)
        self._take(effects)

    def _report(self, worker: Worker, kind: str) -> None:
        report = worker.report(self.now)
        began = time.thread_time_ns()
        self.book.report(report, self.now)
        self._dispatch(kind, began)

    # -- cases and workers

    def _case(self, beams: int = 0) -> None:
        self._numbers += 1
        name = f"c{self._numbers:07}"
        for beam in range(1, (beams or self.random.choice(self.load.beams)) + 1):
            request = BeamRequest(
                case=name,
                beam=beam,
                attempt=1,
                priority=0,
                admitted=BEGIN + timedelta(seconds=self.now),
                input_dir="",
                files=(),
                command=(),
                environment=(),
                memory_mb=self.random.choice((8_000, 16_000, 40_000)),
                wall_limit_s=3600,
                output_dir="",
            )
            self._arrived[request.key] = self.now
            began = time.thread_time_ns()
            self.book.queue(QueueBeam(request, self.case), self.now)
            self._dispatch("beam queued", began)

    def _take(self, effects: tuple[object, ...]) -> None:
        for effect in effects:
            match effect:
                case Tell(to, RunBeam(request)):
                    self._given(self.workers[to.id.removeprefix("hosts/")], request.key)
                case Tell(to, ReturnBeam(key)):
                    self._returned(self.workers[to.id.removeprefix("hosts/")], key)

    def _given(self, worker: Worker, key: str) -> None:
        assert not worker.ahead, "one beam ahead at most"
        worker.ahead, worker.staged = key, False
        self._at(0.001, lambda: self._report(worker, "report, news"))
        self._at(STAGING_S, lambda: self._staged(worker, key))

    def _returned(self, worker: Worker, key: str) -> None:
        """Called back: it goes, and would be queued again by its case; here it stays, which is the worse case."""

    def _staged(self, worker: Worker, key: str) -> None:
        if worker.ahead == key:
            worker.staged = True
            self._begin(worker)

    def _begin(self, worker: Worker) -> None:
        if worker.running or not worker.staged:
            return
        key, worker.ahead, worker.staged = worker.ahead, "", False
        seconds = self.random.lognormvariate(math.log(self.load.median_s), self.load.spread)
        worker.running, worker.began, worker.ends = key, self.now, self.now + seconds
        self.waits_s.append(self.now - self._arrived.pop(key))
        self.busy_s += seconds
        self._at(seconds, lambda: self._end(worker))
        self._report(worker, "report, news")

    def _end(self, worker: Worker) -> None:
        key, worker.running = worker.running, ""
        worker.collecting += (key,)
        self._report(worker, "report, news")
        self._at(COLLECTING_S, lambda: self._collected(worker, key))
        self._begin(worker)

    def _collected(self, worker: Worker, key: str) -> None:
        worker.collecting = tuple(one for one in worker.collecting if one != key)
        self._report(worker, "report, news")
