"""One run of a workload through the real daemon that is struck at named points, restarted, and let end."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from actors.ledger import Reader, open_store
from actors.ledger.commit import commit
from messages.ledger import OrderCommand, Write
from messages.operators import OrderKind
from messages.states import CaseState
from tests.kit.crash_site import Blow, CrashSite
from tests.kit.daemon import ENDED, Daemon, until

LIMIT_S = 240.0
_POLL_S = 0.02


def ran(site: CrashSite, blows: Sequence[Blow] = ()) -> None:
    """Run the workload to its end, one blow for each start of the daemon; it is stopped in order at last.

    A cut is called for by the daemon that runs; a blow whose point is not passed is no blow: ask ``site.struck()``.
    Raises AssertionError when not all cases end and are cleaned in time, or the daemon ends by itself.
    """
    daemon, first = Daemon(site.site), site.workload.first
    waiting = [*([first] if first else []), *blows]
    with cutter(site) as line, ExitStack() as stack:
        stack.push(daemon.__exit__)
        _launch(daemon, site, waiting, line)
        deadline = time.monotonic() + LIMIT_S
        while not _over(site, daemon):
            assert time.monotonic() < deadline, f"not over in {LIMIT_S:.0f} s:\n{daemon.output()[-4000:]}"
            if _fell(daemon):
                _meanwhile(site)
                _launch(daemon, site, waiting, line)
            time.sleep(_POLL_S)
        while daemon.stop(LIMIT_S) == -signal.SIGKILL:  # the blow fell as it stopped
            _launch(daemon, site, waiting, line)
            until(lambda: _fell(daemon) or _answers(daemon), 20, "the daemon answers, or the next blow fell")
        assert daemon.process is not None
        assert daemon.process.returncode == 0, daemon.output()[-4000:]


def _launch(daemon: Daemon, site: CrashSite, waiting: list[Blow], line: Path) -> None:
    """Start it with the next blow in wait for it."""
    site.lives += 1
    daemon.environment = {"MQI_CRASH_NOTES": str(site.notes)}
    if waiting:
        blow = waiting.pop(0)
        daemon.environment["MQI_CRASH_AT"] = f"{blow.point}#{blow.nth}"
        if blow.cut:
            daemon.environment["MQI_CRASH_CALL"] = str(line)
    daemon.launch()


def _meanwhile(site: CrashSite) -> None:
    """What happens while the daemon is down after the workload's own blow."""
    if site.lives > 1:
        return
    if site.workload.cancelled:
        _cancel_all(site.site.ledger)
    if site.workload.claimed:
        for staged in site.site.workspace.glob("*/*/*/in"):
            (staged.parent / "claim").mkdir()


def _cancel_all(ledger: Path) -> None:
    """As the command does it while the daemon is down: the orders are in the ledger, and wait for it."""
    orders = tuple(OrderCommand(f"order-{row.case}", OrderKind.CANCEL, row.case) for row in Reader(ledger).cases())
    with closing(open_store(ledger)) as database:
        done = commit(database, [Write("orders", None, "test", 1, orders)], datetime.now(UTC).isoformat())
    assert done.faults == (None,), done.faults


def _fell(daemon: Daemon) -> bool:
    assert daemon.process is not None
    code = daemon.process.poll()
    assert code in (None, -signal.SIGKILL), f"the daemon ended with {code}:\n{daemon.output()[-4000:]}"
    if code is None:
        return False
    _workers_gone(daemon.process.pid)
    return True


def _answers(daemon: Daemon) -> bool:
    with suppress(AssertionError):  # it fell just now, which the next look tells
        return daemon.answers()
    return False


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
    work = site.workload
    wanted = CaseState.CANCELLED if work.cancelled else CaseState.DONE
    others = [row.case for row in rows.values() if row.state in ENDED - {wanted}]
    assert len(others) <= work.alarmed, f"cases that ended otherwise: {others}\n{daemon.output()[-4000:]}"
    over = [row for row in rows.values() if row.state is wanted and row.cleaned]
    backed_up = list((site.site.state / "backups").glob("ledger-20*.sqlite"))
    told = not work.alarmed or bool(others and site.told())
    return len(over) == len(work.beams) and bool(backed_up) and told and (not work.reported or _reported(site))


def _reported(site: CrashSite) -> bool:
    """Nothing is due any more."""
    reports = Reader(site.site.ledger).reports()
    return len(reports) == len(site.workload.beams) and all(report.state != "due" for report in reports)


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
                    caller.recv(200)  # the point's name; what is not read would reset the caller's line
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
