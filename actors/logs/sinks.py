"""From loguru to the files: one handler, so that people and machines read the same events in the same order."""

from __future__ import annotations

import os
import re
import select
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loguru import logger

from actors.logs.files import LineFile, sweep
from actors.logs.lines import Event, event
from actors.logs.redaction import Redaction
from actors.logs.routing import Routing

if TYPE_CHECKING:
    from loguru import Message

_CASE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}$")
_OPEN_CASES = 16
_PIPE_BYTES = 4096
_SWEEP_S = 86400.0


class Logs:
    """The daemon's log files. Thread safe; no failure of a disk or a terminal reaches the one who logs."""

    def __init__(
        self, log_dir: Path, *, redaction: Redaction, rotate_bytes: int, keep_days: float, echo: int | None
    ) -> None:
        self._dir, self._redact, self._rotate_bytes, self._keep_days = log_dir, redaction, rotate_bytes, keep_days
        self._echo_fd = echo
        self._operators = LineFile(log_dir / "operators.log", rotate_bytes)
        self._events = LineFile(log_dir / "events.jsonl", rotate_bytes)
        self._cases: OrderedDict[str, LineFile] = OrderedDict()
        self._swept = -_SWEEP_S
        self._lock = threading.Lock()
        self._handler: int | None = None
        self._routing = Routing()

    def start(self, level: str) -> None:
        """Take over loguru and lead the libraries' logging here."""
        logger.remove()
        # diagnose would print the values of variables, and with them patient data
        self._handler = logger.add(self, level=level, format=_nothing, backtrace=False, diagnose=False, catch=True)
        self._routing.start()

    def stop(self) -> None:
        """Give loguru and the libraries' logging back; every event is on the disk already."""
        if self._handler is not None:
            self._routing.stop()
            logger.remove(self._handler)
            self._handler = None
        with self._lock:
            for file in (self._operators, self._events, *self._cases.values()):
                file.close()
            self._cases.clear()

    def __call__(self, message: Message) -> None:
        record: Any = message.record
        told = event(record, self._redact)
        with self._lock:
            self._put(told)

    def _put(self, told: Event) -> None:
        line = told.line()
        _append(self._operators, line, told, as_json=False)
        _append(self._events, told.json(), told, as_json=True)
        if _CASE_NAME.match(told.case):
            _append(self._case_file(told.case), line, told, as_json=False)
        if self._echo_fd is not None:
            _echo(self._echo_fd, line)
        if time.monotonic() - self._swept > _SWEEP_S:
            self._swept = time.monotonic()
            sweep(self._dir, self._keep_days)

    def _case_file(self, case: str) -> LineFile:
        file = self._cases.pop(case, None) or LineFile(self._dir / "cases" / f"{case}.log", self._rotate_bytes)
        self._cases[case] = file
        if len(self._cases) > _OPEN_CASES:
            self._cases.popitem(last=False)[1].close()
        return file


def start_logs(
    log_dir: Path,
    *,
    roots: Iterable[Path] = (),
    rotate_mb: float = 50.0,
    keep_days: float = 365.0,
    echo: bool = False,
    level: str = "INFO",
) -> Logs:
    """Log into ``log_dir`` from now on. ``roots``: watch roots, below which names may be a patient's.

    ``echo``: the lines for people also go to stderr. Call ``stop`` on what is returned before the process ends.
    """
    logs = Logs(
        log_dir,
        redaction=Redaction(str(root) for root in roots),
        rotate_bytes=int(rotate_mb * 1e6),
        keep_days=keep_days,
        echo=_stderr() if echo else None,
    )
    logs.start(level)
    return logs


def _append(file: LineFile, line: bytes, told: Event, *, as_json: bool) -> None:
    """Write the line; after a time when nothing could be written, first say how much is missing."""
    if file.lost:
        gap = f"{file.lost} lines are missing here: the log could not be written"
        missing = Event(datetime.now(UTC).astimezone(told.at.tzinfo), "WARNING", "", "", "", gap, {}, "")
        lost = file.lost
        if not file.append(missing.json() if as_json else missing.line()):
            return
        file.lost -= lost
    file.append(line)


def _echo(fd: int, line: bytes) -> None:
    """To the terminal or the process supervisor's pipe, if it takes it at once: a reader that sleeps stops nothing."""
    try:
        poll = select.poll()
        poll.register(fd, select.POLLOUT)
        if any(events & select.POLLOUT for _, events in poll.poll(0)):
            os.write(fd, line if len(line) <= _PIPE_BYTES else line[: _PIPE_BYTES - 1] + b"\n")
    except OSError:
        return


def _stderr() -> int | None:
    try:
        return sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        return None


def _nothing(_: object) -> str:
    return ""
