"""What is done next to end a run, for every kind of host."""

from __future__ import annotations

import pytest

from actors.jobs import Verdict
from actors.jobs.ending import Pressure, Seen, Step, not_ended
from messages.jobs import Observation

GRACE_S = 10.0


def seen(
    observation: Observation = Observation.RUNNING,
    *,
    released: bool = False,
    unbegun: bool = False,
    folder: bool = True,
    begun: bool = True,
    wrapper: bool = True,
    left: tuple[int, ...] | None = None,
) -> Seen:
    return Seen(Verdict(observation, "seen.", released=released, unbegun=unbegun), folder, begun, wrapper, left)


def test_the_wrapper_is_asked_once_and_given_its_grace() -> None:
    pressure = Pressure(GRACE_S)
    assert pressure.step(seen(), 0.0) is Step.ASK
    assert pressure.step(seen(), GRACE_S) is Step.WAIT  # it may still be writing exit.json
    assert pressure.step(seen(), GRACE_S + 3.1) is Step.KILL


def test_without_a_wrapper_the_processes_are_told_once_then_killed() -> None:
    pressure = Pressure(GRACE_S)
    assert pressure.step(seen(), 0.0) is Step.ASK
    assert pressure.step(seen(wrapper=False), 1.0) is Step.TERM
    assert pressure.step(seen(wrapper=False), GRACE_S) is Step.WAIT
    assert pressure.step(seen(wrapper=False), GRACE_S + 0.1) is Step.KILL


def test_an_order_that_finds_the_run_late_still_asks_first() -> None:
    assert Pressure(GRACE_S).step(seen(), 60.0) is Step.ASK


def test_a_run_that_is_just_beginning_is_looked_at_again() -> None:
    assert Pressure(GRACE_S).step(seen(begun=False), 60.0) is Step.WAIT


@pytest.mark.promise("P28")
@pytest.mark.parametrize("over", [Observation.ENDED, Observation.KILLED])
def test_over_is_not_gone_while_anybody_is_left_or_nobody_knows(over: Observation) -> None:
    pressure = Pressure(GRACE_S)
    assert pressure.step(seen(over, released=True, left=(7,)), 0.0) is Step.KILL
    assert pressure.step(seen(over, released=True, left=None), 0.0) is Step.WAIT
    assert pressure.step(seen(over, released=False, left=()), 0.0) is Step.WAIT
    assert pressure.step(seen(over, released=True, left=()), 0.0) is Step.PROVEN


@pytest.mark.promise("P28")
def test_a_run_that_did_not_begin_is_kept_from_beginning() -> None:
    pressure = Pressure(GRACE_S)
    assert pressure.step(seen(Observation.ABSENT, begun=False), 0.0) is Step.VOID
    assert pressure.step(seen(Observation.UNKNOWN, begun=False, unbegun=True), 0.0) is Step.VOID
    assert pressure.step(seen(Observation.UNKNOWN), 0.0) is Step.WAIT
    assert pressure.step(seen(Observation.ABSENT, folder=False, begun=False, left=()), 0.0) is Step.PROVEN
    assert pressure.step(seen(Observation.ABSENT, folder=False, begun=False, left=(7,)), 0.0) is Step.WAIT
    assert pressure.step(seen(Observation.ABSENT, folder=False, begun=False), 0.0) is Step.WAIT


def test_what_cannot_be_proven_names_who_is_left() -> None:
    fault = not_ended("c/1/1", "/ws/c/1/1", "The lock is held.", (9, 8)).fault
    assert fault.what == "Run c/1/1 cannot be proven ended: The lock is held. Processes left: 8, 9."
    assert fault.kind == "kill-failed"
    assert "Processes left: unknown" in not_ended("c/1/1", "/ws", "", ()).fault.what
