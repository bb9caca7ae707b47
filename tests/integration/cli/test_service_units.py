"""The units that operators copy: systemd itself finds nothing wrong with ours, and is told how the daemon lives."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from actors.cli.daemon.service import ServiceManager
from actors.demo.site import make_site
from actors.settings import SHIPPED
from tests.kit.daemon import Daemon
from tests.kit.profiles import quick_profile


def verify(unit: Path) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian: systemd)")
    return subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)


def here(text: str) -> str:
    """The unit with what is particular to a site put to what this machine has."""
    text = re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", text)
    text = re.sub(r"(?m)^WorkingDirectory=.*$", "WorkingDirectory=/", text)
    return re.sub(r"(?m)^User=.*$", "User=root", text)


def test_systemd_finds_nothing_wrong_with_our_unit(tmp_path: Path) -> None:
    unit = tmp_path / "mqi-actors.service"
    unit.write_text(here((SHIPPED / "mqi-actors.service").read_text()))
    done = verify(unit)
    assert done.returncode == 0, done.stderr
    assert str(unit) not in done.stderr, done.stderr
    unit.write_text(unit.read_text().replace("NoNewPrivileges=", "NoNewPriviledges="))
    assert "NoNewPriviledges" in verify(unit).stderr, "a mistyped key would be told"


@pytest.fixture
def manager(tmp_path: Path) -> socket.socket:
    link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    link.bind(str(tmp_path / "n"))
    link.settimeout(20)
    return link


def test_words_to_systemd(tmp_path: Path, manager: socket.socket) -> None:
    with manager:
        service = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "300000"})
        service.ready()
        service.alive()
        service.alive()
        service.stopping()
        assert [manager.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]
        time.sleep(0.12)
        service.alive()
        assert manager.recv(100) == b"WATCHDOG=1"
    service.ready()  # nobody is there any more: no harm
    for environ in ({}, {"NOTIFY_SOCKET": "@no-such-name-here"}, {"WATCHDOG_USEC": "soon"}):
        ServiceManager(environ).ready()
        ServiceManager(environ).alive()


@pytest.mark.promise("P38")
def test_the_daemon_says_that_it_is_ready_alive_and_stopping(tmp_path: Path, manager: socket.socket) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    site = make_site(folder, gpus=1, profile=quick_profile(folder))
    with manager, Daemon(site, {"NOTIFY_SOCKET": str(tmp_path / "n"), "WATCHDOG_USEC": "1500000"}) as daemon:
        heard = [manager.recv(100) for _ in range(3)]
        assert heard == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
        assert daemon.stop() == 0
        while (word := manager.recv(100)) == b"WATCHDOG=1":
            pass
        assert word == b"STOPPING=1"
