"""uvicorn on our socket, in a thread, knowing who is at the other end."""

from __future__ import annotations

import asyncio
import pwd
import socket
import struct

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

CONNECTIONS = 32
_PEER = struct.Struct("3i")


class _WithPeer(H11Protocol):
    """Tells every request which user of this machine connected (SO_PEERCRED: the kernel's word, not the client's)."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "user": _peer(transport)}


def make_server(app: Starlette) -> uvicorn.Server:
    """A server for ``run(sockets=[…])`` in any thread; ``should_exit`` ends it."""
    config = uvicorn.Config(
        app,
        http=_WithPeer,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=5,
        server_header=False,
    )
    return uvicorn.Server(config)


def _peer(transport: asyncio.Transport) -> str:
    connection = transport.get_extra_info("socket")
    try:
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    except (AttributeError, OSError):
        return ""
    uid = _PEER.unpack(credentials)[1]
    return user_name(uid)


def user_name(uid: int) -> str:
    """Name of a user of this machine; its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
