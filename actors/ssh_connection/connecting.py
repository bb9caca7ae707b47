"""From a target to a connection that is open and logged in: name, port, host key, login; each hop in turn."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

import paramiko

from actors.errors import MqiError
from actors.ssh_connection import hostkeys, troubles
from actors.ssh_connection.config import Hop, route
from actors.ssh_connection.identities import Identity, offered
from actors.ssh_connection.packets import Packets
from actors.ssh_connection.target import Patience, Target

OnCancel = Callable[[Callable[[], object]], Callable[[], None]]
"""``TaskScope.on_cancel``: takes a closer, returns what takes it back."""

_ENDS_WITHIN_S = 3.0
_UNSAFE = ("cbc", "3des", "md5", "sha1")
_paramiko_log = logging.getLogger("paramiko")
_paramiko_log.addHandler(logging.NullHandler())
_paramiko_log.propagate = False  # it writes tracebacks for every cut link; the faults here say it in words


@dataclass(frozen=True, slots=True)
class Window:
    """Flow control of the connection's channels, in bytes."""

    bytes: int = 4 * 1024 * 1024
    packet: int = 32 * 1024


class Connection:
    """One logged-in transport, with those of the servers on the way."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._sockets: list[socket.socket] = []
        self._transports: list[paramiko.Transport] = []

    @property
    def transport(self) -> paramiko.Transport:
        """The one that ends at the host."""
        return self._transports[-1]

    @property
    def alive(self) -> bool:
        return bool(self._transports) and all(transport.is_active() for transport in self._transports)

    def cut(self) -> None:
        """Make every call on it return or raise, at once; from any thread."""
        for raw in self._sockets:
            with contextlib.suppress(OSError):
                raw.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End it, and its threads."""
        self.cut()
        for transport in reversed(self._transports):
            with contextlib.suppress(Exception):  # half-open transports raise anything; they are given up anyway
                transport.close()
        for raw in self._sockets:
            raw.close()
        for transport in reversed(self._transports):
            if transport.is_alive():
                transport.join(_ENDS_WITHIN_S)

    # -- building it up

    def keep(self, raw: socket.socket) -> None:
        """The socket is closed with the connection."""
        self._sockets.append(raw)

    def begin(self, channel: socket.socket | paramiko.Channel, window: Window) -> paramiko.Transport:
        """A transport over it, not yet spoken to."""
        transport = paramiko.Transport(
            channel,
            default_window_size=window.bytes,
            default_max_packet_size=window.packet,
            packetizer_class=Packets,
        )
        transport.daemon = True
        self._transports.append(transport)
        return transport


def connect(target: Target, on_cancel: OnCancel, window: Window) -> Connection:
    """Open every hop. Raises MqiError; nothing is left open then. Blocks, for no longer than the target's patience."""
    hops = route(target)
    connection = Connection(target.host)
    withdraw = on_cancel(connection.cut)
    try:
        for number, hop in enumerate(hops):
            channel = _tunnel(target, connection, hop) if number else _socket(target, hop, connection)
            transport = connection.begin(channel, window)
            _shake_hands(target, hop, transport)
            _log_in(target, hop, transport)
    except BaseException:
        connection.close()
        raise
    finally:
        withdraw()
    connection.transport.set_keepalive(round(target.patience.keepalive_s))
    return connection


