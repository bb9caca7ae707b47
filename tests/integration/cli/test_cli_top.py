"""``top`` on a terminal of its own: live, with the daemon up or down, and gone without a trace when it is told to."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from actors.demo.site import DemoSite, make_site
from actors.ledger import next_boot, open_store
from messages.ledger import MoveBeam, MoveCase
from messages.states import BeamState, CaseState
from tests.integration.ledger.ledger_cases import must, running_case
from tests.kit.daemon import Daemon, run_cli
from tests.kit.waiting import wait_until

ALTERNATE, BACK = "\x1b[?1049h", "\x1b[?1049l"
NAME = "20260302-093015-2c87b654"


class Terminal:
    """A terminal of 160 columns with ``top`` in it."""

    def __init__(self, site: DemoSite) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 42, 160, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.said = ""
        command = [sys.executable, "-m", "actors.cli", "top", "--conf", str(site.conf)]
        self.process = subprocess.Popen(
            # Ctrl-C as whoever sits at a terminal has it, also where the tests run in the background of a shell
            ["setsid", "--ctty", "env", "--default-signal=INT", *command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm-256color"},
        )

    def read(self) -> str:
        while select.select([self.master], [], [], 0.02)[0]:
            try:
                data = os.read(self.master, 65536)
            except OSError:
                break
            self.said += data.decode("utf-8", "replace")
            if not data:
                break
        return self.said

    def shows(self, text: str, within_s: float = 30.0) -> None:
        wait_until(lambda: text in self.read(), within_s, f"{text!r} on the terminal")

    def forget(self) -> None:
        self.read()
        self.said = ""

    def ended(self) -> int:
        def code() -> list[int]:
            self.read()
            return [] if self.process.poll() is None else [self.process.returncode]

        return wait_until(code, 20, "top ends")[0]


@contextmanager
def top(site: DemoSite) -> Iterator[Terminal]:
    terminal = Terminal(site)
    try:
        yield terminal
    finally:
        if terminal.process.poll() is None:
            terminal.process.kill()
        terminal.process.wait()
        os.close(terminal.master)
        os.close(terminal.slave)


@pytest.fixture
def site(tmp_path: Path) -> DemoSite:
    """A site whose ledger has a running case; no daemon."""
    made = make_site(tmp_path)
    next_boot(made.ledger)
    with closing(open_store(made.ledger)) as database:
        must(database, *running_case(NAME))
    return made


def test_it_shows_the_ledger_and_what_changes_in_it_without_a_daemon(site: DemoSite) -> None:
    with top(site) as terminal:
        terminal.shows("no daemon is running")
        terminal.shows(NAME)
        assert ALTERNATE in terminal.said
        terminal.forget()
        with closing(open_store(site.ledger)) as database:
            must(database, MoveCase(NAME, CaseState.HELD), MoveBeam(NAME, 2, BeamState.INTERPRETED, "looked at"))
        terminal.shows("Nothing is running.")
        os.write(terminal.master, b"\x1b[A")  # an arrow is no Escape
        terminal.forget()
        terminal.shows("q quits", 10)
        os.write(terminal.master, b"q")
        assert terminal.ended() == 0
        assert BACK in terminal.said
        assert termios.tcgetattr(terminal.slave) == terminal.before


@pytest.mark.parametrize("way", ["ctrl-c", "sigint", "hang-up"])
def test_it_ends_as_it_is_told_and_leaves_the_terminal_as_it_was(site: DemoSite, way: str) -> None:
    with top(site) as terminal:
        terminal.shows("q quits")
        if way == "ctrl-c":
            os.write(terminal.master, b"\x03")
        elif way == "sigint":
            os.kill(terminal.process.pid, signal.SIGINT)
        else:
            os.write(terminal.master, b"\x04")
        assert terminal.ended() in (0, 130)
        assert "Traceback" not in terminal.said
        assert termios.tcgetattr(terminal.slave) == terminal.before


def test_it_follows_the_daemon_through_its_end(tmp_path: Path) -> None:
    made = make_site(tmp_path)
    with Daemon(made) as daemon:
        assert daemon.process is not None
        with top(made) as terminal:
            terminal.shows(f"pid {daemon.process.pid}, since")
            daemon.kill()
            terminal.shows("no daemon is running")
            os.write(terminal.master, b"q")
            assert terminal.ended() == 0


def test_in_a_pipe_it_is_told_once(site: DemoSite) -> None:
    began = time.monotonic()
    done = run_cli("top", "--conf", str(site.conf))
    assert done.returncode == 0
    assert NAME in done.stdout
    assert "\x1b" not in done.stdout
    document = json.loads(run_cli("top", "--json", "--conf", str(site.conf)).stdout)
    assert [case["case"] for case in document["running"]] == [NAME]
    assert document["daemon"]["state"] == "stopped"
    assert time.monotonic() - began < 60
