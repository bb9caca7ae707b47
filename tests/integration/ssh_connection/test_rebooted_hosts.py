"""A host that is rebooted while it works: seen by its boot id, every run of it over, and no stranger taken for one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.ssh_connection.control import Pace
from actors.ssh_connection.target import Patience
from actors.supervision import Backoff
from messages.hosts import HostObserved, HostState
from messages.jobs import JobGone, JobObserved, KillJob, Observation
from messages.states import CaseState
from tests.integration.case.case_house import WELL, Physics, house
from tests.kit.hosts import Host, processes_in, ssh_host
from tests.kit.machine import Machine
from tests.kit.probe import Probe
from tests.kit.waiting import wait_until

PATIENCE = Patience(connect_s=2.0, banner_s=5.0, login_s=5.0, session_s=5.0, keepalive_s=1.0, silence_s=3.0)
PACE = Pace(gpus_s=0.5, standing_s=0.5, backoff=Backoff(0.1, 0.4, 0.1, 30.0))
PATIENT_S = 30.0
RUNNING = Observation.RUNNING
LAST_NUMBER = "/proc/sys/kernel/ns_last_pid"
STRANGERS = f"""for number; do
    until sleep 90 & [ $! = "$number" ]; do kill $!; echo $((number - 1)) >{LAST_NUMBER}; done
done
wait"""
"""Processes of these numbers; whatever else begins on the machine meanwhile may take the next one, so repeated."""


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with Machine(tmp_path / "machine") as machine:
        yield machine


@pytest.fixture
def monitor() -> Probe:
    return Probe("monitor")


@pytest.fixture
def host(machine: Machine, monitor: Probe, tmp_path: Path) -> Iterator[Host]:
    target = machine.target(patience=PATIENCE)
    with ssh_host(tmp_path / "ws", machine, target=target, monitor=monitor, pace=PACE) as host:
        monitor.expect(HostObserved, PATIENT_S, lambda seen: seen.boot_id == machine.boot_id)
        yield host


def claimed(host: Host, key: str) -> dict[str, object]:
    said = json.loads((host.run_dir(key) / "claim" / "started.json").read_text())
    assert isinstance(said, dict)
    return said


@pytest.mark.promise("P21")
@pytest.mark.promise("P28")
def test_a_run_on_a_host_that_was_rebooted_is_over_and_said_so(host: Host, machine: Machine, monitor: Probe) -> None:
    host.launch(host.job("c/1/1", "sleep", "90"))
    before = machine.boot_id
    assert claimed(host, "c/1/1")["boot_id"] == before
    machine.reboot()
    assert not processes_in(host.run_dir("c/1/1"))
    last = host.last("c/1/1", timeout=PATIENT_S)
    assert last.observation is Observation.KILLED
    assert "was rebooted" in last.evidence
    seen = monitor.expect(HostObserved, PATIENT_S, lambda seen: seen.boot_id == machine.boot_id)
    assert seen.state is HostState.UP
    assert machine.boot_id != before


@pytest.mark.promise("P21")
@pytest.mark.promise("P17")
def test_a_server_that_is_only_restarted_is_not_taken_for_a_reboot(host: Host, machine: Machine) -> None:
    """The same boot id, the run alive: its sessions end, it does not."""
    host.launch(host.job("c/1/1", "sleep", "90"))
    host.probe.expect(JobObserved, PATIENT_S)
    machine.cut()
    wait_until(
        lambda: [news.observation for news in host.probe.all(JobObserved)][-2:] == [Observation.UNKNOWN, RUNNING],
        PATIENT_S,
        "the run is lost of sight and seen again",
    )
    assert not [news for news in host.probe.all(JobObserved) if news.observation is Observation.KILLED]


@pytest.mark.promise("P21")
@pytest.mark.promise("P28")
def test_process_numbers_of_the_former_boot_belong_to_strangers(host: Host, machine: Machine) -> None:
    """They begin anew, so those of the run are somebody else's now: an order to end the run hurts nobody."""
    host.launch(host.job("c/1/0", "sh", "-c", f"echo 4000 >{LAST_NUMBER}"))  # none that a session has after the reboot
    host.last("c/1/0", timeout=PATIENT_S)
    host.launch(host.job("c/1/1", "sleep", "90"))
    told = host.run_dir("c/1/1") / "claim" / "engine"
    engine = wait_until(lambda: told.exists() and told.read_text().split(), PATIENT_S)
    former = {int(str(claimed(host, "c/1/1")["pid"])), int(engine[0])}
    machine.reboot()
    host.launch(host.job("c/1/2", "sh", "-c", STRANGERS, "sh", *map(str, former)))
    wait_until(lambda: numbered(host, "c/1/2") >= former, PATIENT_S, f"other processes of the numbers {former}")
    host.control.tell(KillJob("k", host.probe, "c/1/1", str(host.run_dir("c/1/1")), "a test"))
    assert host.probe.expect(JobGone, PATIENT_S).key == "c/1/1"
    assert numbered(host, "c/1/2") >= former


def numbered(host: Host, key: str) -> set[int]:
    """The numbers that the processes of a run have on their own machine."""
    return {inside(pid) for pid in processes_in(host.run_dir(key))}


def inside(pid: int) -> int:
    """Its number on its own machine."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[-1]) for line in lines if line.startswith("NSpid:"))


@pytest.mark.promise("P15")
@pytest.mark.promise("P21")
def test_a_case_whose_host_is_rebooted_is_done_with_a_new_attempt(machine: Machine, tmp_path: Path) -> None:
    """The attempt that ran is named as lost with the reboot; the beam is done by another, once."""
    runs, go = tmp_path / "runs", tmp_path / "go"
    runs.touch()
    engine = f'echo "$MQI_ATTEMPT" >>{runs}; while [ ! -e {go} ]; do sleep 0.05; done; {WELL}'
    physics = Physics(lambda _beam: engine, beams=(1,))
    with house(tmp_path, slots=1, physics=physics, door=machine.target(patience=PATIENCE)) as built:
        built.admit("case-a")
        wait_until(lambda: runs.read_text().split(), PATIENT_S, "the engine runs")
        machine.reboot()
        wait_until(lambda: len(runs.read_text().split()) == 2, PATIENT_S, "another attempt")
        go.touch()
        built.until("case-a", CaseState.DONE, PATIENT_S)
        first, second = built.attempts("case-a")
    assert len(set(runs.read_text().split())) == 2
    assert "reboot" in first.evidence
    assert (first.attempt, second.attempt) == (1, 2)
