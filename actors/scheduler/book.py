"""The scheduler's book: what waits, what was given to whom, who the workers are. Events in, effects out.

Nothing here is durable. After a restart it is rebuilt from what cases say again (``QueueBeam``) and what workers
report; until a worker has reported, it is not offered anything. A beam given twice through that gap is stopped by the
ledger, which refuses a second open attempt. No clock, no thread.

Every worker reports every second, so what a report costs is what a large site costs. A report that says nothing new
is weighed against no beam: beams are dealt only after something happened that could give one a place that it did not
have a moment ago.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from actors.scheduler.given import Given, GivenBeams
from actors.scheduler.line import Line, Waiting
from actors.scheduler.policy import Room, Slot, avoided, call_back, deal
from actors.scheduler.reasons import SHOWN, Place, obstacles, sentence
from actors.scheduler.twins import Twins
from messages.address import Mailbox
from messages.hosts import GpuState
from messages.scheduling import BeamRequest, BeamWithdrawn, QueueBeam, ReturnBeam, RunBeam, WaitReason, WorkerReport

SILENT_S = 3.0
"""A worker that was not heard for so long is offered nothing."""
COOL_S = 1.0
"""A pair of beam and worker is not tried again for so long after a refusal."""
IDLE_S = 2.0
"""A GPU that was idle for so long, with nothing waiting for it, calls back a beam that is staged behind a busy one."""
HOPELESS_S = 60.0
"""A beam that no GPU could take for so long is alarmed: links are cut and mended by themselves."""


@dataclass(frozen=True, slots=True)
class Tell:
    """Effect: this message goes to that address."""

    to: Mailbox
    message: object


@dataclass(frozen=True, slots=True)
class Alarmed:
    """Effect: raise (or with an empty text clear) an alarm."""

    id: str
    text: str = ""


Effect = Tell | Alarmed


@dataclass(slots=True)
class _Worker:
    report: WorkerReport
    heard: float
    up: bool = True
    idle_since: float | None = None
    slot: Slot = field(init=False)
    """As the policy sees it, while it is heard."""

    def silent(self, now: float) -> bool:
        return not self.up or now - self.heard > SILENT_S

    def seen(self, now: float) -> Slot:
        return replace(self.slot, room=Room.NONE) if self.slot.room is not Room.NONE and self.silent(now) else self.slot


@dataclass(slots=True)
class Book:
    """All that the scheduler knows. ``now`` is monotonic seconds."""

    halted: str = ""
    """Why no new work may start; empty when it may."""
    _waiting: Line = field(default_factory=Line)
    _given: GivenBeams = field(default_factory=GivenBeams)
    _workers: dict[str, _Worker] = field(default_factory=dict)
    _cooling: dict[tuple[str, str], float] = field(default_factory=dict)
    _twins: Twins = field(default_factory=Twins)
    _alarms: dict[str, Alarmed] = field(default_factory=dict)
    """Those that stand, as told, by id."""
    _due: bool = True
    """Something happened since the last dealing that could give a waiting beam a place."""

    @property
    def waiting(self) -> tuple[BeamRequest, ...]:
        """What waits for a GPU, in the order in which it will run."""
        return tuple(self._waiting.requests)

    @property
    def given(self) -> dict[str, str]:
        """Worker of every key that was given and is not known to be over."""
        return {key: self._given[key].worker for key in self._given}

    def queue(self, message: QueueBeam, now: float) -> None:
        """A case wants a beam run. Saying it again only replaces the request."""
        request = message.request
        if known := self._given.get(request.key):
            self._given.put(request.key, replace(known, request=request, reply_to=message.reply_to))
            return
        before = self._waiting.get((request.case, request.beam)) or Waiting(request, message.reply_to, now)
        self._wait(replace(before, request=request, reply_to=message.reply_to, told=""))

    def _wait(self, entry: Waiting) -> None:
        self._waiting.put(entry)
        self._due = True

    def withdraw(self, case: str, beam: int, reply_to: Mailbox) -> tuple[Effect, ...]:
        """A case no longer wants a beam; answered unless a worker has it."""
        dropped = self._waiting.pop((case, beam))
        given = [key for key in self._given if key.startswith(f"{case}/{beam}/")]
        for key in given:
            # should its worker not take it, it does not wait again
            self._given.put(key, replace(self._given[key], request=None, reply_to=None))
        if dropped is None and given:
            return ()
        return (Tell(reply_to, BeamWithdrawn(case, beam)),)

    def report(self, report: WorkerReport, now: float) -> None:
        """The truth about one GPU's lease: settles what was given to it."""
        known = self._workers.get(report.worker)
        if known and known.report.epoch > report.epoch:
            return
        for key, given in self._given.of(report.worker):
            if key in report.keys:
                self._given.put(key, replace(given, acknowledged=True))
            elif given.acknowledged:
                self._given.pop(key)
            elif report.epoch > given.epoch:
                self._back(key, now)
        for key in report.keys:
            self._take_note(key, report)
        self._meet(report, known, now)

    def _meet(self, report: WorkerReport, known: _Worker | None, now: float) -> None:
        idle = report.accepts and not report.running and not report.next
        since = known.idle_since if known and known.idle_since is not None else now
        worker = _Worker(report, now, idle_since=since if idle else None)
        self._workers[report.worker] = worker
        self._twins.met(report.worker, report.uuid)
        worker.slot = self._slot(report, up=True)
        self._look_at_twins(report.worker)
        if known is None or known.silent(now) or _open(known.slot) != _open(worker.slot):
            self._due = True

    def _take_note(self, key: str, report: WorkerReport) -> None:
        """A worker is answerable for this key: it does not wait, and belongs to nobody else."""
        known = self._given.get(key)
        if known is None or known.worker != report.worker:
            self._given.put(key, Given(report.worker, report.epoch, acknowledged=True))
            self._look_at(known.worker if known else "")
        case, beam, _ = key.rsplit("/", 2)
        entry = self._waiting.get((case, int(beam)))
        if entry and entry.request.key == key:
            self._waiting.pop((case, int(beam)))

    def refused(self, key: str, worker: str, now: float) -> None:
        """A worker did not take a beam: it waits again, and this worker is not asked at once for it."""
        given = self._given.get(key)
        if given and given.worker == worker:
            self._cooling[key, worker] = now + COOL_S
            self._back(key, now)

    def exited(self, address: str, now: float) -> None:
        """A worker is down: nothing more for it until it reports, and what it had not acknowledged waits again."""
        for name, worker in self._workers.items():
            if worker.report.address.id != address:
                continue
            worker.up = False
            for key, given in self._given.of(name):
                if not given.acknowledged:
                    self._back(key, now)
            self._look_at(name)
            self._look_at_twins(name)

    def _back(self, key: str, now: float) -> None:
        given = self._given.pop(key)
        self._look_at(given.worker)
        if given.request is None or given.reply_to is None:
            return
        beam = (given.request.case, given.request.beam)
        newer = self._waiting.get(beam)
        if newer is None or newer.request.attempt < given.request.attempt:
            self._wait(Waiting(given.request, given.reply_to, now))

    def _look_at(self, worker: str) -> None:
        """What was given to it, or whether it is up, has changed."""
        if worker in self._workers:
            known = self._workers[worker]
            known.slot = self._slot(known.report, up=known.up)
            self._due = True

    def _look_at_twins(self, worker: str) -> None:
        """Who has a GPU that two workers offer may be another one now."""
        for twin in self._twins.others(worker):
            self._look_at(twin)

    def _weight(self, name: str) -> int:
        """Of one of two workers of a GPU: 2 with work there, 1 that can tell how it is."""
        worker = self._workers.get(name)
        if self._given.of(name):
            return 2
        return int(worker is not None and worker.up and worker.report.state is not GpuState.UNKNOWN)

    def dispatch(self, now: float) -> tuple[Effect, ...]:
        """Give what can be given now."""
        if self.halted or not self._waiting:
            return ()
        self._cool(now)
        if not self._due:
            return ()
        self._due = False
        slots = [worker.seen(now) for worker in self._workers.values()]
        chosen = deal(self._waiting.requests, slots, frozenset(self._cooling))
        return tuple(effect for one in chosen for effect in self._give(one.key, one.worker))

    def _cool(self, now: float) -> None:
        cooled = [pair for pair, until in self._cooling.items() if until <= now]
        for pair in cooled:
            del self._cooling[pair]
            self._due = True

    def _give(self, key: str, worker: str) -> Iterator[Effect]:
        case, beam, _ = key.rsplit("/", 2)
        entry = self._waiting.pop((case, int(beam)))
        assert entry is not None, "only what waits is dealt"
        known = self._workers[worker]
        self._given.put(key, Given(worker, known.report.epoch, entry.request, entry.reply_to))
        known.slot = replace(known.slot, room=Room.NONE)
        self._look_at_twins(worker)
        yield Tell(known.report.address, RunBeam(entry.request, entry.reply_to))

    def call_back(self, now: float) -> tuple[Effect, ...]:
        """Beams that wait staged behind a busy GPU while another one has been idle for a while."""
        idle_long = {
            name
            for name, worker in self._workers.items()
            if worker.idle_since is not None and now - worker.idle_since >= IDLE_S
        }
        ahead = {name: request for name in self._workers if (request := self._staged_behind(name)) is not None}
        if self.halted or not idle_long or not ahead:
            return ()
        slots = [worker.seen(now) for worker in self._workers.values()]
        rested = [slot for slot in slots if slot.room is not Room.IDLE or slot.worker in idle_long]
        return tuple(self._call(key) for key in call_back(ahead, rested))

    def _staged_behind(self, worker: str) -> BeamRequest | None:
        report = self._workers[worker].report
        given = self._given.get(report.next)
        return given.request if report.running and given is not None and not given.called_back else None

    def _call(self, key: str) -> Effect:
        given = self._given[key]
        self._given.put(key, replace(given, called_back=True))
        return Tell(self._workers[given.worker].report.address, ReturnBeam(key, "another GPU is idle"))

    def _slot(self, report: WorkerReport, *, up: bool) -> Slot:
        up = up and self._owner(report.worker) == report.worker  # by another name it is no GPU besides that one
        offered = up and report.accepts and not report.next and not self._given.pending(report.worker)
        room = Room.NONE if not offered else Room.AHEAD if report.running else Room.IDLE
        return Slot(
            worker=report.worker,
            host=report.host,
            uuid=report.uuid,
            state=report.state if up else GpuState.UNKNOWN,
            room=room,
            free_mb=report.free_mb,
            progress=report.progress,
            wait_s=report.wait_s,
            left_s=report.left_s,
        )

    def _owner(self, worker: str) -> str:
        return self._twins.owner(worker, self._weight)

    def alarms(self, *, again: bool = False) -> tuple[Effect, ...]:
        """Beams that no GPU could ever take, and GPUs that two hosts of the settings offer, as far as that changed;
        with ``again`` all that stands, for whoever forgot it."""
        told = self._alarms
        twice = (Alarmed(f"gpu-twice:{uuid}", self._offered_twice(uuid, both)) for uuid, both in self._twins.pairs())
        hopeless = (Alarmed(_alarm(entry.request), entry.alarm) for entry in self._waiting if entry.alarm)
        self._alarms = {alarm.id: alarm for alarm in (*twice, *hopeless)}
        raised = (alarm for id_, alarm in self._alarms.items() if again or told.get(id_) != alarm)
        return (*(Alarmed(id_) for id_ in told if id_ not in self._alarms), *raised)

    def _offered_twice(self, uuid: str, workers: tuple[str, ...]) -> str:
        labels = " and ".join(sorted(self._label(worker) for worker in workers))
        remedy = "Beams get it once; leave it out of the gpus of one of the hosts, or that host out"
        return f"{labels} are one GPU ({uuid}): the settings offer it twice. {remedy}."

    def _label(self, worker: str) -> str:
        report = self._workers[worker].report
        return f"{report.host}/{report.index}"

    def explain(self, now: float) -> tuple[Effect, ...]:
        """The sentences that changed since they were last told; notes which beams no GPU could ever take."""
        if not len(self._waiting):
            return ()
        slots = [worker.seen(now) for worker in self._workers.values()]
        dark = {name for name in self._workers if self._is_dark(name)}
        shown = [self._place(self._workers[name], now) for name in sorted(self._workers)[:SHOWN]]
        alike: dict[tuple[int, frozenset[str]], tuple[str, bool]] = {}
        effects: list[Effect] = []
        for before, entry in enumerate(self._waiting):
            request = entry.request
            banned = avoided(request, slots)
            kind = (request.memory_mb, banned)
            if kind not in alike:
                hopeless = bool(slots) and not any(
                    (slot.serves(request) or (slot.worker in dark and slot.holds(request))) and slot.place not in banned
                    for slot in slots
                )
                alike[kind] = (obstacles(request, shown, banned, len(slots)), hopeless)
            keeps, hopeless = alike[kind]
            text = sentence(request, keeps, before, self.halted)
            if text != entry.told:
                entry.told = text
                effects.append(Tell(entry.reply_to, WaitReason(request.case, request.beam, text)))
            self._note_hopeless(entry, hopeless, now)
        return tuple(effects)

    def _is_dark(self, name: str) -> bool:
        """How its GPU is cannot be told. That has an alarm of its own: one of the host, not one of each beam."""
        worker = self._workers[name]
        dark = not worker.up or worker.report.state is GpuState.UNKNOWN
        return dark and self._owner(name) == name

    @staticmethod
    def _note_hopeless(entry: Waiting, hopeless: bool, now: float) -> None:
        if not hopeless:
            entry.hopeless_since, entry.alarm = None, ""
            return
        entry.hopeless_since = now if entry.hopeless_since is None else entry.hopeless_since
        if not entry.alarm and now - entry.hopeless_since >= HOPELESS_S:
            entry.alarm = f"{entry.request.case}: {entry.told}; no GPU in service could take it"

    def _place(self, worker: _Worker, now: float) -> Place:
        report = worker.report
        owner = self._owner(report.worker)
        return Place(
            slot=worker.seen(now) if owner == report.worker else replace(worker.seen(now), state=report.state),
            label=self._label(report.worker),
            reason=report.reason if owner == report.worker else f"it is the GPU of {self._label(owner)}, offered twice",
            running=report.running,
            next=report.next or self._given.pending(report.worker),
            silent=worker.silent(now),
        )


def _open(slot: Slot) -> Slot:
    """What decides whether a beam could be put there; how soon it would begin decides only which is put first."""
    return replace(slot, progress=0.0, wait_s=0.0, left_s=None)


def _alarm(request: BeamRequest) -> str:
    return f"no-gpu:{request.case}/{request.beam}"
