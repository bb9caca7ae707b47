"""The control of a real cluster: what is asked twice, what is not answered, what an administrator does."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from actors.errors import MqiError
from actors.slurm import SlurmOptions, check_cluster, open_here
from actors.slurm.cluster import Cluster
from actors.slurm.options import job_name
from actors.slurm.shell import LocalShell
from actors.slurm.waits import AT_ONCE_S, LATEST
from actors.ssh_connection import open_link
from messages.faults import Fault
from messages.hosts import GpusObserved, HostObserved, HostState
from messages.jobs import JobLaunched, JobObserved, LaunchFailed, LaunchJob, Observation, SteerCase
from tests.kit.hosts import Host, slurm_host
from tests.kit.probe import Probe
from tests.kit.slurm import Slurm
from tests.kit.sshd import Sshd
from tests.kit.waiting import wait_until


@pytest.fixture
def monitor() -> Probe:
    return Probe("monitor")


@pytest.fixture
def host(slurm_cluster: Slurm, monitor: Probe, tmp_path: Path) -> Iterator[Host]:
    with slurm_host(tmp_path / "workspace", monitor=monitor) as host:
        monitor.expect(HostObserved, 20, lambda seen: seen.state is HostState.UP)
        yield host


def named(cluster: Slurm, host: Host, key: str) -> list[tuple[str, str, str]]:
    name = job_name(key, str(host.workspace))
    return [job for job in cluster.jobs() if job[1] == name]


def occupied(cluster: Slurm, stack: ExitStack) -> None:
    """All GPUs are taken, so that what is submitted waits."""
    cluster.command("sbatch", "--job-name=occupied", "--gres=gpu:4", "--output=/dev/null", "--wrap=sleep 300")
    stack.callback(cluster.command, "scancel", "--name=occupied")
    wait_until(lambda: any(j[1] == "occupied" and j[2] == "RUNNING" for j in cluster.jobs()), 20, "the GPUs are taken")


@pytest.mark.promise("P15")
@pytest.mark.promise("P16")
def test_a_submission_whose_answer_was_lost_is_found_and_not_made_again(slurm_cluster: Slurm, host: Host) -> None:
    """What is known is what stood on disk before sbatch was asked: a kill of the daemon in that moment, too."""
    job = host.job("c/1/1", "sh", "-c", "echo run >>runs")
    with ExitStack() as stack:
        occupied(slurm_cluster, stack)
        host.launch(job)
        (host.run_dir("c/1/1") / "submitted").unlink()
        again = host.launch(job)
        assert len(named(slurm_cluster, host, "c/1/1")) == 1
        assert again.evidence == f"Slurm job {named(slurm_cluster, host, 'c/1/1')[0][0]}"
    host.last("c/1/1", timeout=30)
    assert (host.run_dir("c/1/1") / "runs").read_text() == "run\n"


def test_a_job_submitted_twice_runs_once(slurm_cluster: Slurm, host: Host) -> None:
    """The third layer alone: neither ledger nor look-up, only the claim."""
    job = host.job("c/1/1", "sh", "-c", "echo run >>runs")
    host.launch(job)
    wrapper = next((host.workspace / ".wrappers").glob("wrapper-*.sh"))
    slurm_cluster.command("sbatch", "--output=/dev/null", "--job-name=twice", str(wrapper), job.run_dir)
    host.last("c/1/1", timeout=30)
    wait_until(lambda: any(j[1] == "twice" and j[2] == "COMPLETED" for j in slurm_cluster.jobs()), 20, "the second")
    assert (host.run_dir("c/1/1") / "runs").read_text() == "run\n"


@pytest.mark.promise("P33")
def test_waiting_is_told_in_slurms_words_and_an_administrators_hand_is_named(slurm_cluster: Slurm, host: Host) -> None:
    with ExitStack() as stack:
        occupied(slurm_cluster, stack)
        host.launch(host.job("c/1/1", "true"))
        number = named(slurm_cluster, host, "c/1/1")[0][0]
        slurm_cluster.command("scontrol", "hold", number)
        queued = host.probe.expect(JobObserved, 20, lambda news: "held by an administrator" in news.evidence)
        assert queued.observation is Observation.QUEUED
        slurm_cluster.command("scancel", number)
        last = host.last("c/1/1", timeout=30)
    assert last.observation is Observation.KILLED
    assert "it was cancelled" in last.evidence
    host.control.tell(LaunchJob("late", host.probe, host.job("c/1/1", "true")))
    wait_until(lambda: host.probe.all(LaunchFailed) or len(host.probe.all(JobLaunched)) > 1, 20, "an answer")
    assert len(named(slurm_cluster, host, "c/1/1")) == 1, "what is over is not submitted again"


@pytest.mark.promise("P32")
def test_a_job_has_a_small_environment_and_no_login_shell_is_asked_for_more(
    slurm_cluster: Slurm, monitor: Probe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_TOKEN", "secret")
    with slurm_host(tmp_path / "workspace", monitor=monitor) as host:
        host.launch(host.job("c/1/1", "sh", "-c", "env >environment"))
        assert host.last("c/1/1", timeout=30).observation is Observation.ENDED
        lines = (host.run_dir("c/1/1") / "environment").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if "=" in line)
    assert given["SLURM_CONF"] == str(slurm_cluster.conf)
    assert given["PATH"].startswith(os.environ["PATH"])
    assert "API_TOKEN" not in given
    assert "SLURM_GET_USER_ENV" not in given, "with it, slurmd has run a login shell before the job"


def test_how_long_its_jobs_wait_is_told_to_whoever_gives_it_beams(
    slurm_cluster: Slurm, host: Host, monitor: Probe
) -> None:
    beams = [f"c/{beam}/1" for beam in range(LATEST // 2 + 1)]  # more than jobs of other tests can outvote
    assert monitor.all(GpusObserved)[0].wait_s == 0
    with ExitStack() as stack:
        occupied(slurm_cluster, stack)
        for key in beams:
            host.launch(host.job(key, "true"))
        monitor.expect(GpusObserved, 40, lambda slots: slots.wait_s >= AT_ONCE_S)
    for key in beams:
        host.last(key, timeout=40)


def test_hold_release_and_priority_are_slurms_own(slurm_cluster: Slurm, host: Host) -> None:
    """Of every beam of the case that waits, in one order to Slurm."""
    beams = ("c/1/1", "c/2/1", "c/3/1")

    def told(key: str, field: str) -> str:
        number = named(slurm_cluster, host, key)[0][0]
        return slurm_cluster.command("squeue", "-h", "-j", number, "-O", f"{field}:40").strip()

    with ExitStack() as stack:
        occupied(slurm_cluster, stack)
        for key in (*beams, "other/1/1"):
            host.launch(host.job(key, "true"))
        host.control.tell(SteerCase("c", held=True))
        wait_until(lambda: all(told(key, "Reason").startswith("JobHeld") for key in beams), 20, "all are held")
        assert not told("other/1/1", "Reason").startswith("JobHeld")
        host.control.tell(SteerCase("c", held=False, priority=-3))
        wait_until(lambda: all(told(key, "Nice") == "130" for key in beams), 20, "all are ranked")
        assert not any(told(key, "Reason").startswith("JobHeld") for key in beams)
        assert told("other/1/1", "Nice") == "0"
    for key in (*beams, "other/1/1"):
        assert host.last(key, timeout=40).observation is Observation.ENDED


def test_what_slurm_refuses_is_told_in_its_words(slurm_cluster: Slurm, tmp_path: Path) -> None:
    with slurm_host(tmp_path / "workspace", options=SlurmOptions(partition="no-such")) as host:
        host.control.tell(LaunchJob("a", host.probe, host.job("c/1/1", "true")))
        fault = host.probe.expect(LaunchFailed, 30).fault
    assert fault.kind == "slurm-refused"
    assert "partition" in fault.what
    assert "[hosts.slurm]" in fault.remedy


@pytest.mark.promise("P29")
@pytest.mark.promise("P31")
def test_a_controller_that_is_away_suspends_and_everything_goes_on(monitor: Probe, tmp_path: Path) -> None:
    with Slurm(tmp_path / "cluster") as cluster, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(cluster.conf))
        with slurm_host(tmp_path / "workspace", monitor=monitor) as host:
            go = tmp_path / "go"
            host.launch(host.job("c/1/1", "sh", "-c", f"while ! [ -e {go} ]; do sleep 0.05; done"))
            host.probe.expect(JobObserved, 30, lambda news: news.observation is Observation.RUNNING)
            cluster.kill_controller()
            away = monitor.expect(HostObserved, 60, lambda seen: seen.state is HostState.SUSPENDED)
            assert "Slurm does not answer" in away.reason
            host.probe.expect(JobObserved, 30, lambda news: news.observation is Observation.UNKNOWN)
            host.control.tell(LaunchJob("b", host.probe, host.job("c/2/1", "true")))
            cluster.start_controller()
            monitor.expect(HostObserved, 60, lambda seen: seen.state is HostState.UP)
            assert host.probe.expect(JobLaunched, 60, lambda news: news.key == "c/2/1").evidence.startswith("Slurm job")
            go.touch()
            ended = host.last("c/1/1", timeout=60)
            assert ended.exit is not None
            assert ended.exit.exit_code == 0
            host.last("c/2/1", timeout=60)


def test_a_number_that_another_job_has_by_now_ends_nothing(slurm_cluster: Slurm, tmp_path: Path) -> None:
    """A controller that lost its state gives the numbers of our runs to anybody's jobs."""
    cluster = Cluster(LocalShell(), str(tmp_path))
    (tmp_path / "c/1/1").mkdir(parents=True)
    with ExitStack() as stack:
        occupied(slurm_cluster, stack)
        number = next(job[0] for job in slurm_cluster.jobs() if job[1:] == ("occupied", "RUNNING"))
        for words in ((), ("now",)):
            cluster.call("give_up", str(tmp_path / "c/1/1"), number, "mqi-ours", *words)
            cluster.call("cancel", "mqi-ours", number)
            assert (number, "occupied", "RUNNING") in slurm_cluster.jobs()
        cluster.call("give_up", str(tmp_path / "c/1/1"), number, "occupied")
        wait_until(lambda: (number, "occupied", "RUNNING") not in slurm_cluster.jobs(), 20, "it is ended by its name")


