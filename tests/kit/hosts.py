"""Kinds of hosts under one suite: each gives a control, a lane and a workspace that a test can look into."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from actors import slurm
from actors.local_host import LocalControl, LocalLane
from actors.slurm import SlurmControl, SlurmOptions, open_here
from actors.ssh_connection import SshControl, SshLane
from actors.supervision import Spec
from messages.jobs import JobLaunched, JobObserved, JobSpec, LaunchJob, WatchJob
from tests.kit.probe import Probe
from tests.kit.running import Running, running
from tests.kit.sshd import Sshd
from tests.kit.waiting import wait_until


@dataclass
class Host:
    """One host under test; ``workspace`` is reachable from here, whatever kind it is."""

    control: Running
    lane: Running
    workspace: Path
    probe: Probe = field(default_factory=lambda: Probe("worker"))
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def request_id(self) -> str:
        return f"r{next(self._numbers)}"

    def run_dir(self, key: str) -> Path:
        return self.workspace / key

    def job(
        self, key: str, *command: str, wall_limit_s: int = 60, environment: Mapping[str, str] | None = None
    ) -> JobSpec:
        """A run whose directory stands, as after staging."""
        self.run_dir(key).mkdir(parents=True, exist_ok=True)
        marked = {**(environment or {}), "MQI_ATTEMPT": key}
        return JobSpec(key, str(self.run_dir(key)), 7, command, tuple(marked.items()), wall_limit_s)

    def launch(self, job: JobSpec, probe: Probe | None = None) -> JobLaunched:
        """Order it and wait for the answer."""
        probe = probe or self.probe
        self.control.tell(LaunchJob(self.request_id(), probe, job))
        return probe.expect(JobLaunched, 10, lambda news: news.key == job.key)

    def watch(self, key: str, offset: int = 0, probe: Probe | None = None) -> None:
        self.control.tell(WatchJob(probe or self.probe, key, str(self.run_dir(key)), offset))

    def last(self, key: str, probe: Probe | None = None, timeout: float = 20.0) -> JobObserved:
        """The observation that proves the run's end, whenever it came."""
        news = probe or self.probe
        wait_until(lambda: self._ends(key, news), timeout, f"the end of {key}")
        return self._ends(key, news)[-1]

    def _ends(self, key: str, probe: Probe) -> list[JobObserved]:
        return [news for news in probe.all(JobObserved) if news.key == key and news.group_gone]


@contextmanager
def local_host(workspace: Path, **arguments: Any) -> Iterator[Host]:
    """This machine, with one slot."""
    workspace.mkdir(parents=True, exist_ok=True)
    given: dict[str, Any] = {
        "gpus": 1,
        "monitor": Probe("monitor"),
        "worker_spec": lambda index, uuid: Spec(f"gpu-{index}", LocalLane),
        "parent": Probe("host"),
        **arguments,
    }
    with (
        running(LocalControl, name="control", host="here", workspace=workspace, **given) as control,
        running(LocalLane, name="lane", host="here", workspace=workspace) as lane,
    ):
        try:
            yield Host(control, lane, workspace)
        finally:
            end_all(workspace)


@contextmanager
def ssh_host(workspace: Path, server: Sshd | None = None, **arguments: Any) -> Iterator[Host]:
    """A host behind a real sshd on loopback, with one slot; ``server`` runs already, or there is one of its own."""
    workspace.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        if server is None:
            server = stack.enter_context(Sshd(workspace.parent / f"{workspace.name}-sshd"))
        given: dict[str, Any] = {
            "host": "gpu1",
            "target": server.target(),
            "workspace": str(workspace),
            "gpus": 1,
            "monitor": Probe("monitor"),
            "worker_spec": lambda index, uuid: Spec(f"gpu-{index}", LocalLane),
            "parent": Probe("host"),
            **arguments,
        }
        control = stack.enter_context(running(SshControl, name="control", **given))
        where = {key: given[key] for key in ("host", "target", "workspace")}
        lane = stack.enter_context(running(SshLane, name="lane", **where))
        try:
            yield Host(control, lane, workspace)
        finally:
            end_all(workspace)


@contextmanager
def slurm_host(workspace: Path, **arguments: Any) -> Iterator[Host]:
    """This machine as the submit host of the tests' cluster, with four slots."""
    workspace.mkdir(parents=True, exist_ok=True)
    given: dict[str, Any] = {
        "host": "cluster",
        "workspace": str(workspace),
        "slots": 4,
        "options": SlurmOptions(gres="gpu:1"),
        "open_shell": open_here,
        "monitor": Probe("monitor"),
        "worker_spec": lambda index, uuid: Spec(f"gpu-{index}", LocalLane),
        "pace": slurm.Pace(files_s=0.02, queue_s=0.2, idle_s=0.5, slots_s=0.2),
        "patience": slurm.Patience(lag_s=0.5, forgotten_s=2.0),
        "parent": Probe("host"),
        **arguments,
    }
    with (
        running(SlurmControl, name="control", **given) as control,
        running(LocalLane, name="lane", host="cluster", workspace=workspace) as lane,
    ):
        try:
            yield Host(control, lane, workspace)
        finally:
            end_all(workspace)


KINDS: Mapping[str, Callable[[Path], AbstractContextManager[Host]]] = {
    "local": local_host,
    "ssh": ssh_host,
}
"""Every kind of host; each passes the same suites."""


def processes_in(folder: Path) -> list[int]:
    """Living processes that work below ``folder`` or name it on their command line."""
    marker, found = os.fsencode(str(folder)), []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            stat = (entry / "stat").read_bytes()
            if stat[stat.rfind(b")") + 2 :][:1] == b"Z":
                continue
            cwd = os.fsencode((entry / "cwd").readlink())
            if cwd.startswith(marker) or marker in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def end_all(folder: Path) -> None:
    """No process of a test outlives it, those included that begin while others are ended."""

    def all_gone() -> bool:
        found = processes_in(folder)
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not found

    wait_until(all_gone, 10, f"processes below {folder} are gone")


LAUNCHERS: Mapping[str, Callable[[Path], AbstractContextManager[Host]]] = {**KINDS, "slurm": slurm_host}
"""The same, and a cluster, which moves its files as the host does on which its commands are."""
