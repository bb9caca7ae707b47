"""Who is at the other end of a connection: the kernel's word, never the client's."""

from __future__ import annotations

import pwd
import socket
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

_CREDENTIALS = struct.Struct("3i")
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_ESTABLISHED = "01"


def _nothing() -> None:
    """For a peer that no connection stands behind."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One connection's other end."""

    local: bool
    """Over the control socket, which only the daemon's own user can open."""
    user: str = ""
    """User of this machine; empty: not known (yet)."""
    address: tuple[str, int] | None = None
    """Of a TCP connection, as it looks from here."""
    here: tuple[str, int] | None = None
    """Our own end of it."""
    abort: Callable[[], None] = _nothing
    """Drop the connection at once, with whatever is still to be sent."""


def peer_of(connection: socket.socket, abort: Callable[[], None]) -> Peer:
    """The other end of an accepted connection."""
    if connection.family == socket.AF_UNIX:
        return Peer(local=True, user=_unix_user(connection), abort=abort)
    try:
        there, here = connection.getpeername()[:2], connection.getsockname()[:2]
    except OSError:
        return Peer(local=False, abort=abort)
    return Peer(local=False, address=there, here=here, abort=abort)


def _unix_user(connection: socket.socket) -> str:
    try:
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    except OSError:
        return ""
    return user_name(_CREDENTIALS.unpack(credentials)[1])


def tcp_uid(peer: Peer, tables: Iterable[Path] = _TABLES) -> int | None:
    """User id of the process of this machine that holds the other end of a connection; None where that cannot be told.

    The kernel lists every TCP socket with its owner; the other end of a loopback connection is one of them. Both ends
    must fit: connections of several users may leave from one port, each to another place.
    """
    if peer.address is None or peer.here is None:
        return None
    for table in tables:
        try:
            lines = table.read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == _ESTABLISHED and (_decoded(fields[1]), _decoded(fields[2])) == (peer.address, peer.here):
                return int(fields[7])
    return None


def _decoded(text: str) -> tuple[str, int]:
    """``0100007F:1F90`` of the kernel's table as (address, port); words are in the machine's byte order."""
    host, port = text.split(":")
    words = [int(host[at : at + 8], 16) for at in range(0, len(host), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
    return socket.inet_ntop(family, packed).removeprefix("::ffff:"), int(port, 16)


def user_name(uid: int) -> str:
    """Name of a user of this machine; its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
