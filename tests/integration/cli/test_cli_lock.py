"""One daemon per state folder, with real processes (P22)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from actors.cli.daemon.lock import StateLock, holder
from actors.cli.failures import CommandError, ExitCode

ROOT = Path(__file__).resolve().parents[3]
HOLD = """
import os, subprocess, sys
from pathlib import Path
from actors.cli.daemon.lock import StateLock
with StateLock(Path(sys.argv[1]), Path("/run/control.sock")) as lock:
    lock.note(7)
    child = subprocess.Popen(["sleep", "60"]) if "child" in sys.argv else None
    pid = os.fork() if "fork" in sys.argv else 1
    if pid == 0:
        sys.stdin.read()
        os._exit(0)
    print("held", child.pid if child else pid, flush=True)
    sys.stdin.read()
"""


@contextmanager
def another(folder: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process that holds the folder until its stdin ends; (process, pid of its child)."""
    command = [sys.executable, "-c", HOLD, str(folder), *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline().split()[1])
        try:
            yield process, child
        finally:
            if child > 1:
                os.kill(child, signal.SIGKILL)
            process.kill()


@pytest.mark.promise("P22")
def test_a_second_daemon_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    with another(tmp_path) as (process, _):
        with pytest.raises(CommandError) as refused, StateLock(tmp_path, Path("/x")):
            pass
        assert refused.value.code is ExitCode.LOCKED
        assert f"pid {process.pid}, since 20" in str(refused.value)
        found = holder(tmp_path)
        assert found is not None
        assert (found.pid, found.boot, found.socket) == (process.pid, 7, "/run/control.sock")
    assert holder(tmp_path) is None
    with StateLock(tmp_path, Path("/x")):
        pass


@pytest.mark.promise("P22")
@pytest.mark.parametrize("leftover", ["child", "fork"])
def test_a_killed_daemon_never_blocks_even_if_its_children_live_on(tmp_path: Path, leftover: str) -> None:
    with another(tmp_path, leftover) as (process, child):
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        os.kill(child, 0)  # it is still there
        assert (tmp_path / "lock").stat().st_size > 0  # and so is what the dead one wrote
        assert holder(tmp_path) is None
        with StateLock(tmp_path, Path("/y")):
            assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()


@pytest.mark.promise("P22")
def test_asking_takes_nothing(tmp_path: Path) -> None:
    assert holder(tmp_path) is None
    (tmp_path / "lock").write_text("nonsense")
    assert holder(tmp_path) is None
    with another(tmp_path) as (process, _):
        for _ in range(20):
            found = holder(tmp_path)
            assert found is not None and found.pid == process.pid


def test_a_holder_that_has_not_said_who_it_is_is_still_a_holder(tmp_path: Path) -> None:
    with another(tmp_path) as (process, _):
        (tmp_path / "lock").write_text('{"pid":')
        found = holder(tmp_path)
        assert found is not None
        assert (found.pid, found.since, found.socket) == (process.pid, "", "")


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_lock_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "lock").touch(mode=0)
    with pytest.raises(CommandError, match="cannot be read"):
        holder(tmp_path)


def test_a_folder_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), StateLock(tmp_path / "none", Path("/x")):
        pass


@pytest.mark.promise("P34")
@pytest.mark.promise("P22")
def test_a_command_that_places_an_order_is_no_daemon_and_one_that_begins_waits_for_it(tmp_path: Path) -> None:
    with StateLock(tmp_path, Path(), command=True):
        script = (
            "import sys; from pathlib import Path; from actors.cli.daemon.lock import StateLock, holder\n"
            f"p = Path({str(tmp_path)!r}); assert holder(p) is None; print('waits', flush=True)\n"
            "with StateLock(p, p / 'control.sock'): print('began', flush=True)"
        )
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert process.stdout is not None
        assert process.stdout.readline() == "waits\n"
        assert process.poll() is None
    assert process.stdout.readline() == "began\n"
    assert process.wait(10) == 0
    process.stdout.close()
