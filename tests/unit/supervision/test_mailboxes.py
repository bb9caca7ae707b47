"""Addresses, windows, directory, dead letters, timers, traces: the parts of the runtime without a thread."""

from __future__ import annotations

import gc
import threading

import pytest

from actors.supervision import Actor, Exited, Spec, Up
from actors.supervision import _directory as directory_module
from actors.supervision._board import Board
from actors.supervision._core import Phase
from actors.supervision._dead_letters import LOG_PERIOD_S, DeadLetters
from actors.supervision._directory import Directory
from actors.supervision._mailbox import Fenced, Window
from actors.supervision._timers import COMPACT_ABOVE, Timers
from actors.supervision._traces import describe, long_form, stack_of
from messages.address import Mailbox
from tests.kit import Probe, VirtualTimers, solo, solo_mail, wait_until


@pytest.fixture
def dead():
    return DeadLetters()


@pytest.fixture
def directory(dead):
    return Directory(dead)


def spec(**fields) -> Spec:
    return Spec("x", Actor, **fields)


def opened(address, epoch=1, **fields) -> Window:
    window = Window(address, epoch)
    address.open(window, spec(**fields))
    return window


def read(window: Window, count: int) -> list[object]:
    return [window.get().message for _ in range(count)]


def test_an_address_is_a_mailbox_with_a_path(directory):
    address = directory.address("root/pipeline/ledger")
    assert isinstance(address, Mailbox)
    assert (address.id, address.name) == ("root/pipeline/ledger", "ledger")
    assert "root/pipeline/ledger" in repr(address)


def test_control_mail_overtakes_user_mail(directory):
    address = directory.claim("x")
    window = opened(address)
    address.tell("user")
    window.control("control")
    assert read(window, 2) == ["control", "user"]


def test_user_mail_survives_and_control_mail_does_not(directory, dead):
    address = directory.claim("x")
    first = opened(address)
    address.tell("user")
    first.control("control")
    first.close()
    first.control("too late")
    second = opened(address, 2)
    assert address.waiting == 1
    assert read(second, 1) == ["user"]
    assert dead.total == 0


def test_an_earlier_incarnation_is_fenced_by_the_next(directory):
    address = directory.claim("x")
    first = opened(address)
    opened(address, 2)
    address.tell("user")
    with pytest.raises(Fenced):
        first.get()
    assert address.waiting == 1


def test_what_does_not_fit_is_a_dead_letter(directory, dead):
    address = directory.claim("x")
    opened(address, capacity=2)
    assert [address.tell(number) for number in range(4)] == [True, True, False, False]
    assert dead.by_actor() == {"x": 2}


def test_mail_not_to_be_kept_is_buried_at_a_restart(directory, dead):
    address = directory.claim("x")
    address.tell("before the first")
    first = opened(address, keep_mail=False)
    assert read(first, 1) == ["before the first"]
    address.tell("lost")
    second = opened(address, 2, keep_mail=False)
    assert second.empty() and address.waiting == 0 and dead.total == 1


def test_a_released_address_is_dead_until_it_is_opened_again(directory, dead):
    address = directory.claim("x")
    opened(address)
    address.tell("lost")
    directory.release("x", "it has ended")
    directory.release("x", "twice does no harm")
    assert not address.tell("late")
    assert dead.total == 2
    assert directory.claim("x") is address
    opened(address, 2)
    assert address.tell("again")


def test_an_address_is_the_same_while_it_matters(directory):
    assert directory.address("a") is directory.address("a")
    directory.address("with mail").tell(1)
    directory.claim("claimed").tell(1)
    gc.collect()
    assert directory.address("with mail").waiting == 1
    assert directory.address("claimed").waiting == 1


def test_mail_for_actors_that_never_come_cannot_pile_up(directory, dead, monkeypatch):
    monkeypatch.setattr(directory_module, "UNCLAIMED_KEPT", 3)
    for number in range(5):
        directory.address(f"case{number}").tell("x")
    assert dead.by_actor() == {"case0": 1, "case1": 1}
    held = directory.address("case0")
    assert held.tell("waits again")


def test_watchers_hear_in_order_and_at_once(directory):
    address, watcher = directory.claim("x"), Window(directory.claim("w"), 1)
    opened(address, 5)
    address.watch(watcher)
    address.watch(watcher)
    address.came_up(5)
    late = Window(directory.claim("late"), 1)
    address.watch(late)
    error = ValueError()
    address.went_down(5, error)
    address.went_down(5, error)
    opened(address, 6)
    address.came_up(5)
    address.went_down(6, None)
    news = [Up("x", 5), Exited("x", 5, error), Exited("x", 6, None)]
    assert read(watcher, 3) == news and read(late, 3) == news
    assert watcher.empty()
    watcher.close()
    opened(address, 7)
    address.came_up(7)
    assert read(late, 1) == [Up("x", 7)]
    address.unwatch(late)
    address.unwatch(watcher)
    address.went_down(7, None)
    assert late.empty()


