"""The console actor: owns the socket and the server's thread; passes what they ask on to the actors that know."""

from __future__ import annotations

import os
import socket as net
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import uvicorn

from actors.console.app import Door, make_app
from actors.console.server import make_server
from actors.console.sockets import open_socket
from actors.supervision import Actor, Context, TaskFailed, TaskScope
from messages.address import Mailbox
from messages.cases import FolderTaken, SubmitFolder
from messages.ledger import NoteEvent, Write
from messages.operators import GetHealth, HealthReport, SettingsReloaded

_BOOT_BITS = 32
"""An epoch is the boot counter and a counter of so many bits below it."""


@dataclass(frozen=True, slots=True)
class _AskHealth:
    future: Future[HealthReport]


@dataclass(frozen=True, slots=True)
class _AskSubmit:
    future: Future[FolderTaken]
    path: str
    partial: bool
    user: str


@dataclass(frozen=True, slots=True)
class _AskReload:
    future: Future[SettingsReloaded]
    user: str


class Console(Actor):
    """May fail for ever and harms nothing: whoever asks gets no answer, and that is all.

    ``stop`` returns at once; ``reload`` may block and is called in a task. ``since``: when the process started.
    """

    def __init__(
        self,
        context: Context,
        *,
        socket: Path,
        ledger: Mailbox,
        scanner: Mailbox,
        monitor: Mailbox,
        stop: Callable[[], None],
        reload: Callable[[], SettingsReloaded],
    ) -> None:
        super().__init__(context)
        self._path, self._ledger, self._scanner, self._monitor = socket, ledger, scanner, monitor
        self._stop, self._reload = stop, reload
        self._waiting: dict[str, Future[Any]] = {}
        self._asked = 0
        self._listening: net.socket | None = None

    def started(self) -> None:
        door = Door(self._facts, self._ask_health, self._ordered_stop, self._ask_reload, self._ask_submit)
        self._listening = open_socket(self._path)
        server = make_server(make_app(door))
        listening = self._listening
        self.task("serve", lambda scope: _serve(scope, server, listening))

    def receive(self, message: object) -> None:
        match message:
            case _AskHealth(future):
                self._monitor.tell(GetHealth(self._expect(future), self.address))
            case _AskSubmit(future, path, partial, user):
                self._note("folder submitted", user, f": {path}{' (partial)' if partial else ''}")
                self._scanner.tell(SubmitFolder(self._expect(future), self.address, path, partial))
            case _AskReload(future, user):
                self._note("reload ordered", user)
                self.task("reload", lambda _: _settle(future, self._reload))
            case HealthReport() | FolderTaken():
                self._answered(message)
            case TaskFailed():
                raise message.error
            case _:
                self.log.warning("the console does not know {}", type(message).__name__)

    def stopped(self) -> None:
        for future in self._waiting.values():
            future.cancel()
        if self._listening is not None:
            self._listening.close()
            self._path.unlink(missing_ok=True)

    # -- in the actor's thread

    def _expect(self, future: Future[Any]) -> str:
        self._asked += 1
        self._waiting = {id_: waiting for id_, waiting in self._waiting.items() if not waiting.done()}
        request_id = f"console-{self.epoch}-{self._asked}"
        self._waiting[request_id] = future
        return request_id

    def _answered(self, message: HealthReport | FolderTaken) -> None:
        future = self._waiting.pop(message.request_id, None)
        if future is not None and future.set_running_or_notify_cancel():
            future.set_result(message)

    def _note(self, what: str, user: str, more: str = "") -> None:
        """History and log; ``more`` is for the history alone, for a folder may be named after a patient."""
        self.log.info("{} by {}", what, user)
        self._ledger.tell(Write("", None, self.address.id, self.epoch, (NoteEvent("", what, f"by {user}{more}"),)))

    # -- in the server's thread: only immutable things are touched, all else is told

    def _ask_health(self) -> Future[HealthReport]:
        future: Future[HealthReport] = Future()
        self.address.tell(_AskHealth(future))
        return future

    def _ask_submit(self, path: str, partial: bool, user: str) -> Future[FolderTaken]:
        future: Future[FolderTaken] = Future()
        self.address.tell(_AskSubmit(future, path, partial, user))
        return future

    def _ask_reload(self, user: str) -> Future[SettingsReloaded]:
        future: Future[SettingsReloaded] = Future()
        self.address.tell(_AskReload(future, user))
        return future

    def _ordered_stop(self, user: str) -> None:
        self.log.info("stop ordered by {}", user)
        self._stop()

    def _facts(self) -> dict[str, Any]:
        process, system = psutil.Process(), self.context.system
        since = datetime.fromtimestamp(process.create_time()).astimezone()
        actors = system.snapshot()
        return {
            "state": "running",
            "pid": os.getpid(),
            "boot": self.epoch >> _BOOT_BITS,
            "since": since.isoformat(timespec="seconds"),
            "socket": str(self._path),
            "memory_mb": round(process.memory_info().rss / 1e6, 1),
            "restarts": system.board.restarts,
            "dead_letters": system.dead_letters.total,
            "actors": [
                {"id": row.id, "phase": row.phase.name.lower(), "restarts": row.restarts, "last_cause": row.last_cause}
                for row in actors
            ],
        }


def _serve(scope: TaskScope, server: uvicorn.Server, listening: net.socket) -> None:
    def leave() -> None:
        server.force_exit = True  # a request that waits for an answer does not hold up the end
        server.should_exit = True

    scope.on_cancel(leave)
    server.run(sockets=[listening])
    if not scope.cancelled:
        raise RuntimeError("the console's server ended by itself")


def _settle(future: Future[Any], work: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(work())
    except Exception as error:
        future.set_exception(error)
