"""Single decisions of the core, by example, and what specs refuse."""

from __future__ import annotations

import pytest

from actors.supervision import (
    Actor,
    Backoff,
    Exited,
    Restart,
    Spec,
    StartChild,
    StopChild,
    Strategy,
    Up,
    supervisor,
)
from actors.supervision import _core as core
from actors.supervision._core import Core, Phase
from actors.supervision._epochs import Epochs


class Desk:
    """A core with a clock and the effects of the last event."""

    def __init__(self, *specs: Spec, strategy: Strategy = Strategy.ONE_FOR_ONE, max_restarts: int = 3) -> None:
        self.now = 0.0
        self.core = Core(
            specs, strategy, max_restarts=max_restarts, within_s=30.0, next_epoch=Epochs(2).next, chance=lambda: 0.0
        )
        self.effects: list[core.Effect] = []

    def __call__(self, event: core.Event) -> list[core.Effect]:
        self.effects = self.core.handle(event, self.now)
        return self.effects

    def of(self, kind: type) -> list:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def epoch(self, name: str) -> int:
        return self.core.children[name].epoch

    def up(self, *names: str) -> None:
        for name in names:
            self(Up(name, self.epoch(name)))

    def dies(self, name: str, cause: BaseException | None = None) -> list[core.Effect]:
        return self(Exited(name, self.epoch(name), cause))

    def phase(self, name: str) -> Phase:
        return self.core.children[name].phase


def spec(name: str, **fields) -> Spec:
    return Spec(name, Actor, **fields)


def test_epochs_carry_the_boot():
    epochs = Epochs(3)
    assert [epochs.next(), epochs.next()] == [3 * 2**32 + 1, 3 * 2**32 + 2]
    assert Epochs(4).next() > epochs.next()
    with pytest.raises(ValueError, match="negative"):
        Epochs(-1)


def test_rest_for_one_waits_for_the_one_before():
    desk = Desk(spec("a"), spec("b"), strategy=Strategy.REST_FOR_ONE)
    desk(core.Begin())
    assert [start.spec.id for start in desk.of(core.Start)] == ["a"]
    desk.up("a")
    assert [start.spec.id for start in desk.of(core.Start)] == ["b"]


def test_a_permanent_child_that_ends_by_itself_is_a_crash():
    desk = Desk(spec("a"))
    desk(core.Begin())
    desk.up("a")
    desk.dies("a")
    assert desk.of(core.Report)[0].next == "restarts now"
    assert desk.of(core.Start)


@pytest.mark.parametrize(("restart", "cause", "again"), [
    (Restart.TRANSIENT, None, False),
    (Restart.TRANSIENT, ValueError(), True),
    (Restart.TEMPORARY, None, False),
    (Restart.TEMPORARY, ValueError(), False),
])  # fmt: skip
def test_which_ends_are_final(restart, cause, again):
    desk = Desk(spec("a", restart=restart))
    desk(core.Begin())
    desk.up("a")
    desk.dies("a", cause)
    assert bool(desk.of(core.Start)) == again
    assert bool(desk.of(core.Forget)) != again
    desk(core.Begin())
    assert not desk.of(core.Start), "whatever happens elsewhere"
    desk(StartChild(spec("a", restart=restart)))
    assert bool(desk.of(core.Start)) != again, "until it is asked for"


def test_a_temporary_child_that_shares_a_fate_stays_down():
    desk = Desk(spec("a"), spec("b", restart=Restart.TEMPORARY), spec("c"), strategy=Strategy.REST_FOR_ONE)
    desk(core.Begin())
    desk.up("a", "b", "c")
    desk.dies("a", ValueError())
    assert [stop.id for stop in desk.of(core.Stop)] == ["c"]
    desk.dies("c")
    desk.dies("b")
    desk.up("a")
    assert [start.spec.id for start in desk.of(core.Start)] == ["c"]


def test_a_crash_while_stopping_costs_no_budget_but_is_told():
    desk = Desk(spec("a"), spec("b"), strategy=Strategy.ONE_FOR_ALL, max_restarts=1)
    desk(core.Begin())
    desk.up("a", "b")
    desk.dies("a", ValueError())
    desk.dies("b", ValueError())
    assert desk.of(core.Report)[0].next == "it was being stopped"
    assert [start.spec.id for start in desk.of(core.Start)] == ["a"]


def test_back_off_doubles_to_its_limit_and_is_stretched_by_chance():
    backoff = Backoff(1.0, 10.0, 0.5)
    assert [backoff.delay_s(crashes, 0.0) for crashes in range(6)] == [1, 2, 4, 8, 10, 10]
    assert backoff.delay_s(0, 0.999) < 1.5
    assert Backoff().delay_s(100, 1.0) == 0.0


