"""The compute actor with real worker processes: every request is answered once, whatever happens to a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from itertools import count
from pathlib import Path

import psutil
import pytest

from actors.compute import Compute
from messages import compute
from messages.compute import AbandonCompute, Computed, ComputeFailed
from messages.faults import Blame
from tests.kit import Probe, children, running, wait_until

FUNCTIONS = "tests.integration.compute.compute_functions"
STARTS_WITHIN_S = 30.0
ids = count()


def request(probe: Probe, function: str, argument: object = None, **fields) -> compute.Compute:
    name = function if ":" in function else f"{FUNCTIONS}:{function}"
    return compute.Compute(f"r{next(ids)}", probe, name, argument, **fields)


def ask(actor, probe: Probe, function: str, argument: object = None, **fields):
    asked = request(probe, function, argument, **fields)
    actor.tell(asked)
    answer = probe.expect(object, STARTS_WITHIN_S)
    assert answer.request_id == asked.request_id
    return answer


@pytest.fixture
def probe():
    return Probe()


@pytest.fixture
def one(probe):
    with running(Compute, processes=1, warm=("numpy", "pydicom")) as actor:
        yield actor


def test_value_fault_and_noise(one, probe):
    assert ask(one, probe, "double", 21).value == 42
    assert ask(one, probe, "noisy", 5).value == 5
    failed = ask(one, probe, "wrong_case", "/share/case7")
    assert (failed.fault.blame, failed.fault.kind) == (Blame.INPUT, "layer-missing")
    assert failed.fault.where == "/share/case7"
    assert ask(one, probe, "double", 4).value == 8


def test_what_is_not_our_error_is_our_fault_and_named(one, probe):
    failed = ask(one, probe, "our_bug")
    assert isinstance(failed, ComputeFailed)
    assert failed.fault.blame is Blame.OURS
    assert "KeyError: 'beam 7'" in failed.fault.what and "compute_functions.py" in failed.fault.what
    for function, word in (
        ("leave", "SystemExit"),
        ("no_such", "AttributeError"),
        ("no.such:f", "ModuleNotFoundError"),
    ):
        assert word in ask(one, probe, function, 3).fault.what
    process_before = ask(one, probe, "pid").value
    assert "cannot go between processes" in ask(one, probe, "double", lambda: None).fault.what
    assert "unpicklable failed" in ask(one, probe, "unpicklable").fault.what
    assert ask(one, probe, "pid").value == process_before


def test_heavy_packages_stay_out_of_the_daemon(one, probe):
    failed = ask(one, probe, "heavy")
    assert failed.fault.kind == "compute-error"
    assert "numpy" in failed.fault.what


def test_surroundings_of_a_worker(one, probe):
    facts = ask(one, probe, "facts").value
    assert facts["niceness"] >= os.nice(0) + 5
    assert facts | {"niceness": 0} == {"niceness": 0, "threads": "1", "ignores": True, "warm": True, "group": True}


def test_a_process_that_dies_is_forgiven_once(one, probe, tmp_path, log_lines):
    marker = tmp_path / "pid"
    assert int(ask(one, probe, "die", str(marker), label="case A").value) != ask(one, probe, "pid").value
    assert any("died under case A" in line and "signal 9" in line for line in log_lines)
    failed = ask(one, probe, "always_die", label="case B")
    assert (failed.fault.blame, failed.fault.kind) == (Blame.OURS, "compute-died")
    assert "case B ended 2 worker processes: killed by signal 11" in failed.fault.what
    assert "about to fall over" in failed.fault.what
    assert ask(one, probe, "double", 1).value == 2


def test_kill_of_an_idle_worker_costs_nothing(one, probe):
    os.kill(ask(one, probe, "pid").value, signal.SIGKILL)
    assert ask(one, probe, "double", 3).value == 6


def test_a_time_limit_ends_the_process(one, probe, tmp_path):
    marker = tmp_path / "pid"
    failed = ask(one, probe, "sleep", (str(marker), 60.0), timeout_s=0.3, label="case C")
    assert failed.fault.kind == "compute-timeout" and "0.3 s" in failed.fault.what
    wait_until(lambda: not psutil.pid_exists(int(marker.read_text())))
    assert ask(one, probe, "double", 3).value == 6
    assert len(probe.all(ComputeFailed)) == len({failed.request_id for failed in probe.all(ComputeFailed)})


def test_memory_limit_replaces_the_process(probe):
    with running(Compute, processes=1, memory_limit_mb=250) as actor:
        first = ask(actor, probe, "pid").value
        assert ask(actor, probe, "hold", 1).value == first
        assert ask(actor, probe, "hold", 250).value == first
        assert ask(actor, probe, "pid").value != first


def test_abandoned_work_is_killed_and_unanswered(one, probe, tmp_path):
    ask(one, probe, "double", 1)
    marker = tmp_path / "pid"
    asked = request(probe, "sleep", (str(marker), 60.0))
    one.tell(asked)
    waiting = request(probe, "append", (str(tmp_path / "order"), "never"))
    one.tell(waiting)
    pid = int(wait_until(lambda: marker.exists() and marker.read_text(), STARTS_WITHIN_S))
    one.tell(AbandonCompute(waiting.request_id))
    one.tell(AbandonCompute(asked.request_id))
    wait_until(lambda: not psutil.pid_exists(pid))
    assert ask(one, probe, "double", 3).value == 6
    assert not (tmp_path / "order").exists()


def test_urgent_first_then_in_order(one, probe, tmp_path):
    order = str(tmp_path / "order")
    for number in range(3):
        one.tell(request(probe, "append", (order, f"usual{number}")))
    one.tell(request(probe, "append", (order, "urgent"), urgent=True))
    for _ in range(4):
        probe.expect(Computed, STARTS_WITHIN_S)
    assert Path(order).read_text().split() == ["urgent", "usual0", "usual1", "usual2"]


def test_when_the_actor_ends_those_who_wait_are_told(probe, tmp_path):
    marker = tmp_path / "pid"
    with running(Compute, processes=1) as actor:
        actor.tell(request(probe, "sleep", (str(marker), 60.0)))
        actor.tell(request(probe, "double", 1))
        wait_until(marker.exists, STARTS_WITHIN_S)
    told = [probe.expect(ComputeFailed), probe.expect(ComputeFailed)]
    assert {failed.fault.kind for failed in told} == {"compute-restarted"}
    assert not psutil.pid_exists(int(marker.read_text()))


def test_two_processes_work_at_once(probe, tmp_path):
    with running(Compute, processes=2) as actor:
        for name in ("a", "b"):
            actor.tell(request(probe, "sleep", (str(tmp_path / name), 60.0)))
        wait_until(lambda: (tmp_path / "a").exists() and (tmp_path / "b").exists(), STARTS_WITHIN_S)


DAEMON = """
import sys, time
sys.path.insert(0, {root!r})
from actors.compute import Compute
from messages.compute import Compute as Request
from tests.kit import Probe, running
with running(Compute, processes=2) as actor:
    actor.tell(Request("r", Probe(), "{functions}:sleep", ({marker!r}, 60.0)))
    print("numpy" in sys.modules or "pydicom" in sys.modules, flush=True)
    time.sleep(60)
