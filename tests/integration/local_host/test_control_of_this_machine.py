"""The control's word on the machine and its GPUs, told to whoever subscribed."""

from __future__ import annotations

import errno
import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.local_host import LocalControl, control
from actors.local_host.control import Pace
from actors.supervision import Spec, StartChild
from messages.hosts import GpusObserved, HostObserved, HostState, SubscribeHost, UnsubscribeHost
from messages.jobs import JobObserved, Observation
from tests.kit.hosts import local_host
from tests.kit.nvml import Driver, take_driver_away
from tests.kit.probe import Probe
from tests.kit.running import Running, running
from tests.kit.waiting import wait_until

QUICK = Pace(gpus_s=0.02, gpu_answer_s=0.2, standing_s=0.02)


def spec(index: int, uuid: str) -> Spec:
    return Spec(f"gpu-{index}", LocalControl, {"uuid": uuid})


@contextmanager
def controlled(workspace: Path, gpus: object, parent: Probe, pace: Pace = QUICK) -> Iterator[tuple[Running, Probe]]:
    monitor = Probe("monitor")
    with running(
        LocalControl,
        parent=parent,
        host="here",
        workspace=workspace,
        gpus=gpus,
        monitor=monitor,
        worker_spec=spec,
        pace=pace,
    ) as actor:
        yield actor, monitor


def children(parent: Probe) -> list[tuple[str, object]]:
    return [(start.spec.id, start.spec.arguments["uuid"]) for start in parent.all(StartChild)]


def test_the_machine_is_told_again_and_again(tmp_path: Path) -> None:
    with controlled(tmp_path / "workspace", 2, Probe("host")) as (_, monitor):
        first = monitor.expect(HostObserved)
        assert (first.host, first.kind, first.state, first.reason) == ("here", "local", HostState.UP, "")
        assert first.free_gb is not None
        assert first.free_gb > 0
        assert first.load is not None
        assert first.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        assert monitor.expect(HostObserved).at > first.at
        assert (tmp_path / "workspace").is_dir()


@pytest.mark.promise("P20")
def test_a_workspace_that_cannot_be_used_suspends_the_host_and_it_comes_back(tmp_path: Path) -> None:
    (tmp_path / "workspace").write_text("in the way")
    with controlled(tmp_path / "workspace", 1, Probe("host")) as (_, monitor):
        observed = monitor.expect(HostObserved)
        assert observed.state is HostState.SUSPENDED
        assert "workspace cannot be used" in observed.reason
        (tmp_path / "workspace").unlink()
        monitor.expect(HostObserved, where=lambda news: news.state is HostState.UP)


def test_slots_are_counted_and_each_gets_one_worker(tmp_path: Path) -> None:
    parent = Probe("host")
    with controlled(tmp_path, 3, parent) as (actor, monitor):
        observed = monitor.expect(GpusObserved)
        assert not observed.asked
        assert [gpu.uuid for gpu in observed.gpus] == ["slot-0", "slot-1", "slot-2"]
        worker = Probe("worker")
        actor.tell(SubscribeHost(worker))
        worker.expect(GpusObserved)
        worker.expect(GpusObserved)
        assert worker.all(HostObserved)
        assert children(parent) == [("gpu-0", "slot-0"), ("gpu-1", "slot-1"), ("gpu-2", "slot-2")]


def test_who_wants_to_hear_no_more_is_told_no_more(tmp_path: Path) -> None:
    with controlled(tmp_path, 1, Probe("host")) as (actor, _):
        gone, stays = Probe("gone"), Probe("stays")
        for probe in (gone, stays):
            actor.tell(SubscribeHost(probe))
        gone.expect(GpusObserved)
        actor.tell(UnsubscribeHost(gone))
        last = Probe("last")
        actor.tell(SubscribeHost(last))
        last.expect(GpusObserved)
        told, heard = len(gone.received), len(stays.received)
        wait_until(lambda: len(stays.received) > heard + 1)
        assert len(gone.received) == told


def test_no_driver_is_a_clear_statement_and_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log_lines: list[str]
) -> None:
    take_driver_away(monkeypatch)
    parent = Probe("host")
    with controlled(tmp_path, "auto", parent) as (_, monitor):
        for _ in range(3):
            observed = monitor.expect(GpusObserved)
            assert "no NVIDIA driver" in observed.fault
            assert observed.gpus == ()
    assert children(parent) == []
    said = [line for line in log_lines if "NVIDIA" in line]
    assert len(said) == 1
    assert said[0].startswith("INFO")


