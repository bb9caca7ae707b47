"""A host and a ledger in memory, with which a lease can be driven through any order of events. No thread, no clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from actors.gpu_worker import effects as fx
from actors.gpu_worker import facts
from actors.gpu_worker.attempt import Attempt, Home
from actors.gpu_worker.lease import Lease
from actors.ledger.transitions import ATTEMPT
from messages.engine import Progress
from messages.faults import Blame, Fault
from messages.files import FileProof
from messages.hosts import GpuLimits
from messages.jobs import JobExit, JobObserved, Observation
from messages.ledger import AttemptRow, GpuRecordReport, MoveAttempt, NoteEvent, OpenAttempt, Record
from messages.scheduling import AttemptReport, BeamRequest
from messages.states import OPEN_ATTEMPTS, AttemptState

BROKEN_LINK = Fault("the link is down", blame=Blame.HOST, kind="link")

NO_RECORD = GpuRecordReport("", (), (), frozenset(), frozenset(), frozenset())
"""Nothing stands against a GPU."""


def a_request(beam: int = 1, attempt: int = 1, case: str = "case", memory_mb: int = 1000) -> BeamRequest:
    return BeamRequest(
        case=case,
        beam=beam,
        attempt=attempt,
        priority=0,
        admitted=datetime(2024, 2, 29, tzinfo=UTC),
        input_dir=f"/site/{case}/input/{beam}",
        files=(FileProof("input.txt", 3, "0" * 64),),
        command=("engine", "in/input.txt"),
        environment=(),
        memory_mb=memory_mb,
        wall_limit_s=100,
        output_dir=f"/site/{case}/output/{beam}/{attempt}",
    )


def an_exit(key: str, code: int = 0) -> JobExit:
    return JobExit(
        key=key,
        epoch=1,
        exit_code=code,
        signal=None,
        timed_out=False,
        cancelled=False,
        started="2024-02-29T10:00:00+00:00",
        ended="2024-02-29T10:01:00+00:00",
        duration_s=60.0,
        boot_id="boot-1",
    )


@dataclass(slots=True)
class Run:
    """One run directory on the host."""

    claimed: bool = False
    void: bool = False
    alive: bool = False
    """Engine or a child of it."""
    exit: JobExit | None = None
    starts: int = 0

    def seen(self, key: str) -> JobObserved:
        if not self.claimed:
            return JobObserved(key, Observation.ABSENT)
        if self.exit is not None:
            return JobObserved(key, Observation.ENDED, exit=self.exit, group_gone=not self.alive)
        if self.alive:
            return JobObserved(key, Observation.RUNNING)
        return JobObserved(key, Observation.KILLED, group_gone=True, evidence="the lock is free")


@dataclass(slots=True)
class World:
    """Drives one lease. ``pending``: what was ordered and has not happened yet."""

    now: float = 0.0
    rows: dict[str, AttemptRow] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    pending: list[fx.Effect] = field(default_factory=list)
    kills_noted: set[str] = field(default_factory=set)
    reports: list[AttemptReport] = field(default_factory=list)
    not_ours: list[str] = field(default_factory=list)
    watched: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    lease: Lease = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    # -- the worker

    def restart(self) -> None:
        """A new incarnation; what lies with the host goes on, what was for the old one is lost."""
        self.pending = [effect for effect in self.pending if isinstance(effect, fx.Launch | fx.Kill)]
        self.watched.clear()
        home = Home("gpu1", "slot-0", "gpu1/gpu-0")
        self.lease = Lease.of(home, 7, "/data", Progress(), GpuLimits(), asked=False)
        self.do(self.lease.recorded(NO_RECORD, self.now))
        self.do(self.lease.recover(tuple(self.rows.values()), self.now))

    def run_beam(self, request: BeamRequest) -> bool:
        if self.lease.refusal(request, self.now):
            return False
        self.do(self.lease.take(request, self.now))
        return True

    def change(self, key: str, apply: Callable[[Attempt], object]) -> None:
        self.do(self.lease.change(key, self.now, apply))

    def do(self, effects: tuple[fx.Effect, ...]) -> None:
        for effect in effects:
            self._check(effect)
            match effect:
                case fx.Report(report):
                    self.reports.append(report)
                case fx.NotOurs(key, _):
                    self.not_ours.append(key)
                case fx.Watch(key, _):
                    self.watched.add(key)
                case fx.Unwatch(key):
                    self.watched.discard(key)
                case fx.Abandon(key):
                    self.pending = [p for p in self.pending if p not in _transfers(key)]
                case fx.Note():
                    pass
                case _:
                    self.pending.append(effect)

    def _check(self, effect: fx.Effect) -> None:
        """No act before its write was acknowledged."""
        match effect:
            case fx.Put(key):
                self._demand(key, AttemptState.INTENDED)
            case fx.Launch(key):
                self._demand(key, AttemptState.LAUNCHING)
            case fx.Fetch(key):
                self._demand(key, AttemptState.ENDED)
            case fx.Kill(key):
                assert key in self.kills_noted

    def _demand(self, key: str, state: AttemptState) -> None:
        assert self.rows[key].state is state, f"{key} is acted on as {state} while the ledger has {self.rows[key]}"

    # -- what happens outside, one thing at a time

    def happen(self, effect: fx.Effect, *, well: bool = True) -> None:
        """An order takes effect and is answered."""
        self.pending.remove(effect)
        match effect:
            case fx.Save(key, records):
                self._save(key, records, well=well)
            case fx.Put(key) | fx.Fetch(key):
                if well:
                    self.change(key, lambda a: facts.files_moved(a, (FileProof("out/dose.raw", 8, "1" * 64),)))
                else:
                    self.change(key, lambda a: facts.move_failed(a, BROKEN_LINK))
            case fx.Launch(key):
                self._launch(key, well=well)
            case fx.Kill(key, _):
                self._kill(key, well=well)
            case fx.Rest(key, seconds):
                self.now += seconds
                self.change(key, facts.rested)
            case fx.Reread(key):
                self.do(self.lease.reread(key, tuple(r for r in self.rows.values() if r.state in OPEN_ATTEMPTS), 0.0))

    def _save(self, key: str, records: tuple[Record, ...], *, well: bool) -> None:
        if not well:
            self.change(key, lambda a: facts.write_refused(a, for_good=False))
        elif self.apply(records):
            self.change(key, facts.written)
        else:
            self.refused.append(key)
            self.change(key, lambda a: facts.write_refused(a, for_good=True))

    def apply(self, records: tuple[Record, ...]) -> bool:
        """Into the ledger, if its table of transitions allows."""
        for record in records:
            match record:
                case OpenAttempt():
                    if record.key in self.rows:
                        return False
                    self.rows[record.key] = a_row(record)
                case MoveAttempt():
                    row = self.rows[record.key]
                    if record.to is not row.state and record.to not in ATTEMPT[row.state]:
                        return False
                    self.rows[record.key] = _moved(row, record)
                case NoteEvent():
                    self.kills_noted.update(row.key for row in self.rows.values() if f"beam {row.beam} " in record.what)
        return True

    def _launch(self, key: str, *, well: bool) -> None:
        run = self.runs.setdefault(key, Run())
        if not run.claimed and well:
            busy = [other for other, its in self.runs.items() if its.alive]
            assert not busy, f"{key} is launched while {busy} hold the GPU"
            run.claimed = run.alive = True
            run.starts += 1
        if run.claimed and not run.void:
            self.watched.add(key)
            self.change(key, lambda a: facts.launched(a, "pid 1, boot boot-1", self.now))
        else:
            self.change(key, lambda a: facts.launch_failed(a, BROKEN_LINK))

    def _kill(self, key: str, *, well: bool) -> None:
        run = self.runs.setdefault(key, Run())
        if not well:
            self.change(key, facts.kill_failed)
            return
        run.void = run.void or not run.claimed
        run.claimed, run.alive = True, False
        self.change(key, lambda a: facts.job_gone(a, "no process is left"))

    def end(self, key: str, *, code: int | None, leftover: bool = False) -> None:
        """The engine of a run comes to its end; ``code`` None: it was killed; ``leftover``: a child of it lives on."""
        run = self.runs[key]
        if run.alive and run.exit is None:
            run.exit = an_exit(key, code) if code is not None else None
            run.alive = leftover

    def look(self, key: str) -> None:
        """The watch channel tells what is true now."""
        if key in self.watched:
            news = self.runs.setdefault(key, Run()).seen(key)
            self.change(key, lambda a: facts.observe(a, news, self.now))

    def tick(self, seconds: float = 1.0) -> None:
        self.now += seconds
        self.do(self.lease.tick(self.now))

    def settle(self, limit: int = 400) -> None:
        """Let everything that was ordered happen well, engines end well, until nothing moves any more."""
        for _ in range(limit):
            for key, run in self.runs.items():
                if run.alive:
                    self.end(key, code=0)
                    run.alive = False
            if self.pending:
                self.happen(self.pending[0])
            else:
                for key in tuple(self.watched):
                    self.look(key)
                if not self.pending:
                    return
        raise AssertionError(f"never comes to rest: {self.pending}, {self.rows}")


def _transfers(key: str) -> tuple[fx.Effect, ...]:
    return (fx.Put(key), fx.Fetch(key, log_only=False), fx.Fetch(key, log_only=True))


def a_row(record: OpenAttempt) -> AttemptRow:
    return AttemptRow(
        key=record.key,
        case=record.case,
        beam=record.beam,
        attempt=record.attempt,
        state=AttemptState.INTENDED,
        host=record.host,
        gpu=record.gpu,
        worker=record.worker,
        epoch=7,
        run_dir=record.run_dir,
        request=record.request,
        launched="",
        ended="",
        evidence="",
        progress=0.0,
    )


def _moved(row: AttemptRow, move: MoveAttempt) -> AttemptRow:
    values = {name: getattr(row, name) for name in AttemptRow.__dataclass_fields__}
    values |= {"state": move.to, "evidence": move.evidence or row.evidence, "launched": move.started or row.launched}
    return AttemptRow(**values)
