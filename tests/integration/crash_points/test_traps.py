"""Armed processes: who is killed where, and who is called."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

PASSES = "from actors.crash_points import effect, point\n" + "with effect('verify'): print('in', flush=True)\n" * 2


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    settings = {**os.environ, **{f"MQI_CRASH_{name.upper()}": value for name, value in environment.items()}}
    settings.pop("MQI_CRASH_DAEMON", None)
    return subprocess.run([sys.executable, "-c", code], env=settings, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("at", "printed"), [("verify:before", 0), ("verify:after", 1), ("verify:before#2", 1)])
def test_a_process_ends_at_its_point(tmp_path: Path, at: str, printed: int) -> None:
    done = run(PASSES, at=at, notes=str(tmp_path / "notes"))
    assert done.returncode == -signal.SIGKILL
    assert done.stdout.count("in") == printed
    assert (tmp_path / "notes").read_text().split()[-2] == f"!{at.partition('#')[0]}"


def test_a_point_that_is_not_passed_kills_nobody() -> None:
    done = run(PASSES, at="verify:after#3")
    assert (done.returncode, done.stdout.count("in")) == (0, 2)


def test_a_worker_process_takes_the_daemon_with_it() -> None:
    code = f"""
import subprocess, sys, actors.crash_points
subprocess.run([sys.executable, "-c", {PASSES!r}])
print("never", flush=True)
"""
    done = run(code, at="verify:after")
    assert done.returncode == -signal.SIGKILL
    assert "never" not in done.stdout


def test_a_call_is_made_and_its_end_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "line"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        settings = {**os.environ, "MQI_CRASH_AT": "verify:before#2", "MQI_CRASH_CALL": str(path)}
        with subprocess.Popen([sys.executable, "-c", PASSES], env=settings, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"in\n"
            caller, _ = listening.accept()
            with caller:
                assert caller.recv(100) == b"verify:before\n"
                assert process.poll() is None
            assert process.stdout.read() == b"in\n"
            assert process.wait() == 0
