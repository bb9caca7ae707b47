"""The supervisor's decisions against a simulated world: incarnations that come up, crash, hang and end at any moment.

The world knows only effects and events. It keeps its own account of what a crash is and what the budget allows, and
compares.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from actors.supervision import Actor, Backoff, Exited, Restart, Spec, StartChild, StopChild, Strategy, Up
from actors.supervision import _core as core
from actors.supervision._core import Core, Phase, RestartsSpent

CHANCE = 0.5
STATIC = 4

specs = st.builds(
    lambda restart, backoff, escalates: Spec(
        "x",
        Actor,
        restart=restart,
        backoff=Backoff(1.0, 8.0, 0.5, reset_after_s=20.0) if backoff or not escalates else Backoff(),
        start_timeout_s=7.0,
        stop_timeout_s=3.0,
        escalates=escalates,
    ),
    st.sampled_from(Restart),
    st.booleans(),
    st.booleans(),
)


def named(spec: Spec, name: str) -> Spec:
    fields = {field: getattr(spec, field) for field in ("restart", "backoff", "start_timeout_s", "escalates")}
    return Spec(name, Actor, stop_timeout_s=spec.stop_timeout_s, **fields)


@dataclass
class Life:
    """One incarnation as the world sees it."""

    id: str
    epoch: int
    spec: Spec
    born: float
    up_since: float | None = None
    told_at: float | None = None  # when it was told to stop
    doomed: bool = False  # a sibling's crash will have it restarted

    @property
    def told_to_stop(self) -> bool:
        return self.told_at is not None


class World(RuleBasedStateMachine):
    lives: dict[str, Life]

    @initialize(
        strategy=st.sampled_from(Strategy),
        children=st.lists(specs, min_size=1, max_size=STATIC),
        max_restarts=st.integers(0, 3),
        within_s=st.sampled_from([5.0, 30.0]),
    )
    def begin(self, strategy, children, max_restarts, within_s):
        self.now = 100.0
        self.strategy, self.max_restarts, self.within_s = strategy, max_restarts, within_s
        self.epochs, self.order = count(1), count()
        self.last_epoch = 0
        self.timers: list[tuple[float, int, core.Event]] = []
        self.lives = {}
        self.stale: list[core.Event] = []
        self.wanted = {f"c{number}": named(spec, f"c{number}") for number, spec in enumerate(children)}
        self.static = set(self.wanted)
        self.gone: set[str] = set()  # ended for good
        self.crash_times: list[float] = []
        self.in_a_row: dict[str, int] = {}
        self.not_before: dict[str, float] = {}
        self.closing = self.escalated = False
        self.finished: list[BaseException | None] = []
        self.core = Core(
            self.wanted.values(),
            strategy,
            max_restarts=max_restarts,
            within_s=within_s,
            next_epoch=lambda: next(self.epochs),
            chance=lambda: CHANCE,
        )
        self.feed(core.Begin())

    # -- the world carries out effects

    def feed(self, event: core.Event, expected: str = "") -> None:
        effects = self.core.handle(event, self.now)
        reports = [effect.next for effect in effects if isinstance(effect, core.Report)]
        assert len(reports) == bool(expected) and "".join(reports).startswith(expected), (event, reports)
        for effect in effects:
            self.carry_out(effect)

    def carry_out(self, effect: core.Effect) -> None:
        match effect:
            case core.Start(spec, epoch):
                self.check_start(spec, epoch)
                self.lives[spec.id] = Life(spec.id, epoch, spec, self.now)
            case core.Stop(id, epoch):
                self.check_stop(id, epoch)
                self.lives[id].told_at = self.now
            case core.Abandon(id, epoch, _):
                assert self.lives[id].epoch == epoch
                self.stale.append(Exited(id, epoch, None))
                del self.lives[id]
            case core.After(delay_s, event):
                assert delay_s >= 0
                heapq.heappush(self.timers, (self.now + delay_s, next(self.order), event))
            case core.Finish(cause):
                assert not self.lives
                assert isinstance(cause, RestartsSpent) == self.escalated
                self.finished.append(cause)
                assert len(self.finished) == 1
            case core.Forget(id):
                assert id not in self.lives

    def check_start(self, spec: Spec, epoch: int) -> None:
        assert not self.closing, "nothing is started while closing"
        assert spec.id not in self.lives, "at most one live incarnation"
        assert epoch > self.last_epoch, "epochs only grow"
        assert spec.id in self.wanted and spec.id not in self.gone
        assert self.now >= self.not_before.get(spec.id, 0.0), "not before its back-off is over"
        self.last_epoch = epoch
        if self.strategy is not Strategy.ONE_FOR_ONE:
            names = list(self.core.children)
            for earlier in names[: names.index(spec.id)]:
                up = earlier in self.lives and self.lives[earlier].up_since is not None
                assert up or earlier in self.gone, "those before it are up"

    def check_stop(self, name: str, epoch: int) -> None:
        life = self.lives[name]
        assert life.epoch == epoch
        assert not life.told_to_stop
        assert self.closing or life.doomed or name not in self.wanted, "nobody is stopped without a reason"
        ordered = self.strategy is not Strategy.ONE_FOR_ONE or (self.closing and name in self.static)
        if not ordered:
            return
        names = list(self.core.children)
        for later in names[names.index(name) + 1 :]:
            if later in self.lives and (self.closing or self.lives[later].doomed):
                raise AssertionError(f"{name} is stopped before {later}, which depends on it")

    # -- what may happen

    def ends(self, life: Life, cause: BaseException | None, event: core.Event | None = None) -> None:
        """An incarnation is over; say by our own account what must follow."""
        ordered = life.told_to_stop or life.doomed or self.closing or life.id not in self.wanted
        restart = life.spec.restart
        if life.up_since is not None and self.now - life.up_since >= life.spec.backoff.reset_after_s:
            self.in_a_row[life.id] = 0
        if event is None:
            del self.lives[life.id]
        news = event or Exited(life.id, life.epoch, cause)
        self.stale.append(news)
        last = restart is Restart.TEMPORARY or (restart is Restart.TRANSIENT and cause is None and not ordered)
        if ordered or last:
            if last and life.id in self.wanted:
                self.gone.add(life.id)
                if life.id not in self.static:
                    del self.wanted[life.id]
            told = cause is not None
            self.feed(news, "it was being stopped" if told and ordered else "it is not restarted" if told else "")
        else:
            self.crashes(life, news)

    def crashes(self, life: Life, news: core.Event) -> None:
        if life.spec.escalates:
            self.crash_times.append(self.now)
            if sum(self.now - at <= self.within_s for at in self.crash_times) > self.max_restarts:
                self.closing = self.escalated = True
                self.feed(news, "escalates")
                return
        backoff, crashes = life.spec.backoff, self.in_a_row.get(life.id, 0)
        delay_s = min(backoff.max_s, backoff.min_s * 2**crashes) * (1 + CHANCE * backoff.jitter)
        self.not_before[life.id] = self.now + delay_s
        self.in_a_row[life.id] = crashes + 1
        names = list(self.core.children)
        sharing = {
            Strategy.ONE_FOR_ONE: [],
            Strategy.REST_FOR_ONE: names[names.index(life.id) + 1 :],
            Strategy.ONE_FOR_ALL: names,
        }[self.strategy]
        for name in sharing:
            if name in self.lives and not self.lives[name].told_to_stop:
                self.lives[name].doomed = True
        self.feed(news, f"restarts in {delay_s:.1f} s" if delay_s else "restarts now")

    def pick(self, number: int, lives: list[Life]) -> Life:
        return lives[number % len(lives)]

    @precondition(lambda self: any(life.up_since is None and not life.told_to_stop for life in self.lives.values()))
    @rule(number=st.integers(0, 10))
    def comes_up(self, number):
        starting = [life for life in self.lives.values() if life.up_since is None and not life.told_to_stop]
        life = self.pick(number, starting)
        life.up_since = self.now
        self.stale.append(Up(life.id, life.epoch))
        self.feed(Up(life.id, life.epoch))

    @rule(seconds=st.sampled_from([0.0, 25.0]))
    def all_goes_well_for_a_while(self, seconds):
        """Whoever is starting comes up, and whoever that lets start, too."""
        while starting := [life for life in self.lives.values() if life.up_since is None and not life.told_to_stop]:
            starting[0].up_since = self.now
            self.feed(Up(starting[0].id, starting[0].epoch))
        self.time_passes(seconds)

    @precondition(lambda self: self.lives)
    @rule(number=st.integers(0, 10))
    def crashes_somehow(self, number):
        self.ends(self.pick(number, list(self.lives.values())), ValueError("crash"))

    @precondition(lambda self: self.lives)
    @rule(number=st.integers(0, 10))
    def ends_by_itself_or_as_told(self, number):
        self.ends(self.pick(number, list(self.lives.values())), None)

    @precondition(lambda self: any(life.up_since is not None and not life.told_to_stop for life in self.lives.values()))
    @rule(number=st.integers(0, 10))
    def a_handler_hangs(self, number):
        up = [life for life in self.lives.values() if life.up_since is not None and not life.told_to_stop]
        life = self.pick(number, up)
        self.ends(life, TimeoutError(), core.Overdue(life.id, life.epoch, Phase.UP))

    @rule(seconds=st.sampled_from([0.1, 1.0, 3.5, 8.0, 25.0]))
    def time_passes(self, seconds):
        end = self.now + seconds
        while self.timers and self.timers[0][0] <= end:
            self.now, _, event = heapq.heappop(self.timers)
            self.fire(event)
        self.now = end

    def fire(self, event: core.Event) -> None:
        life = self.lives.get(getattr(event, "id", ""))
        if isinstance(event, core.Overdue) and life is not None and life.epoch == event.epoch:
            hangs = life.told_to_stop if event.phase is Phase.STOPPING else life.up_since is None
            if hangs and (event.phase is Phase.STOPPING or not life.told_to_stop):
                self.ends(life, TimeoutError(), event)
                return
        self.feed(event)

    @precondition(lambda self: self.stale)
    @rule(number=st.integers(0, 1000))
    def stale_news_change_nothing(self, number):
        event = self.stale[number % len(self.stale)]
        life = self.lives.get(event.id)
        if life is None or life.epoch != event.epoch or isinstance(event, Up):
            assert self.core.handle(event, self.now) == []

    @rule(number=st.integers(0, 5), spec=specs)
    def a_child_is_asked_for(self, number, spec):
        name = f"d{number}"
        if name in self.lives:
            return  # of a child that runs only the next start changes: see the examples
        self.gone.discard(name)
        self.wanted[name] = named(spec, name)
        if name not in self.core.children:
            self.in_a_row.pop(name, None)
            self.not_before.pop(name, None)
        self.feed(StartChild(self.wanted[name]))

    @rule(number=st.integers(0, 9))
    def a_child_is_not_wanted_any_more(self, number):
        name = f"d{number}" if number < 6 else f"c{number - 6}"
        self.wanted.pop(name, None)
        self.feed(StopChild(name))

    @rule(chance=st.integers(0, 9))
    def the_supervisor_is_asked_to_end(self, chance):
        if chance == 0:
            self.closing = True
            self.feed(core.Close())

    @invariant()
    def the_core_agrees_about_who_lives(self):
        alive = {name: child.epoch for name, child in self.core.children.items() if child.phase is not Phase.DOWN}
        assert alive == {name: life.epoch for name, life in self.lives.items()}
        assert self.core.closing == self.closing

    @invariant()
    def nobody_outstays_a_limit(self):
        for life in self.lives.values():
            if life.told_at is not None:
                assert self.now - life.told_at < life.spec.stop_timeout_s + 1e-6
            elif life.up_since is None:
                assert self.now - life.born < life.spec.start_timeout_s + 1e-6

    @invariant()
    def nobody_is_remembered_for_nothing(self):
        assert self.core.children.keys() <= self.wanted.keys() | self.lives.keys()

    def teardown(self):
        """Leave the children in peace: then all that can come up do, or all end if it is closing."""
        if not hasattr(self, "core"):
            return
        for _ in range(400):
            for life in list(self.lives.values()):
                if life.told_to_stop:
                    self.ends(life, None)
                elif life.up_since is None and life.id in self.lives:
                    life.up_since = self.now
                    self.feed(Up(life.id, life.epoch))
            self.time_passes(0.5)
        if self.closing:
            assert not self.lives
            assert len(self.finished) == 1
        else:
            assert set(self.lives) == set(self.wanted) - self.gone
            assert all(life.up_since is not None for life in self.lives.values())


TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
