"""One try to tell: a command or a webhook, each within its time, and nothing left behind. Blocks: called in a task."""

from __future__ import annotations

import base64
import http.client
import os
import select
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import IO, Protocol
from urllib.parse import unquote, urlsplit

from actors.crash_points import effect
from actors.settings import Alarms

KEPT_BYTES = 2000
"""Of what a command prints."""
_TICK_S = 0.05


class Cancellable(Protocol):
    """What is used of a task's scope."""

    def on_cancel(self, closer: Callable[[], object]) -> Callable[[], None]:
        """Call this when the task is cancelled; returns what takes it back."""


class NotToldError(Exception):
    """The try failed; the text says why, and holds nothing of the webhook's address but its host."""


def deliver(way: Alarms, body: bytes, scope: Cancellable) -> None:
    """Tell, or raise NotToldError. ``way`` names one of the two."""
    deadline = time.monotonic() + way.timeout_s
    with effect("alarm.push"):
        if way.command:
            run_command(way.command, body, deadline, scope)
        else:
            post(way.webhook, body, deadline, scope)


def run_command(command: tuple[str, ...], body: bytes, deadline: float, scope: Cancellable) -> None:
    """Run it with the document on its standard input; success is exit status 0 in time. Its whole group ends then."""
    with tempfile.TemporaryFile() as document:
        document.write(body)
        document.seek(0)
        try:
            process = subprocess.Popen(
                command,
                stdin=document,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
                cwd="/",
            )
        except OSError as error:
            raise NotToldError(f"the command cannot be run: {error.strerror or 'no reason'}") from None
    withdraw = scope.on_cancel(lambda: _kill(process))
    assert process.stderr is not None
    try:
        said = _until_it_ends(process, process.stderr, deadline)
    finally:
        withdraw()
        _kill(process)
        process.wait()
        process.stderr.close()
    if process.returncode != 0:
        words = " ".join(said.decode("utf-8", "replace").split())[-200:]
        raise NotToldError(f"the command ended with {process.returncode}{f': {words}' if words else ''}")


def _until_it_ends(process: subprocess.Popen[bytes], stream: IO[bytes], deadline: float) -> bytes:
    """The end of what it said. Raises NotToldError when its time is up."""
    said, open_ = b"", True
    while process.poll() is None:
        if time.monotonic() >= deadline:
            raise NotToldError("the command did not end in time and was killed")
        if open_ and select.select([stream], [], [], _TICK_S)[0]:
            piece = os.read(stream.fileno(), 65536)
            open_ = bool(piece)
            said = (said + piece)[-KEPT_BYTES:]
        elif not open_:
            time.sleep(_TICK_S)
    if open_ and select.select([stream], [], [], 0)[0]:
        said = (said + os.read(stream.fileno(), 65536))[-KEPT_BYTES:]
    return said


def _kill(process: subprocess.Popen[bytes]) -> None:
    """The command and what it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def post(address: str, body: bytes, deadline: float, scope: Cancellable) -> None:
    """HTTP POST; success is a status of 2xx in time. Redirects are not followed: they would carry the document away."""
    parts = urlsplit(address)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=max(0.1, deadline - time.monotonic()))
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "mqi-actors", "Connection": "close"}
    if parts.username:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        headers["Authorization"] = "Basic " + base64.b64encode(user).decode()
    withdraw = scope.on_cancel(lambda: _cut(connection))
    try:
        status = _answered(connection, path, body, headers, deadline)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotToldError(f"{parts.hostname}: {_reason(error)}") from None
    finally:
        withdraw()
        connection.close()
    if not 200 <= status < 300:
        raise NotToldError(f"{parts.hostname} answered {status} {_phrase(status)}".rstrip())


def _answered(
    connection: http.client.HTTPConnection, path: str, body: bytes, headers: dict[str, str], deadline: float
) -> int:
    """Status of the answer. A server that trickles is cut by whoever watches the deadline, not by the socket."""
    with _within(deadline, lambda: _cut(connection)):
        connection.request("POST", path, body, headers)
        return connection.getresponse().status


@contextmanager
def _within(deadline: float, cut: Callable[[], None]) -> Iterator[None]:
    """Cut at the deadline, unless this is over before; no thread stays."""
    timer = threading.Timer(max(0.0, deadline - time.monotonic()), cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _cut(connection: http.client.HTTPConnection) -> None:
    """Whatever waits for the server returns now."""
    sock = connection.sock
    if sock is not None:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


def _reason(error: Exception) -> str:
    """Never the text of an exception of the library as it is: some repeat the address."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
