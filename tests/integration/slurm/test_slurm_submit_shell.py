"""Submitting through the shell with stand-ins for Slurm's commands: answers that are lost, disks that are full."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.errors import MqiError
from actors.slurm.cluster import Cluster, Lines
from actors.slurm.shell import LocalShell, Said, ShellError, lost
from actors.slurm.submitting import judge
from actors.slurm.watching import Pace
from messages.hosts import HostObserved, HostState
from messages.jobs import JobGone, JobLaunched, JobSpec, KillJob, LaunchFailed, LaunchJob
from tests.kit.hosts import slurm_host
from tests.kit.probe import Probe
from tests.kit.waiting import wait_until

NAME = "mqi-0"


class Site:
    """A workspace, and commands that keep their jobs in a file."""

    def __init__(self, folder: Path) -> None:
        self.workspace = folder / "w"
        self.run_dir = self.workspace / "c/1/1"
        self.accepted = folder / "accepted"
        self.accepted.touch()
        (self.workspace / ".wrappers").mkdir(parents=True)
        (self.workspace / ".wrappers/wrapper.sh").touch()
        self._commands = folder / "commands"
        self._commands.mkdir()
        self.command("squeue", f"cat {self.accepted}")
        self.command("sacct", "exit 1")
        self.command("sbatch", self.accepts)

    @property
    def accepts(self) -> str:
        return f"echo '7|{NAME}|PENDING|None|0|N/A|N/A|N/A|' >>{self.accepted}; echo 7"

    def command(self, name: str, text: str) -> None:
        made = self._commands / name
        made.write_text(f"#!/bin/sh\n{text}\n")
        made.chmod(0o755)

    def full_for(self, *names: str) -> None:
        """Files of these names cannot be put in their place."""
        several = "|".join(f"*/{name}" for name in names)
        self.command("mv", f'case "$*" in {several}) exit 1 ;; esac\nexec /bin/mv "$@"')

    def jobs(self) -> int:
        return len(self.accepted.read_text().splitlines())

    def submit(self, shell: LocalShell) -> Lines:
        cluster = Cluster(shell, str(self.workspace))
        return cluster.call("submit", str(self.run_dir), "wrapper.sh", "{}\n", "true\n", NAME, "now-7days")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    site = Site(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}/commands:/usr/bin:/bin")
    return site


@pytest.mark.promise("P16")
def test_an_sbatch_that_outlives_its_shell_is_waited_for(site: Site, tmp_path: Path) -> None:
    site.command("sbatch", f"touch {tmp_path}/asked; sleep 1; {site.accepts}")
    shell = LocalShell()

    def cut_when_asked() -> None:
        wait_until((tmp_path / "asked").exists, 20, "sbatch was asked")
        shell.cut()

    cutter = threading.Thread(target=cut_when_asked)
    cutter.start()
    with pytest.raises(ShellError):
        site.submit(shell)
    cutter.join()
    assert ("submitted", "7") in site.submit(LocalShell())
    assert site.jobs() == 1


@pytest.mark.promise("P16")
def test_a_number_that_cannot_be_written_down_is_told_all_the_same(site: Site) -> None:
    site.full_for("submitted")
    for _ in range(2):
        assert ("submitted", "7") in site.submit(LocalShell())
    assert site.jobs() == 1


@pytest.mark.promise("P16")
def test_a_full_disk_after_a_lost_answer_is_no_proof_that_there_is_no_job(site: Site) -> None:
    site.submit(LocalShell())
    (site.run_dir / "submitted").unlink()
    site.full_for("job.json", "job.sh", "tried", "submitted")
    lines = site.submit(LocalShell())
    job = JobSpec("c/1/1", str(site.run_dir), 0, ("true",), (), 60)
    assert judge(job, lines) == "Slurm job 7"


def test_a_disk_that_is_full_before_sbatch_was_asked_refuses_the_run(site: Site) -> None:
    site.full_for("job.json")
    job = JobSpec("c/1/1", str(site.run_dir), 0, ("true",), (), 60)
    with pytest.raises(MqiError, match="was not submitted"):
        judge(job, site.submit(LocalShell()))
    assert site.jobs() == 0


@pytest.mark.promise("P32")
def test_a_job_is_given_no_more_of_the_environment_than_it_needs(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By hand: sbatch's own way has each node run a login shell of the user's before each job."""
    kept = {"HOME": str(tmp_path), "LANG": "C.UTF-8", "SLURM_CONF": "/etc/x y", "SBATCH_ACCOUNT": "physics"}
    for name, value in {**kept, "API_TOKEN": "secret", "TWO": "lines\nHOME=/not\nPATH=/not", "o-dd": "secret"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BASH_FUNC_secret%%", "() { echo secret; }")
    site.command(
        "sbatch", f"tr '\\0' '\\n' </proc/self/environ >{tmp_path}/given; echo \"$@\" >{tmp_path}/words; {site.accepts}"
    )
    site.submit(LocalShell())
    given = (tmp_path / "given").read_text()
    for name, value in kept.items():
        assert f"{name}={value}\n" in given
    assert "PATH=" in given
    assert "secret" not in given.replace("o-dd=secret", ""), "a name that no shell knows cannot be a program's either"
    assert "TWO" not in given


def test_a_slurm_that_answers_but_takes_nothing_is_not_stormed(site: Site, tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    asked.touch()
    site.command(
        "sbatch", f"date +%s.%N >>{asked}; echo 'sbatch: error: Unable to contact slurm controller' >&2; exit 1"
    )
    monitor = Probe("monitor")
    with slurm_host(site.workspace, monitor=monitor) as host:
        host.control.tell(LaunchJob("a", host.probe, host.job("c/1/1", "true")))
        wait_until(lambda: len(asked.read_text().split()) >= 3, 40, "it is asked again")
    first, second, third = map(float, asked.read_text().split()[:3])
    assert second - first >= 0.9
    assert third - second >= 1.9
    assert {seen.state for seen in monitor.all(HostObserved)} == {HostState.UP}, "its queue answers: it is not silent"


def test_a_run_for_which_the_queue_has_no_room_waits_and_nothing_else_does(site: Site, tmp_path: Path) -> None:
    room, asked = tmp_path / "room", tmp_path / "asked"
    limit = "sbatch: error: AssocMaxSubmitJobLimit"
    site.command("sbatch", f"echo x >>{asked}; [ -e {room} ] || {{ echo '{limit}' >&2; exit 1; }}; {site.accepts}")
    monitor = Probe("monitor")
    with slurm_host(site.workspace, monitor=monitor) as host:
        host.control.tell(LaunchJob("a", host.probe, host.job("c/1/1", "true")))
        wait_until(asked.exists, 20, "it is asked")
        host.control.tell(KillJob("b", host.probe, "c/2/1", str(site.workspace / "c/2/1"), "stop"))
        host.probe.expect(JobGone, 20)
        assert not host.probe.all(LaunchFailed)
        room.touch()
        assert host.probe.expect(JobLaunched, 30).evidence == "Slurm job 7"
    states = [seen.state for seen in monitor.all(HostObserved)]
    assert states.count(HostState.SUSPENDED) == 0, "Slurm answers"


@pytest.mark.promise("P28")
def test_a_free_lock_is_believed_only_on_the_host_where_the_run_began(site: Site) -> None:
    claim = site.run_dir / "claim"
    claim.mkdir(parents=True)
    (claim / "lock").touch()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()

    def lock(started: str) -> str:
        (claim / "started.json").write_text(started)
        return dict(Cluster(LocalShell(), str(site.workspace)).call("lock_of", str(site.run_dir)))["lock"]

    assert lock(f'{{"boot_id": "{boot}", "lock": "flock"}}\n') == "free"
    assert lock(f'{{"boot_id": "{boot}", "lock": "none"}}\n') == "unknown"
    assert lock('{"boot_id": "of another node", "lock": "flock"}\n') == "unknown"
    with (claim / "lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert lock('{"boot_id": "of another node", "lock": "flock"}\n') == "held"


class Breaking(LocalShell):
    """The first submission through it never ends until ``release``; it is lost meanwhile."""

    def __init__(self, release: threading.Event) -> None:
        super().__init__()
        self._release = release
        self._asked = threading.Event()

    def run(
        self, script: str, *, timeout_s: float, cancel: Callable[[], bool] = lambda: False, prelude: str = ""
    ) -> Said:
        if script.startswith("submit"):
            self._asked.set()
            self._release.wait(20)
        if self._asked.is_set():
            raise lost("it broke")
        return super().run(script, timeout_s=timeout_s, cancel=cancel, prelude=prelude)


@pytest.mark.promise("P31")
def test_an_order_that_a_former_shell_failed_does_not_end_the_new_one(site: Site) -> None:
    release = threading.Event()
    opened: list[LocalShell] = []

    def open_shell(_on_cancel: object) -> LocalShell:
        opened.append(LocalShell() if opened else Breaking(release))
        return opened[-1]

    monitor = Probe("monitor")
    pace = Pace(files_s=0.02, queue_s=0.2, idle_s=0.2)
    with slurm_host(site.workspace, monitor=monitor, open_shell=open_shell, pace=pace) as host:
        host.control.tell(LaunchJob("a", host.probe, host.job("c/1/1", "true")))
        monitor.expect(HostObserved, 20, lambda seen: seen.state is HostState.SUSPENDED)
        monitor.expect(HostObserved, 20, lambda seen: seen.state is HostState.UP)
        release.set()
        host.probe.expect(JobLaunched, 30)
    assert len(opened) == 2


@pytest.mark.promise("P21")
def test_a_workspace_that_is_not_mounted_says_nothing_of_a_run(site: Site) -> None:
    cluster = Cluster(LocalShell(), str(site.workspace), mount=str(site.workspace))
    run = str(site.run_dir)
    assert ("claim", "unknown") in cluster.call("run_facts", "0", run)
    assert cluster.call("submit", run, "wrapper.sh", "{}\n", "true\n", NAME, "now-7days")[0][0] == "unclear"
    assert site.jobs() == 0
    assert not site.run_dir.exists()
