"""An interpretation that is made on a host: what comes next, whatever just happened. Pure.

The case is packed here, sent, interpreted in a run of its own, and the answer fetched and taken: after that nobody can
tell where it was made. A run is written into the ledger before anything of it is sent. It is launched once; where it is
not certain that its answer will come, another run follows, on another host if there is one. Two runs of the same case
do no harm: only one answer is taken.

A restarted case packs again; if the last run in the ledger was of the very same bundle, it is looked at first.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from actors.case.retry import pause_s
from messages.faults import Blame, Fault
from messages.interpretation import Interpretation, PackedCase
from messages.jobs import JobExit, JobObserved, Observation

LOST_S = 60.0
"""A host that was lost for so long with the case's run on it is given up, if another one is up."""

_DETAIL = re.compile(r"(?P<host>.+), run (?P<number>\d+) of bundle (?P<bundle>[0-9a-f]+)")


@dataclass(frozen=True, slots=True)
class FarRun:
    """One interpretation on a host, as the ledger has it."""

    host: str
    number: int
    """From 1, of one case, over all hosts."""
    bundle: str
    """Digest of what was sent."""


def detail_of(run: FarRun) -> str:
    """For the ledger's history."""
    return f"{run.host}, run {run.number} of bundle {run.bundle}"


def runs_of(details: Iterable[str]) -> tuple[FarRun, ...]:
    """Reverse of ``detail_of``, oldest first."""
    found = (_DETAIL.fullmatch(detail) for detail in details)
    return tuple(FarRun(one["host"], int(one["number"]), one["bundle"]) for one in found if one)


class Stage(StrEnum):
    """The one thing that is waited for."""

    IDLE = "idle"
    PACKING = "packing"
    HOSTLESS = "hostless"
    """No host is up."""
    NOTING = "noting"
    SENDING = "sending"
    LAUNCHING = "launching"
    WATCHING = "watching"
    FETCHING = "fetching"
    TAKING = "taking"
    RESTING = "resting"


ON_HOST = frozenset({Stage.SENDING, Stage.LAUNCHING, Stage.WATCHING, Stage.FETCHING})


_WAITS = {
    Stage.PACKING: "its logs are being packed for a host",
    Stage.HOSTLESS: "no host is up to do it",
    Stage.NOTING: "its logs are being sent to {host}",
    Stage.SENDING: "its logs are being sent to {host}",
    Stage.LAUNCHING: "it is being begun on {host}",
    Stage.WATCHING: "it is being done on {host}",
    Stage.FETCHING: "the answer is being fetched from {host}",
    Stage.TAKING: "the answer of {host} is being checked",
    Stage.RESTING: "it came to nothing and is tried again in a moment",
}


class Step(StrEnum):
    """What is to be done next, for the run at hand."""

    PACK = "pack"
    NOTE = "note"
    """Write the run into the ledger."""
    SEND = "send"
    LAUNCH = "launch"
    WATCH = "watch"
    FETCH = "fetch"
    TAKE = "take"
    LET_GO = "let go"
    """Watch its run no more."""


@dataclass(frozen=True, slots=True)
class Rest:
    """Come back after so many seconds; ``turn`` tells a rest that was overtaken."""

    seconds: float
    turn: int


@dataclass(frozen=True, slots=True)
class Patience:
    """Say after so many seconds that this host was lost for that long."""

    host: str
    seconds: float = LOST_S


@dataclass(frozen=True, slots=True)
class Over:
    """The errand is over: the case is interpreted, or a fault says why not."""

    outcome: Interpretation | Fault


Next = tuple[Step | Rest | Patience | Over, ...]


