"""A shell that is ready before it is needed saves a login's start-up files, and nobody suffers where there is none."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from actors.ssh_connection import link as link_module
from actors.ssh_connection.link import Link, open_link
from actors.ssh_connection.target import Patience
from tests.kit.proxy import Proxy
from tests.kit.sshd import Sshd
from tests.kit.waiting import wait_until

SLOW_LOGIN_S = 0.7


def linked(folder: Path, **options: object) -> Iterator[tuple[Sshd, Link]]:
    with Sshd(folder / "sshd", **options) as server:  # type: ignore[arg-type]
        link = open_link(server.target())
        yield server, link
        link.close()
        assert link._preparing is None or not link._preparing.is_alive()


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[tuple[Sshd, Link]]:
    (tmp_path / "home").mkdir()
    (tmp_path / "home/.bashrc").write_text(f"echo Welcome; echo in >>{tmp_path}/logins; sleep {SLOW_LOGIN_S}\n")
    yield from linked(tmp_path, login_shell="/bin/bash", home=tmp_path / "home")


def ready(link: Link) -> int:
    return len(link._sessions._idle)


def cat(link: Link, text: bytes, *, waiting: bool = True) -> float:
    """Through a stream of its own; how long that took to open, in s."""
    begun = time.monotonic()
    channel = link.channel("cat", waiting=waiting)
    opened_s = time.monotonic() - begun
    channel.write(text, 5)
    channel.end_input()
    assert channel.read(100, 5) == text
    assert channel.read(100, 5) == b""
    assert channel.exit_code(5) == 0
    channel.close()
    return opened_s


def test_a_stream_takes_a_shell_that_waits(slow: tuple[Sshd, Link], tmp_path: Path) -> None:
    """Counted by the logins that there were: what comes early is no matter of the clock."""
    _, link = slow
    logins = tmp_path / "logins"
    link.run("echo warm", timeout_s=20)
    link.prepare(2)
    wait_until(lambda: ready(link) == 2, 10, "a second shell")
    wait_until(lambda: len(logins.read_text().split()) == 2, 10, "its start-up files run by themselves")
    cat(link, b"one")
    assert ready(link) == 1
    cat(link, b"two")  # what was asked before does not disturb it
    assert ready(link) == 0
    assert len(logins.read_text().split()) == 2, "neither logged in anew"
    assert cat(link, b"three") >= SLOW_LOGIN_S
    assert len(logins.read_text().split()) == 3


def test_who_does_not_ask_for_it_leaves_it_to_others(slow: tuple[Sshd, Link]) -> None:
    _, link = slow
    link.run("echo warm", timeout_s=20)
    cat(link, b"one", waiting=False)
    assert ready(link) == 1


def test_no_more_are_prepared_than_are_kept_or_granted(tmp_path: Path) -> None:
    for server, link in linked(tmp_path, options=["MaxSessions 1"]):
        link.run("echo warm", timeout_s=20)
        link.prepare(2)
        wait_until(lambda link=link: link._grudging, 10, "the server refuses")  # type: ignore[misc]
        link.prepare(2)
        assert ready(link) == 1
        assert cat(link, b"one") >= 0.0
        link.prepare(2)
        assert link.run("echo on", timeout_s=20).text == "on\n"
        assert server.log.read_text("utf-8", "replace").count("no more sessions") <= 3


def test_a_shell_that_ended_while_it_waited_is_not_used(tmp_path: Path) -> None:
    for server, link in linked(tmp_path):
        link.run("echo warm", timeout_s=20)
        link.run("(sleep 0.1; kill -9 $$) >/dev/null 2>&1 &", timeout_s=20)
        wait_until(lambda link=link: not link._sessions._idle[0].usable, 10, "it is gone")  # type: ignore[misc]
        assert cat(link, b"one") >= 0.0
        server.cut()


@pytest.mark.promise("P16")
def test_one_whose_opening_takes_too_long_is_given_up_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind what a transfer sent, it may be long on its way over a slow link, which works."""
    patience = Patience(session_s=3.0)
    with Sshd(tmp_path / "sshd") as server, Proxy(server.port) as proxy:
        server.trust(name=f"[127.0.0.1]:{proxy.port}")
        link = open_link(server.target(port=proxy.port, patience=patience))
        link.run("echo warm", timeout_s=20)

        def stalled(raw: paramiko.Channel) -> paramiko.Channel:
            proxy.stall()  # the session is granted; what is asked of it next is not heard
            return raw

        with monkeypatch.context() as patch:
            patch.setattr(link_module, "_taking_as_it_comes", stalled)
            link.prepare(2)
            wait_until(lambda: proxy.stalled, 10, "the session is granted")
            wait_until(lambda: link._preparing is None or not link._preparing.is_alive(), 20, "the shell is given up")
        proxy.go_on()
        assert link.run("echo on", timeout_s=20).text == "on\n"
        assert proxy.connections == 1
        link.close()


def test_a_link_that_is_lost_meanwhile_leaves_no_thread(slow: tuple[Sshd, Link]) -> None:
    server, link = slow
    link.run("echo warm", timeout_s=20)
    link.prepare(2)
    server.cut()
    wait_until(lambda: not link.alive, 10, "the link is lost")
    link.prepare(2)
