"""The scheduler's book: what waits, what was given to whom, who the workers are. Events in, effects out.

Nothing here is durable. After a restart it is rebuilt from what cases say again (``QueueBeam``) and what workers
report; until a worker has reported, it is not offered anything. A beam given twice through that gap is stopped by the
ledger, which refuses a second open attempt. No clock, no thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from actors.scheduler.policy import Room, Slot, assign, avoided, call_back, rank
from actors.scheduler.reasons import Place, sentence
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
"""A beam that no GPU could ever take is alarmed after so long."""


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
class _Waiting:
    request: BeamRequest
    reply_to: Mailbox
    since: float
    told: str = ""
    alarmed: bool = False


@dataclass(frozen=True, slots=True)
class _Given:
    worker: str
    epoch: int
    """Of the worker when the beam was given."""
    request: BeamRequest | None = None
    """None: learnt from the worker's report alone."""
    reply_to: Mailbox | None = None
    acknowledged: bool = False
    called_back: bool = False


@dataclass(slots=True)
class _Worker:
    report: WorkerReport
    heard: float
    up: bool = True
    idle_since: float | None = None


@dataclass(slots=True)
class Book:
    """All that the scheduler knows. ``now`` is monotonic seconds."""

    halted: str = ""
    """Why no new work may start; empty when it may."""
    _waiting: dict[tuple[str, int], _Waiting] = field(default_factory=dict)
    _given: dict[str, _Given] = field(default_factory=dict)
    _workers: dict[str, _Worker] = field(default_factory=dict)
    _cooling: dict[tuple[str, str], float] = field(default_factory=dict)

    @property
    def waiting(self) -> tuple[BeamRequest, ...]:
        """What waits for a GPU, in the order in which it will run."""
        return tuple(sorted((entry.request for entry in self._waiting.values()), key=rank))

    @property
    def given(self) -> dict[str, str]:
        """Worker of every key that was given and is not known to be over."""
        return {key: given.worker for key, given in self._given.items()}

    def queue(self, message: QueueBeam, now: float) -> None:
        """A case wants a beam run. Saying it again only replaces the request."""
        request = message.request
        if known := self._given.get(request.key):
            self._given[request.key] = replace(known, request=request, reply_to=message.reply_to)
            return
        beam = (request.case, request.beam)
        since = self._waiting[beam].since if beam in self._waiting else now
        self._waiting[beam] = _Waiting(request, message.reply_to, since)

    def withdraw(self, case: str, beam: int, reply_to: Mailbox) -> tuple[Effect, ...]:
        """A case no longer wants a beam; answered unless a worker has it."""
        dropped = self._waiting.pop((case, beam), None)
        given = [key for key in self._given if key.startswith(f"{case}/{beam}/")]
        for key in given:
            # should its worker not take it, it does not wait again
            self._given[key] = replace(self._given[key], request=None, reply_to=None)
        if dropped is None and given:
            return ()
        cleared = (Alarmed(_alarm(case, beam)),) if dropped and dropped.alarmed else ()
        return (*cleared, Tell(reply_to, BeamWithdrawn(case, beam)))

    def report(self, report: WorkerReport, now: float) -> None:
        """The truth about one GPU's lease: settles what was given to it."""
        known = self._workers.get(report.worker)
        if known and known.report.epoch > report.epoch:
            return
        idle = report.accepts and not report.running and not report.next
        since = known.idle_since if known and known.idle_since is not None else now
        self._workers[report.worker] = _Worker(report, now, idle_since=since if idle else None)
        for key, given in [(key, given) for key, given in self._given.items() if given.worker == report.worker]:
            if key in report.keys:
                self._given[key] = replace(given, acknowledged=True)
            elif given.acknowledged:
                del self._given[key]
            elif report.epoch > given.epoch:
                self._back(key, now)
        for key in report.keys:
            self._take_note(key, report)

    def _take_note(self, key: str, report: WorkerReport) -> None:
        """A worker is answerable for this key: it does not wait, and belongs to nobody else."""
        known = self._given.get(key)
        if known is None or known.worker != report.worker:
            self._given[key] = _Given(report.worker, report.epoch, acknowledged=True)
        case, beam, _ = key.rsplit("/", 2)
        entry = self._waiting.get((case, int(beam)))
        if entry and entry.request.key == key:
            del self._waiting[case, int(beam)]

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
            for key, given in list(self._given.items()):
                if given.worker == name and not given.acknowledged:
                    self._back(key, now)

    def _back(self, key: str, now: float) -> None:
        given = self._given.pop(key)
        if given.request is None or given.reply_to is None:
            return
        beam = (given.request.case, given.request.beam)
        newer = self._waiting.get(beam)
        if newer is None or newer.request.attempt < given.request.attempt:
            self._waiting[beam] = _Waiting(given.request, given.reply_to, now)

    def dispatch(self, now: float) -> tuple[Effect, ...]:
        """Give what can be given now."""
        if self.halted or not self._waiting:
            return ()
        self._cooling = {pair: until for pair, until in self._cooling.items() if until > now}
        chosen = assign(
            (entry.request for entry in self._waiting.values()),
            [self._slot(worker, now) for worker in self._workers.values()],
            frozenset(self._cooling),
        )
        return tuple(effect for one in chosen for effect in self._give(one.key, one.worker))

    def _give(self, key: str, worker: str) -> Iterator[Effect]:
        case, beam, _ = key.rsplit("/", 2)
        entry = self._waiting.pop((case, int(beam)))
        report = self._workers[worker].report
        self._given[key] = _Given(worker, report.epoch, entry.request, entry.reply_to)
        if entry.alarmed:
            yield Alarmed(_alarm(case, int(beam)))
        yield Tell(report.address, RunBeam(entry.request, entry.reply_to))

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
        slots = [self._slot(worker, now) for worker in self._workers.values()]
        rested = [slot for slot in slots if slot.room is not Room.IDLE or slot.worker in idle_long]
        return tuple(self._call(key) for key in call_back(ahead, rested))

    def _staged_behind(self, worker: str) -> BeamRequest | None:
        report = self._workers[worker].report
        given = self._given.get(report.next)
        return given.request if report.running and given is not None and not given.called_back else None

    def _call(self, key: str) -> Effect:
        given = self._given[key]
        self._given[key] = replace(given, called_back=True)
        return Tell(self._workers[given.worker].report.address, ReturnBeam(key, "another GPU is idle"))

    def _slot(self, worker: _Worker, now: float) -> Slot:
        report = worker.report
        pending = any(given.worker == report.worker and not given.acknowledged for given in self._given.values())
        offered = worker.up and now - worker.heard <= SILENT_S and report.accepts and not pending and not report.next
        room = Room.NONE if not offered else Room.AHEAD if report.running else Room.IDLE
        return Slot(
            worker=report.worker,
            host=report.host,
            uuid=report.uuid,
            state=report.state if worker.up else GpuState.UNKNOWN,
            room=room,
            free_mb=report.free_mb,
            progress=report.progress,
        )

    def explain(self, now: float) -> tuple[Effect, ...]:
        """The sentences that changed since they were last told, and alarms for beams that no GPU could ever take."""
        if not self._waiting:
            return ()
        places = [self._place(worker, now) for _, worker in sorted(self._workers.items())]
        effects: list[Effect] = []
        for before, request in enumerate(self.waiting):
            entry = self._waiting[request.case, request.beam]
            text = sentence(request, places, before, self.halted)
            if text != entry.told:
                entry.told = text
                effects.append(Tell(entry.reply_to, WaitReason(request.case, request.beam, text)))
            effects += self._alarm_hopeless(entry, [place.slot for place in places], now)
        return tuple(effects)

    @staticmethod
    def _alarm_hopeless(entry: _Waiting, slots: list[Slot], now: float) -> Iterator[Effect]:
        request = entry.request
        banned = avoided(request, slots)
        hopeless = not any(slot.serves(request) and slot.place not in banned for slot in slots)
        name = _alarm(request.case, request.beam)
        if hopeless and not entry.alarmed and now - entry.since >= HOPELESS_S:
            entry.alarmed = True
            yield Alarmed(name, f"{request.case}: {entry.told}; no GPU in service could take it")
        elif not hopeless and entry.alarmed:
            entry.alarmed = False
            yield Alarmed(name)

    def _place(self, worker: _Worker, now: float) -> Place:
        report = worker.report
        pending = [
            key for key, given in self._given.items() if given.worker == report.worker and not given.acknowledged
        ]
        return Place(
            slot=self._slot(worker, now),
            label=f"{report.host}/{report.index}",
            reason=report.reason,
            running=report.running,
            next=report.next or (pending[0] if pending else ""),
            silent=not worker.up or now - worker.heard > SILENT_S,
        )


def _alarm(case: str, beam: int) -> str:
    return f"no-gpu:{case}/{beam}"
