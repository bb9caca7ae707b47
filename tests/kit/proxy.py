"""A TCP proxy on loopback that a test can cut, stall, slow, or let cut by itself after so many bytes."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

_BLOCK = 64 * 1024
_TICK_S = 0.01
_ENDS_WITHIN_S = 5.0


@dataclass
class _Flow:
    """One direction of a connection."""

    source: socket.socket
    sink: socket.socket
    up: bool
    waiting: bytes = b""
    ended: bool = False
    """The source has sent its last byte."""


@dataclass
class _Pair:
    client: socket.socket
    server: socket.socket
    carried: int = 0
    """Bytes both ways."""
    flows: tuple[_Flow, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.flows = (_Flow(self.client, self.server, up=True), _Flow(self.server, self.client, up=False))

    def close(self) -> None:
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


class Proxy:
    """Forwards connections on ``port`` to ``to_port``, both on loopback, until ``stop``; one thread.

    ``cut_every``: each connection is cut after exactly so many bytes, both ways counted together. ``bytes_per_s``: all
    connections together carry no more. Both may be changed at any time.
    """

    def __init__(self, to_port: int, *, cut_every: int | None = None, bytes_per_s: float | None = None) -> None:
        self.cut_every = cut_every
        self.bytes_per_s = bytes_per_s
        self.up = 0
        """Bytes that were carried from clients to the server so far."""
        self.down = 0
        self.connections = 0
        self.cuts = 0
        self._to_port = to_port
        self._stalled = False
        self._closed = False
        self._ending = False
        self._budget = 0.0
        self._pairs: list[_Pair] = []
        self._lock = threading.RLock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._run, name=f"proxy {self.port}", daemon=True)
        self._thread.start()

    # -- what a test does to the link

    def cut(self) -> None:
        """Every connection that stands ends now; new ones are served."""
        with self._lock:
            self.cuts += len(self._pairs)
            for pair in self._pairs:
                pair.close()
            self._pairs.clear()

    def stall(self) -> None:
        """From now on nothing is carried and nothing closed; new connections are taken and hang."""
        self._stalled = True

    def close_port(self) -> None:
        """Cut everything; new connections are closed at once."""
        self._closed = True
        self.cut()

    def go_on(self) -> None:
        """As before ``stall`` or ``close_port``; what hung is carried now."""
        self._stalled = False
        self._closed = False

    @property
    def stalled(self) -> bool:
        """Since ``stall``."""
        return self._stalled

    @property
    def carried(self) -> int:
        """Bytes both ways."""
        return self.up + self.down

    def stop(self) -> None:
        """No thread and no socket stays."""
        self._ending = True
        self._thread.join(_ENDS_WITHIN_S)
        assert not self._thread.is_alive(), "the proxy does not end"

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- its thread

    def _run(self) -> None:
        try:
            last = time.monotonic()
            while not self._ending:
                self._accept()
                now = time.monotonic()
                self._refill(now - last)
                last = now
                with self._lock:
                    pairs = list(self._pairs)
                if self._stalled or not self._carry(pairs):
                    self._rest(pairs)
        finally:
            with self._lock:
                for pair in self._pairs:
                    pair.close()
                self._pairs.clear()
            self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                if self._closed:
                    client.close()
                    continue
                self._begin(client)

    def _begin(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._to_port), timeout=_ENDS_WITHIN_S)
        except OSError:
            self.connections += 1
            client.close()
            return
        for end in (client, server):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pair = _Pair(client, server)
        with self._lock:  # who sees it counted can cut it; who closed the port meanwhile has none
            if self._closed:
                pair.close()
                return
            self._pairs.append(pair)
            self.connections += 1

    def _refill(self, seconds: float) -> None:
        if self.bytes_per_s is not None:
            self._budget = min(self._budget + self.bytes_per_s * seconds, max(self.bytes_per_s * 0.1, 1.0))

    def _rest(self, pairs: list[_Pair]) -> None:
        """Until something may go on; a short sleep where that cannot be told."""
        if self._stalled or not pairs or self.bytes_per_s is not None:
            time.sleep(_TICK_S)
            return
        with selectors.DefaultSelector() as selector, contextlib.suppress(OSError, ValueError, KeyError):
            selector.register(self._listener, selectors.EVENT_READ)
            for key, events in _interests(pairs):
                selector.register(key, events)
            selector.select(_TICK_S)

    def _carry(self, pairs: list[_Pair]) -> bool:
        """One block for every flow that can move; whether any did."""
        moved = False
        for pair in pairs:
            for flow in pair.flows:
                try:
                    moved |= self._step(pair, flow)
                except OSError:
                    self._drop(pair)
                    break
        return moved

    def _step(self, pair: _Pair, flow: _Flow) -> bool:
        if self.cut_every is not None and pair.carried >= self.cut_every:  # it carried more before that was asked
            self._cut_off(pair)
            return False
        limit = self._limit(pair)
        if limit <= 0:
            return False
        if not flow.waiting and not flow.ended:
            with contextlib.suppress(BlockingIOError):
                flow.waiting = flow.source.recv(_BLOCK)
                flow.ended = not flow.waiting
                if flow.ended:
                    flow.sink.shutdown(socket.SHUT_WR)
        if not flow.waiting:
            if all(each.ended for each in pair.flows):
                self._drop(pair)
            return False
        try:
            sent = flow.sink.send(flow.waiting[:limit])
        except BlockingIOError:
            return False
        flow.waiting = flow.waiting[sent:]
        self._count(pair, flow, sent)
        return True

    def _limit(self, pair: _Pair) -> int:
        limit = _BLOCK
        if self.bytes_per_s is not None:
            limit = min(limit, int(self._budget))
        if self.cut_every is not None:
            limit = min(limit, self.cut_every - pair.carried)
        return limit

    def _count(self, pair: _Pair, flow: _Flow, sent: int) -> None:
        pair.carried += sent
        self._budget -= sent if self.bytes_per_s is not None else 0
        if flow.up:
            self.up += sent
        else:
            self.down += sent
        if self.cut_every is not None and pair.carried >= self.cut_every:
            self._cut_off(pair)

    def _cut_off(self, pair: _Pair) -> None:
        """Counted once, also where its other flow's turn comes after, or a test cuts it in that moment."""
        with self._lock:
            self.cuts += pair in self._pairs
            self._drop(pair)

    def _drop(self, pair: _Pair) -> None:
        with self._lock:
            pair.close()
            if pair in self._pairs:
                self._pairs.remove(pair)


def _interests(pairs: list[_Pair]) -> Iterator[tuple[socket.socket, int]]:
    """What each socket is waited for."""
    for pair in pairs:
        wanted = {pair.client: 0, pair.server: 0}
        for flow in pair.flows:
            if flow.waiting:
                wanted[flow.sink] |= selectors.EVENT_WRITE
            elif not flow.ended:
                wanted[flow.source] |= selectors.EVENT_READ
        yield from ((end, events) for end, events in wanted.items() if events)
