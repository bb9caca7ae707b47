"""The server's own end: at once where nobody waits for an answer, soon where somebody holds a stream."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from actors.console.server import LEAVE_S, Server, make_server
from actors.console.sockets import open_socket

TRIES = 5
UVICORNS_S = 0.1
"""Its own end never takes less."""


async def _brief(_: Request) -> Response:
    await asyncio.sleep(LEAVE_S / 4)
    return PlainTextResponse("answered")


async def _endless(_: Request) -> Response:
    async def words() -> AsyncIterator[bytes]:
        while True:
            yield b"on and on\n"
            await asyncio.sleep(0.01)

    return StreamingResponse(words())


@contextmanager
def _serving(folder: Path) -> Iterator[tuple[Server, threading.Thread, Path]]:
    place = folder / "s"
    server = make_server(Starlette(routes=[Route("/brief", _brief), Route("/endless", _endless)]))
    with open_socket(place) as listening:
        thread = threading.Thread(target=lambda: server.run(sockets=[listening]))
        thread.start()
        try:
            yield server, thread, place
        finally:
            server.leave()
            thread.join(5)
            assert not thread.is_alive()


def _ask(place: Path, path: str) -> socket.socket:
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(5)
    line.connect(str(place))
    line.sendall(f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
    return line


def _ended_s(server: Server, thread: threading.Thread) -> float:
    began = time.monotonic()
    server.leave()
    thread.join(5)
    return time.monotonic() - began


def test_an_idle_server_ends_at_once(tmp_path: Path) -> None:
    took = []
    for _ in range(TRIES):
        with _serving(tmp_path) as (server, thread, place):
            with _ask(place, "/brief") as line:
                line.recv(4096)
            took.append(_ended_s(server, thread))
    assert min(took) < UVICORNS_S


def test_a_stream_holds_up_the_end_for_a_moment_only_and_is_cut(tmp_path: Path) -> None:
    took = []
    for _ in range(TRIES):
        with _serving(tmp_path) as (server, thread, place), _ask(place, "/endless") as line:
            assert line.recv(4096)
            took.append(_ended_s(server, thread))
            while line.recv(4096):
                pass
    assert LEAVE_S <= min(took) < UVICORNS_S


def test_an_answer_that_is_being_given_is_given_to_its_end(tmp_path: Path) -> None:
    with _serving(tmp_path) as (server, thread, place), _ask(place, "/brief") as line:
        while not server.server_state.tasks:
            time.sleep(0.001)
        _ended_s(server, thread)
        said = b"".join(iter(lambda: line.recv(4096), b""))
    assert said.endswith(b"answered")


def test_a_server_told_to_leave_before_it_began_never_begins(tmp_path: Path) -> None:
    server = make_server(Starlette())
    server.leave()
    with open_socket(tmp_path / "s") as listening:
        began = time.monotonic()
        server.run(sockets=[listening])
    assert time.monotonic() - began < 2
