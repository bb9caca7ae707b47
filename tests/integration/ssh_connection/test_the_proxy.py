"""The proxy of the tests does what it says, to the byte."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.kit.proxy import Proxy
from tests.kit.waiting import wait_until


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that sends back what it gets; its port."""
    threads = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve(client: socket.socket) -> None:
            with client, contextlib.suppress(OSError):
                while block := client.recv(65536):
                    client.sendall(block)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threads.append(threading.Thread(target=serve, args=(server.accept()[0],)))
                    threads[-1].start()

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        acceptor.join()
    for thread in threads:
        thread.join()


def asked(client: socket.socket, content: bytes) -> bytes:
    """What comes back, until all of it is there or the link ends."""
    with contextlib.suppress(OSError):
        client.sendall(content)
    back = b""
    with contextlib.suppress(OSError):
        while len(back) < len(content) and (block := client.recv(65536)):
            back += block
    return back


def test_bytes_are_carried_and_counted(echo: int) -> None:
    with Proxy(echo) as proxy, socket.create_connection(("127.0.0.1", proxy.port)) as client:
        assert asked(client, b"abc" * 1000) == b"abc" * 1000
        # what was passed on may be counted an instant after it arrived
        wait_until(lambda: (proxy.up, proxy.down, proxy.connections) == (3000, 3000, 1))


@pytest.mark.parametrize("every", [1, 1500, 70_000])
def test_a_connection_is_cut_after_exactly_so_many_bytes(echo: int, every: int) -> None:
    with Proxy(echo, cut_every=every) as proxy:
        for turn in range(1, 4):
            with socket.create_connection(("127.0.0.1", proxy.port)) as client:
                assert len(asked(client, bytes(100_000))) <= every
            wait_until(lambda turn=turn: proxy.cuts == turn)
            assert proxy.carried == turn * every


def test_cut_ends_what_stands_and_serves_what_comes(echo: int) -> None:
    with Proxy(echo) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            assert asked(client, b"1") == b"1"
            proxy.cut()
            assert asked(client, b"2") == b""
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            assert asked(client, b"3") == b"3"
        proxy.close_port()
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            assert asked(client, b"4") == b""


def test_a_stalled_link_keeps_silent_and_then_goes_on(echo: int) -> None:
    with Proxy(echo) as proxy, socket.create_connection(("127.0.0.1", proxy.port)) as client:
        assert asked(client, b"1") == b"1"
        proxy.stall()
        client.settimeout(0.1)
        assert asked(client, b"2") == b""
        proxy.go_on()
        client.settimeout(5)
        assert client.recv(1) == b"2"


def test_a_slow_link_keeps_its_rate(echo: int) -> None:
    with Proxy(echo, bytes_per_s=200_000) as proxy, socket.create_connection(("127.0.0.1", proxy.port)) as client:
        begun = time.monotonic()
        assert len(asked(client, bytes(50_000))) == 50_000
        assert time.monotonic() - begun > 0.3