@pytest.mark.promise("P29")
def test_gpus_appear_fail_and_come_back(tmp_path: Path, driver: Driver) -> None:
    parent = Probe("host")
    driver.gpu(0)
    with controlled(tmp_path, "auto", parent) as (_, monitor):
        assert monitor.expect(GpusObserved).asked
        driver.gpu(1)
        monitor.expect(GpusObserved, where=lambda news: len(news.gpus) == 2)
        driver.say(error__count=999)
        failed = monitor.expect(GpusObserved, where=lambda news: bool(news.fault))
        assert failed.fault.startswith("cannot tell")
        assert failed.gpus == ()
        driver.say(error__count=None)
        monitor.expect(GpusObserved, where=lambda news: len(news.gpus) == 2)
    assert [name for name, _ in children(parent)] == ["gpu-0", "gpu-1"]


@pytest.mark.promise("P29")
def test_a_driver_that_hangs_cannot_tell_and_nothing_else_waits_for_it(tmp_path: Path, driver: Driver) -> None:
    driver.gpu(0)
    with controlled(tmp_path, "auto", Probe("host")) as (actor, monitor):
        monitor.expect(GpusObserved, where=lambda news: len(news.gpus) == 1)
        driver.say(hang=1)
        try:
            for _ in range(2):
                silent = monitor.expect(GpusObserved, where=lambda news: bool(news.fault))
                assert "has not answered" in silent.fault
            worker = Probe("worker")  # the driver hangs until the end of this test: who waits for it gives no answer
            actor.tell(SubscribeHost(worker))
            assert "has not answered" in worker.expect(GpusObserved).fault
        finally:
            driver.say(hang=0)
        monitor.expect(GpusObserved, where=lambda news: len(news.gpus) == 1)


def test_only_the_configured_gpus_are_used_and_a_missing_one_is_named(
    tmp_path: Path, driver: Driver, log_lines: list[str]
) -> None:
    parent = Probe("host")
    for index in range(3):
        driver.gpu(index)
    with controlled(tmp_path, (1, 7), parent) as (_, monitor):
        assert [gpu.index for gpu in monitor.expect(GpusObserved).gpus] == [1]
        assert monitor.expect(HostObserved, where=lambda news: bool(news.reason)).reason == (
            "GPU 7 of the settings is not there"
        )
    assert [name for name, _ in children(parent)] == ["gpu-1"]
    assert sum("GPU 7" in line for line in log_lines) == 1


def broken(*_: object) -> Any:
    raise OSError(errno.EIO, "broken")


@pytest.mark.promise("P29")
def test_asking_that_breaks_is_cannot_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, driver: Driver, log_lines: list[str]
) -> None:
    driver.gpu(0)
    monkeypatch.setattr(control, "_ask", broken)
    monkeypatch.setattr(control, "observe", broken)
    with controlled(tmp_path, "auto", Probe("host")) as (actor, monitor):
        assert "broken" in monitor.expect(GpusObserved).fault
        wait_until(lambda: sum("looking at the machine failed" in line for line in log_lines) > 1)
        assert actor.restarts == 0


@pytest.mark.promise("P35")
def test_a_watch_that_breaks_is_restarted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with local_host(tmp_path, pace=QUICK) as host:
        with monkeypatch.context() as patch:
            patch.setattr("actors.local_host.watching.Run.look", broken)
            host.watch("c/1/1")
            wait_until(lambda: host.control.restarts == 1)
        host.launch(host.job("c/1/1", "true"))
        assert host.last("c/1/1").observation is Observation.ENDED


def cpu_s() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime


def measured_cpu(seconds: float) -> float:
    """Share of one core that this process takes."""
    before, begun = cpu_s(), time.monotonic()
    Probe("nobody").none(JobObserved, seconds)
    return (cpu_s() - before) / (time.monotonic() - begun)


def test_watching_many_runs_costs_little(tmp_path: Path) -> None:
    """16 runs that write a line a second; bounded loosely here, measured by the benchmarks."""
    with local_host(tmp_path) as host:
        script = "while :; do echo line; sleep 1; done"
        for number in range(16):
            host.launch(host.job(f"c/{number}/1", "sh", "-c", script))
        assert measured_cpu(1.5) < 0.1
        end_runs(host.workspace, [f"c/{number}/1" for number in range(16)], host.control.tell)


def end_runs(workspace: Path, keys: list[str], tell: Callable[[object], bool]) -> None:
    for key in keys:
        os.kill(int((workspace / key / "claim/engine").read_text().split()[0]), 9)
        assert tell
