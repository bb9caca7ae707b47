"""Hosts and their GPUs."""

from __future__ import annotations

import functools
import queue
import threading
from collections.abc import Iterator
from pathlib import Path

from actors.cli.daemon.engine import expanded
from actors.cli.daemon.preflight import read_profile
from actors.cli.doctor.finding import Finding
from actors.settings import HostSettings, Settings, Slurm
from messages.hosts import GpuReading

NVML_LIMIT_S = 15.0


def check_hosts(settings: Settings, _conf: Path) -> Iterator[Finding]:
    """Every host is of a kind that this release runs; those over SSH are entered."""
    for host in settings.hosts:
        if host.kind == "ssh":
            yield from _over_ssh(host, settings)
        else:
            yield Finding(f"host {host.name}", ok=True, text=f"this machine, workspace {host.workspace}")

        if host.slurm is not None and host.launcher == "slurm":
            yield from _cluster(host, host.slurm)


def _cluster(host: HostSettings, slurm: Slurm) -> Iterator[Finding]:
    """Whether Slurm is there, answers, and would take a beam's job."""
    from actors.host_tree import slurm_options, target
    from actors.slurm import check_cluster, open_here
    from actors.ssh_connection import open_link

    way = open_here if host.kind == "local" else functools.partial(open_link, target(host))
    for line in check_cluster(way, host.workspace, slurm_options(slurm)):
        yield Finding(f"host {host.name}, {line.name}", ok=line.ok, text=line.text, remedy=line.remedy)


def _over_ssh(host: HostSettings, settings: Settings) -> Iterator[Finding]:
    """From its name to its engine, as the host itself tells it."""
    from actors.interpreter.far import release
    from actors.ssh_connection import Interpreter, Target, check_host

    fields = ("name", "address", "port", "user", "key_file", "known_hosts")
    target = Target.of(**{field: getattr(host, field) for field in fields})
    profile = read_profile(settings)
    command, version_command = expanded(profile.command), expanded(profile.version_command)
    for line in check_host(
        target,
        host.workspace,
        gpus=host.gpus if host.launcher == "direct" else 1,
        command=command,
        version_command=version_command,
        interpreter=Interpreter(profile.host_python, release()) if profile.interpret == "host" else None,
    ):
        name = f"host {host.name}, {line.name}"
        yield Finding(name, ok=line.ok, text=line.text, remedy=line.remedy, gpu=line.gpu)


def check_gpus(settings: Settings, _conf: Path) -> Iterator[Finding]:
    """The GPUs of this machine, where they are to be asked."""
    for host in settings.hosts:
        if host.kind != "local" or host.launcher != "direct":
            continue
        if isinstance(host.gpus, int):
            yield Finding(f"GPUs of {host.name}", ok=True, text=f"{host.gpus} slots, no GPU is asked")
            continue
        found = _read_gpus()
        if isinstance(found, str):
            remedy = "install or reload the NVIDIA driver, or give the number of slots (gpus = 2) for a CPU engine"
            yield Finding(f"GPUs of {host.name}", ok=False, text=found, remedy=remedy)
        else:
            yield from judge_gpus(host, found)


def judge_gpus(host: HostSettings, found: tuple[GpuReading, ...]) -> Iterator[Finding]:
    """Whether what was configured is there and answers. Pure."""
    wanted = (
        {gpu.index for gpu in found} if host.gpus == "auto" else set(host.gpus if isinstance(host.gpus, tuple) else ())
    )
    if not found:
        text, remedy = "the driver has no GPU", "see nvidia-smi; or give the number of slots (gpus = 2)"
        yield Finding(f"GPUs of {host.name}", ok=False, text=text, remedy=remedy)
    for index in sorted(wanted - {gpu.index for gpu in found}):
        yield Finding(
            f"GPU {index} of {host.name}", ok=False, text="is not there", remedy=f"correct gpus of {host.name}"
        )
    for gpu in found:
        if gpu.index in wanted and gpu.fault:
            text, remedy = gpu.fault, "see nvidia-smi -q; until it answers nothing runs on it"
            yield Finding(f"GPU {gpu.index} of {host.name}", ok=False, text=text, remedy=remedy)
        elif gpu.index in wanted:
            memory = f", {gpu.free_mb} of {gpu.total_mb} MB free" if gpu.free_mb is not None else ""
            text = f"{gpu.name} {gpu.uuid}{memory}"
            yield Finding(f"GPU {gpu.index} of {host.name}", ok=True, text=text, gpu=gpu.uuid)


def _read_gpus() -> tuple[GpuReading, ...] | str:
    """What NVML says, or in words why it does not; a driver that hangs is waited for only so long."""
    from actors.local_host.nvml import CannotTell, NoDriver, Nvml

    answer: queue.SimpleQueue[tuple[GpuReading, ...] | str] = queue.SimpleQueue()

    def ask() -> None:
        nvml = Nvml()
        try:
            answer.put(nvml.read())
        except NoDriver:
            answer.put("this machine has no NVIDIA driver")
        except CannotTell as error:
            answer.put(str(error))
        finally:
            nvml.close()

    threading.Thread(target=ask, name="nvml", daemon=True).start()
    try:
        return answer.get(timeout=NVML_LIMIT_S)
    except queue.Empty:
        return f"the driver did not answer in {NVML_LIMIT_S:.0f} s"
