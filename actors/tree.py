"""The whole tree on one page: every child's specification, strategy, budget, back-off and wiring, and nothing else.

    root                     one-for-one     budget spent: the process exits 70, its process supervisor restarts it
    ├─ monitor               hosts, GPUs, disks, actors: health, alarms, metrics
    ├─ notifier              tells people outside of alarms; may fail for ever, harms nothing
    ├─ console               HTTP API and page, at the control socket and an address; may fail for ever, harms nothing
    ├─ pipeline              rest-for-one: what stands below depends on what stands above
    │  ├─ ledger             the only writer of the SQLite file
    │  ├─ compute            worker processes for interpretation, verification and dose files
    │  ├─ hosts              one-for-one
    │  │  └─ <host>          rest-for-one; back-off 1 s to 60 s, never escalates: this is the circuit breaker
    │  │     ├─ control      launch, watch and kill jobs; GPU readings (over SSH, or on this machine)
    │  │     ├─ lane-1..n    file transfer
    │  │     └─ gpu-0..n     one worker per GPU, started when the control knows the GPUs
    │  ├─ scheduler          which beam runs next, on which GPU
    │  ├─ cases              one-for-one: admission, and one Case actor per active case
    │  ├─ scanner            finds cases, decides when one is complete
    │  └─ orders             carries out what operators ordered
    └─ reporter              the physicist's report of each case that is done; may fail for ever, harms nothing

Started top to bottom, stopped bottom to top.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from actors.case import Admission, Case, FarHost
from actors.compute import Compute
from actors.console import Console
from actors.gpu_worker import GpuWorker
from actors.ledger import Ledger, Reader
from actors.local_host import LocalControl, LocalLane
from actors.monitor import Monitor
from actors.notifier import Notifier
from actors.orders import Orders
from actors.reporter import Reporter
from actors.scanner import Scanner
from actors.scheduler import Scheduler
from actors.settings import HostSettings, Settings, Slurm
from actors.slurm import Pace, SlurmControl, SlurmOptions, open_here
from actors.ssh_connection import SshControl, SshLane, Target, open_link
from actors.supervision import (
    Address,
    Backoff,
    Context,
    Restart,
    Spec,
    StartChild,
    StopChild,
    Strategy,
    System,
    supervisor,
)
from messages.engine import EngineProfile
from messages.hosts import GpuLimits
from messages.operators import SettingsReloaded

MONITOR = "root/monitor"
NOTIFIER = "root/notifier"
PIPELINE = "root/pipeline"
LEDGER = f"{PIPELINE}/ledger"
COMPUTE = f"{PIPELINE}/compute"
HOSTS = f"{PIPELINE}/hosts"
SCHEDULER = f"{PIPELINE}/scheduler"
CASES = f"{PIPELINE}/cases"
ADMISSION = f"{CASES}/admission"
SCANNER = f"{PIPELINE}/scanner"
ORDERS = f"{PIPELINE}/orders"


@dataclass(frozen=True, slots=True)
class Site:
    """What the tree is built from: settings, and what was read and asked before anything started."""

    settings: Settings
    profile: EngineProfile
    engine_version: str
    daemon_version: str
    socket: Path
    """Of the console."""
    stop: Callable[[], None]
    """Ask the process to stop in order; returns at once."""
    reload: Callable[[], SettingsReloaded]


def target(host: HostSettings) -> Target:
    """How an SSH host is entered."""
    return Target.of(
        name=host.name,
        address=host.address,
        port=host.port,
        user=host.user,
        key_file=host.key_file,
        known_hosts=host.known_hosts,
    )


def slurm_options(slurm: Slurm) -> SlurmOptions:
    """What a beam's job asks of the cluster."""
    fields = ("partition", "account", "qos", "gres", "time_limit", "mem", "extra")
    return SlurmOptions(**{field: getattr(slurm, field) for field in fields})


