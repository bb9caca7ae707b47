"""The kit itself: it must see what a test leaves behind, and what goes wrong under it."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from actors.supervision import Actor
from tests.kit import Probe, VirtualTimers, children, running, strays, threads, wait_until


class Ticker(Actor):
    def __init__(self, context, *, probe):
        super().__init__(context)
        self._probe = probe

    def started(self):
        self.after(60.0, "tick")

    def receive(self, message):
        if isinstance(message, BaseException):
            raise message
        self._probe.tell(message)
        self.after(60.0, "tick")


def test_strays_are_named():
    before, gate = (threads(), children()), threading.Event()
    thread = threading.Thread(target=gate.wait, name="forgotten")
    thread.start()
    process = subprocess.Popen([sys.executable, "-c", "input('forgotten child')"], stdin=subprocess.PIPE)
    try:
        named = strays(*before)
        assert named[0] == "thread forgotten"
        assert named[1].startswith(f"process {process.pid} ")
    finally:
        gate.set()
        process.communicate()
        thread.join()
    assert strays(*before) == []


def test_time_is_turned_by_hand_under_a_real_system():
    timers, probe = VirtualTimers(), Probe()
    with running(Ticker, probe=probe, timers=timers):
        for ticks in range(1, 4):
            wait_until(lambda: timers.due_in(60))
            timers.advance(60)
            wait_until(lambda ticks=ticks: len(probe.all(str)) == ticks)


def test_an_actor_that_keeps_crashing_fails_the_test():
    with pytest.raises(AssertionError, match="gave up"), running(Ticker, probe=Probe()) as actor:
        for _ in range(5):
            actor.tell(ValueError("x"))
        assert actor.system.wait(5)
    with running(Ticker, probe=Probe(), may_fail=True) as actor:
        for _ in range(5):
            actor.tell(ValueError("x"))
        assert actor.system.wait(5)


def test_a_probe_may_stand_for_the_parent():
    class Telling(Actor):
        def started(self):
            self.context.parent.tell("hello")

    parent = Probe("root")
    with running(Telling, parent=parent):
        assert parent.expect(str) == "hello"
