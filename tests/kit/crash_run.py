"""One run of a workload through the real daemon that is struck at named points, restarted, and let end."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from messages.states import CaseState
from tests.kit.crash_site import CASES, CrashSite
from tests.kit.daemon import Daemon, until

LIMIT_S = 60.0
_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Blow:
    """At the ``nth`` passing of a point in one process: SIGKILL for the daemon, or, with ``cut``, all links cut."""

    point: str
    nth: int = 1
    cut: bool = False

    def __str__(self) -> str:
        return f"{'cut' if self.cut else 'kill'} at {self.point}#{self.nth}"


def ran(site: CrashSite, blows: Sequence[Blow] = ()) -> None:
    """Run the workload to its end, one blow for each start of the daemon; it is stopped in order at last.

    A cut is called for by the daemon that runs; a blow whose point is not passed is no blow: ask ``site.struck()``.
    Raises AssertionError when not all cases end and are cleaned in time, or the daemon ends by itself.
    """
    waiting = list(blows)
    daemon = Daemon(site.site)
    with cutter(site) as line, ExitStack() as stack:
        stack.push(daemon.__exit__)
        _launch(daemon, site, waiting, line)
        deadline = time.monotonic() + LIMIT_S
        while not _over(site, daemon):
            assert time.monotonic() < deadline, (
                f"not over in {LIMIT_S:.0f} s: {daemon.rows()}\n{daemon.output()[-4000:]}"
            )
            if _fell(daemon):
                _launch(daemon, site, waiting, line)
            time.sleep(_POLL_S)
        while daemon.stop() == -signal.SIGKILL:  # the blow fell as it stopped
            _launch(daemon, site, waiting, line)
            until(daemon.answers, 20, "the daemon answers")
        assert daemon.process is not None
        assert daemon.process.returncode == 0, daemon.output()[-4000:]


def _launch(daemon: Daemon, site: CrashSite, waiting: list[Blow], line: Path) -> None:
    """Start it with the next blow in wait for it."""
    daemon.environment = {"MQI_CRASH_NOTES": str(site.notes)}
    if waiting:
        blow = waiting.pop(0)
        daemon.environment["MQI_CRASH_AT"] = f"{blow.point}#{blow.nth}"
        if blow.cut:
            daemon.environment["MQI_CRASH_CALL"] = str(line)
    daemon.launch()


def _fell(daemon: Daemon) -> bool:
    assert daemon.process is not None
    code = daemon.process.poll()
    assert code in (None, -signal.SIGKILL), f"the daemon ended with {code}:\n{daemon.output()[-4000:]}"
    if code is None:
        return False
    _workers_gone(daemon.process.pid)
    return True


def _workers_gone(pid: int) -> None:
    """Worker processes die with their daemon, whatever they were at."""
    mark = b"actors.compute.worker\0" + str(pid).encode() + b"\0"

    def none() -> bool:
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdecimal() and mark in (entry / "cmdline").read_bytes():
                    return False
        return True

    until(none, 5, f"the worker processes of {pid} are gone")


def _over(site: CrashSite, daemon: Daemon) -> bool:
    """All cases ended and cleaned, and the first backup taken."""
    try:
        rows = daemon.rows()
    except Exception:  # the ledger is just being made
        return False
    done = [row for row in rows.values() if row.state is CaseState.DONE and row.cleaned]
    failed = [row for row in rows.values() if row.state in (CaseState.FAILED, CaseState.CANCELLED)]
    assert not failed, f"a case failed:\n{daemon.output()[-4000:]}"
    return len(done) == CASES and bool(list((site.site.state / "backups").glob("ledger-*.sqlite")))


@contextmanager
def cutter(site: CrashSite) -> Iterator[Path]:
    """A socket on which the daemon calls for a cut; it goes on when all connections to the host are cut."""
    path = site.site.folder / "line"
    if site.proxy is None:
        yield path
        return
    ending = threading.Event()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(os.fspath(path))
    listening.listen()
    listening.settimeout(0.1)

    def serve() -> None:
        while not ending.is_set():
            with suppress(TimeoutError):
                caller, _ = listening.accept()
                with caller:
                    assert site.proxy is not None
                    site.proxy.cut()

    thread = threading.Thread(target=serve, name="cutter")
    thread.start()
    try:
        yield path
    finally:
        ending.set()
        thread.join()
        listening.close()
        path.unlink()
