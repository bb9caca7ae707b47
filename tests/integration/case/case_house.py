"""A small house of real actors: ledger, local host, workers, scheduler, cases. Only the physics is played.

The worker processes' functions (interpretation, verification, publication) are played by an actor that answers at once;
the engine is a shell script that the test chooses.
"""

from __future__ import annotations

import functools
import hashlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from actors.case import Admission, Case
from actors.errors import MqiError
from actors.gpu_worker import GpuWorker
from actors.ledger import Ledger, Reader
from actors.local_host import LocalControl, LocalLane
from actors.orders import Orders, decide_standing
from actors.scheduler import Scheduler
from actors.ssh_connection import SshControl, SshLane, Target
from actors.supervision import Actor, Address, Backoff, Context, Restart, Spec, Strategy, System, supervisor
from messages.cases import CaseAdmitted, CaseSource, DeliverySource
from messages.compute import Compute, Computed, ComputeFailed
from messages.engine import EngineProfile, Grid, InputLine, Progress
from messages.faults import Blame, Fault
from messages.files import FileProof
from messages.hosts import GpuLimits
from messages.interpretation import AxisFit, BeamInput, Interpretation, InterpretCase
from messages.ledger import AdmitCase, AttemptRow, BeamName, CaseRow, OrderCommand, Record, Write, Written
from messages.operators import OrderPlaced
from messages.results import PublishCase, PublishedCase, VerifiedDose, VerifyRun
from messages.scheduling import WorkerReport
from messages.states import CaseState
from tests.kit import Probe, wait_until

GRID = Grid(size=(1, 1, 1), spacing_mm=(1, 1, 1), origin_mm=(0, 0, 0))
PROFILE = EngineProfile(
    name="played",
    dialect="moqui-smc",
    command=("sh",),
    geometry="phantom",
    grid=GRID,
    input=(InputLine(key="Key", value="value"),),
    scale="counts",
    progress=Progress(step=r"step (\d+) of (\d+)", finished="complete"),
)
WELL = "echo step 1 of 2; echo step 2 of 2; printf 12345678 >out/dose.raw; echo complete"
"""A shell engine that ends well."""

PIPELINE = "root/pipeline"
_ORDERS = count(1)


def source_of(case: str, at: datetime | None = None) -> CaseSource:
    at = at or datetime(2024, 2, 29, 10, tzinfo=UTC)
    delivery = DeliverySource(f"/cases/{case}/1", f"{case}-key", 1, at, 1, 3)
    return CaseSource(case, f"{case}-id", f"/cases/{case}", f"/cases/{case}/RP.dcm", "1.2", "1.3", "G1", (delivery,))