class Plans:
    """The specifications of the tree, made from the site in force; a reload replaces the site for what starts later."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._began = datetime.now(UTC)

    def root(self) -> Spec:
        return supervisor(
            "root",
            [self.monitor(), self.notifier(), self.console(), self.pipeline(), self.reporter()],
            max_restarts=3,
            within_s=60,
        )

    def reporter(self) -> Spec:
        def make(context: Context) -> Reporter:
            settings, at = self.site.settings, context.system.address
            return Reporter(context, ledger=at(LEDGER), results_dir=settings.results.dir, rules=settings.report)

        return Spec("reporter", make, backoff=Backoff(0.2, 60.0, 0.2), escalates=False)

    def pipeline(self) -> Spec:
        children = [self.ledger(), self.compute(), self.hosts(), self.scheduler()]
        children += [self.cases(), self.scanner(), self.orders()]
        return supervisor("pipeline", children, Strategy.REST_FOR_ONE, max_restarts=5, within_s=60)

    def monitor(self) -> Spec:
        def make(context: Context) -> Monitor:
            settings, at = self.site.settings, context.system.address
            reader = Reader(settings.ledger_path)
            return Monitor(
                context,
                ledger=at(LEDGER),
                standing=reader.alarms,
                hosts=tuple(at(f"{HOSTS}/{host.name}/control") for host in settings.hosts),
                disks=settings.disks,
                thresholds=settings.monitor,
                interval_s=settings.monitor.interval_s,
                room_for=(at(SCANNER), at(SCHEDULER)),
                notifier=at(NOTIFIER),
                facts=functools.partial(reader.facts, settings.backups_dir),
                began=self._began,
                version=self.site.daemon_version,
            )

        return Spec("monitor", make, backoff=Backoff(0.01, 5.0, 0.1))

    def notifier(self) -> Spec:
        def make(context: Context) -> Notifier:
            settings, at = self.site.settings, context.system.address
            return Notifier(
                context,
                ledger=at(LEDGER),
                monitor=at(MONITOR),
                way=settings.alarms,
                version=self.site.daemon_version,
                roots=tuple(map(str, settings.scan.roots)),
            )

        return Spec("notifier", make, backoff=Backoff(1.0, 60.0, 0.2), escalates=False)

    def console(self) -> Spec:
        def make(context: Context) -> Console:
            at = context.system.address
            return Console(
                context,
                socket=self.site.socket,
                settings=self.site.settings,
                version=self.site.daemon_version,
                reader=Reader(self.site.settings.ledger_path),
                pictures=self.site.settings.daemon.state_dir / "pictures",
                ledger=at(LEDGER),
                scanner=at(SCANNER),
                monitor=at(MONITOR),
                orders=at(ORDERS),
                compute=at(COMPUTE),
                stop=self.site.stop,
                reload=self.site.reload,
            )

        return Spec("console", make, backoff=Backoff(0.02, 60.0, 0.2), escalates=False)

    def ledger(self) -> Spec:
        def make(context: Context) -> Ledger:
            settings = self.site.settings
            return Ledger(
                context,
                path=settings.ledger_path,
                backups=settings.backups_dir,
                backup_hours=settings.backup.every_h,
                events_days=settings.retention.events_days,
                monitor=context.system.address(MONITOR),
            )

        return Spec("ledger", make, handler_budget_s=60, capacity=100_000)

    def compute(self) -> Spec:
        compute = self.site.settings.compute
        warm = ("actors.scanner.survey", "actors.interpreter.interpret", "actors.results")
        arguments = {"processes": compute.processes, "memory_limit_mb": compute.memory_limit_mb, "warm": warm}
        return Spec("compute", Compute, arguments, capacity=10_000)

    def hosts(self) -> Spec:
        return supervisor("hosts", [self.host(host) for host in self.site.settings.hosts])

    def host(self, host: HostSettings) -> Spec:
        lanes = [self.lane(host, n + 1) for n in range(host.lanes)]
        return supervisor(
            host.name,
            [self.control(host), *lanes],
            Strategy.REST_FOR_ONE,
            max_restarts=5,
            within_s=60,
            backoff=Backoff(min_s=1.0, max_s=60.0, jitter=0.2),  # the circuit breaker
            escalates=False,
        )

    def control(self, host: HostSettings) -> Spec:
        def make(context: Context) -> LocalControl | SshControl | SlurmControl:
            monitor = context.system.address(MONITOR)
            name, gpus, place = host.name, host.gpus, host.workspace
            if host.slurm is not None and host.launcher == "slurm":
                return SlurmControl(
                    context,
                    host=name,
                    workspace=place,
                    slots=host.slurm.max_queued,
                    options=slurm_options(host.slurm),
                    open_shell=open_here if host.kind == "local" else functools.partial(open_link, target(host)),
                    monitor=monitor,
                    worker_spec=worker,
                    pace=Pace(queue_s=host.slurm.interval_s, files_s=min(0.5, host.slurm.interval_s)),
                )
            if host.kind == "local":
                return LocalControl(
                    context, host=name, workspace=Path(place), gpus=gpus, monitor=monitor, worker_spec=worker
                )
            return SshControl(
                context, host=name, target=target(host), workspace=place, gpus=gpus, monitor=monitor, worker_spec=worker
            )

        def worker(index: int, uuid: str) -> Spec:
            return self.worker(host, index, uuid)

        return Spec("control", make)

    def lane(self, host: HostSettings, number: int) -> Spec:
        def make(context: Context) -> LocalLane | SshLane:
            monitor, name, place = context.system.address(MONITOR), host.name, host.workspace
            if host.kind == "local":
                return LocalLane(context, host=name, workspace=Path(place), monitor=monitor)
            return SshLane(context, host=name, target=target(host), workspace=place, monitor=monitor)

        return Spec(f"lane-{number}", make)

    def worker(self, host: HostSettings, index: int, uuid: str) -> Spec:
        def make(context: Context) -> GpuWorker:
            at, here = context.system.address, f"{HOSTS}/{host.name}"
            return GpuWorker(
                context,
                host=host.name,
                index=index,
                uuid=uuid,
                workspace=host.workspace,
                asked=host.asks_gpus,
                ledger=at(LEDGER),
                scheduler=at(SCHEDULER),
                control=at(f"{here}/control"),
                lanes=tuple(at(f"{here}/lane-{n + 1}") for n in range(host.lanes)),
                monitor=at(MONITOR),
                progress=self.site.profile.progress,
                case_address=lambda case: at(f"{CASES}/{case}"),
                limits=GpuLimits(temperature_c=round(self.site.settings.monitor.gpu_temperature_c)),
            )

        return Spec(f"gpu-{index}", make)

    def scheduler(self) -> Spec:
        def make(context: Context) -> Scheduler:
            at = context.system.address
            return Scheduler(context, ledger=at(LEDGER), monitor=at(MONITOR))

        return Spec("scheduler", make, capacity=10_000)

    def cases(self) -> Spec:
        return supervisor("cases", [self.admission()], max_restarts=20, within_s=60)

    def admission(self) -> Spec:
        def make(context: Context) -> Admission:
            at = context.system.address
            return Admission(
                context,
                ledger=at(LEDGER),
                start_case=self.case,
                cases=context.parent,
                monitor=at(MONITOR),
                work_days=self.site.settings.retention.work_days,
                max_active=self.site.settings.daemon.active_cases,
            )

        return Spec("admission", make, capacity=10_000)

    def case(self, name: str) -> Spec:
        def make(context: Context) -> Case:
            site, settings, at = self.site, self.site.settings, context.system.address
            return Case(
                context,
                case=name,
                ledger=at(LEDGER),
                compute=at(COMPUTE),
                scheduler=at(SCHEDULER),
                monitor=at(MONITOR),
                controls={host.name: at(f"{HOSTS}/{host.name}/control") for host in settings.hosts},
                worker_address=lambda worker: at(f"{HOSTS}/{worker}"),
                hosts={host.name: self.far_host(host, at) for host in settings.hosts},
                profile=site.profile,
                calibrations=settings.machines.files,
                zone=settings.site.zone,
                work_dir=settings.work_dir,
                results_dir=settings.results.dir,
                attempts=settings.retry.attempts,
                work_days=settings.retention.work_days,
                engine_version=site.engine_version,
                daemon_version=site.daemon_version,
            )

        # a case that crashes time and again backs off alone; it must not take the others down with it
        return Spec(name, make, restart=Restart.TRANSIENT, backoff=Backoff(0.01, 60.0, 0.2), escalates=False)

    @staticmethod
    def far_host(host: HostSettings, at: Callable[[str], Address]) -> FarHost:
        here = f"{HOSTS}/{host.name}"
        lanes = tuple(at(f"{here}/lane-{n + 1}") for n in range(host.lanes))
        return FarHost(host.workspace, at(f"{here}/control"), lanes)

    def scanner(self) -> Spec:
        def make(context: Context) -> Scanner:
            settings, at = self.site.settings, context.system.address
            scan = settings.scan
            return Scanner(
                context,
                ledger=at(LEDGER),
                compute=at(COMPUTE),
                admission=at(ADMISSION),
                roots=scan.roots,
                interval_s=scan.interval_s,
                quiet_s=scan.quiet_s,
                marker=scan.marker,
                give_up_h=scan.give_up_h,
                partial_after_h=scan.partial_after_h,
                session_gap_h=scan.session_gap_h,
                zone=settings.site.zone,
                monitor=at(MONITOR),
                profile=self.site.profile,
            )

        return Spec("scanner", make, capacity=10_000)

    def orders(self) -> Spec:
        def make(context: Context) -> Orders:
            system, at = context.system, context.system.address
            return Orders(
                context,
                ledger=at(LEDGER),
                scanner=at(SCANNER),
                admission=at(ADMISSION),
                monitor=at(MONITOR),
                hosts=tuple(host.name for host in self.site.settings.hosts),
                workers=lambda: [at(row.id) for row in system.snapshot() if row.id.rpartition("/")[2][:4] == "gpu-"],
                clusters=tuple(
                    at(f"{HOSTS}/{host.name}/control") for host in self.site.settings.hosts if host.launcher == "slurm"
                ),
            )

        return Spec("orders", make, capacity=10_000)


class Tree(System):
    """The running tree, and how it takes over what a reload changed."""

    def __init__(self, site: Site, boot: int) -> None:
        self._plans = Plans(site)
        super().__init__(self._plans.root(), boot=boot)

    def take_over(self, site: Site) -> None:
        """New cases see the new settings; scanner, monitor, notifier start anew with them, cases and workers go on."""
        self._plans.site = site
        anew = (PIPELINE, self._plans.scanner()), ("root", self._plans.monitor()), ("root", self._plans.notifier())
        for parent, spec in anew:
            self.address(parent).tell(StopChild(spec.id))
            self.address(parent).tell(StartChild(spec))
