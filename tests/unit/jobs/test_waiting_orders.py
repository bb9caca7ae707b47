"""Orders that wait for a host: those about one run one after the other, in the order in which they came."""

from __future__ import annotations

import pytest

from actors.jobs.waiting import WaitingOrders
from messages.jobs import JobSpec, KillJob, LaunchJob, RemoveRuns, SteerCase
from tests.kit.probe import Probe

Asked = LaunchJob | KillJob | RemoveRuns | SteerCase
WORKER = Probe("worker")


def launch(key: str) -> LaunchJob:
    return LaunchJob(f"launch {key}", WORKER, JobSpec(key, f"/w/{key}", 0, ("true",), (), 60))


def kill(key: str) -> KillJob:
    return KillJob(f"kill {key}", WORKER, key, f"/w/{key}", "cancelled")


@pytest.mark.promise("P28")
def test_a_run_is_ended_only_after_its_launch_was_answered() -> None:
    waiting = WaitingOrders[Asked]()
    begin, end, other = launch("a/1/1"), kill("a/1/1"), launch("b/1/1")
    for order in (begin, end, other):
        waiting.add(order)
    assert waiting.take() is begin
    assert waiting.take() is other
    assert waiting.take() is None
    waiting.again(begin)
    assert waiting.take() is begin, "what is done again comes before what came after it"
    assert waiting.take() is None
    waiting.done(begin)
    assert waiting.take() is end
    assert len(waiting) == 0


def test_an_order_that_is_not_ready_is_not_overtaken_by_a_later_one_about_its_run() -> None:
    waiting = WaitingOrders[Asked]()
    begin, end, removal = launch("a/1/1"), kill("a/1/1"), RemoveRuns("r", WORKER, ("c",))
    for order in (begin, end, removal):
        waiting.add(order)
    assert waiting.take(lambda order: not isinstance(order, LaunchJob)) is removal
    assert waiting.take(lambda order: not isinstance(order, LaunchJob)) is None


@pytest.mark.promise("P16")
def test_a_case_is_released_only_after_it_was_held() -> None:
    """Beside each other Slurm might hear them the other way round, and the case would stay held for ever."""
    waiting = WaitingOrders[Asked]()
    hold, release, other = SteerCase("a", held=True), SteerCase("a", held=False), SteerCase("b", held=True)
    for order in (hold, release, other):
        waiting.add(order)
    assert waiting.take() is hold
    assert waiting.take() is other
    assert waiting.take() is None
    waiting.done(hold)
    assert waiting.take() is release
