"""Named instants at which the tests kill the daemon or cut a link: before and after every commit and outside effect.

In production nothing is armed, and a point costs one look at an attribute. ``effect("publish.rename")`` around a call
gives the points ``publish.rename:before`` and ``publish.rename:after`` (passed only when the call did not raise);
``point("watch.told")`` is a single instant. Only names of the catalogue exist.

Armed by the environment of the daemon (its worker processes inherit it):

* ``MQI_CRASH_AT=publish.rename:before#2`` kills the daemon with SIGKILL as the point is passed for the second time in
  one process; in a worker process, the daemon first and then the process itself;
* with ``MQI_CRASH_CALL=/path`` it calls that unix socket instead, and goes on when the other side hangs up: a test cuts
  a link meanwhile;
* ``MQI_CRASH_NOTES=/path`` writes every point that is passed, and by which pid, into a file, one line each; the one
  that was armed follows once more, after ``!``.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType

EFFECTS: Mapping[str, str] = MappingProxyType(
    {
        "boot.count": "a start of the daemon is counted in the ledger",
        "ledger.create": "a new ledger gets its name",
        "ledger.commit": "a batch of writes is committed",
        "migration.commit": "the tables of one version become those of the next",
        "backup.copy": "the ledger is copied beside a backup's name",
        "backup.rename": "a backup, or a restored ledger, gets its name",
        "backup.prune": "the oldest backups are removed",
        "restore.aside": "the ledger that is replaced is moved aside",
        "scan.write": "the scanner has a case sighted or admitted",
        "compute.start": "a worker process is started",
        "compute.kill": "a worker process is ended",
        "interpret.make": "the unfinished folder of an interpretation is made",
        "interpret.aside": "an older interpretation is moved aside",
        "interpret.rename": "an interpretation gets its name",
        "interpret.clear": "what an interpretation left is removed",
        "pack.write": "a case is packed for a host",
        "take.copy": "an interpretation made on a host is put beside its place",
        "take.rename": "it gets its name",
        "stage": "the input of a run goes to a host",
        "fetch": "the output of a run is fetched",
        "move.make": "the unfinished folder of a move is made here",
        "move.copy": "one file of a move is written here",
        "move.rename": "the files of a move get their name here",
        "move.sweep": "what an abandoned or finished move left is removed",
        "stage.look": "the unfinished folder of a move is made on a host",
        "stage.send": "files are sent to a host",
        "stage.unpack": "they are unpacked there",
        "stage.place": "large files join them there, and all are hashed",
        "stage.rename": "they get their name there",
        "launch.install": "the wrapper is put on a host",
        "launch.write": "the files of a run are written",
        "launch.start": "the wrapper is started, which makes the claim and starts the engine",
        "launch.void": "a claim is taken so that its run can never begin",
        "watch.open": "the watch on a host begins",
        "kill.signal": "the processes of a run are told to end",
        "verify": "the output of a run is verified",
        "publish.make": "the unfinished folder of a result is made",
        "publish.rename": "a result gets its name",
        "publish.clear": "what a publication left is removed",
        "errand.start": "the process that makes a report, or sends a result, is started",
        "errand.kill": "the process that makes a report, or sends a result, is ended",
        "report.make": "the unfinished folder of a report is made",
        "report.aside": "a report that is not whole is moved aside",
        "report.rename": "a report gets its name",
        "report.clear": "what a report left is removed",
        "send.store": "one dose file is sent to a DICOM node",
        "send.commit": "a DICOM node is asked whether it keeps what it has taken",
        "send.make": "the unfinished folder of a result is made in a drop folder",
        "send.rename": "a result in a drop folder gets its name",
        "send.clear": "what was left unfinished in a drop folder is removed",
        "clean.runs": "run directories are removed from a host",
        "clean.work": "the working files of a case are removed",
        "order.write": "what an operator's order does is written, and that it is carried out",
        "order.tell": "those whom an order concerns are told",
        "alarm.push": "alarms are told to people outside",
        "link.connect": "a host is connected to",
        "link.session": "a session is opened on it",
        "link.run": "a command runs on a host",
        "link.stream": "a stream to a host is opened",
        "slurm.steer": "jobs that wait in Slurm's queue are held, released or re-ranked",
        "slurm.shell": "a script runs on the host where Slurm's commands are",
        "console.bind": "the control socket gets its name",
        "console.unbind": "the control socket is removed",
    }
)
"""What is surrounded by two points, in words."""
POINTS: Mapping[str, str] = MappingProxyType({"watch.told": "news of a run is told to who watches it"})
"""Single instants, in words."""


def catalogue() -> tuple[str, ...]:
    """Every point, in the order of its life."""
    return (*(f"{name}:{side}" for name in EFFECTS for side in ("before", "after")), *POINTS)


class Trap:
    """What an armed process does at its points; see the module for the three settings."""

    def __init__(self, at: str = "", call: str = "", notes: str = "", daemon: int = 0) -> None:
        self._name, _, nth = at.partition("#")
        self._nth = int(nth or 1)
        self._call, self._notes, self._daemon = call, notes, daemon
        self._passed: Counter[str] = Counter()
        self._lock = threading.Lock()
        if self._name and self._name not in catalogue():
            raise ValueError(f"there is no crash point {self._name}")

    def passed(self, name: str) -> None:
        """This process is at the point now."""
        with self._lock:
            self._passed[name] += 1
            here = name == self._name and self._passed[name] == self._nth
            self._note(f"{name} {os.getpid()}\n" + f"!{name} {os.getpid()}\n" * here)
        if here:
            self._tell(name) if self._call else self._kill()

    def _note(self, lines: str) -> None:
        if self._notes:
            with Path(self._notes).open("ab", buffering=0) as file:
                file.write(lines.encode())

    def _tell(self, name: str) -> None:
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(self._call)
            line.sendall(name.encode() + b"\n")
            line.recv(1)

    def _kill(self) -> None:
        for pid in (self._daemon, os.getpid()):
            os.kill(pid, signal.SIGKILL)
        signal.pause()  # nothing of this thread happens after the point


_trap: Trap | None = None


def _armed() -> Trap | None:
    """The trap of the environment. The first process to read it is the daemon; those below it inherit its number."""
    at, notes = os.environ.get("MQI_CRASH_AT", ""), os.environ.get("MQI_CRASH_NOTES", "")
    if not (at or notes):
        return None
    daemon = os.environ.setdefault("MQI_CRASH_DAEMON", str(os.getpid()))
    return Trap(at, os.environ.get("MQI_CRASH_CALL", ""), notes, int(daemon))


def arm(trap: Trap | None) -> None:
    """Set, or take away, the trap of this process."""
    global _trap  # noqa: PLW0603 - one for the whole process: that is what makes a point free
    _trap = trap


def point(name: str) -> None:
    """A single instant."""
    if _trap is not None:
        _trap.passed(name)


class _Effect:
    """The two points around one outside effect; shared by all who enter it, for it has no state."""

    __slots__ = ("_after", "_before")

    def __init__(self, name: str) -> None:
        self._before, self._after = f"{name}:before", f"{name}:after"

    def __enter__(self) -> None:
        if _trap is not None:
            _trap.passed(self._before)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if _trap is not None and kind is None:
            _trap.passed(self._after)


_EFFECTS = {name: _Effect(name) for name in EFFECTS}


def effect(name: str) -> _Effect:
    """``with effect("clean.work"): shutil.rmtree(folder)``; KeyError for a name that is not in the catalogue."""
    return _EFFECTS[name]


arm(_armed())