def test_check_of_a_cluster(slurm_cluster: Slurm, tmp_path: Path) -> None:
    good = list(check_cluster(open_here, str(tmp_path / "w"), SlurmOptions(partition="gpu", gres="gpu:1")))
    assert [line.name for line in good] == ["workspace", "slurm", "slurmctld", "accounting", "job"]
    assert all(line.ok for line in good), good
    bad = list(check_cluster(open_here, str(tmp_path / "w"), SlurmOptions(gres="gpu:99")))
    assert not bad[-1].ok
    assert "not available" in bad[-1].text


def test_check_says_why_there_is_no_shell(tmp_path: Path) -> None:
    def away(_on_cancel: object) -> LocalShell:
        raise MqiError(Fault("Host gpu1 cannot be reached.", remedy="Look at the network."))

    (line,) = check_cluster(away, str(tmp_path), SlurmOptions())
    assert (line.ok, line.text, line.remedy) == (False, "Host gpu1 cannot be reached.", "Look at the network.")


def test_a_shell_ends_at_its_limit_when_cancelled_and_when_cut() -> None:
    shell = LocalShell()
    assert shell.run("echo $((1+1))", timeout_s=10).text == "2\n"
    assert len(shell.run(f": {'x' * 500_000}\necho end", timeout_s=20).text) == 4
    began = time.monotonic()
    with pytest.raises(MqiError):
        shell.run("sleep 60", timeout_s=0.2)
    with pytest.raises(MqiError):
        shell.run("sleep 60", timeout_s=60, cancel=lambda: True)
    threading.Timer(0.2, shell.cut).start()
    with pytest.raises(MqiError):
        shell.run("sleep 60", timeout_s=60)
    with pytest.raises(MqiError):
        shell.run("true", timeout_s=60)
    assert time.monotonic() - began < 30


