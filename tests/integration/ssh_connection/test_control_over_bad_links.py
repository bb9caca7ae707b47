"""The control of an SSH host while links are cut or stall, and servers die: nothing lost, nothing twice."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from actors.ssh_connection.control import Pace
from actors.ssh_connection.target import Patience
from actors.supervision import Backoff
from messages.faults import Blame
from messages.hosts import GpusObserved, HostObserved, HostState
from messages.jobs import (
    JobGone,
    JobLaunched,
    JobObserved,
    JobSpec,
    KillJob,
    LaunchFailed,
    LaunchJob,
    Observation,
    RemoveRuns,
    RunsRemoved,
)
from tests.kit.disks import fill, small_disk
from tests.kit.hosts import Host, processes_in, ssh_host
from tests.kit.probe import Probe
from tests.kit.proxy import Proxy
from tests.kit.sshd import Sshd
from tests.kit.waiting import wait_until

PATIENCE = Patience(connect_s=2.0, banner_s=3.0, login_s=5.0, session_s=3.0, keepalive_s=1.0, silence_s=1.5)
PACE = Pace(gpus_s=0.3, standing_s=0.3, backoff=Backoff(0.1, 0.4, 0.1, 30.0), slow=Backoff(0.2, 0.4, 0.1, 30.0))


@dataclass
class Far:
    """A host, its server, the proxy on the way, and what its monitor was told."""

    host: Host
    server: Sshd
    proxy: Proxy
    monitor: Probe

    def suspended(self) -> HostObserved:
        return self.monitor.expect(HostObserved, 15, lambda seen: seen.state is HostState.SUSPENDED)

    def up(self) -> HostObserved:
        return self.monitor.expect(HostObserved, 15, lambda seen: seen.state is HostState.UP)


@contextmanager
def far_host(folder: Path, pace: Pace = PACE, cut_every: int | None = None, **options: Any) -> Iterator[Far]:
    monitor = Probe("monitor")
    given = {key: options.pop(key) for key in ("gpus",) if key in options}
    with Sshd(folder / "sshd", **options) as server, Proxy(server.port, cut_every=cut_every) as proxy:
        server.trust(name=f"[127.0.0.1]:{proxy.port}")
        target = server.target(port=proxy.port, patience=PATIENCE)
        with ssh_host(folder / "ws", server, target=target, monitor=monitor, pace=pace, **given) as host:
            try:
                yield Far(host, server, proxy, monitor)
            finally:
                proxy.go_on()


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Far]:
    with far_host(tmp_path) as far:
        far.up()
        yield far


def gated(go: Path) -> str:
    return f"echo run >> runs; echo one; while [ ! -e {go} ]; do sleep 0.02; done; echo two"


@pytest.mark.promise("P16")
@pytest.mark.promise("P17")
@pytest.mark.promise("P31")
def test_a_cut_link_makes_a_run_unknown_and_it_is_picked_up_where_it_was(far: Far, tmp_path: Path) -> None:
    host = far.host
    host.launch(host.job("c/1/1", "sh", "-c", gated(tmp_path / "go")))
    host.probe.expect(JobObserved, 10, lambda news: "one" in news.text)
    far.proxy.close_port()
    far.proxy.cut()
    assert host.probe.expect(JobObserved, 10).observation is Observation.UNKNOWN
    seen = far.suspended()
    assert seen.next_attempt is not None
    assert abs((seen.next_attempt - datetime.now(UTC)).total_seconds()) < 5
    assert "gpu1" in seen.reason
    (tmp_path / "go").touch()
    wait_until((host.run_dir("c/1/1") / "exit.json").exists, 10)
    far.proxy.go_on()
    last = host.last("c/1/1")
    assert last.observation is Observation.ENDED
    assert "".join(news.text for news in host.probe.all(JobObserved)) == "one\ntwo\n"
    assert (host.run_dir("c/1/1") / "runs").read_text() == "run\n"
    far.up()


@pytest.mark.promise("P31")
def test_a_link_on_which_nothing_moves_is_noticed(far: Far) -> None:
    far.host.launch(far.host.job("c/1/1", "sleep", "90"))
    far.host.probe.expect(JobObserved, 10)
    far.proxy.stall()
    assert "nothing was heard" in far.suspended().reason
    far.proxy.go_on()
    far.up()
    wait_until(lambda: far.host.probe.all(JobObserved)[-1].observation is Observation.RUNNING, 10)


@pytest.mark.promise("P15")
@pytest.mark.promise("P16")
def test_a_launch_whose_answer_is_lost_is_made_once(far: Far) -> None:
    """The link is cut at many moments of a launch; in the end there is one run, and it is told."""
    host = far.host
    for number, delay_s in enumerate((0.0, 0.003, 0.006, 0.01, 0.02, 0.05), start=1):
        key = f"c/1/{number}"
        job = host.job(key, "sh", "-c", "echo run >> runs")
        host.control.tell(LaunchJob(f"launch-{number}", host.probe, job))
        time.sleep(delay_s)
        far.proxy.cut()
        launched = host.probe.expect(JobLaunched, 20, lambda news, key=key: news.key == key)  # type: ignore[misc]
        assert launched.request_id == f"launch-{number}"
        host.last(key)
        assert (host.run_dir(key) / "runs").read_text() == "run\n"


@pytest.mark.promise("P16")
@pytest.mark.promise("P28")
def test_a_kill_and_a_removal_that_are_cut_are_done_in_the_end(far: Far) -> None:
    host = far.host
    for number, delay_s in enumerate((0.0, 0.02, 0.1), start=1):
        key = f"c/1/{number}"
        host.launch(host.job(key, "sleep", "90"))
        host.control.tell(KillJob(f"kill-{number}", host.probe, key, str(host.run_dir(key)), "a test"))
        time.sleep(delay_s)
        far.proxy.cut()
        gone = host.probe.expect(JobGone, 30)
        assert gone.request_id == f"kill-{number}"
        wait_until(lambda key=key: not processes_in(host.run_dir(key)), 2)  # type: ignore[misc]
    host.control.tell(RemoveRuns("remove", host.probe, ("c",)))
    far.proxy.cut()
    assert host.probe.expect(RunsRemoved, 20).fault is None
    assert not (host.workspace / "c").exists()


@pytest.mark.promise("P31")
def test_orders_given_while_the_host_is_away_are_done_when_it_is_back(far: Far) -> None:
    host = far.host
    far.proxy.close_port()
    far.proxy.cut()
    far.suspended()
    host.control.tell(LaunchJob("late", host.probe, host.job("c/1/1", "true")))
    far.proxy.go_on()
    assert host.probe.expect(JobLaunched, 20).request_id == "late"
    host.last("c/1/1")


@pytest.mark.promise("P16")
def test_a_link_that_breaks_again_and_again_still_gets_its_work_done(tmp_path: Path) -> None:
    with far_host(tmp_path, cut_every=60_000) as far:
        host = far.host
        for number in range(4):
            host.launch(
                host.job(
                    f"c/1/{number}",
                    "sh",
                    "-c",
                    "echo run >> runs; i=0; while [ $i -lt 300 ]; do echo $i; i=$((i+1)); done",
                )
            )
            assert host.last(f"c/1/{number}", timeout=60).observation is Observation.ENDED
            assert (host.run_dir(f"c/1/{number}") / "runs").read_text() == "run\n"
        lines = "".join(news.text for news in host.probe.all(JobObserved) if news.key == "c/1/3").split()
        assert lines == [str(n) for n in range(300)]


@pytest.mark.promise("P17")
@pytest.mark.promise("P31")
@pytest.mark.promise("P32")
def test_a_server_that_is_killed_comes_back_with_another_key_and_is_refused_until_it_is_trusted(
    far: Far, tmp_path: Path
) -> None:
    host = far.host
    host.launch(host.job("c/1/1", "sh", "-c", gated(tmp_path / "go")))
    far.server.stop()
    far.suspended()
    far.server.change_host_key()
    far.server.start()
    seen = far.monitor.expect(HostObserved, 15, lambda seen: "CHANGED" in seen.reason)
    assert seen.state is HostState.SUSPENDED
    assert "ssh-keygen -R" in seen.reason
    os.kill(int(_started(host, "c/1/1")), 0)
    far.server.trust(name=f"[127.0.0.1]:{far.proxy.port}")
    far.up()
    (tmp_path / "go").touch()
    assert host.last("c/1/1").observation is Observation.ENDED


def _started(host: Host, key: str) -> str:
    return (host.run_dir(key) / "claim" / "engine").read_text().split()[0]


@pytest.mark.promise("P31")
def test_no_storm_at_most_one_attempt_a_step(tmp_path: Path) -> None:
    pace = Pace(backoff=Backoff(0.2, 0.8, 0.0, 30.0))
    with far_host(tmp_path, pace) as far:
        far.up()
        far.server.stop()
        begun = time.monotonic()
        far.suspended()
        for _ in range(30):
            far.host.control.tell(LaunchJob("x", far.host.probe, far.host.job("c/1/1", "true")))
        wait_until(lambda: time.monotonic() - begun > 3, 5)
        tries = [seen for seen in far.monitor.all(HostObserved) if seen.state is HostState.SUSPENDED]
        assert 3 <= len(tries) <= 7  # 0.2 + 0.4 + 0.8 + 0.8 + 0.8 s, and the loss itself
        far.server.start()
        far.up()
        assert far.host.probe.expect(JobLaunched, 20).request_id == "x"


@pytest.mark.promise("P31")
def test_a_refused_login_is_retried_slowly(tmp_path: Path) -> None:
    pace = Pace(backoff=Backoff(0.05, 0.05, 0.0, 30.0), slow=Backoff(60.0, 60.0, 0.0, 30.0))
    with far_host(tmp_path, pace) as far:
        far.up()
        far.server.authorized.write_text("")
        far.proxy.cut()
        seen = far.monitor.expect(HostObserved, 15, lambda seen: "refused the login" in seen.reason)
        assert seen.next_attempt is not None
        assert (seen.next_attempt - datetime.now(UTC)).total_seconds() > 30


@pytest.mark.promise("P21")
def test_a_host_that_was_rebooted_is_recognised(far: Far) -> None:
    """Its boot id is another one than that of the run: nothing of it can live."""
    host = far.host
    host.launch(host.job("c/1/1", "sleep", "90"))
    started = host.run_dir("c/1/1") / "claim" / "started.json"
    for pid in processes_in(host.run_dir("c/1/1")):
        os.kill(pid, 9)
    far.proxy.cut()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    started.write_text(started.read_text().replace(boot, "11111111-2222-3333-4444-555555555555"))
    last = host.last("c/1/1")
    assert last.observation is Observation.KILLED
    assert "was rebooted" in last.evidence or "was killed" in last.evidence


@pytest.mark.promise("P31")
@pytest.mark.parametrize("options", [["MaxSessions 2"], ["MaxStartups 3:100:3"]])
def test_a_server_that_grants_little_is_enough(tmp_path: Path, options: list[str]) -> None:
    with far_host(tmp_path, options=options) as far:
        host = far.host
        jobs = [host.job(f"c/1/{number}", "sh", "-c", "sleep 0.2; echo done") for number in range(6)]
        for job in jobs:
            host.control.tell(LaunchJob(job.key, host.probe, job))
        for job in jobs:
            assert host.last(job.key, timeout=60).observation is Observation.ENDED
        assert not [seen for seen in far.monitor.all(HostObserved) if seen.state is HostState.SUSPENDED]


@pytest.mark.promise("P20")
def test_a_workspace_that_cannot_be_used_suspends_the_host_and_says_why(tmp_path: Path) -> None:
    monitor = Probe("monitor")
    with (
        Sshd(tmp_path / "sshd") as server,
        ssh_host(tmp_path / "ws", server, monitor=monitor, pace=PACE) as host,
    ):
        monitor.expect(HostObserved, 15, lambda seen: seen.state is HostState.UP and bool(seen.free_gb))
        shutil.rmtree(host.workspace)
        host.workspace.write_text("a file where the workspace should be")
        seen = monitor.expect(HostObserved, 15, lambda seen: seen.state is HostState.SUSPENDED)
        host.workspace.unlink()
        monitor.expect(HostObserved, 15, lambda seen: seen.state is HostState.UP)
    assert "the workspace cannot be used" in seen.reason


def test_counted_slots_are_told_at_once_and_those_asked_become_unknown(tmp_path: Path) -> None:
    with far_host(tmp_path, gpus=2) as far:
        slots = far.monitor.expect(GpusObserved, 10)
        assert [gpu.uuid for gpu in slots.gpus] == ["slot-0", "slot-1"]
        assert not slots.asked


@pytest.mark.promise("P20")
def test_on_a_full_disk_nothing_starts_what_runs_is_kept_and_all_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "ws", 400) as workspace,
        Sshd(tmp_path / "sshd") as server,
        ssh_host(workspace, server, pace=PACE) as host,
    ):
        host.launch(host.job("c/1/1", "sh", "-c", gated(tmp_path / "go")))
        host.probe.expect(JobObserved, 10, lambda news: "one" in news.text)
        ballast = fill(workspace)
        host.control.tell(LaunchJob("full", host.probe, JobSpec("c/2/1", f"{workspace}/c/2/1", 1, ("true",), (), 60)))
        fault = host.probe.expect(LaunchFailed, 20).fault
        assert (fault.kind, fault.blame) == ("launch-refused", Blame.HOST)
        (tmp_path / "go").touch()
        last = host.last("c/1/1")
        assert last.exit is not None
        assert last.exit.exit_code is not None or last.exit.signal is not None
        ballast.unlink()
        host.launch(host.job("c/3/1", "true"))
        assert host.last("c/3/1").observation is Observation.ENDED