def _socket(target: Target, hop: Hop, connection: Connection) -> socket.socket:
    """Connected to the first of the name's addresses that answers."""
    try:
        found = socket.getaddrinfo(hop.address, hop.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise troubles.unresolved(target.host, hop.address, getattr(error, "strerror", None) or str(error)) from error
    deadline = time.monotonic() + target.patience.connect_s
    failure: MqiError | None = None
    for family, kind, protocol, _, address in found:
        raw = socket.socket(family, kind, protocol)
        connection.keep(raw)
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            raw.settimeout(max(deadline - time.monotonic(), 0.1))
            raw.connect(address)
        except OSError as error:
            raw.close()
            failure = _failed(target, hop, error)
            continue
        return raw
    assert failure is not None
    raise failure


def _failed(target: Target, hop: Hop, error: OSError) -> MqiError:
    if isinstance(error, TimeoutError):
        return troubles.connect_timeout(target.host, hop.address, hop.port, target.patience.connect_s)
    if isinstance(error, ConnectionRefusedError):
        return troubles.port_refused(target.host, hop.address, hop.port)
    return troubles.unreachable(target.host, hop.address, hop.port, error.strerror or str(error))


def _tunnel(target: Target, connection: Connection, hop: Hop) -> paramiko.Channel:
    """Through the server before: what ProxyJump means."""
    try:
        return connection.transport.open_channel(
            "direct-tcpip", (hop.address, hop.port), ("127.0.0.1", 0), timeout=target.patience.connect_s
        )
    except paramiko.ChannelException as error:
        why = f"the server before it on the way says: {error.text or 'refused'}"
        raise troubles.unreachable(target.host, hop.address, hop.port, why) from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        if connection.alive:
            seconds = target.patience.connect_s
            raise troubles.connect_timeout(target.host, hop.address, hop.port, seconds) from error
        raise troubles.lost(target.host, f"the server on the way to {hop.address} hung up") from error


def _shake_hands(target: Target, hop: Hop, transport: paramiko.Transport) -> None:
    """Agree on algorithms, and know the host by its key."""
    entries = hostkeys.read(hop.known_hosts)
    _choose_algorithms(transport, hostkeys.known_types(entries, hop.known_as), target.patience)
    try:
        transport.start_client(timeout=target.patience.banner_s)
        key = transport.get_remote_server_key()  # where the time ran out, the call above returns as if all were well
    except paramiko.ssh_exception.IncompatiblePeer as error:
        raise troubles.no_common_algorithms(target.host, hop.address, hop.port, str(error)) from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise troubles.no_banner(target.host, hop.address, hop.port, str(error) or "it hung up") from error
    hostkeys.check(target.host, hop, key.get_name(), key.asbytes(), entries)


def _choose_algorithms(transport: paramiko.Transport, known: tuple[str, ...], patience: Patience) -> None:
    """AES-GCM first, nothing that is broken, no compression; the host's key in a type that we know, if there is one."""
    transport.banner_timeout = patience.banner_s
    transport.handshake_timeout = patience.banner_s
    transport.auth_timeout = patience.login_s
    options = transport.get_security_options()
    safe = [cipher for cipher in options.ciphers if not _is_unsafe(cipher)]
    options.ciphers = sorted(safe, key=lambda cipher: "gcm" not in cipher)
    options.digests = [digest for digest in options.digests if not _is_unsafe(digest)]
    options.key_types = sorted(options.key_types, key=lambda kind: kind not in known)
    transport.use_compression(False)


def _is_unsafe(algorithm: str) -> bool:
    return any(word in algorithm for word in _UNSAFE)


def _log_in(target: Target, hop: Hop, transport: paramiko.Transport) -> None:
    with offered(target.host, hop) as identities:
        for identity in identities:
            if _accepted(target, hop, transport, identity):
                return
        tried = ", ".join(identity.name for identity in identities)
    if not tried:
        names = ", ".join(map(str, hop.key_files))
        tried = f"no key at all: there is none in {names}, and the agent holds none"
    raise troubles.login_refused(target.host, hop.address, hop.port, hop.user, tried)


def _accepted(target: Target, hop: Hop, transport: paramiko.Transport, identity: Identity) -> bool:
    try:
        more = transport.auth_publickey(hop.user, identity.key)
    except paramiko.AuthenticationException as error:
        if "timeout" in str(error).lower():
            raise troubles.login_timeout(target.host, hop.address, hop.port, hop.user) from error
        if transport.is_active():
            return False
        if "EOF" in str(error):  # paramiko's word for a connection that broke off before any answer
            raise troubles.lost(target.host, f"it broke off during the login with {identity.name}") from error
        raise troubles.login_refused(target.host, hop.address, hop.port, hop.user, identity.name) from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        # what cannot be sent is lost, also in the moment before the transport's own thread notices
        if isinstance(error, paramiko.SSHException) and transport.is_active():
            return False
        raise troubles.lost(
            target.host, f"the server hung up during the login ({str(error) or 'it broke off'})"
        ) from error
    if more:
        tried = f"{identity.name}: it also asks for {', '.join(more)}"
        raise troubles.login_refused(target.host, hop.address, hop.port, hop.user, tried)
    return True
