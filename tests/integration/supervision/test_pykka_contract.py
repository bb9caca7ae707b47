"""What pykka does that the runtime builds on, and what it does not do that the runtime adds: for any new pykka."""

from __future__ import annotations

import threading
import time
from collections import deque

import pykka
import pytest

from actors.supervision._mailbox import Letter
from tests.kit import wait_until


@pytest.fixture(autouse=True)
def no_actor_is_left():
    yield
    pykka.ActorRegistry.stop_all(timeout=5)
    assert not pykka.ActorRegistry.get_all()


class Recorder(pykka.ThreadingActor):
    """Plain pykka: notes its hooks and messages."""

    def __init__(self, notes):
        super().__init__()
        self.notes = notes

    def on_start(self):
        self.notes.append("start")

    def on_stop(self):
        self.notes.append("stop")

    def on_failure(self, *_):
        self.notes.append("failure")

    def on_receive(self, message):
        if isinstance(message, BaseException):
            raise message
        if isinstance(message, threading.Event):
            message.wait(5)
        self.notes.append(message)


class StartFails(Recorder):
    def on_start(self):
        raise self.notes[0]


class OwnInbox(Recorder):
    """The two extension points, used as the runtime does."""

    def __init__(self, notes, inbox):
        self.inbox = inbox
        super().__init__(notes)

    def _create_actor_inbox(self):
        return self.inbox

    def _start_actor_loop(self):
        self.thread = threading.Thread(target=self.run, name="own", daemon=True)
        self.thread.start()

    def run(self):
        try:
            self._actor_loop()
        except BaseException as error:
            self.notes.append(type(error))


class Inbox:
    """The inbox protocol: put, get, empty."""

    def __init__(self, *letters):
        self.letters = deque(letters)

    def put(self, envelope, /):
        self.letters.append(envelope)

    def empty(self):
        return True

    def get(self):
        if not self.letters:
            raise GeneratorExit
        return self.letters.popleft()


def test_the_extension_points_are_used_and_letters_need_only_two_attributes():
    notes = []
    ref = OwnInbox.start(notes, Inbox(Letter("a"), Letter("b")))
    wait_until(lambda: len(notes) == 4)
    assert notes == ["start", "a", "b", GeneratorExit], (
        "what get raises beyond Exception ends the loop and is let through"
    )
    assert ref in pykka.ActorRegistry.get_all()
    pykka.ActorRegistry.unregister(ref)
    pykka.ActorRegistry.unregister(ref)  # callable twice


def test_the_loop_ends_once_stopped_is_set_whatever_waits():
    notes = []

    class Ends(OwnInbox):
        def on_receive(self, message):
            super().on_receive(message)
            self.actor_stopped.set()

    ref = Ends.start(notes, Inbox(Letter("a"), Letter("b")))
    wait_until(lambda: notes == ["start", "a"])
    time.sleep(0.02)
    assert notes == ["start", "a"]
    pykka.ActorRegistry.unregister(ref)


def test_set_in_on_start_not_one_message_is_read():
    notes = []

    class Never(OwnInbox):
        def on_start(self):
            self.actor_stopped.set()
            self.notes.append("start")

    ref = Never.start(notes, Inbox(Letter("a")))
    time.sleep(0.02)
    assert notes == ["start"]
    pykka.ActorRegistry.unregister(ref)


def test_stop_passes_through_the_inbox():
    notes = []

    class Stops(OwnInbox):
        def on_receive(self, message):
            super().on_receive(message)
            self.stop()

    Stops.start(notes, Inbox(Letter("a")))
    wait_until(lambda: notes == ["start", "a", "stop"])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_crash_drops_the_rest_of_the_inbox_and_tells_nobody():
    notes, gate = [], threading.Event()
    ref = Recorder.start(notes)
    for message in (gate, ValueError("x"), "lost"):
        ref.tell(message)
    gate.set()
    wait_until(lambda: not ref.is_alive())
    wait_until(lambda: "failure" in notes)
    assert "lost" not in notes and "stop" not in notes


def test_a_crash_in_on_start_calls_no_hook():
    notes = [ValueError("x")]
    ref = StartFails.start(notes)
    wait_until(lambda: not ref.is_alive())
    assert len(notes) == 1


def test_system_exit_in_a_handler_stops_every_actor():
    bystander, culprit = Recorder.start([]), Recorder.start([])
    culprit.tell(SystemExit(1))
    wait_until(lambda: not bystander.is_alive())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_system_exit_in_on_start_leaves_one_that_seems_alive():
    ref = StartFails.start([SystemExit(1)])
    wait_until(lambda: threading.active_count() == 1 or not _named("StartFails"))
    assert ref.is_alive() and ref in pykka.ActorRegistry.get_all()
    pykka.ActorRegistry.unregister(ref)


def test_stop_waits_behind_the_backlog():
    notes, gate = [], threading.Event()
    ref = Recorder.start(notes)
    for message in (gate, "a", "b"):
        ref.tell(message)
    ref.stop(block=False)
    gate.set()
    wait_until(lambda: "stop" in notes)
    assert notes == ["start", gate, "a", "b", "stop"]


def test_threads_are_not_daemons():
    ref = Recorder.start([])
    assert not _named("Recorder")[0].daemon
    ref.stop()


def test_telling_the_dead_raises():
    ref = Recorder.start([])
    ref.stop()
    with pytest.raises(pykka.ActorDeadError):
        ref.tell("late")


def _named(prefix):
    """Threads by the beginning of their names."""
    return [thread for thread in threading.enumerate() if thread.name.startswith(prefix)]
