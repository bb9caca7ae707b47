"""Trees under a real system: order, budgets, escalation, back-off, dynamic children, limits of time."""

from __future__ import annotations

import threading

import pytest

from actors.supervision import (
    Actor,
    Backoff,
    Context,
    Exited,
    Phase,
    Restart,
    RestartsSpent,
    Spec,
    StartChild,
    StopChild,
    Strategy,
    System,
    TooManyStuck,
    Up,
    supervisor,
)
from tests.kit import Probe, VirtualTimers, wait_until


class Node(Actor):
    """Tells of its life; does what it is told; may hang where it is told to until ``gate`` is set."""

    def __init__(self, context: Context, *, probe: Probe, hang: str = "", gate: threading.Event | None = None) -> None:
        super().__init__(context)
        self._probe, self._hang, self._gate = probe, hang, gate or threading.Event()

    def _at(self, place: str) -> None:
        if self._hang == place:
            self._gate.wait(20)

    def started(self) -> None:
        self._at("start")
        self._probe.tell(f"+{self.address.name}")

    def stopped(self) -> None:
        self._at("stop")
        self._probe.tell(f"-{self.address.name}")

    def receive(self, message: object) -> None:
        self._at("receive")
        match message:
            case BaseException():
                raise message
            case "stop":
                self.stop()
            case _:
                self._probe.tell(message)


@pytest.fixture
def probe():
    return Probe()


@pytest.fixture
def gate():
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def grow():
    """Start systems, and stop them at the end."""
    systems = []

    def start(root: Spec, **fields) -> System:
        systems.append(System(root, boot=1, watchdog_period_s=0.02, **fields))
        systems[-1].start()
        return systems[-1]

    yield start
    for system in systems:
        system.stop()
        assert system.wait(10)


def node(name: str, probe: Probe, **fields) -> Spec:
    arguments = {"probe": probe, **{key: fields.pop(key) for key in ("hang", "gate") if key in fields}}
    return Spec(name, Node, arguments, **fields)


def phases(system: System) -> dict[str, Phase]:
    return {row.id: row.phase for row in system.snapshot()}


def finish(system: System) -> None:
    system.stop()
    assert system.wait(10)


@pytest.mark.promise("P38")
def test_started_top_to_bottom_stopped_bottom_to_top(grow, probe):
    inner = supervisor("inner", [node("c", probe), node("d", probe)], Strategy.REST_FOR_ONE)
    system = grow(
        supervisor("root", [node("a", probe), node("b", probe), inner, node("e", probe)], Strategy.ONE_FOR_ALL)
    )
    wait_until(lambda: len(probe.received) == 5)
    wait_until(lambda: set(phases(system).values()) == {Phase.UP})
    finish(system)
    assert system.cause is None
    order = [str(word) for word in probe.received]
    assert order[:2] == ["+a", "+b"]
    assert [word for word in order if word[0] == "+" and word[1] in "cd"] == ["+c", "+d"]
    assert order[5:] == ["-e", "-d", "-c", "-b", "-a"]
    assert set(phases(system).values()) <= {Phase.DOWN, Phase.STOPPING} or phases(system)["root"] is Phase.DOWN


def test_rest_for_one_restarts_those_after(grow, probe):
    system = grow(supervisor("root", [node(name, probe) for name in "abc"], Strategy.REST_FOR_ONE))
    wait_until(lambda: len(probe.received) == 3)
    system.address("root/b").tell(ValueError("x"))
    wait_until(lambda: len(probe.received) == 7)
    assert list(probe.received) == ["+a", "+b", "+c", "-b", "-c", "+b", "+c"]
    assert {row.id: row.restarts for row in system.snapshot()} == {"root": 0, "root/a": 0, "root/b": 1, "root/c": 1}
    assert [row.id for row in system.snapshot() if row.crashes] == ["root/b"], "who shares its fate did not crash"


@pytest.mark.promise("P35")
def test_a_spent_budget_goes_up_level_by_level_and_ends_the_system(grow, probe, log_lines):
    inner = supervisor("inner", [node("a", probe)], max_restarts=1)
    system = grow(supervisor("root", [inner], max_restarts=1))
    address = system.address("root/inner/a")
    for _ in range(4):
        address.tell(ValueError("x"))
    assert system.wait(5)
    assert isinstance(system.cause, RestartsSpent)
    lines = [line for line in log_lines if line.startswith("ERROR")]
    assert len([line for line in lines if "root/inner/a crashed" in line]) == 4
    assert len([line for line in lines if "root/inner crashed" in line]) == 2
    assert len(lines) == 6
    assert sum("escalates" in line for line in lines) == 3