@pytest.mark.promise("P16")
def test_a_cluster_behind_a_link_that_is_cut_while_it_submits(slurm_cluster: Slurm, tmp_path: Path) -> None:
    """sbatch has accepted, and its answer never comes: the server is killed with all its sessions."""
    with Sshd(
        tmp_path / "sshd", environment={**slurm_cluster.environment, "PATH": f"{tmp_path}:/usr/bin:/bin"}
    ) as server:
        slow = tmp_path / "sbatch"
        slow.write_text(
            f'#!/bin/sh\n/usr/bin/sbatch "$@" >{tmp_path}/number && cat {tmp_path}/number && exec sleep 2\n'
        )
        slow.chmod(0o755)
        way = functools.partial(open_link, server.target())
        with slurm_host(tmp_path / "workspace", open_shell=way) as host:
            host.control.tell(LaunchJob("a", host.probe, host.job("c/1/1", "sh", "-c", "echo run >>runs")))
            wait_until(lambda: (tmp_path / "number").exists() and (tmp_path / "number").read_text(), 30, "accepted")
            slow.unlink()
            server.restart()
            launched = host.probe.expect(JobLaunched, 60)
            assert launched.evidence in (f"Slurm job {(tmp_path / 'number').read_text().strip()}", "claimed before")
            assert host.last("c/1/1", timeout=60).observation is Observation.ENDED
            assert len(named(slurm_cluster, host, "c/1/1")) == 1
            assert (host.run_dir("c/1/1") / "runs").read_text() == "run\n"
