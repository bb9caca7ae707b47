"""uvicorn on our sockets, each in a thread of its own, with a limit on what one client can hold."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from actors.console.peers import Peer, peer_of

CONNECTIONS = 64
"""At one socket; whoever comes after is told so and hung up on."""
HEADER_S = 15.0
"""From the connection, or the end of the last answer, to the end of a request's header; and to take an answer."""
HEADER_BYTES = 16384
LEAVE_S = 0.02
"""At its end, for answers that are being given; streams, which have no end, are cut off."""
_DATE_S = 1.0
_ANSWERS_S = 0.005
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Type: application/json\r\n"
    b'Content-Length: 41\r\nConnection: close\r\n\r\n{"error":{"what":"too many connections"}}'
)


class _Guarded(H11Protocol):
    """Tells every request who connected, and hangs up on who connects and says nothing."""

    _silent: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS:
            transport.write(_BUSY)
            transport.close()
            self._await_request()  # a full peer cannot even be told: then it is dropped
            return
        peer = peer_of(transport.get_extra_info("socket"), transport.abort)
        self.app_state = {**self.app_state, "peer": peer}
        self._await_request()

    def data_received(self, data: bytes) -> None:
        if not self.transport.is_closing():
            super().data_received(data)

    def handle_events(self) -> None:
        before = self.cycle
        super().handle_events()
        if self.cycle is not before and not self.cycle.response_complete:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        self._await_request()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _await_request(self) -> None:
        self._stop_waiting()
        self._silent = self.loop.call_later(HEADER_S, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._silent is not None:
            self._silent.cancel()
            self._silent = None


class Server(uvicorn.Server):
    """uvicorn's, which ends when it is told to: its own looks ten times a second whether it should, then waits again.

    ``run(sockets=[…])`` in any thread, ``leave`` from any other.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._left = asyncio.Event()

    def leave(self) -> None:
        """End; returns at once."""
        self.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # its loop is closed: it has ended
                self._loop.call_soon_threadsafe(self._left.set)

    async def main_loop(self) -> None:
        """Until ``leave``; the date in the answers' heads is renewed meanwhile."""
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._left.wait(), _DATE_S)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Nobody new, a moment for answers that are being given, then the end of all."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        loop = asyncio.get_running_loop()
        until = loop.time() + LEAVE_S
        while self.server_state.tasks and loop.time() < until:
            await asyncio.sleep(_ANSWERS_S)
        for connection in list(self.server_state.connections):
            cast(_Guarded, connection).transport.abort()
        await asyncio.sleep(0)


def make_server(app: ASGIApp) -> Server:
    """A server of this application."""
    config = uvicorn.Config(
        app,
        http=_Guarded,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_keep_alive=5,
        server_header=False,
        h11_max_incomplete_event_size=HEADER_BYTES,
    )
    return Server(config)


def peer_in(scope: Any) -> Peer:
    """Who sent a request."""
    state = scope.get("state") or {}
    return cast(Peer, state.get("peer")) or Peer(local=False)
