"""The library that tells file-system events, as it really is when it is stopped."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from watchdog.observers.api import EventQueue, ObservedWatch
from watchdog.observers.inotify import InotifyEmitter
from watchdog.observers.inotify_c import InotifyFD

from actors.scanner import hints
from actors.supervision import TaskScope
from tests.kit.waiting import wait_until


class Scope:
    """Of a task, without its actor."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self._ended = threading.Event()
        self._closers: list[Callable[[], object]] = []

    @property
    def cancelled(self) -> bool:
        return self._ended.is_set()

    def wait(self, seconds: float) -> bool:
        return self._ended.wait(seconds)

    def on_cancel(self, closer: Callable[[], object]) -> Callable[[], None]:
        self._closers.append(closer)
        return lambda: None

    def tell(self, message: object) -> None:
        self.told.append(message)

    def cancel(self) -> None:
        self._ended.set()
        for closer in self._closers:
            closer()


@pytest.fixture
def followed(tmp_path: Path) -> None:
    """Events of a root were followed, and are no more."""
    scope = Scope()
    thread = threading.Thread(target=hints.follow, args=([str(tmp_path)], 1, cast(TaskScope, scope)))
    thread.start()
    wait_until(lambda: hints.Following() in scope.told, 10, "events are followed")
    scope.cancel()
    thread.join(10)


@pytest.mark.usefixtures("followed")
def test_an_event_that_arrives_during_the_stop_is_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stopped = InotifyEmitter(EventQueue(), ObservedWatch(str(tmp_path), recursive=False), inotify_fd=InotifyFD())
    stopped.queue_events(0.0)
    assert not caplog.records


@pytest.mark.usefixtures("followed")
def test_what_the_library_has_to_say_besides_is_heard(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger(InotifyEmitter.__module__).error("the queue is full")
    assert [record.message for record in caplog.records] == ["the queue is full"]
