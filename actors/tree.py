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
    ├─ reporter              the physicist's report of each case that is done; may fail for ever, harms nothing
    └─ sender                results to DICOM nodes and drop folders; may fail for ever, harms nothing

Started top to bottom, stopped bottom to top.
"""

from __future__ import annotations

import functools
from datetime import UTC, datetime

from actors.case import Admission, Case
from actors.compute import Compute
from actors.console import Console
from actors.host_tree import HostPlan, far_host
from actors.ledger import Ledger, Reader
from actors.monitor import Monitor
from actors.notifier import Notifier
from actors.orders import Orders, decide_standing
from actors.reporter import Reporter
from actors.scanner import Scanner
from actors.scheduler import Scheduler
from actors.sender import Sender
from actors.site import (
    ADMISSION,
    COMPUTE,
    HOSTS,
    LEDGER,
    MONITOR,
    NOTIFIER,
    ORDERS,
    PIPELINE,
    SCANNER,
    SCHEDULER,
    Site,
)
from actors.supervision import (
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

AT_ONCE = Backoff(min_s=0.01, max_s=60.0, jitter=0.2)
"""Of actors that may fail for ever: one crash is over in a blink; thirteen in a row, within a minute and a half, have
reached the longest pause."""


class Plans:
    """The specifications of the tree, made from the site in force; a reload replaces the site for what starts later."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._began = datetime.now(UTC)

    def root(self) -> Spec:
        return supervisor(
            "root",
            [self.monitor(), self.notifier(), self.console(), self.pipeline(), self.reporter(), self.sender()],
            max_restarts=3,
            within_s=60,
        )

    def reporter(self) -> Spec:
        def make(context: Context) -> Reporter:
            settings, at = self.site.settings, context.system.address
            rules, calibrations = settings.report, settings.machines.files
            return Reporter(
                context, ledger=at(LEDGER), results_dir=settings.results.dir, rules=rules, calibrations=calibrations
            )

        return Spec("reporter", make, backoff=AT_ONCE, escalates=False)

    def sender(self) -> Spec:
        def make(context: Context) -> Sender:
            settings, at = self.site.settings, context.system.address
            nodes, results = settings.send, settings.results.dir
            return Sender(context, ledger=at(LEDGER), monitor=at(MONITOR), nodes=nodes, results_dir=results)

        return Spec("sender", make, backoff=AT_ONCE, escalates=False)

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
                mounts={"results": self.site.results_mount},
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

        return Spec("notifier", make, backoff=AT_ONCE, escalates=False)

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

        return Spec("console", make, backoff=AT_ONCE, escalates=False)

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
                standing=functools.partial(
                    decide_standing, hosts=tuple(host.name for host in self.site.settings.hosts)
                ),
            )

        # it reads its file through before it writes: gigabytes, on a disk that may be slow
        return Spec("ledger", make, start_timeout_s=900, handler_budget_s=60, capacity=100_000)

    def compute(self) -> Spec:
        compute = self.site.settings.compute
        warm = ("actors.scanner.survey", "actors.interpreter.interpret", "actors.results")
        arguments = {"processes": compute.processes, "memory_limit_mb": compute.memory_limit_mb, "warm": warm}
        return Spec("compute", Compute, arguments, capacity=10_000)

    def hosts(self) -> Spec:
        return supervisor(
            "hosts", [HostPlan(host, lambda: self.site).supervisor() for host in self.site.settings.hosts]
        )

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
                hosts={host.name: far_host(host, at) for host in settings.hosts},
                profile=site.profile,
                calibrations=settings.machines.files,
                zone=settings.site.zone,
                work_dir=settings.work_dir,
                results_dir=settings.results.dir,
                results_mount=site.results_mount,
                attempts=settings.retry.attempts,
                work_days=settings.retention.work_days,
                engine_version=site.engine_version,
                daemon_version=site.daemon_version,
                planned_run=settings.engine.planned_run,
            )

        # a case that crashes time and again backs off alone; it must not take the others down with it
        return Spec(name, make, restart=Restart.TRANSIENT, backoff=AT_ONCE, escalates=False)

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
                nodes={node.name: node.when for node in self.site.settings.send},
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