@dataclass(slots=True)
class Errand:
    """Of one case. Events come in as methods; each answers with what follows."""

    case: str
    hosts: tuple[str, ...]
    stage: Stage = Stage.IDLE
    up: set[str] = field(default_factory=set)
    drained: frozenset[str] | None = None
    """Hosts on which an operator wants nothing new; None: not asked yet, so no host is chosen."""
    runs: list[FarRun] = field(default_factory=list)
    """All of this case, oldest first."""
    packed: PackedCase | None = None
    run: FarRun | None = None
    exit: JobExit | None = None
    _vain: dict[str, int] = field(default_factory=dict)
    """Runs that came to nothing, by host: the others are tried first."""
    _given_up: set[int] = field(default_factory=set)
    """Numbers of runs that are not looked at again."""
    _failures: int = 0
    """In a row."""
    _turn: int = 0

    @property
    def asked(self) -> str:
        """SHA-256 of the request document that was sent."""
        assert self.packed is not None, "an answer is taken of what was packed"
        return next(proof.sha256 for proof in self.packed.files if proof.path == self.packed.request)

    @property
    def waits(self) -> str:
        """What the case waits for, in words; empty: nothing."""
        run = self.run
        if run is not None and self._on(run.host) and run.host not in self.up:
            return f"{run.host}, on which it is done, does not answer"
        if self.stage is Stage.HOSTLESS and self.drained and self.up:
            return "every host that is up is drained"
        return _WAITS.get(self.stage, "").format(host=run.host if run is not None else "a host")

    def begin(self, runs: Iterable[FarRun]) -> Next:
        """The case is to be interpreted; ``runs`` as the ledger has them. One that is under way goes on."""
        known = {run.number: run for run in (*self.runs, *runs)}
        self.runs = [known[number] for number in sorted(known)]
        if self.stage is not Stage.IDLE:
            return ()
        return self._at(Stage.PACKING, Step.PACK)

    def drop(self) -> Next:
        """The case is not to be interpreted now."""
        self.stage, self.exit = Stage.IDLE, None
        run, self.run = self.run, None
        return () if run is None else (Step.LET_GO,)

    def packing_done(self, packed: PackedCase) -> Next:
        """The bundle lies here; a run of the very same is gone on with."""
        if self.stage is not Stage.PACKING:
            return ()
        self.packed = packed
        last = self.runs[-1] if self.runs else None
        if last is not None and last.bundle == packed.digest and last.host in self.hosts and not self._spent(last):
            self.run = last
            return (*self._at(Stage.WATCHING, Step.WATCH), *self._lost_already(last.host))
        return self._choose()

    def noted(self) -> Next:
        return self._at(Stage.SENDING, Step.SEND) if self.stage is Stage.NOTING else ()

    def note_refused(self) -> Next:
        return self._rest() if self.stage is Stage.NOTING else ()

    def moved(self) -> Next:
        if self.stage is Stage.SENDING:
            return self._at(Stage.LAUNCHING, Step.LAUNCH)
        return self._at(Stage.TAKING, Step.TAKE) if self.stage is Stage.FETCHING else ()

    def move_failed(self, fault: Fault) -> Next:
        """A host's or link's fault: another run, or the fetching again; one of ours is the case's to judge."""
        if self.stage not in (Stage.SENDING, Stage.FETCHING):
            return ()
        if fault.blame is not Blame.HOST:
            return self._over(fault)
        return self._in_vain() if self.stage is Stage.SENDING else self._rest()

    def launched(self) -> Next:
        if self.stage is Stage.LAUNCHING:
            self.stage = Stage.WATCHING
        return ()

    def launch_failed(self, fault: Fault) -> Next:
        if self.stage is not Stage.LAUNCHING:
            return ()
        return self._in_vain() if fault.blame is Blame.HOST else self._over(fault)

    def observed(self, news: JobObserved) -> Next:
        """Only the wrapper's evidence ends a run; what was killed, or is not there, gives no answer any more."""
        if self.stage is not Stage.WATCHING:
            return ()
        match news.observation:
            case Observation.ENDED if news.exit is not None:
                self.exit = news.exit
                return self._at(Stage.FETCHING, Step.FETCH)
            case Observation.KILLED | Observation.ABSENT:
                return self._in_vain()
        return ()

    def failed(self, fault: Fault) -> Next:
        """Packing or taking came to nothing. A run whose answer was not good is not looked at again."""
        if self.stage not in (Stage.PACKING, Stage.TAKING):
            return ()
        if self.stage is Stage.TAKING and self.run is not None:
            self._give_up(self.run)
        return self._over(fault)

    def interpreted(self, interpretation: Interpretation) -> Next:
        """Taken from a host, or made here where the case could not be packed."""
        return self._over(interpretation) if self.stage in (Stage.PACKING, Stage.TAKING) else ()

    # -- hosts and time

    def halted(self, drained: frozenset[str]) -> Next:
        """On which hosts nothing new is begun; what runs there goes on."""
        self.drained = drained
        return self._choose() if self.stage is Stage.HOSTLESS else ()

    @property
    def open(self) -> set[str]:
        """Hosts that may be given something new."""
        return set() if self.drained is None else self.up - self.drained

    def host_up(self, host: str) -> Next:
        self.up.add(host)
        return self._choose() if self.stage is Stage.HOSTLESS else ()

    def host_down(self, host: str) -> Next:
        known = host not in self.up
        self.up.discard(host)
        return () if known else self._lost_already(host)

    def lost_long(self, host: str) -> Next:
        """A host was lost some time ago: if it still is, the work goes elsewhere, or its return is waited for."""
        if not self._on(host) or host in self.up:
            return ()
        return self._in_vain() if self.open else (Patience(host),)

    def again(self, host: str) -> Next:
        """An actor of the host came back: what it was asked is lost, and asked again; all of it may be repeated."""
        orders = {
            Stage.SENDING: Step.SEND,
            Stage.LAUNCHING: Step.LAUNCH,
            Stage.WATCHING: Step.WATCH,
            Stage.FETCHING: Step.FETCH,
        }
        return (orders[self.stage],) if self.stage in orders and self._on(host) else ()

    def rested(self, turn: int) -> Next:
        """A pause is over: the run's answer is fetched again, or another run is made."""
        if self.stage is not Stage.RESTING or turn != self._turn:
            return ()
        if self.run is not None and self.exit is not None:
            return self._at(Stage.FETCHING, Step.FETCH)
        return self._choose()

    # -- inner

    def _choose(self) -> Next:
        """The host on which least came to nothing; of equals each case has its own favourite: work is spread."""
        if not self.open:
            self.stage = Stage.HOSTLESS
            return ()
        assert self.packed is not None, "a host is chosen for a bundle"
        host = min(self.open, key=lambda name: (self._vain.get(name, 0), zlib.crc32(f"{self.case}/{name}".encode())))
        number = max((run.number for run in self.runs), default=0) + 1
        self.run, self.exit = FarRun(host, number, self.packed.digest), None
        self.runs.append(self.run)
        return self._at(Stage.NOTING, Step.NOTE)

    def _in_vain(self) -> Next:
        """This run gives no answer."""
        assert self.run is not None, "a run came to nothing"
        self._give_up(self.run)
        return (Step.LET_GO, *self._rest())

    def _give_up(self, run: FarRun) -> None:
        self._given_up.add(run.number)
        self._vain[run.host] = self._vain.get(run.host, 0) + 1
        self.exit = None

    def _rest(self) -> Next:
        self._failures += 1
        self._turn += 1
        self.stage = Stage.RESTING
        return (Rest(pause_s(self._failures), self._turn),)

    def _at(self, stage: Stage, step: Step) -> Next:
        self.stage = stage
        return (step,)

    def _over(self, outcome: Interpretation | Fault) -> Next:
        self.stage, self.exit = Stage.IDLE, None
        if isinstance(outcome, Interpretation):
            self._failures = 0
        let_go = (Step.LET_GO,) if self.run is not None else ()
        return (*let_go, Over(outcome))

    def _spent(self, run: FarRun) -> bool:
        return run.number in self._given_up

    def _on(self, host: str) -> bool:
        """Something of the case is there that is waited for."""
        waited_for = self.stage in ON_HOST or (self.stage is Stage.RESTING and self.exit is not None)
        return waited_for and self.run is not None and self.run.host == host

    def _lost_already(self, host: str) -> Next:
        return (Patience(host),) if self._on(host) and host not in self.up else ()
