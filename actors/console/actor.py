"""The console actor: owns the sockets and their threads; passes what they ask on to the actors that know."""

from __future__ import annotations

import os
import secrets
import socket as net
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from actors.console.app import make_app
from actors.console.books import Books, LedgerReader
from actors.console.door import Door
from actors.console.hub import Hub
from actors.console.looking import PERIOD_S, REST_S, UNWATCHED_S, Health, Look
from actors.console.pictures import WORK, Pictures
from actors.console.serving import AGAIN_S, ListenFailed, Listens, open_access, serve, serve_tcp
from actors.console.sockets import open_socket
from actors.crash_points import effect
from actors.errors import MqiError
from actors.logs import Redaction
from actors.settings import Settings
from actors.supervision import Actor, Context, TaskFailed, TaskScope
from messages.address import Mailbox
from messages.cases import FolderTaken, SubmitFolder
from messages.compute import Compute, Computed, ComputeFailed
from messages.ledger import GetOrders, NoteEvent, OrderCommand, OrdersReport, Write, WriteRefused, Written
from messages.metrics import GetMetrics, MetricsReport
from messages.operators import AlarmCleared, AlarmRaised, GetHealth, HealthReport, OrderPlaced

_BOOT_BITS = 32
"""An epoch is the boot counter and a counter of so many bits below it."""
_HEALTH_S = 1.0
"""So often the monitor is asked for its word."""
_LISTEN_ALARM = "console:listen"

Answer = HealthReport | FolderTaken | OrdersReport | MetricsReport | Written | Computed
Ask = Callable[[str], None]
"""Sends a request with the given id to whom it concerns."""


class _Question:
    """To myself, from a thread of the server: send this, and settle the future with what comes back."""

    def __init__(self, ask: Ask, name: str = "") -> None:
        self.ask, self.name = ask, name
        self.future: Future[Any] = Future()


