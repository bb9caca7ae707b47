"""Tasks: blocking work in threads of their own, cut short by closers, ended with the actor."""

from __future__ import annotations

import socket
import sys
import threading

import pytest

from actors.supervision import Actor, Context, TaskFailed
from actors.supervision import _incarnation as incarnation_module
from tests.kit import Probe, running, wait_until


class Worker(Actor):
    """Starts as tasks what it is told to, and passes on what comes back."""

    def __init__(self, context: Context, *, probe: Probe) -> None:
        super().__init__(context)
        self._probe = probe

    def receive(self, message: object) -> None:
        match message:
            case ("task", name, work):
                task = self.task(name, work)
                self._probe.tell(("started", task))
            case BaseException():
                raise message
            case _:
                self._probe.tell(message)

    def stopped(self) -> None:
        self._probe.tell("stopped")


@pytest.fixture
def probe():
    return Probe()


@pytest.fixture
def worker(probe):
    with running(Worker, probe=probe) as address:
        yield address


def test_value_failure_and_nothing(worker, probe):
    def fails(_scope):
        raise ValueError("no")

    worker.tell(("task", "value", lambda scope: 42))
    assert probe.expect(int) == 42
    for work in (fails, lambda scope: sys.exit(3)):
        worker.tell(("task", "fails", work))
        failed = probe.expect(TaskFailed)
        assert failed.name == "fails" and failed.epoch == worker.epoch
    assert isinstance(failed.error, SystemExit)
    worker.tell(("task", "none", lambda scope: scope.tell("said")))
    assert probe.expect(str) == "said"
    wait_until(lambda: not any(task.running for _, task in probe.all(tuple)))
    probe.none(TaskFailed)


def test_threads_carry_the_names_of_their_actor_and_task(worker, probe):
    gate = threading.Event()
    worker.tell(("task", "copy", lambda scope: scope.on_cancel(gate.set) and gate.wait(10) and None))
    wait_until(
        lambda: [t.name for t in threading.enumerate() if t.name.startswith("root/actor#") and ":copy" in t.name]
    )
    gate.set()


def test_a_cancel_calls_the_closers_once_and_is_no_failure(worker, probe):
    ours, theirs = socket.socketpair()
    closed = []

    def work(scope):
        withdrawn = scope.on_cancel(lambda: closed.append("withdrawn"))
        withdrawn()
        withdrawn()
        scope.on_cancel(lambda: closed.append("first"))
        scope.on_cancel(lambda: ours.shutdown(socket.SHUT_RDWR))
        scope.on_cancel(lambda: 1 / 0)
        scope.tell("blocked")
        if ours.recv(1) == b"":
            raise ConnectionError("cut short")

    with ours, theirs:
        worker.tell(("task", "read", work))
        (_, task), _ = probe.expect(tuple), probe.expect(str)
        task.cancel()
        task.cancel()
        assert task.join(5)
    assert closed == ["first"]
    probe.none(TaskFailed, 0.02)


def test_a_value_is_told_even_after_a_cancel_and_late_closers_run_at_once(worker, probe):
    late = []

    def work(scope):
        assert scope.wait(10) and scope.cancelled
        scope.on_cancel(lambda: late.append("late"))()
        return "the end"

    worker.tell(("task", "wait", work))
    probe.expect(tuple)[1].cancel()
    assert probe.expect(str) == "the end"
    assert late == ["late"]


@pytest.mark.parametrize("end", ["crash", "stop"])
def test_tasks_end_before_their_actor_and_reach_no_successor(probe, end):
    ended = []

    def work(scope):
        scope.tell("blocked")
        scope.wait(10)
        ended.append(list(probe.received))
        return "for nobody"

    with running(Worker, probe=probe) as worker:
        worker.tell(("task", "wait", work))
        probe.expect(str)
        if end == "crash":
            worker.tell(ValueError("x"))
            wait_until(lambda: worker.restarts == 1)
            worker.tell("next")
            assert probe.expect(str, where=lambda word: word == "next")
    assert "stopped" not in ended[0], "stopped comes after the tasks are over"
    assert "for nobody" not in probe.received


def test_a_task_that_does_not_end_is_left_behind_and_counted(probe, monkeypatch, log_lines):
    monkeypatch.setattr(incarnation_module, "TASKS_END_WITHIN_S", 0.05)
    gate = threading.Event()
    with running(Worker, probe=probe) as worker:
        worker.tell(("task", "deaf", lambda scope: gate.wait(20)))
        probe.expect(tuple)
        worker.tell(ValueError("x"))
        wait_until(lambda: worker.system.stuck == 1)
        gate.set()
        wait_until(lambda: worker.system.stuck == 0)
    assert any(":deaf goes on after its end was ordered" in line for line in log_lines)
    probe.none(bool)


def test_a_torrent_from_a_task_waits_for_the_actor(probe):
    gate, told = threading.Event(), []

    def torrent(scope):
        for number in range(3000):
            scope.tell(number)
            told.append(number)

    class Slow(Worker):
        def receive(self, message):
            if message == "wait":
                gate.wait(10)
            super().receive(message)

    with running(Slow, probe=probe) as worker:
        worker.tell(("task", "torrent", torrent))
        worker.tell("wait")
        wait_until(lambda: len(told) == 3000 or "wait" not in probe.received)
        gate.set()
        probe.expect(int, where=lambda number: number == 2999)
    assert probe.all(int) == list(range(3000))


def test_a_torrent_is_held_back_while_the_actor_is_busy(probe):
    gate, told = threading.Event(), []

    class Busy(Worker):
        def started(self):
            self.task("torrent", lambda scope: [(scope.tell(n), told.append(n)) for n in range(1500)] and None)
            gate.wait(10)

    with running(Busy, probe=probe):
        wait_until(lambda: len(told) == 1000)
        assert not any(probe.all(int))
        gate.set()
        probe.expect(int, where=lambda number: number == 1499)
    assert probe.all(int) == list(range(1500))


def test_a_fenced_actor_starts_no_task(probe):
    gate, outcome = threading.Event(), []

    class Stuck(Worker):
        def receive(self, message):
            if message == "hang":
                gate.wait(20)
                try:
                    self.task("late", lambda scope: outcome.append("ran"))
                except BaseException as error:
                    outcome.append(type(error).__name__)
                    raise
            else:
                super().receive(message)

    with running(Stuck, probe=probe, spec={"handler_budget_s": 0.05}) as worker:
        worker.tell("hang")
        wait_until(lambda: worker.restarts == 1)
        wait_until(lambda: worker.system.stuck == 1)
        gate.set()
        wait_until(lambda: outcome)
    assert outcome == ["Fenced"]