def test_a_child_that_never_escalates_backs_off_and_comes_back(grow, probe):
    timers = VirtualTimers()
    spec = node("a", probe, escalates=False, backoff=Backoff(1.0, 60.0, 0.0, reset_after_s=100.0))
    system = grow(supervisor("root", [spec], max_restarts=0), timers=timers)
    address = system.address("root/a")
    wait_until(lambda: phases(system).get("root/a") is Phase.UP)
    for delay_s in (1, 2, 4, 8, 16, 32, 60, 60):
        address.tell(ValueError("x"))
        wait_until(lambda: phases(system)["root/a"] is Phase.DOWN)
        wait_until(lambda delay_s=delay_s: timers.due_in(delay_s))
        timers.advance(delay_s - 0.01)
        assert phases(system)["root/a"] is Phase.DOWN
        timers.advance(0.02)
        wait_until(lambda: phases(system)["root/a"] is Phase.UP)
    timers.advance(101)  # up long enough: the next crash is like the first
    address.tell(ValueError("x"))
    wait_until(lambda: phases(system)["root/a"] is Phase.DOWN)
    wait_until(lambda: timers.due_in(1))
    timers.advance(1.01)
    wait_until(lambda: phases(system)["root/a"] is Phase.UP)
    assert system.cause is None


def test_crashes_in_the_constructor_and_in_started_are_deaths_like_any_other(grow, probe, log_lines):
    class NoSuper(Actor):
        def __init__(self, context, **_):
            raise RuntimeError("constructor")

    class NoStart(Actor):
        def started(self):
            raise RuntimeError("started")

    for broken in (NoSuper, NoStart):
        system = grow(supervisor("root", [Spec("a", broken), node("b", probe)], max_restarts=2))
        assert system.wait(5)
        assert "a crashed more than 2 times" in str(system.cause)
    assert sum("constructor" in line for line in log_lines) == 3
    assert sum("RuntimeError: started" in line for line in log_lines) == 3


@pytest.mark.filterwarnings("ignore")
def test_a_refused_thread_is_a_death_like_any_other(grow, probe, monkeypatch):
    refusals = iter([True, True])
    begin = threading.Thread.start

    def refuse(thread):
        if thread.name.startswith("root/a#") and next(refusals, False):
            raise RuntimeError("can't start new thread")
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    system = grow(supervisor("root", [node("a", probe)]))
    assert probe.expect(str) == "+a"
    wait_until(lambda: [row.restarts for row in system.snapshot() if row.id == "root/a"] == [2])


def test_dynamic_children_come_and_go(grow, probe):
    system = grow(supervisor("root", [node("a", probe)]))
    root = system.address("root")
    transient = node("x", probe, restart=Restart.TRANSIENT)
    system.address("root/x").tell("waited for it")
    for _ in range(3):
        root.tell(StartChild(transient))
    assert probe.expect(str, where=lambda word: word != "+a") == "+x"
    assert probe.expect(str) == "waited for it"
    root.tell(StartChild(node("y", probe)))
    assert probe.expect(str) == "+y"
    x = system.address("root/x")
    x.tell(ValueError("x"))
    assert [probe.expect(str), probe.expect(str)] == ["-x", "+x"]
    x.tell("stop")
    assert probe.expect(str) == "-x"
    wait_until(lambda: "root/x" not in phases(system))
    assert not x.tell("too late")
    assert system.dead_letters.by_actor()["root/x"] == 1
    root.tell(StopChild("y"))
    root.tell(StopChild("unheard of"))
    assert probe.expect(str) == "-y"
    wait_until(lambda: "root/y" not in phases(system))
    root.tell(StartChild(transient))
    assert probe.expect(str) == "+x"
    assert x.tell("again"), "an address is the same for all lives of its actor"
    assert probe.expect(str) == "again"
    assert root.tell("what?")
    wait_until(lambda: system.dead_letters.by_actor().get("root") == 1)


def test_mail_of_a_finished_child_becomes_dead_letters(grow, probe, gate):
    system = grow(supervisor("root", []))
    root, address = system.address("root"), system.address("root/x")
    root.tell(StartChild(node("x", probe, restart=Restart.TRANSIENT, hang="receive", gate=gate)))
    address.tell("stop")
    for number in range(5):
        address.tell(number)
    gate.set()
    wait_until(lambda: system.dead_letters.total == 5)
    assert probe.all(int) == []


def test_asked_for_again_while_it_runs_it_is_started_once_more(grow, probe):
    system = grow(supervisor("root", []))
    root, address = system.address("root"), system.address("root/x")
    transient = node("x", probe, restart=Restart.TRANSIENT)
    root.tell(StartChild(transient))
    wait_until(lambda: phases(system).get("root/x") is Phase.UP)
    root.tell(StartChild(transient))
    root.tell(StartChild(node("y", probe)))
    probe.expect(str, where=lambda word: word == "+y")
    address.tell("stop")
    assert [probe.expect(str), probe.expect(str)] == ["-x", "+x"]
    address.tell("stop")
    wait_until(lambda: "root/x" not in phases(system))