class Console(Actor):
    """May fail for ever and harms nothing: whoever asks gets no answer, and that is all.

    ``stop`` returns at once; ``reload`` may block and is called in a task. ``pictures``: folder of a cache that may be
    removed at any time.
    """

    def __init__(
        self,
        context: Context,
        *,
        socket: Path,
        settings: Settings,
        version: str,
        reader: LedgerReader,
        pictures: Path,
        ledger: Mailbox,
        scanner: Mailbox,
        monitor: Mailbox,
        orders: Mailbox,
        compute: Mailbox,
        stop: Callable[[], None],
        reload: Callable[[], Any],
    ) -> None:
        super().__init__(context)
        self._path, self._settings, self._version = socket, settings, version
        self._ledger, self._scanner, self._monitor = ledger, scanner, monitor
        self._orders, self._compute = orders, compute
        self._stop, self._reload = stop, reload
        self._books, self._hub = Books(reader), Hub()
        self._clean = Redaction(map(str, settings.scan.roots))
        self._pictures = Pictures(pictures, settings.results.dir)
        self._waiting: dict[str, deque[Future[Any]]] = {}
        """By request id; of one that was sent several times at once, as an order may be, every answer is somebody's."""
        self._asked = 0
        self._listening: net.socket | None = None
        self._health: Health | None = None
        self._look = Look(
            reader,
            settings.ledger_path,
            facts=self._facts,
            health=lambda: self._health,
            configured=[(host.name, host.kind) for host in settings.hosts],
            attempts=settings.retry.attempts,
            active_cases=settings.daemon.active_cases,
            clean=self._clean,
        )

    def started(self) -> None:
        door = self._door()
        self._listening = open_socket(self._path)
        listening = self._listening
        self.task("serve", lambda scope: serve(scope, make_app(door), listening))
        self.task("look", self._look_on)
        self.after(0.0, _AskHealth())
        if self._settings.console.listen:
            self._open_page(door)

    def receive(self, message: object) -> None:
        match message:
            case _Question():
                message.ask(self._expect(message.future, message.name))
            case _AskHealth():
                self._monitor.tell(GetHealth("health", self.address))
                self.after(_HEALTH_S, message)
            case HealthReport(request_id="health"):
                self._health = Health(message, datetime.now().astimezone())
            case HealthReport() | FolderTaken() | OrdersReport() | MetricsReport() | Written() | Computed():
                self._answered(message)
            case WriteRefused(request_id, fault) | ComputeFailed(request_id, fault):
                self._failed(request_id, MqiError(fault))
            case Listens() | ListenFailed():
                self._told_of_page(message)
            case _OpenPage():
                self._open_page(self._door())
            case TaskFailed():
                raise message.error
            case _:
                self.log.warning("the console does not know {}", type(message).__name__)

    def stopped(self) -> None:
        self._books.close()
        for futures in self._waiting.values():
            for future in futures:
                future.cancel()
        if self._listening is not None:
            self._listening.close()
            with effect("console.unbind"):
                self._path.unlink(missing_ok=True)

    # -- in the actor's thread

    def _open_page(self, door: Door) -> None:
        settings = self._settings.console
        try:
            access = open_access(self._settings, secrets.token_bytes(32))
        except MqiError as error:  # the control socket stays: the page alone is missing
            self._told_of_page(ListenFailed(str(error.fault)))
            self.after(AGAIN_S, _OpenPage())
            return
        if not settings.loopback:
            self.log.warning(
                "the page is open to other machines at {}; its token travels in clear: put a proxy with TLS before it",
                settings.listen,
            )
        app = make_app(door, access)
        self.task("page", lambda scope: serve_tcp(scope, app, settings.listen))

    def _told_of_page(self, message: Listens | ListenFailed) -> None:
        if isinstance(message, Listens):
            self.log.info("the page is at http://{}/", self._settings.console.listen)
            self._monitor.tell(AlarmCleared(_LISTEN_ALARM))
        else:
            text = f"The page cannot be served at {self._settings.console.listen}: {message.why}. It is tried again."
            self._monitor.tell(AlarmRaised(_LISTEN_ALARM, text))

    def _expect(self, future: Future[Any], name: str) -> str:
        self._asked += 1
        waiting = ((id_, deque(one for one in futures if not one.done())) for id_, futures in self._waiting.items())
        self._waiting = {id_: futures for id_, futures in waiting if futures}
        request_id = name or f"console-{self.epoch}-{self._asked}"
        self._waiting.setdefault(request_id, deque()).append(future)
        return request_id

    def _next_waiting(self, request_id: str) -> Future[Any] | None:
        """Whoever asked first of those who still wait."""
        futures = self._waiting.get(request_id, deque())
        while futures:
            future = futures.popleft()
            if future.set_running_or_notify_cancel():
                return future
        self._waiting.pop(request_id, None)
        return None

    def _answered(self, message: Answer) -> None:
        future = self._next_waiting(message.request_id)
        if isinstance(message, Written):
            self._orders.tell(OrderPlaced(message.request_id))  # also when nobody waits any more: it is on the disk
        if future is not None:
            future.set_result(message)

    def _failed(self, request_id: str, error: Exception) -> None:
        future = self._next_waiting(request_id)
        if future is not None:
            future.set_exception(error)

    def _note(self, what: str, user: str, more: str = "") -> None:
        """History and log; ``more`` is for the history alone, for a folder may be named after a patient."""
        self.log.info("{} by {}", what, user)
        self._ledger.tell(Write("", None, self.address.id, self.epoch, (NoteEvent("", what, f"by {user}{more}"),)))

    # -- in a task

    def _look_on(self, scope: TaskScope) -> None:
        while not scope.wait(PERIOD_S if self._hub.listeners else UNWATCHED_S):
            sight = self._look.look()
            if sight is not None:
                self._hub.publish(sight)
                scope.wait(REST_S)  # a torrent of changes is told in few pieces

    # -- in the servers' threads: only immutable things are touched, all else is told

    def _door(self) -> Door:
        return Door(
            settings=self._settings,
            version=self._version,
            books=self._books,
            hub=self._hub,
            facts=self._facts,
            heard=lambda: self._health,
            health=lambda: self._ask(lambda id_: self._monitor.tell(GetHealth(id_, self.address))),
            pulse=lambda: self._ask(lambda id_: self._ledger.tell(GetOrders(id_, self.address))),
            metrics=lambda: self._ask(lambda id_: self._monitor.tell(GetMetrics(id_, self.address))),
            stop=self._ordered_stop,
            reload=self._ask_reload,
            submit=self._ask_submit,
            order=self._ask_order,
            draw=self._ask_picture,
            clean=self._clean,
        )

    def _ask(self, ask: Callable[[str], object], name: str = "") -> Future[Any]:
        question = _Question(lambda id_: (ask(id_), None)[1], name)
        self.address.tell(question)
        return question.future

    def _ask_submit(self, path: str, partial: bool, user: str) -> Future[Any]:
        def send(id_: str) -> None:
            self._note("folder submitted", user, f": {path}{' (partial)' if partial else ''}")
            self._scanner.tell(SubmitFolder(id_, self.address, path, partial))

        return self._ask(send)

    def _ask_order(self, kind: str, subject: str, argument: str, user: str, name: str) -> Future[Any]:
        def send(id_: str) -> None:
            words = " ".join(part for part in (kind, subject, argument) if part)
            self.log.info("order by {}: {}", user, words)
            order = OrderCommand(id_, kind, subject, argument, user)
            self._ledger.tell(Write(id_, self.address, self.address.id, self.epoch, (order,)))

        return self._ask(send, name)

    def _ask_reload(self, user: str) -> Future[Any]:
        def send(id_: str) -> None:
            self._note("reload ordered", user)
            future = self._waiting.pop(id_)[0]
            self.task("reload", lambda _: _settle(future, self._reload))

        return self._ask(send)

    def _ask_picture(self, case: str, name: str, publication: str) -> Future[Path]:
        return self._pictures.ask(
            case,
            name,
            publication,
            lambda argument: self._ask(
                lambda id_: self._compute.tell(
                    Compute(id_, self.address, WORK, argument, f"{case}: picture of {name}", timeout_s=60.0)
                )
            ),
        )

    def _ordered_stop(self, user: str) -> None:
        self.log.info("stop ordered by {}", user)
        self._stop()

    def _facts(self) -> dict[str, Any]:
        process, system = psutil.Process(), self.context.system
        since = datetime.fromtimestamp(process.create_time()).astimezone()
        return {
            "state": "running",
            "pid": os.getpid(),
            "boot": self.epoch >> _BOOT_BITS,
            "since": since.isoformat(timespec="seconds"),
            "socket": str(self._path),
            "version": self._version,
            "memory_mb": round(process.memory_info().rss / 1e6, 1),
            "restarts": system.board.restarts,
            "dead_letters": system.dead_letters.total,
            "actors": [
                {"id": row.id, "phase": row.phase.name.lower(), "restarts": row.restarts, "last_cause": row.last_cause}
                for row in system.snapshot()
            ],
        }


class _OpenPage:
    """To myself: the page could not be served, as its token could not be had; try again."""


class _AskHealth:
    """To myself: ask the monitor."""


def _settle(future: Future[Any], work: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(work())
    except Exception as error:
        future.set_exception(error)