"""


@pytest.mark.promise("P35")
def test_workers_die_with_a_killed_daemon(tmp_path):
    marker = tmp_path / "pid"
    root = str(Path(__file__).resolve().parents[3])
    code = DAEMON.format(root=root, functions=FUNCTIONS, marker=str(marker))
    daemon = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        busy = int(wait_until(lambda: marker.exists() and marker.read_text(), STARTS_WITHIN_S))
        workers = wait_until(lambda: _two(daemon.pid), STARTS_WITHIN_S)
        assert busy in {worker.pid for worker in workers}
    finally:
        daemon.kill()
        heavy = daemon.communicate()[0].strip()
    assert heavy == "False", "the daemon's own process must not load numpy or pydicom"
    wait_until(lambda: not any(worker.is_running() and worker.status() != "zombie" for worker in workers))


def _two(pid: int) -> list[psutil.Process]:
    found = psutil.Process(pid).children()
    return found if len(found) == 2 else []


@pytest.mark.parametrize(("program", "said"), [("/bin/false", "exit status 1"), ("/no/such/python", "No such file")])
def test_processes_that_do_not_start_are_tried_again_and_told(probe, monkeypatch, log_lines, program, said):
    monkeypatch.setattr("actors.compute.actor.RESTART_DELAY_S", 0.01)
    with monkeypatch.context() as broken:
        broken.setattr(sys, "executable", program)
        with running(Compute, processes=1) as actor:
            failed = ask(actor, probe, "double", 1)
            assert failed.fault.kind == "compute-start"
            assert said in failed.fault.what
            broken.undo()
            monkeypatch.setattr("actors.compute.actor.STARTS_FORGIVEN", 1000)
            assert ask(actor, probe, "double", 1).value == 2
    assert any("did not start" in line for line in log_lines)
    assert not children()


def test_of_two_requests_that_may_not_be_at_work_together_the_later_one_is_done_when_the_first_is_gone(probe, tmp_path):
    """A successor asks for what its predecessor asked for: both would write the same files."""
    log = tmp_path / "log"
    with running(Compute, processes=2) as actor:
        first = request(probe, "enter_and_leave", (str(log), "first", 60.0), alone="case interpretation")
        actor.tell(first)
        wait_until(lambda: log.exists() and log.read_text().startswith("first"), STARTS_WITHIN_S)
        pid = int(log.read_text().split()[1])
        for name in ("second", "third"):
            last = request(probe, "enter_and_leave", (str(log), name, 0.0), alone="case interpretation")
            actor.tell(last)
        beside = request(probe, "double", 4)
        actor.tell(beside)
        answers = {probe.expect(Computed, STARTS_WITHIN_S).request_id for _ in range(2)}
        assert answers == {beside.request_id, last.request_id}, "the others were abandoned"
        assert not psutil.pid_exists(pid)
        assert [line.split()[0] for line in log.read_text().splitlines()] == ["first", "third", "left"]


def test_what_waits_for_another_to_be_gone_can_be_abandoned_and_is_told_when_all_ends(probe, tmp_path):
    log = tmp_path / "log"
    with running(Compute, processes=1) as actor:
        actor.tell(request(probe, "enter_and_leave", (str(log), "first", 60.0), alone="x"))
        wait_until(log.exists, STARTS_WITHIN_S)
        second = request(probe, "enter_and_leave", (str(log), "second", 0.0), alone="x")
        actor.tell(second)
        actor.tell(AbandonCompute(second.request_id))
        assert ask(actor, probe, "double", 1).value == 2
    assert "second" not in log.read_text()