@pytest.mark.promise("P35")
def test_the_watchdog_replaces_who_does_not_return(grow, probe, gate, log_lines):
    watched = Probe()

    class Watcher(Actor):
        def started(self):
            self.watch(self.context.system.address("root/a"))

        def receive(self, message):
            watched.tell(message)

    hanging = node("a", probe, hang="receive", gate=gate, handler_budget_s=0.1)
    system = grow(supervisor("root", [hanging, Spec("w", Watcher)]))
    address = system.address("root/a")
    first = watched.expect(Up).epoch
    address.tell("hangs")
    exited = watched.expect(Exited)
    assert exited.epoch == first and isinstance(exited.cause, TimeoutError)
    assert watched.expect(Up).epoch > first
    wait_until(lambda: system.stuck == 1)
    lines = [line for line in log_lines if "root/a" in line and line.startswith("ERROR")]
    assert len(lines) == 1
    assert "busy with one message for more than 0.1 s" in lines[0] and "test_trees.py" in lines[0]
    gate.set()
    wait_until(lambda: system.stuck == 0)
    address.tell("next")
    assert probe.expect(str, where=lambda word: word == "next")
    assert probe.all(str).count("hangs") == 1, "what it was at is finished late, and told once"
    watched.none(Exited, 0.05)


def test_an_abandoned_actor_reads_no_more(grow, probe, gate):
    system = grow(
        supervisor("root", [node("a", probe, hang="receive", gate=gate, handler_budget_s=0.05)], max_restarts=9)
    )
    address = system.address("root/a")
    address.tell("hangs")
    wait_until(lambda: system.stuck == 1)
    for number in range(100):
        address.tell(number)
    gate.set()
    wait_until(lambda: len(probe.all(int)) == 100)
    assert probe.all(int) == list(range(100))


def test_more_than_three_stuck_threads_end_the_system(grow, probe, gate):
    specs = [node(name, probe, hang="receive", gate=gate, handler_budget_s=0.05) for name in "abcd"]
    system = grow(supervisor("root", [supervisor("inner", specs, max_restarts=100)]))
    for name in "abcd":
        system.address(f"root/inner/{name}").tell("hang")
    assert system.wait(5)
    assert isinstance(system.cause, TooManyStuck)


def test_start_and_stop_have_limits(grow, probe, gate, log_lines):
    slow = node("a", probe, hang="start", gate=gate, start_timeout_s=0.05)
    system = grow(supervisor("root", [slow], max_restarts=1))
    assert system.wait(5)
    assert "did not start within 0.05 s" in str(system.cause.__cause__)

    stays = node("b", probe, hang="stop", gate=gate, stop_timeout_s=0.05)
    system = grow(supervisor("root", [node("first", probe), stays]))
    wait_until(lambda: set(phases(system).values()) == {Phase.UP})
    finish(system)
    assert "-first" in probe.received
    assert any("did not stop within 0.05 s" in line for line in log_lines)


def test_a_stuck_supervisor_takes_its_children_with_it(grow, probe, gate):
    def slow_to_make(context: Context, **arguments) -> Actor:
        gate.wait(20)
        return Node(context, **arguments)

    inner = supervisor("inner", [node("a", probe)], handler_budget_s=0.1)
    system = grow(supervisor("root", [inner, node("b", probe)]))
    wait_until(lambda: phases(system).get("root/inner/a") is Phase.UP)
    system.address("root/inner").tell(StartChild(Spec("slow", slow_to_make, {"probe": probe})))
    wait_until(lambda: probe.all(str).count("+a") == 2)
    wait_until(lambda: probe.all(str).count("-a") == 1 and system.stuck == 1)
    system.address("root/inner/a").tell("hello")
    assert probe.expect(str, where=lambda word: word == "hello")


def test_the_whole_system_stops_within_its_limit(grow, probe, gate):
    system = grow(supervisor("root", [node("a", probe, hang="stop", gate=gate)]))
    wait_until(lambda: phases(system).get("root/a") is Phase.UP)
    system.stop(limit_s=0.1)
    assert system.wait(2)
    assert isinstance(system.cause, TimeoutError)


def test_a_system_that_never_started_is_soon_over():
    system = System(supervisor("root", []), boot=1)
    assert not system.wait(0)
    system.stop()
    assert system.wait(1)
    assert system.cause is None


def test_mail_is_kept_or_not_as_the_spec_says(grow, probe, gate):
    kept = node("kept", probe, hang="receive", gate=gate)
    dropped = node("dropped", probe, hang="receive", gate=gate, keep_mail=False)
    system = grow(supervisor("root", [kept, dropped]))
    for name in ("kept", "dropped"):
        for message in (ValueError("x"), name):
            system.address(f"root/{name}").tell(message)
    gate.set()
    assert probe.expect(str, where=lambda word: word in ("kept", "dropped")) == "kept"
    wait_until(lambda: system.dead_letters.by_actor() == {"root/dropped": 1})
