"""The interpretation on a host, as messages: to the case it answers as a worker process of its own would."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Protocol

from actors.case import errand as er
from actors.case.errand import Errand, FarRun, Step
from actors.supervision import Address, Exited, Timer, Up
from messages.address import Mailbox
from messages.compute import Compute, Computed, ComputeFailed
from messages.faults import Fault
from messages.files import FetchFiles, FilesMoved, MoveFailed, MoveProgress, PutFiles
from messages.hosts import GpusObserved, HostObserved, HostState, SubscribeHost, UnsubscribeHost
from messages.interpretation import Interpretation, InterpretCase, PackCase, PackedCase, TakeAnswer
from messages.jobs import (
    JobExit,
    JobLaunched,
    JobObserved,
    JobSpec,
    KillJob,
    LaunchFailed,
    LaunchJob,
    UnwatchJob,
    WatchJob,
)
from messages.ledger import (
    INTERPRETATION_SENT,
    ExplainCase,
    GetHalts,
    HaltsReport,
    NoteEvent,
    Write,
    WriteRefused,
    Written,
)
from messages.operators import PlacesChanged

PACK = "actors.interpreter:pack_case"
TAKE = "actors.interpreter:take_answer"
BUNDLE = "bundle"
LIMIT_S = 3600
"""Of packing, of the run and of taking, for the largest case on a busy machine."""
_FETCHED = ("out", "engine.log", "exit.json")


@dataclass(frozen=True, slots=True)
class FarHost:
    """What is needed of a host to have something done there."""

    workspace: str
    control: Mailbox
    lanes: tuple[Mailbox, ...]


class Owner(Protocol):
    """The actor whose step this is: it passes on what it receives."""

    @property
    def address(self) -> Address: ...

    @property
    def epoch(self) -> int: ...

    def after(self, delay_s: float, message: object) -> Timer: ...

    def watch(self, address: Mailbox) -> None: ...

    def unwatch(self, address: Mailbox) -> None: ...


@dataclass(frozen=True, slots=True)
class _Rested:
    turn: int


@dataclass(frozen=True, slots=True)
class _LostLong:
    host: str


class FarStep:
    """Of one case; ``python`` is the interpreter on every host, ``folder`` the case's working folder here."""

    def __init__(
        self,
        owner: Owner,
        *,
        case: str,
        folder: Path,
        python: str,
        hosts: Mapping[str, FarHost],
        ledger: Mailbox,
        compute: Mailbox,
    ) -> None:
        self._owner, self._case, self._folder, self._python = owner, case, folder, python
        self._hosts, self._ledger, self._compute = hosts, ledger, compute
        self._errand = Errand(case, tuple(hosts))
        self._request: InterpretCase | None = None
        self._asked_as = ""
        self._numbers = count(1)
        self._waits_for = ""
        """Request id of what was ordered last: any other answer is stale."""
        self._host_of = {address.id: name for name, host in hosts.items() for address in (host.control, *host.lanes)}
        self._down: set[str] = set()
        """Actors of hosts that ended and are not back."""
        self._explained = ""

    @property
    def hosts_used(self) -> frozenset[str]:
        """Hosts that may have something of the case."""
        return frozenset(run.host for run in self._errand.runs)

    def interpret(self, request_id: str, request: InterpretCase, runs: Iterable[FarRun]) -> None:
        """Answered to the owner by Computed or ComputeFailed with this id; ``runs`` as the ledger has them."""
        self._asked_as, self._request = request_id, request
        for host in self._hosts.values():
            for address in (host.control, *host.lanes):
                self._owner.watch(address)
            host.control.tell(SubscribeHost(self._owner.address))
        self._ask_halts()
        self._do(self._errand.begin(runs))

    def leave(self) -> None:
        """Nothing more is told of hosts."""
        for host in self._hosts.values():
            host.control.tell(UnsubscribeHost(self._owner.address))

    def drop(self) -> None:
        """Nothing more is done; a run that is under way on a host goes on there, and may be taken up again."""
        self._asked_as = self._waits_for = ""
        self.leave()
        self._do(self._errand.drop())

    def end(self, host: str, runs: Iterable[FarRun], reason: str) -> None:
        """End whatever runs of these on that host: the case is cancelled."""
        self.drop()
        for run in {*runs, *self._errand.runs}:
            if run.host == host and host in self._hosts:
                order = KillJob(self._ask(), self._owner.address, self._key(run), self._run_dir(run), reason)
                self._hosts[host].control.tell(order)

    def receive(self, message: object) -> bool:
        """False: the message is none of this step's."""
        if isinstance(message, MoveProgress):
            return self._moves(message)
        follows = self._follows(message)
        if follows is None:
            return False
        self._do(follows)
        return True

    def _follows(self, message: object) -> er.Next | None:
        match message:
            case FilesMoved() | MoveFailed() | LaunchFailed() | Written() | WriteRefused():
                return self._answered(message) if self._ours(message.request_id) else None
            case Computed() | ComputeFailed():
                return self._computed(message) if self._ours(message.request_id) else None
            case JobLaunched() | JobObserved():
                return self._of_run(message)
            case HostObserved() | GpusObserved() | Up() | Exited():
                return self._of_host(message)
            case _Rested() | _LostLong() | PlacesChanged() | HaltsReport():
                return self._later(message)
        return None

    def _later(self, message: _Rested | _LostLong | PlacesChanged | HaltsReport) -> er.Next:
        match message:
            case PlacesChanged() | HaltsReport():
                return self._of_places(message)
            case _Rested(turn):
                return self._errand.rested(turn)
            case _LostLong(host):
                return self._errand.lost_long(host)

    def _ours(self, request_id: str) -> bool:
        return request_id.startswith(f"{self._case}/interpret#")

    def _stale(self, request_id: str) -> bool:
        """It answers something else than what was asked last."""
        stale = request_id != self._waits_for
        self._waits_for = self._waits_for if stale else ""
        return stale

    def _answered(self, message: FilesMoved | MoveFailed | LaunchFailed | Written | WriteRefused) -> er.Next:
        if self._stale(message.request_id):
            return ()
        match message:
            case FilesMoved():
                return self._errand.moved()
            case MoveFailed():
                return self._errand.move_failed(message.fault)
            case LaunchFailed():
                return self._errand.launch_failed(message.fault)
            case Written():
                return self._errand.noted()
            case WriteRefused():
                return self._errand.note_refused()

    def _moves(self, message: MoveProgress) -> bool:
        if message.request_id == self._waits_for:
            self._explain(f"{self._errand.waits}, {message.words}")
        return self._ours(message.request_id)

    def _computed(self, message: Computed | ComputeFailed) -> er.Next:
        if self._stale(message.request_id):
            return ()
        if isinstance(message, ComputeFailed):
            return self._errand.failed(message.fault)
        match message.value:
            case PackedCase():
                return self._errand.packing_done(message.value)
            case Interpretation():
                return self._errand.interpreted(message.value)
        raise TypeError(f"a worker process answered {type(message.value).__name__}")

    def _of_run(self, message: JobLaunched | JobObserved) -> er.Next:
        run = self._errand.run
        if run is None or message.key != self._key(run):
            return ()
        return self._errand.launched() if isinstance(message, JobLaunched) else self._errand.observed(message)

    def _of_host(self, message: HostObserved | GpusObserved | Up | Exited) -> er.Next | None:
        match message:
            case HostObserved():
                up = message.state is HostState.UP
                return self._errand.host_up(message.host) if up else self._errand.host_down(message.host)
            case Exited() if message.id in self._host_of:
                self._down.add(message.id)
                return ()
            case Up() if message.id in self._host_of:
                return self._back(message.id)
            case GpusObserved():
                return ()
        return None

    def _of_places(self, message: PlacesChanged | HaltsReport) -> er.Next:
        """Where an operator wants nothing new."""
        if isinstance(message, HaltsReport):
            return self._errand.halted(frozenset(row.place for row in message.rows if row.place in self._hosts))
        if self._asked_as:
            self._ask_halts()
        return ()

    def _ask_halts(self) -> None:
        self._ledger.tell(GetHalts(f"{self._case}/halts#{self._owner.epoch}", self._owner.address))

    def _back(self, actor: str) -> er.Next:
        """An actor of a host is up; after a crash it knows nothing of what it was asked."""
        if actor not in self._down:
            return ()
        self._down.discard(actor)
        name = self._host_of[actor]
        if self._hosts[name].control.id == actor and self._asked_as:
            self._hosts[name].control.tell(SubscribeHost(self._owner.address))
        return self._errand.again(name)

    # -- what follows

    def _do(self, follows: er.Next) -> None:
        self._explain(self._errand.waits)
        for step in follows:
            match step:
                case er.Rest(seconds, turn):
                    self._owner.after(seconds, _Rested(turn))
                case er.Patience(host, seconds):
                    self._owner.after(seconds, _LostLong(host))
                case er.Over(outcome):
                    self._over(outcome)
                case Step.PACK:
                    assert self._request is not None, "asked to interpret"
                    self._ask_compute(PACK, PackCase(self._request, str(self._folder / BUNDLE)))
                case _:
                    assert self._errand.run is not None, "a run was chosen"
                    self._of_the_run(step, self._errand.run)

    def _explain(self, waits: str) -> None:
        """Whoever asks why the case waits is told so."""
        if waits == self._explained:
            return
        self._explained, owner = waits, self._owner
        number = f"{self._case}/interpret-waits#{owner.epoch}.{next(self._numbers)}"
        self._ledger.tell(Write(number, None, owner.address.id, owner.epoch, (ExplainCase(self._case, waits),)))

    def _over(self, outcome: Interpretation | Fault) -> None:
        request_id, self._asked_as = self._asked_as, ""
        self.leave()
        if isinstance(outcome, Fault):
            self._owner.address.tell(ComputeFailed(request_id, outcome))
        else:
            self._owner.address.tell(Computed(request_id, outcome))

    def _of_the_run(self, step: Step, run: FarRun) -> None:
        host = self._hosts[run.host]
        match step:
            case Step.NOTE:
                note = NoteEvent(self._case, INTERPRETATION_SENT, er.detail_of(run))
                owner = self._owner
                self._ledger.tell(Write(self._ask(), owner.address, owner.address.id, owner.epoch, (note,)))
            case Step.SEND | Step.FETCH:
                self._lane(host, run).tell(self._move(step, run))
            case Step.LAUNCH:
                host.control.tell(LaunchJob(self._ask(), self._owner.address, self._job(run)))
            case Step.WATCH:
                host.control.tell(WatchJob(self._owner.address, self._key(run), self._run_dir(run)))
            case Step.LET_GO:
                host.control.tell(UnwatchJob(self._key(run)))
            case Step.TAKE:
                self._ask_compute(TAKE, self._answer(run))

    def _answer(self, run: FarRun) -> TakeAnswer:
        return TakeAnswer(
            host=run.host,
            directory=self._fetched(run),
            target=str(self._folder / "input"),
            bundle=str(self._folder / BUNDLE),
            request_sha256=self._errand.asked,
            ended=_ended(self._errand.exit),
        )

    def _move(self, step: Step, run: FarRun) -> PutFiles | FetchFiles:
        me, run_dir = self._owner, self._run_dir(run)
        if step is Step.FETCH:
            return FetchFiles(self._ask(), me.address, me.epoch, run_dir, self._fetched(run), _FETCHED)
        packed = self._errand.packed
        assert packed is not None, "what is sent was packed"
        return PutFiles(self._ask(), me.address, me.epoch, packed.directory, f"{run_dir}/in", packed.files)

    def _job(self, run: FarRun) -> JobSpec:
        packed = self._errand.packed
        assert packed is not None, "what is launched was packed"
        command = (self._python, "-m", "actors.interpreter", f"in/{packed.request}", "out")
        key = self._key(run)
        environment = (("CUDA_VISIBLE_DEVICES", ""), ("MQI_ATTEMPT", key))
        return JobSpec(key, self._run_dir(run), self._owner.epoch, command, environment, LIMIT_S)

    @staticmethod
    def _lane(host: FarHost, run: FarRun) -> Mailbox:
        return host.lanes[run.number % len(host.lanes)]

    def _key(self, run: FarRun) -> str:
        return f"{self._case}/interpret/{run.number}"

    def _run_dir(self, run: FarRun) -> str:
        return f"{self._hosts[run.host].workspace}/{self._key(run)}"

    def _fetched(self, run: FarRun) -> str:
        return str(self._folder / "interpret" / str(run.number))

    def _ask_compute(self, function: str, argument: object) -> None:
        label = f"{self._case} interpretation"
        self._compute.tell(
            Compute(self._ask(), self._owner.address, function, argument, label, timeout_s=float(LIMIT_S))
        )

    def _ask(self) -> str:
        """A request id of this step alone; what it asked before is not waited for any more."""
        self._waits_for = f"{self._case}/interpret#{self._owner.epoch}.{next(self._numbers)}"
        return self._waits_for


def _ended(evidence: JobExit | None) -> str:
    """How the process ended; empty: well, with exit code 0."""
    if evidence is None or (evidence.exit_code == 0 and not evidence.timed_out):
        return ""
    if evidence.timed_out:
        return f"it took longer than {LIMIT_S} s"
    return f"exit code {evidence.exit_code}" if evidence.signal is None else f"ended by signal {evidence.signal}"
