"""What every kind of host promises of a run: started once, observed truly, ended with proof."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.local_host.processes import members
from messages.jobs import (
    JobGone,
    JobLaunched,
    JobObserved,
    KillJob,
    LaunchFailed,
    LaunchJob,
    Observation,
    RemoveRuns,
    RunsRemoved,
    UnwatchJob,
)
from tests.kit.hosts import LAUNCHERS, Host, processes_in
from tests.kit.probe import Probe
from tests.kit.waiting import wait_until

STUBBORN = "import signal as s, time; s.signal(s.SIGTERM, s.SIG_IGN); print('deaf', flush=True); time.sleep(99)"
LEAKING = "sleep 95 & setsid sleep 96 & sleep 97 9>&- & echo leaked; exit 4"


@pytest.fixture(params=sorted(LAUNCHERS))
def launcher(request: pytest.FixtureRequest) -> str:
    if request.param == "slurm":
        request.getfixturevalue("slurm_cluster")
    return str(request.param)


@pytest.fixture
def host(launcher: str, tmp_path: Path) -> Iterator[Host]:
    with LAUNCHERS[launcher](tmp_path / "workspace") as host:
        yield host


@pytest.fixture
def own_processes(launcher: str) -> None:
    if launcher == "slurm":
        pytest.skip("what outlives its batch script is ended on its node, by the cluster's own process tracking")


def wrapper_of(host: Host, key: str) -> int:
    """Its pid."""
    file = host.run_dir(key) / "claim" / "started.json"
    wait_until(file.exists, 10, "the wrapper has begun")
    return int(json.loads(file.read_text())["pid"])


def engine_of(host: Host, key: str) -> int:
    file = host.run_dir(key) / "claim" / "engine"
    text = wait_until(lambda: file.exists() and file.read_text(), what="the engine's pid")
    return int(str(text).split()[0])


def kill(host: Host, key: str) -> JobGone:
    host.control.tell(KillJob(host.request_id(), host.probe, key, str(host.run_dir(key)), "a test"))
    return host.probe.expect(JobGone, 20)


def test_a_run_starts_speaks_and_ends(host: Host) -> None:
    launched = host.launch(host.job("c/1/1", "sh", "-c", "echo one; echo two >&2; exit 3"))
    last = host.last("c/1/1")
    assert launched.evidence.startswith(("pid ", "Slurm job "))
    assert last.observation is Observation.ENDED
    assert last.exit is not None
    assert (last.exit.exit_code, last.exit.signal) == (3, None)
    assert not last.exit.timed_out
    assert not last.exit.cancelled
    text = "".join(news.text for news in host.probe.all(JobObserved))
    assert sorted(text.split()) == ["one", "two"]
    assert last.offset == len("one\ntwo\n")
    assert (host.run_dir("c/1/1") / "out").is_dir()


@pytest.mark.parametrize(
    ("command", "code", "number"),
    [("exit 0", 0, None), ("exit 255", 255, None), ("kill -SEGV $$", None, 11), ("kill -ABRT $$", None, 6)],
)
def test_how_an_engine_ends_is_told_as_it_was(host: Host, command: str, code: int | None, number: int | None) -> None:
    host.launch(host.job("c/1/1", "sh", "-c", command))
    last = host.last("c/1/1")
    assert last.exit is not None
    assert (last.exit.exit_code, last.exit.signal) == (code, number)


def test_a_command_that_is_not_there_is_an_end_and_no_mystery(host: Host) -> None:
    host.launch(host.job("c/1/1", "/no/such=engine"))
    last = host.last("c/1/1")
    assert last.exit is not None
    assert last.exit.exit_code == 127
    assert "/no/such=engine" in "".join(news.text for news in host.probe.all(JobObserved))


@pytest.mark.promise("P17")
def test_a_running_engine_is_picked_up_with_its_progress(launcher: str, tmp_path: Path) -> None:
    go = tmp_path / "go"
    script = f"echo 'one of 2'; while [ ! -e {go} ]; do sleep 0.02; done; echo 'two of 2'"
    kind, workspace = LAUNCHERS[launcher], tmp_path / "workspace"
    with kind(workspace) as first:
        launched = first.launch(first.job("c/1/1", "sh", "-c", script))
        first.probe.expect(JobObserved, where=lambda news: "one" in news.text)
        engine = engine_of(first, "c/1/1")
        first.control.system.stop()
        assert first.control.system.wait(5)
        os.kill(engine, 0)
        with kind(workspace) as second:
            second.watch("c/1/1", offset=0)
            again = second.probe.expect(JobObserved)
            assert again.observation is Observation.RUNNING
            assert "one of 2" in again.text
            second.watch("c/1/1", offset=again.offset)
            assert second.probe.expect(JobObserved).text == ""
            assert second.launch(second.job("c/1/1", "sh", "-c", script)).evidence == launched.evidence
            second.watch("c/1/1", offset=again.offset)
            go.touch()
            last = second.last("c/1/1")
            assert last.exit is not None
            assert last.exit.exit_code == 0


@pytest.mark.promise("P15")
@pytest.mark.promise("P28")
def test_eight_starts_at_once_make_one_run(host: Host) -> None:
    job = host.job("c/1/1", "sh", "-c", "echo run >> runs; sleep 0.2")
    probes = [Probe(f"worker-{number}") for number in range(8)]
    threads = [threading.Thread(target=host.control.tell, args=(LaunchJob("r", probe, job),)) for probe in probes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    evidence = {probe.expect(JobLaunched, 10).evidence for probe in probes}
    host.watch("c/1/1")
    host.last("c/1/1")
    assert len(evidence) == 1
    assert (host.run_dir("c/1/1") / "runs").read_text() == "run\n"


def test_a_finished_run_is_never_started_again(host: Host) -> None:
    job = host.job("c/1/1", "sh", "-c", "echo run >> runs")
    host.launch(job)
    host.last("c/1/1")
    host.launch(job)
    host.last("c/1/1")
    assert (host.run_dir("c/1/1") / "runs").read_text() == "run\n"


@pytest.mark.promise("P26")
@pytest.mark.promise("P28")
def test_the_wall_clock_limit_ends_an_endless_run_and_all_of_it(host: Host) -> None:
    host.launch(host.job("c/1/1", "sh", "-c", "sleep 91 & setsid sleep 92 & sleep 93", wall_limit_s=1))
    last = host.last("c/1/1")
    assert last.exit is not None
    assert last.exit.timed_out
    assert last.exit.duration_s < 5
    wait_until(lambda: not processes_in(host.run_dir("c/1/1")), 1)  # the wrapper's own helpers sleep a moment longer


@pytest.mark.promise("P28")
def test_a_cancelled_run_that_ignores_term_is_killed(host: Host) -> None:
    host.launch(host.job("c/1/1", sys.executable, "-c", STUBBORN))
    host.probe.expect(JobObserved, where=lambda news: "deaf" in news.text)
    gone = kill(host, "c/1/1")
    assert "No process" in gone.evidence
    wait_until(lambda: not processes_in(host.run_dir("c/1/1")), 1)  # the wrapper's own helpers sleep a moment longer
    last = host.last("c/1/1")
    assert last.exit is not None
    assert last.exit.cancelled
    assert last.exit.signal == signal.SIGKILL


@pytest.mark.promise("P28")
def test_children_that_an_engine_leaves_behind_are_ended_before_its_end_is_told(host: Host) -> None:
    host.launch(host.job("c/1/1", "sh", "-c", LEAKING))
    last = host.last("c/1/1")
    assert last.exit is not None
    assert last.exit.exit_code == 4
    wait_until(lambda: not processes_in(host.run_dir("c/1/1")), 1)  # the wrapper's own helpers sleep a moment longer


def test_an_engine_that_is_killed_from_outside_ends_with_its_signal(host: Host) -> None:
    host.launch(host.job("c/1/1", "sleep", "90"))
    os.kill(engine_of(host, "c/1/1"), signal.SIGKILL)
    last = host.last("c/1/1")
    assert last.exit is not None
    assert last.exit.signal == signal.SIGKILL


def test_a_killed_child_is_the_engines_own_affair(host: Host) -> None:
    script = "sleep 90 & echo $! > child; wait $!; echo after; exit 6"
    host.launch(host.job("c/1/1", "sh", "-c", script))
    child = host.run_dir("c/1/1") / "child"
    os.kill(int(wait_until(lambda: child.exists() and child.read_text())), signal.SIGKILL)
    last = host.last("c/1/1")
    assert last.exit is not None
    assert last.exit.exit_code == 6


@pytest.mark.promise("P28")
@pytest.mark.usefixtures("own_processes")
def test_an_engine_without_its_wrapper_runs_on_and_then_counts_as_killed(host: Host, tmp_path: Path) -> None:
    go = tmp_path / "go"
    host.launch(host.job("c/1/1", "sh", "-c", f"while [ ! -e {go} ]; do sleep 0.02; done; echo done"))
    os.kill(wrapper_of(host, "c/1/1"), signal.SIGKILL)
    host.watch("c/1/1")
    assert host.probe.expect(JobObserved).observation is Observation.RUNNING
    host.control.tell(UnwatchJob("c/1/1"))
    host.watch("c/1/1")
    host.probe.clear()
    assert host.probe.expect(JobObserved).observation is Observation.RUNNING
    go.touch()
    last = host.last("c/1/1")
    assert last.observation is Observation.KILLED
    assert last.exit is None
    assert "done" in "".join(news.text for news in host.probe.all(JobObserved))


@pytest.mark.promise("P28")
def test_a_run_without_its_wrapper_can_still_be_ended(host: Host) -> None:
    script = "setsid sleep 94 9>&- & sleep 95 & exec sleep 96"
    host.launch(host.job("c/1/1", "sh", "-c", script))
    engine_of(host, "c/1/1")
    wait_until(lambda: len(processes_in(host.run_dir("c/1/1"))) >= 4)
    os.kill(wrapper_of(host, "c/1/1"), signal.SIGKILL)
    kill(host, "c/1/1")
    assert not members(host.run_dir("c/1/1"), None)
    assert host.last("c/1/1").observation is Observation.KILLED


@pytest.mark.promise("P28")
@pytest.mark.usefixtures("own_processes")
def test_no_proof_while_a_stray_child_lives(host: Host) -> None:
    """Wrapper and engine are killed; a child that left the session and the lock lives on."""
    host.launch(host.job("c/1/1", "sh", "-c", "setsid sleep 97 9>&- & echo $! > stray; exec sleep 98"))
    stray = host.run_dir("c/1/1") / "stray"
    wait_until(lambda: stray.exists() and stray.read_text())
    os.kill(wrapper_of(host, "c/1/1"), signal.SIGKILL)
    os.kill(engine_of(host, "c/1/1"), signal.SIGKILL)
    news = host.probe.expect(JobObserved, where=lambda news: news.observation is Observation.KILLED)
    assert not news.group_gone
    kill(host, "c/1/1")
    assert host.last("c/1/1").observation is Observation.KILLED


def test_what_was_never_started_is_absent_and_once_killed_can_never_start(host: Host) -> None:
    job = host.job("c/1/1", "sh", "-c", "echo run >> runs")
    host.watch("c/1/1")
    assert host.probe.expect(JobObserved).observation is Observation.ABSENT
    kill(host, "c/1/1")
    assert host.last("c/1/1").observation is Observation.KILLED
    host.control.tell(LaunchJob("late", host.probe, job))
    assert host.probe.expect(LaunchFailed).fault.kind == "run-void"
    assert not (host.run_dir("c/1/1") / "runs").exists()
    kill(host, "c/2/1")


def test_a_job_that_cannot_be_is_refused_with_certainty(host: Host, tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere"
    host.control.tell(LaunchJob("a", host.probe, host.job("c/1/1")))
    assert host.probe.expect(LaunchFailed).fault.kind == "job-unfit"
    job = host.job("c/1/1", "true")
    for run_dir in (outside, host.workspace / ".." / "elsewhere", host.workspace):
        moved = type(job)(job.key, str(run_dir), 1, job.command, job.environment, 5)
        host.control.tell(LaunchJob("b", host.probe, moved))
        assert host.probe.expect(LaunchFailed).fault.kind == "outside-workspace"
    assert not outside.exists()


def test_a_launch_that_cannot_write_is_refused(host: Host) -> None:
    job = host.job("c/1/1", "true")
    host.run_dir("c/1/1").rmdir()
    host.run_dir("c/1/1").write_text("a file where the folder should be")
    host.control.tell(LaunchJob("a", host.probe, job))
    assert host.probe.expect(LaunchFailed).fault.kind == "launch-refused"


def test_a_flood_of_text_is_thinned_to_its_newest_part(host: Host) -> None:
    flood = "i=0; while [ $i -lt 60000 ]; do echo line $i of a flood that nobody reads; i=$((i+1)); done; echo last"
    host.launch(host.job("c/1/1", "sh", "-c", flood))
    last = host.last("c/1/1")
    told = host.probe.all(JobObserved)
    assert last.offset == (host.run_dir("c/1/1") / "engine.log").stat().st_size
    assert sum(len(news.text) for news in told) < last.offset
    assert max(len(news.text) for news in told) <= 16384
    assert "".join(news.text for news in told).endswith("last\n")


def test_removal_spares_what_lives_and_what_lies_elsewhere(host: Host, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    host.launch(host.job("c/1/1", "sleep", "90"))
    host.probe.expect(JobObserved, 30, lambda news: news.observation is Observation.RUNNING)
    host.launch(host.job("c/2/1", "true"))
    host.last("c/2/1")
    (host.workspace / "link").symlink_to(outside)
    for path, kind in (("c", "run-alive"), ("../outside", "path-unsafe"), ("link", "remove-failed")):
        host.control.tell(RemoveRuns("x", host.probe, (path,)))
        fault = host.probe.expect(RunsRemoved).fault
        assert fault is not None
        assert fault.kind == kind
    assert outside.exists()
    kill(host, "c/1/1")
    for _ in range(2):
        host.control.tell(RemoveRuns("y", host.probe, ("c/1/1", "c/2/1", "c")))
        assert host.probe.expect(RunsRemoved).fault is None
    assert not (host.workspace / "c").exists()


def test_an_end_is_told_soon(host: Host) -> None:
    """The wrapper's own last act, to the news of it."""
    delays = []
    for number in range(1, 6):
        key = f"c/1/{number}"
        host.launch(host.job(key, "sh", "-c", "sleep 0.1"))
        wait_until((host.run_dir(key) / "exit.json").exists)
        ended = time.monotonic()
        host.last(key)
        delays.append(time.monotonic() - ended)
    assert min(delays) < 0.05
