"""The servers' threads: one for the control socket, one for the page, so that neither can hold up the other."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from starlette.types import ASGIApp

from actors.console.access import Access
from actors.console.server import make_server
from actors.console.sockets import open_tcp
from actors.console.token import read_token
from actors.settings import Settings
from actors.supervision import TaskScope

AGAIN_S = 10.0
"""After an address could not be had."""


@dataclass(frozen=True, slots=True)
class Listens:
    """To the console: the page is served."""


@dataclass(frozen=True, slots=True)
class ListenFailed:
    """To the console: it is not, and why."""

    why: str


def open_access(settings: Settings, secret: bytes) -> Access:
    """Who may ask over TCP. Raises MqiError when the token cannot be had."""
    console = settings.console
    host = console.listen.rpartition(":")[0].strip("[]").lower()
    names = {host, socket.gethostname().lower(), *(name.lower() for name in console.names)}
    token = read_token(console.token_file) if console.token_file is not None else ""
    return Access(names=frozenset(names), token=token, secret=secret)


def serve(scope: TaskScope, app: ASGIApp, listening: socket.socket) -> None:
    """Until the task is cancelled. Raises RuntimeError if the server ends by itself."""
    server = make_server(app)
    scope.on_cancel(server.leave)
    server.run(sockets=[listening])
    if not scope.cancelled:
        raise RuntimeError("the console's server ended by itself")


def serve_tcp(scope: TaskScope, app: ASGIApp, listen: str) -> None:
    """The same at an address, which is waited for while somebody else has it."""
    while not scope.cancelled:
        try:
            listening = open_tcp(listen)
        except OSError as error:
            scope.tell(ListenFailed(error.strerror or str(error)))
            scope.wait(AGAIN_S)
            continue
        scope.tell(Listens())
        with listening:
            serve(scope, app, listening)