def test_a_child_waits_out_its_back_off_once():
    desk = Desk(spec("a", backoff=Backoff(2.0, 8.0)), max_restarts=2)
    desk(core.Begin())
    desk.dies("a", ValueError())
    assert desk.of(core.After) == [core.After(2.0, core.BackoffOver("a", desk.epoch("a")))]
    assert desk.of(core.Report)[0].next == "restarts in 2.0 s"
    assert desk(StopChild("unknown")) == [], "one timer is on its way, no second is set"
    desk.now = 2.0
    desk(core.BackoffOver("a", desk.epoch("a")))
    assert desk.of(core.Start)


def test_a_timer_that_is_early_by_a_rounding_is_set_again():
    desk = Desk(spec("a", backoff=Backoff(2.0, 8.0)), max_restarts=2)
    desk(core.Begin())
    desk.dies("a", ValueError())
    desk.now = 2.0 - 1e-9
    (again,) = desk(core.BackoffOver("a", desk.epoch("a")))
    assert isinstance(again, core.After) and again.delay_s < 1e-8


def test_one_for_one_does_not_wait_for_a_sibling_that_is_slow_to_stop():
    desk = Desk(spec("a"), spec("b"))
    desk(core.Begin())
    desk.up("a", "b")
    desk(StopChild("a"))
    assert desk.phase("a") is Phase.STOPPING
    desk.dies("b", ValueError())
    assert desk.of(core.Start)


def test_dynamic_children_stop_together_before_the_others():
    desk = Desk(spec("a"), spec("b"))
    desk(core.Begin())
    for name in "xyz":
        desk(StartChild(spec(name)))
    desk.up("a", "b", "x", "y", "z")
    desk(core.Close())
    assert [stop.id for stop in desk.of(core.Stop)] == ["z", "y", "x"]
    for name in "xy":
        desk.dies(name)
        assert not desk.of(core.Stop)
    desk.dies("z")
    assert [stop.id for stop in desk.of(core.Stop)] == ["b"]
    desk.dies("b")
    desk.dies("a")
    assert desk.effects[-1] == core.Finish(None)


def test_one_that_does_not_stop_is_done_without():
    desk = Desk(spec("a", stop_timeout_s=4.0))
    desk(core.Begin())
    desk.up("a")
    desk(core.Close())
    (limit,) = desk.of(core.After)
    assert limit == core.After(4.0, core.Overdue("a", desk.epoch("a"), Phase.STOPPING))
    desk(limit.event)
    assert desk.of(core.Abandon) and desk.of(core.Finish)


def test_asked_for_while_it_stops_it_comes_back_with_the_new_spec():
    desk = Desk()
    desk(StartChild(spec("a")))
    desk.up("a")
    desk(StopChild("a"))
    desk(StartChild(spec("a", capacity=7)))
    desk.dies("a")
    assert desk.of(core.Start)[0].spec.capacity == 7


def test_specs_refuse_what_cannot_work():
    with pytest.raises(ValueError, match="one non-empty part"):
        spec("a/b")
    with pytest.raises(ValueError, match="tight loop"):
        spec("a", escalates=False)
    with pytest.raises(ValueError, match="min_s <= max_s"):
        Backoff(2.0, 1.0)
    with pytest.raises(ValueError, match="same id"):
        supervisor("root", [spec("a"), spec("a")])
    with pytest.raises(ValueError, match="never escalate"):
        supervisor("root", [spec("a", backoff=Backoff(10.0, 100.0))], max_restarts=3, within_s=60)
    arguments = {"x": 1}
    frozen = spec("a", arguments=arguments, restart="transient")
    arguments["x"] = 2
    assert frozen.arguments == {"x": 1} and frozen.restart is Restart.TRANSIENT


def test_a_supervisor_may_take_as_long_to_stop_as_its_children():
    inner = supervisor("inner", [spec("a", stop_timeout_s=4.0), spec("b", stop_timeout_s=8.0)])
    outer = supervisor("outer", [inner, spec("c")])
    assert inner.stop_timeout_s > 12.0
    assert outer.stop_timeout_s > inner.stop_timeout_s + 5.0
    assert supervisor("own", [inner], stop_timeout_s=3.0).stop_timeout_s == 3.0


def test_a_long_life_that_a_sibling_ended_forgives_the_crashes_before_it():
    """Being stopped does not take back how long it was up: the next crash waits as if it were the first."""
    patient = spec("b", backoff=Backoff(1.0, 8.0, 0.0, reset_after_s=20.0), escalates=False)
    desk = Desk(spec("a"), patient, strategy=Strategy.REST_FOR_ONE)
    desk(core.Begin())
    desk.up("a", "b")
    desk.dies("b", ValueError())
    assert desk.of(core.Report)[0].next == "restarts in 1.0 s"
    desk.now = 1.0
    desk(core.BackoffOver("b", desk.epoch("b")))
    desk.up("b")
    desk.now = 30.0
    desk.dies("a", ValueError())
    desk.dies("b")
    desk.up("a", "b")
    desk.dies("b", ValueError())
    assert desk.of(core.Report)[0].next == "restarts in 1.0 s"