def test_dead_letters_are_told_at_a_bounded_rate(log_lines):
    now = [0.0]
    letters = DeadLetters(lambda: now[0])
    for _ in range(5):
        letters.add("a", "text", "full")
    assert len(log_lines) == 1 and "1 dead letter(s), 1 so far; latest: str to a (full)" in log_lines[0]
    now[0] = LOG_PERIOD_S
    letters.add("b", 1, "gone")
    assert len(log_lines) == 2 and "5 dead letter(s), 6 so far; latest: int to b (gone)" in log_lines[1]
    assert letters.total == 6 and letters.by_actor() == {"a": 5, "b": 1}


def test_timers_fire_in_time_and_in_order():
    timers, heard, done = Timers(), [], threading.Event()
    timers.start()
    try:
        begin = timers.now()
        for delay_s, word in ((0.03, "second"), (0.01, "first"), (-1.0, "at once")):
            timers.after(delay_s, heard.append, word)
        cancelled = timers.after(0.02, heard.append, "never")
        cancelled.cancel()
        cancelled.cancel()
        timers.after(0.04, lambda _message: done.set(), None)
        assert done.wait(5)
        assert timers.now() - begin >= 0.04
        assert heard == ["at once", "first", "second"]
        assert not cancelled.pending
    finally:
        timers.stop()
        timers.stop()


def test_cancelled_timers_do_not_pile_up():
    timers = Timers()
    for _ in range(COMPACT_ABOVE * 4):
        timers.after(3600, lambda _message: None, None).cancel()
    assert len(timers._heap) <= COMPACT_ABOVE + 1
    timers.stop()


def test_virtual_timers_fire_what_is_due_also_what_fired_ones_set():
    timers, heard = VirtualTimers(), []

    def again(number: int) -> None:
        heard.append((number, timers.now()))
        if number < 3:
            timers.after(1.0, again, number + 1)

    timers.after(1.0, again, 1)
    timers.after(1.5, heard.append, "never").cancel()
    assert timers.next_due_s() == 1.0
    timers.advance(2.5)
    assert heard == [(1, 1001.0), (2, 1002.0)] and timers.pending == 1
    timers.advance(0.5)
    assert len(heard) == 3 and timers.next_due_s() is None


def test_errors_in_one_line():
    try:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise ValueError("two\nlines") from error
    except ValueError as error:
        text = describe(error)
        assert "Traceback" in long_form(error)
    assert text.startswith("ValueError: two lines [test_mailboxes.py:") and "from KeyError: 'inner'" in text
    assert describe(None) == "by itself" and long_form(None) == ""
    assert describe(ValueError()) == "ValueError"
    assert stack_of(None) == ""
    assert "test_mailboxes.py" in stack_of(threading.current_thread())


def test_the_board_counts_restarts_and_forgets():
    board = Board()
    for phase, epoch in ((Phase.DOWN, 0), (Phase.STARTING, 1), (Phase.UP, 1), (Phase.DOWN, 1), (Phase.STARTING, 2)):
        board.note("root/a", phase, epoch)
    board.note("root/a/b", Phase.UP, 3)
    board.note("root/ab", Phase.UP, 4)
    board.note_crash("root/a", "why")
    board.note_crash("unknown", "why")
    first = board.snapshot()[0]
    assert (first.id, first.phase, first.epoch, first.restarts, first.crashes, first.last_cause) == (
        "root/a",
        Phase.STARTING,
        2,
        1,
        1,
        "why",
    )
    board.drop("root/a")
    assert [row.id for row in board.snapshot()] == ["root/ab"]
    assert board.restarts == 1


class Ticking(Actor):
    def started(self) -> None:
        self.after(5.0, "tick")
        self.watch(self.context.parent)

    def receive(self, message: object) -> None:
        self.context.parent.tell(message)
        self.stop()


def test_an_actor_without_a_thread():
    timers, parent = VirtualTimers(), Probe()
    actor = solo(Ticking, timers=timers, parent=parent)
    actor.started()
    assert solo_mail(actor) == [Up("probe", 1)]
    timers.advance(5.0)
    (tick,) = solo_mail(actor)
    actor.receive(tick)
    assert parent.received == ("tick",)
    parent.go_down()
    parent.come_up()
    assert Exited("probe", 1, None) in (mail := solo_mail(actor)) and Up("probe", 2) in mail
    for _ in range(2):
        actor.watch(other := actor.context.system.address("root/other"))
    actor.unwatch(other)
    actor.unwatch(parent)
    opened(other, 9)
    other.came_up(9)
    assert solo_mail(actor) == []
    with pytest.raises(TypeError, match="tells nobody"):
        actor.watch("somebody")  # type: ignore[arg-type]


def test_a_probe_says_what_came_instead():
    probe = Probe()
    probe.tell(1)
    with pytest.raises(AssertionError, match=r"no str within 0.01 s; came: \[1\]"):
        probe.expect(str, 0.01)
    probe.tell("a")
    with pytest.raises(AssertionError, match="unexpected"):
        probe.none(str)
    assert probe.expect(str) == "a"
    probe.none(str, 0.01)
    probe.clear()
    assert probe.received == () and "0 received" in repr(probe)
    with pytest.raises(AssertionError, match="the sky falls"):
        wait_until(lambda: False, 0.01, "the sky falls")
