"""Life and death of one actor under a real system: every way out is told, and what waits is not lost."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import pytest

from actors.supervision import (
    Actor,
    Context,
    Exited,
    Restart,
    Spec,
    System,
    Up,
    supervisor,
)
from tests.kit import Probe, VirtualTimers, running, solo, solo_mail, wait_until


class Echo(Actor):
    """Does what it is told, and tells the probe of its life."""

    def __init__(self, context: Context, *, probe: Probe) -> None:
        super().__init__(context)
        self._probe = probe

    def started(self) -> None:
        self._probe.tell(("started", self.epoch))

    def stopped(self) -> None:
        self._probe.tell(("stopped", self.epoch))

    def receive(self, message: object) -> None:
        match message:
            case BaseException():
                raise message
            case "stop":
                self.stop()
            case _:
                self._probe.tell(message)


class Watcher(Actor):
    def __init__(self, context: Context, *, watched: str, probe: Probe) -> None:
        super().__init__(context)
        self._watched, self._probe = watched, probe

    def started(self) -> None:
        self.watch(self.context.system.address(self._watched))

    def receive(self, message: object) -> None:
        self._probe.tell(message)


class Burden:
    """A message that can be missed."""


class Patient(Echo):
    """Waits for an hour."""

    def started(self) -> None:
        burden = Burden()
        self.after(3600.0, burden)
        self._probe.tell(weakref.ref(burden))

    def stopped(self) -> None:
        self.after(3600.0, Burden())  # of no use to anybody, and no harm


def test_messages_arrive_in_order():
    probe = Probe()
    with running(Echo, probe=probe) as echo:
        for number in range(1000):
            assert echo.tell(number)
        probe.expect(int, where=lambda number: number == 999)
    assert probe.all(int) == list(range(1000))


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()], ids=repr)
@pytest.mark.promise("P35")
def test_a_crash_is_one_line_and_what_waits_goes_to_the_successor(error, log_lines):
    probe = Probe()
    with running(Echo, probe=probe) as echo:
        probe.expect(tuple, where=lambda m: m[0] == "started")
        for message in (1, error, 2, 3):
            echo.tell(message)
        probe.expect(int, where=lambda number: number == 3)
        assert echo.restarts == 1
    assert probe.all(int) == [1, 2, 3]
    lines = [line for line in log_lines if line.startswith("ERROR")]
    assert len(lines) == 1
    assert "root/actor crashed" in lines[0] and type(error).__name__ in lines[0] and "restarts now" in lines[0]


def test_started_and_stopped_run_once_in_each_life():
    probe = Probe()
    with running(Echo, probe=probe) as echo:
        echo.tell(RuntimeError("again"))
        wait_until(lambda: echo.restarts == 1 and len(probe.all(tuple)) == 3)
    hooks = [(hook, epoch) for hook, epoch in probe.all(tuple)]
    first, second = hooks[0][1], hooks[-1][1]
    assert first < second
    assert hooks == [("started", first), ("stopped", first), ("started", second), ("stopped", second)]


def test_watchers_learn_of_every_way_out():
    probe = Probe()
    specs = [Spec("echo", Echo, {"probe": Probe()}), Spec("w", Watcher, {"watched": "root/echo", "probe": probe})]
    system = System(supervisor("root", specs, max_restarts=10), boot=7)
    system.start()
    echo = system.address("root/echo")
    first = probe.expect(Up)
    assert first.id == "root/echo" and first.epoch > 7 * 2**32
    for error in (ValueError("x"), SystemExit(1)):
        echo.tell(error)
        gone, back = probe.expect(Exited), probe.expect(Up)
        assert gone.cause is error
        assert gone.epoch < back.epoch
    system.stop()
    assert system.wait(5)
    assert system.cause is None


def test_restart_takes_less_than_50_ms():
    probe, took_s = Probe(), []
    with running(Echo, probe=probe, max_restarts=10) as echo:
        probe.expect(tuple)
        for number in range(5):
            begin = time.monotonic()
            echo.tell(ValueError("again"))
            echo.tell(number)
            probe.expect(int)
            took_s.append(time.monotonic() - begin)
    assert sorted(took_s)[2] < 0.05, took_s


def test_mail_waits_for_an_actor_that_is_not_there_yet():
    probe = Probe()
    system = System(supervisor("root", [Spec("echo", Echo, {"probe": probe})]), boot=1)
    assert system.address("root/echo").tell(42)
    system.start()
    assert probe.expect(int) == 42
    system.stop()
    assert system.wait(5)


def test_a_transient_child_that_stops_is_gone_for_good():
    probe = Probe()
    with running(Echo, probe=probe, spec={"restart": Restart.TRANSIENT}) as echo:
        echo.tell("stop")
        wait_until(lambda: not echo.tell(1), what="its mail becomes dead letters")
        assert echo.system.dead_letters.total >= 1
    assert [hook for hook, _ in probe.all(tuple)] == ["started", "stopped"]


def test_names_of_threads_say_whose_they_are():
    probe = Probe()
    with running(Echo, probe=probe):
        probe.expect(tuple)
        assert any(thread.name.startswith("root/actor#") for thread in threading.enumerate())


def test_what_ended_is_not_kept_by_what_it_waited_for():
    probe = Probe()
    with running(Patient, probe=probe) as patient:
        for _ in range(3):
            burden = probe.expect(weakref.ref)
            assert burden() is not None
            patient.tell(ValueError("out of order"))
            wait_until(lambda: gc.collect() is not None and burden() is None, what="the old life is forgotten")  # noqa: B023


def test_a_life_of_many_timers_remembers_those_that_wait():
    timers = VirtualTimers()
    echo = solo(Echo, timers=timers, probe=Probe())
    waiting = echo.after(3600.0, "late")
    for _ in range(1000):
        echo.after(1.0, "soon")
        timers.advance(1.0)
    assert solo_mail(echo) == ["soon"] * 1000
    assert len(echo.context.incarnation._timers) < 100
    assert waiting.pending
