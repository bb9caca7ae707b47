"""A ledger, a scheduler and workers in memory, with which a case can be driven through any order of events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import PurePath

from actors.case import effects as fx
from actors.case import events
from actors.case.evidence import fault_json, fault_of
from actors.case.retry import RetryPolicy
from actors.case.view import CaseView, view_of
from actors.case.workflow import Ways, advance
from actors.ledger.transitions import ATTEMPT, BEAM, CASE
from messages.cases import CaseSource, DeliverySource
from messages.engine import EngineProfile, Grid, InputLine
from messages.faults import Blame, Fault
from messages.files import FileProof
from messages.interpretation import AxisFit, BeamInput, Interpretation
from messages.ledger import (
    AttemptRow,
    BeamRow,
    CaseReport,
    CaseRow,
    MarkCleaned,
    MoveAttempt,
    MoveBeam,
    MoveCase,
    NoteEvent,
    NoteInterpretation,
    NoteVerdict,
    Record,
    WantPlanned,
)
from messages.results import PublishedCase, VerifiedDose
from messages.scheduling import AttemptReport, BeamRequest
from messages.states import OPEN_ATTEMPTS, AttemptState, BeamState, CaseState

NOW = datetime(2024, 2, 29, 10, tzinfo=UTC)
ENGINE = Fault("the engine died", blame=Blame.ENGINE, kind="segmentation-fault")
HOST = Fault("the link is down", blame=Blame.HOST, kind="link")
OURS = Fault("a worker process died", blame=Blame.OURS, kind="process-died")
INPUT = Fault("beam 2, layer 7: its file is truncated", blame=Blame.INPUT, kind="layer-truncated")
DOSE = VerifiedDose("", "/site/dose.raw", "", 1.0, 1.0, 0, "", "")
PROFILE = EngineProfile(
    name="played",
    dialect="moqui-smc",
    command=("sh",),
    geometry="phantom",
    input=(InputLine(key="Key", value="value"),),
    scale="counts",
)
_NEXT = {
    AttemptState.INTENDED: (AttemptState.STAGED, BeamState.STAGED),
    AttemptState.STAGED: (AttemptState.LAUNCHING, None),
    AttemptState.LAUNCHING: (AttemptState.RUNNING, BeamState.RUNNING),
    AttemptState.RUNNING: (AttemptState.ENDED, BeamState.ENDED),
    AttemptState.ENDED: (AttemptState.COLLECTED, BeamState.COLLECTED),
}


def a_beam(number: int) -> BeamInput:
    return BeamInput(
        number=number,
        name=f"beam {number}",
        directory=f"/site/case/input/{number}",
        files=(FileProof("input.txt", 3, "0" * 64),),
        command=("engine",),
        environment=(),
        expected=("*.raw",),
        grid=Grid(size=(1, 1, 1), spacing_mm=(1, 1, 1), origin_mm=(0, 0, 0)),
        dose_scale=1.0,
        memory_mb=100,
        wall_limit_s=60,
        seed=1,
        gantry_deg=0.0,
        couch_deg=0.0,
        isocentre_mm=(0.0, 0.0, 0.0),
        planned_mu=1.0,
        delivered_mu=1.0,
        counts=1,
        layers=(),
        fit=AxisFit("identity", 1.0, 0.0, 0.0, 0.0, "", 0.0),
    )


def an_interpretation(*numbers: int) -> Interpretation:
    return Interpretation(
        case="case",
        plan_uid="1.2",
        plan_label="",
        study_uid="1.3",
        frame_of_reference="",
        machine="G1",
        gantry="G1",
        scan_mode="line",
        profile="played/1",
        calibration_sha256="",
        fraction_group=1,
        planned_fractions=1,
        partial=False,
        beams=tuple(a_beam(number) for number in numbers),
        inputs=(),
        review=(),
        suspect=(),
    )


@dataclass(slots=True)
class World:
    """Drives one case. ``pending``: what was ordered and has not happened yet."""

    numbers: tuple[int, ...] = (1, 2)
    attempts: int = 3
    state: CaseState = CaseState.QUEUED
    interpretation: str = ""
    cleaned: bool = False
    inputs: bool = False
    """The input files lie in the work folder."""
    intent: bool = False
    beams: dict[int, BeamState] = field(default_factory=dict)
    rows: dict[str, AttemptRow] = field(default_factory=dict)
    queued: dict[int, BeamRequest] = field(default_factory=dict)
    """At the scheduler."""
    pending: list[fx.Effect] = field(default_factory=list)
    settled: list[fx.Settle] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    notes: list[Record] = field(default_factory=list)
    interpreted: int = 0
    stopped: bool = False
    view: CaseView = field(init=False)
    ways: Ways = field(init=False)

    def __post_init__(self) -> None:
        self.beams = dict.fromkeys(self.numbers, BeamState.PENDING)
        self.ways = Ways(PurePath("/site/case"), "/results", RetryPolicy(self.attempts, 5), PROFILE, "1", "1")
        self.restart()

    # -- the case's actor

    def restart(self) -> None:
        """A new incarnation: what was under way for the old one is lost."""
        self.pending, self.stopped = [], False
        self.load()

    def load(self) -> None:
        self.view = view_of(self.report(), "case")
        self.do(events.loaded(self.view))
        self.go_on()

    def go_on(self) -> None:
        self.do(advance(self.view, self.ways))

    def tell(self, event: Callable[[CaseView], object]) -> None:
        if self.stopped:
            return
        effects = event(self.view)
        self.do(effects if isinstance(effects, tuple) else ())
        self.go_on()

    def do(self, effects: tuple[fx.Effect, ...]) -> None:
        for effect in effects:
            self._check(effect)
            match effect:
                case fx.Queue(request):
                    self.queued[request.beam] = request
                case fx.Withdraw(beam):
                    self.queued.pop(beam, None)
                case fx.Settle():
                    self.settled.append(effect)
                case fx.Alarm(text):
                    self.alarms.append(text)
                case fx.Note(records):
                    self.notes += records
                case fx.Stop():
                    self.stopped = True
                case _:
                    self.pending.append(effect)

    def _check(self, effect: fx.Effect) -> None:
        """Nothing is done before the ledger has what it rests on."""
        match effect:
            case fx.Queue(request):
                assert self.beams[request.beam] is BeamState.INTERPRETED, self.beams
                assert request.key not in self.rows
                assert self.inputs
            case fx.Verify(_, run):
                assert self.rows[run.key].state is AttemptState.COLLECTED
            case fx.Publish(order):
                assert self.intent
                assert set(self.beams.values()) == {BeamState.DONE}
                assert [beam.number for beam in order.beams] == sorted(self.numbers)
            case fx.RemoveRuns() | fx.RemoveWork():
                assert self.state in (CaseState.DONE, CaseState.FAILED)
                assert isinstance(effect, fx.RemoveRuns) or self.state is CaseState.DONE

    # -- the ledger

    def report(self) -> CaseReport:
        beams = tuple(BeamRow(number, "", state, 0, "", "", 0.0, "") for number, state in self.beams.items())
        delivery = DeliverySource("/case/1", "key", 1, NOW, 1, 3)
        source = CaseSource("case", "id", "/case", "/case/RP.dcm", "1.2", "1.3", "G1", (delivery,))
        row = CaseRow(
            case="case",
            state=self.state,
            reason="",
            priority=0,
            path="/case",
            plan_uid="1.2",
            study_uid="1.3",
            identity="id",
            seen=NOW,
            admitted=NOW,
            started=None,
            ended=None,
            source=source,
            interpretation=self.interpretation,
            verdict="",
            cleaned=self.cleaned,
            beams=beams,
        )
        return CaseReport("", row, tuple(self.rows.values()))

    def apply(self, records: tuple[Record, ...]) -> None:
        """As the ledger does, by its own table; an illegal transition is a mistake of the workflow here."""
        for record in records:
            match record:
                case MoveCase():
                    assert record.to is self.state or record.to in CASE[self.state], (self.state, record)
                    if record.to is CaseState.DONE:
                        assert set(self.beams.values()) == {BeamState.DONE}
                    self.state = record.to
                case MoveBeam():
                    now = self.beams[record.beam]
                    assert record.to is now or record.to in BEAM[now], (now, record)
                    self.beams[record.beam] = record.to
                case MoveAttempt():
                    row = self.rows[record.key]
                    assert record.to is row.state or record.to in ATTEMPT[row.state], (row, record)
                    self.rows[record.key] = replace(row, state=record.to, evidence=record.evidence or row.evidence)
                case _:
                    self._note(record)

    def _note(self, record: Record) -> None:
        match record:
            case NoteInterpretation():
                self.interpretation = record.summary
            case NoteEvent():
                self.intent = True
            case MarkCleaned():
                assert self.state is CaseState.DONE
                self.cleaned = True
            case NoteVerdict() | WantPlanned():
                pass

    # -- what happens outside

    def happen(self, effect: fx.Effect, *, well: bool = True, fault: Fault = OURS) -> None:
        """An order takes effect and is answered."""
        self.pending.remove(effect)
        match effect:
            case fx.Save(subject, records):
                self._save(subject, records, well=well)
            case fx.Read():
                self.load()
            case fx.Rest(subject, _):
                self.tell(lambda v: events.rested(v, subject))
            case fx.CheckInputs():
                self.tell(lambda v: events.inputs_checked(v, good=self.inputs))
            case fx.Ask(_, key):
                self._answer(key)
            case fx.RemoveRuns(host):
                self.tell(lambda v: events.runs_removed(v, host, None if well else HOST))
            case fx.RemoveWork():
                self.inputs = self.inputs and not well
                self.tell(lambda v: events.work_removed(v, removed=well))
            case _:
                self._compute(effect, fault=None if well else fault)

    def _save(self, subject: int, records: tuple[Record, ...], *, well: bool) -> None:
        if not well:
            self.tell(lambda v: events.write_refused(v, subject, for_good=False))
            return
        self.apply(records)
        if subject == fx.CASE:
            self.tell(events.written)
        else:
            self.tell(lambda v: events.beam_written(v.beams[subject]))

    def _compute(self, effect: fx.Effect, fault: Fault | None) -> None:
        match effect:
            case fx.Interpret():
                self.interpreted += 1
                if fault is None:
                    self.inputs = True
                    self.tell(lambda v: events.interpreted(v, an_interpretation(*self.numbers)))
                else:
                    self.tell(lambda v: events.step_failed(v, fault))
            case fx.Publish() if fault is None:
                self.tell(lambda v: events.published(v, PublishedCase("/results/case", "0", (), verdict="accepted")))
            case fx.Publish():
                self.tell(lambda v: events.step_failed(v, fault or OURS))
            case fx.Verify(beam, run):
                dose = replace(DOSE, key=run.key)
                if fault is None:
                    self.tell(lambda v: events.verified(v, v.beams[beam], dose))
                else:
                    self.tell(lambda v: events.verify_failed(v, v.beams[beam], fault, self.ways.policy))

    # -- scheduler and workers

    def take(self, number: int) -> None:
        """A worker opens the attempt of a queued beam, if the ledger lets it."""
        request = self.queued.pop(number, None)
        if request is None or self.state not in (CaseState.QUEUED, CaseState.RUNNING):
            return
        opened = [row for row in self.rows.values() if row.beam == number and row.state in OPEN_ATTEMPTS]
        if opened or request.key in self.rows or self.beams[number] is not BeamState.INTERPRETED:
            self.tell(lambda v: events.unknown(v, request.key))
            return
        index = request.attempt % 2
        self.rows[request.key] = AttemptRow(
            key=request.key,
            case="case",
            beam=number,
            attempt=request.attempt,
            state=AttemptState.INTENDED,
            host="gpu1",
            gpu=f"GPU-{index}",
            worker=f"gpu1/gpu-{index}",
            epoch=7,
            run_dir="",
            request="",
            launched="",
            ended="",
            evidence="",
            progress=0.0,
        )
        self._answer(request.key)

    def work(self, key: str, *, fault: Fault | None = None, withdraw: bool = False, told: bool = True) -> None:
        """A worker's attempt makes a step in the ledger; its report may be lost."""
        row = self.rows[key]
        if row.state not in _NEXT:
            return
        if fault is not None or withdraw:
            state = AttemptState.WITHDRAWN if withdraw else AttemptState.FAILED
            evidence = "" if fault is None else fault_json(fault)
            self.apply((MoveAttempt(key, state, evidence),))
        else:
            state, beam = _NEXT[row.state]
            self.apply((MoveAttempt(key, state), *((MoveBeam("case", row.beam, beam),) if beam else ())))
        if told:
            self._answer(key)

    def _answer(self, key: str) -> None:
        """What a worker says of an attempt; nothing of one that it is no longer answerable for."""
        row = self.rows.get(key)
        if row is None or row.state is AttemptState.VERIFIED:
            self.tell(lambda v: events.unknown(v, key))
            return
        report = AttemptReport(
            key=key,
            case="case",
            beam=row.beam,
            attempt=row.attempt,
            host=row.host,
            gpu=row.gpu,
            state=row.state,
            fault=fault_of(row.evidence) if row.state is AttemptState.FAILED else None,
            output=(FileProof("out/dose.raw", 8, "1" * 64),) if row.state is AttemptState.COLLECTED else (),
            worker=row.worker,
            epoch=row.epoch,
        )
        self.tell(lambda v: events.reported(v, report, self.ways.work_dir))

    def settle(self, limit: int = 600) -> None:
        """Let everything happen well until the case stops."""
        for _ in range(limit):
            if self.stopped:
                return
            if self.pending:
                self.happen(self.pending[0])
            elif self.queued:
                self.take(next(iter(self.queued)))
            elif working := [key for key, row in self.rows.items() if row.state in _NEXT]:
                self.work(working[0])
            else:
                for effect in events.ask_again(self.view):
                    self.do((effect,))
                if not self.pending:
                    break
        raise AssertionError(f"never comes to an end: {self.state} {self.beams} {self.view}")
