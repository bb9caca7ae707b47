"""One host of the tree: its supervisor, control, transfer lanes, and a worker for each GPU.

<host>          rest-for-one; back-off 1 s to 60 s, never escalates: this is the circuit breaker
├─ control      launch, watch and kill jobs; GPU readings (over SSH, on this machine, or through Slurm)
├─ lane-1..n    file transfer
└─ gpu-0..n     one worker per GPU, started when the control knows the GPUs
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from actors.case import FarHost
from actors.gpu_worker import GpuWorker
from actors.local_host import LocalControl, LocalLane
from actors.mounts import Ground
from actors.settings import HostSettings, Slurm
from actors.site import CASES, HOSTS, LEDGER, MONITOR, SCHEDULER, Site
from actors.slurm import Pace, SlurmControl, SlurmOptions, open_here
from actors.ssh_connection import SshControl, SshLane, Target, open_link
from actors.supervision import Address, Backoff, Context, Spec, Strategy, supervisor
from messages.hosts import GpuLimits


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


def far_host(host: HostSettings, at: Callable[[str], Address]) -> FarHost:
    """Where a case finds the host when a step of its own runs there."""
    here = f"{HOSTS}/{host.name}"
    lanes = tuple(at(f"{here}/lane-{n + 1}") for n in range(host.lanes))
    return FarHost(host.workspace, at(f"{here}/control"), lanes)


class HostPlan:
    """The specifications of one host and what stands below it; ``site`` tells the one in force."""

    def __init__(self, host: HostSettings, site: Callable[[], Site]) -> None:
        self._host, self._site = host, site

    def supervisor(self) -> Spec:
        host = self._host
        lanes = [self.lane(n + 1) for n in range(host.lanes)]
        return supervisor(
            host.name,
            [self.control(), *lanes],
            Strategy.REST_FOR_ONE,
            max_restarts=5,
            within_s=60,
            backoff=Backoff(min_s=1.0, max_s=60.0, jitter=0.2),  # the circuit breaker
            escalates=False,
        )

    def control(self) -> Spec:
        host = self._host

        def make(context: Context) -> LocalControl | SshControl | SlurmControl:
            monitor = context.system.address(MONITOR)
            name, gpus, place = host.name, host.gpus, host.workspace
            ground, left = self.ground(), self._site().open_gpus.get(host.name, ())
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
                    ground=ground,
                    left=left,
                    pace=Pace(queue_s=host.slurm.interval_s, files_s=min(0.5, host.slurm.interval_s)),
                )
            if host.kind == "local":
                return LocalControl(
                    context,
                    host=name,
                    workspace=Path(place),
                    gpus=gpus,
                    monitor=monitor,
                    worker_spec=worker,
                    ground=ground,
                    left=left,
                )
            return SshControl(
                context,
                host=name,
                target=target(host),
                workspace=place,
                gpus=gpus,
                monitor=monitor,
                worker_spec=worker,
                ground=ground,
                left=left,
            )

        def worker(index: int, uuid: str) -> Spec:
            return self.worker(index, uuid)

        return Spec("control", make)

    def ground(self) -> Ground:
        """What is known of the disk that its workspace lies on."""
        return Ground.of(self._host.name, self._host.workspace, self._site().settings.daemon.state_dir)

    def lane(self, number: int) -> Spec:
        host = self._host

        def make(context: Context) -> LocalLane | SshLane:
            monitor, name, place = context.system.address(MONITOR), host.name, host.workspace
            ground = self.ground()
            if host.kind == "local":
                return LocalLane(context, host=name, workspace=Path(place), monitor=monitor, ground=ground)
            return SshLane(context, host=name, target=target(host), workspace=place, monitor=monitor, ground=ground)

        return Spec(f"lane-{number}", make)

    def worker(self, index: int, uuid: str) -> Spec:
        host = self._host

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
                progress=self._site().profile.progress,
                case_address=lambda case: at(f"{CASES}/{case}"),
                limits=GpuLimits(temperature_c=round(self._site().settings.monitor.gpu_temperature_c)),
            )

        return Spec(f"gpu-{index}", make)