@dataclass
class Physics:
    """What the played functions do; a test changes it while the house runs."""

    engine: Callable[[int], str] = lambda _beam: WELL
    """Beam number → the shell text that is its engine."""
    beams: tuple[int, ...] = (1, 2)
    wall_limit_s: int = 60
    fail: dict[str, list[Fault]] = field(default_factory=dict)
    """Function name → faults that its next calls raise."""
    done: list[tuple[str, object]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    """Cleared: nothing is answered."""
    stopping: bool = False
    """The house stops: nothing is answered any more."""

    def __post_init__(self) -> None:
        self.gate.set()

    def calls(self, name: str) -> list[Any]:
        return [argument for called, argument in self.done if called == name]

    def call(self, function: str, argument: object) -> object:
        name = function.partition(":")[2]
        self.done.append((name, argument))
        if self.fail.get(name):
            raise MqiError(self.fail[name].pop(0))
        match argument:
            case InterpretCase():
                return self._interpret(argument)
            case VerifyRun():
                return _verify(argument)
            case PublishCase():
                return _publish(argument)
        raise TypeError(function)

    def _interpret(self, order: InterpretCase) -> Interpretation:
        return Interpretation(
            case=order.source.case,
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
            beams=tuple(self._beam(order, number) for number in self.beams),
            inputs=(),
            review=(),
            suspect=(),
        )

    def _beam(self, order: InterpretCase, number: int) -> BeamInput:
        folder = Path(order.target) / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        text = self.engine(number)
        (folder / "engine.sh").write_text(text)
        proof = FileProof("engine.sh", len(text), hashlib.sha256(text.encode()).hexdigest())
        return BeamInput(
            number=number,
            name=f"beam {number}",
            directory=str(folder),
            files=(proof,),
            command=("sh", "in/engine.sh"),
            environment=(),
            expected=("*.raw",),
            grid=GRID,
            dose_scale=1.0,
            memory_mb=100,
            wall_limit_s=self.wall_limit_s,
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


def _verify(run: VerifyRun) -> VerifiedDose:
    """As the real one: the file decides."""
    dose = Path(run.directory) / "out" / "dose.raw"
    if not dose.exists() or dose.stat().st_size != 8:
        raise MqiError(Fault(f"{run.key}: no dose of 8 bytes", blame=Blame.ENGINE, kind="output-size"))
    return VerifiedDose(run.key, str(dose), "", 1.0, 1.0, 0, "", "")


def _publish(order: PublishCase) -> PublishedCase:
    folder = Path(order.results_dir) / order.interpretation.case
    folder.mkdir(parents=True, exist_ok=True)
    for beam in order.beams:
        (folder / f"beam_{beam.number}").write_bytes(Path(beam.dose.path).read_bytes())
    return PublishedCase(str(folder), "0" * 64, (), verdict="accepted")


class PlayedCompute(Actor):
    """Answers as the real one: a value, or a fault."""

    def __init__(self, context: Context, *, physics: Physics) -> None:
        super().__init__(context)
        self._physics = physics

    def receive(self, message: object) -> None:
        if isinstance(message, Compute):
            self.task(message.label, lambda scope: self._run(message))
        elif isinstance(message, tuple):
            reply_to, answer = message
            reply_to.tell(answer)

    def _run(self, order: Compute) -> object:
        self._physics.gate.wait(10)
        if self._physics.stopping:
            return None
        try:
            return order.reply_to, Computed(order.request_id, self._physics.call(order.function, order.argument))
        except MqiError as error:
            return order.reply_to, ComputeFailed(order.request_id, error.fault)


@dataclass
class House:
    """The running house and what a test asks of it."""

    folder: Path
    system: System
    physics: Physics
    monitor: Probe
    scanner: Probe
    heard_before: int = 0

    def at(self, path: str) -> Address:
        return self.system.address(f"{PIPELINE}/{path}")

    @property
    def ledger_path(self) -> Path:
        return self.folder / "state" / "ledger.sqlite"

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace"

    def admit(self, case: str, *beams: int, at: datetime | None = None) -> None:
        """As the scanner does: write, then tell."""
        source, probe = source_of(case, at), Probe()
        names = tuple(BeamName(number, f"beam {number}") for number in beams or self.physics.beams)
        self.at("ledger").tell(Write(f"admit {case}", probe, "test", 1, (AdmitCase(source, names),)))
        wait_until(lambda: probe.received)
        self.at("cases/admission").tell(CaseAdmitted(case))

    def write(self, *records: Record) -> None:
        """As some other actor does, in one write that is not refused."""
        probe = Probe()
        self.at("ledger").tell(Write("written by the test", probe, f"test {id(probe)}", 1, records))
        probe.expect(Written)

    def place(self, kind: str, subject: str = "", argument: str = "", user: str = "kim") -> str:
        """As the console does: write the order, then tell; its id."""
        order = f"order-{next(_ORDERS)}"
        self.write(OrderCommand(order, kind, subject, argument, user))
        self.at("orders").tell(OrderPlaced(order))
        return order

    def outcome(self, order: str, timeout_s: float = 10.0) -> str:
        """What became of it."""

        def settled() -> str:
            row = Reader(self.ledger_path).order(order)
            return row.outcome if row is not None else ""

        return str(wait_until(settled, timeout_s, f"{order} is settled"))

    def order(self, kind: str, subject: str = "", argument: str = "") -> str:
        """Placed and carried out: its outcome."""
        return self.outcome(self.place(kind, subject, argument))

    def row(self, case: str) -> CaseRow:
        row = Reader(self.ledger_path).case(case)
        assert row is not None
        return row

    def attempts(self, case: str) -> tuple[AttemptRow, ...]:
        return tuple(Reader(self.ledger_path).attempts(case))

    def until(self, case: str, state: CaseState, timeout_s: float = 20.0) -> CaseRow:
        def there() -> CaseRow | None:
            row = self.row(case)
            return row if row.state is state else None

        try:
            return wait_until(there, timeout_s)  # type: ignore[return-value]
        except AssertionError:
            raise AssertionError(f"{case} is not {state}: {self.row(case)}\n{self.attempts(case)}") from None

    def until_cleaned(self, case: str) -> None:
        wait_until(lambda: self.row(case).cleaned, 10.0, f"{case} is cleaned")

    def events(self, case: str) -> list[tuple[str, str]]:
        with sqlite3.connect(self.ledger_path) as database:
            return list(database.execute('SELECT what, detail FROM events WHERE "case" = ? ORDER BY number', (case,)))

    def alive(self, *paths: str) -> bool:
        up = {row.id for row in self.system.snapshot() if row.phase.name == "UP"}
        return all(f"{PIPELINE}/{path}" in up for path in paths)

    def heard(self, times: int) -> bool:
        """Every worker has told so often how its GPU stands, since this was first asked."""
        reports = len(self.monitor.all(WorkerReport))
        self.heard_before = self.heard_before or reports
        return reports - self.heard_before >= times


@contextmanager
def house(
    folder: Path,
    *,
    slots: int = 2,
    boot: int = 1,
    physics: Physics | None = None,
    attempts: int = 3,
    parts: dict[str, Callable[..., Actor]] | None = None,
    door: Target | None = None,
) -> Iterator[House]:
    """Run the house in this folder; whatever its ledger holds is gone on with. ``parts`` replaces actors' classes.

    ``door``: the host is reached over SSH, as it says.
    """
    physics = physics or Physics()
    physics.stopping = False
    monitor = Probe("monitor")
    (folder / "state").mkdir(parents=True, exist_ok=True)
    (folder / "workspace").mkdir(exist_ok=True)
    scanner = Probe("scanner")
    plan = _Plan(folder, slots, physics, attempts, monitor, scanner, parts or {}, door)
    system = System(plan.root(), boot=boot)
    system.start()
    built = House(folder, system, physics, monitor, scanner)
    try:
        wait_until(lambda: built.alive("cases/admission", *(f"hosts/here/gpu-{n}" for n in range(slots))), 10.0)
        yield built
    finally:
        physics.stopping = True
        physics.gate.set()
        system.stop()
        ended = system.wait(20.0)
    assert ended, system.snapshot()
    if system.cause is not None:
        raise AssertionError("the house gave up") from system.cause


@dataclass
class _Plan:
    folder: Path
    slots: int
    physics: Physics
    attempts: int
    monitor: Probe
    scanner: Probe
    parts: dict[str, Callable[..., Actor]]
    door: Target | None

    def root(self) -> Spec:
        children = [
            self._spec("ledger", self._ledger),
            self._spec("compute", lambda context: PlayedCompute(context, physics=self.physics)),
            supervisor("hosts", [self._host()]),
            self._spec("scheduler", self._scheduler),
            supervisor("cases", [self._spec("admission", self._admission)], max_restarts=20),
            self._spec("orders", self._orders),
        ]
        return supervisor("root", [supervisor("pipeline", children, Strategy.REST_FOR_ONE, max_restarts=20)])

    def _spec(self, name: str, make: Callable[[Context], Actor], **fields: Any) -> Spec:
        return Spec(name, make, capacity=10_000, **fields)

    def _ledger(self, context: Context) -> Actor:
        state = self.folder / "state"
        standing = functools.partial(decide_standing, hosts=("here",))
        where = {"path": state / "ledger.sqlite", "backups": state / "backups"}
        return Ledger(context, **where, backup_hours=0, standing=standing)

    def _host(self) -> Spec:
        workspace = self.folder / "workspace"
        given: dict[str, Any] = {"host": "here", "workspace": workspace}
        if self.door is not None:
            given = {"host": "here", "workspace": str(workspace), "target": self.door}

        def control(context: Context) -> Actor:
            made: Callable[..., Actor] = LocalControl if self.door is None else SshControl
            return made(context, gpus=self.slots, monitor=self.monitor, worker_spec=self._worker, **given)

        lanes = [Spec(f"lane-{n}", LocalLane if self.door is None else SshLane, given) for n in (1, 2)]
        return supervisor("here", [Spec("control", control), *lanes], Strategy.REST_FOR_ONE, max_restarts=20)

    def _worker(self, index: int, uuid: str) -> Spec:
        def make(context: Context) -> Actor:
            at = context.system.address
            return self.parts.get("worker", GpuWorker)(
                context,
                host="here",
                index=index,
                uuid=uuid,
                workspace=str(self.folder / "workspace"),
                asked=False,
                ledger=at(f"{PIPELINE}/ledger"),
                scheduler=at(f"{PIPELINE}/scheduler"),
                control=at(f"{PIPELINE}/hosts/here/control"),
                lanes=tuple(at(f"{PIPELINE}/hosts/here/lane-{n}") for n in (1, 2)),
                monitor=self.monitor,
                progress=PROFILE.progress,
                case_address=lambda case: at(f"{PIPELINE}/cases/{case}"),
                limits=GpuLimits(),
            )

        return Spec(f"gpu-{index}", make)

    def _orders(self, context: Context) -> Actor:
        system, at = context.system, context.system.address
        return self.parts.get("orders", Orders)(
            context,
            ledger=at(f"{PIPELINE}/ledger"),
            scanner=self.scanner,
            admission=at(f"{PIPELINE}/cases/admission"),
            monitor=self.monitor,
            hosts=("here",),
            workers=lambda: [at(row.id) for row in system.snapshot() if "/gpu-" in row.id],
        )

    def _scheduler(self, context: Context) -> Actor:
        made = self.parts.get("scheduler", Scheduler)
        return made(context, ledger=context.system.address(f"{PIPELINE}/ledger"), monitor=self.monitor)

    def _admission(self, context: Context) -> Actor:
        at = context.system.address
        return Admission(
            context,
            ledger=at(f"{PIPELINE}/ledger"),
            start_case=self._case,
            cases=context.parent,
            monitor=self.monitor,
            max_active=64,
        )

    def _case(self, name: str) -> Spec:
        def make(context: Context) -> Actor:
            at = context.system.address
            return self.parts.get("case", Case)(
                context,
                case=name,
                ledger=at(f"{PIPELINE}/ledger"),
                compute=at(f"{PIPELINE}/compute"),
                scheduler=at(f"{PIPELINE}/scheduler"),
                monitor=self.monitor,
                controls={"here": at(f"{PIPELINE}/hosts/here/control")},
                worker_address=lambda worker: at(f"{PIPELINE}/hosts/{worker}"),
                profile=PROFILE,
                calibrations=(),
                zone="UTC",
                work_dir=self.folder / "state" / "work",
                results_dir=self.folder / "results",
                attempts=self.attempts,
                engine_version="1",
                daemon_version="1",
            )

        return Spec(name, make, restart=Restart.TRANSIENT, backoff=Backoff(0.01, 1.0, 0.1), escalates=False)
