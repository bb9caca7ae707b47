"""The shell of the host where Slurm's commands are: over a link, or on this machine."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from actors.crash_points import effect
from actors.errors import MqiError
from messages.faults import Blame, Fault

_POLL_S = 0.1


class Answer(Protocol):
    """What a script said."""

    @property
    def text(self) -> str: ...


class Shell(Protocol):
    """Scripts run under /bin/sh; every MqiError means that nothing is known of what was asked."""

    def run(self, script: str, *, timeout_s: float, cancel: Callable[[], bool] = ..., prelude: str = "") -> Answer: ...

    def cut(self) -> None:
        """Make every call end at once; quick, from any thread."""

    def close(self) -> None: ...


OnCancel = Callable[[Callable[[], None]], Callable[[], None]]
OpenShell = Callable[[OnCancel], Shell]
"""Opens the shell; blocks. Raises MqiError saying why there is none."""


class ShellError(MqiError):
    """The shell failed: nothing is known of what was asked of it."""


@dataclass(frozen=True, slots=True)
class Said:
    """Standard output of a script."""

    text: str


class LocalShell:
    """This machine: every script a process of its own, ended with all that it started when it is given up."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._cut = False

    def run(
        self, script: str, *, timeout_s: float, cancel: Callable[[], bool] = lambda: False, prelude: str = ""
    ) -> Said:
        """Raises MqiError (``shell-lost``) when it was cut or cancelled, or takes longer than ``timeout_s``."""
        text = f"{prelude}\n{script}\n".encode("utf-8", "surrogateescape")
        with effect("slurm.shell"), self._start(text) as process:
            try:
                output = self._hear(process, time.monotonic() + timeout_s, cancel)
            finally:
                _end(process)
                with self._lock:
                    self._running.discard(process)
        return Said(output.decode("utf-8", "surrogateescape"))

    def _hear(self, process: subprocess.Popen[bytes], deadline: float, cancel: Callable[[], bool]) -> bytes:
        while True:
            try:
                output, _ = process.communicate(timeout=_POLL_S)
            except subprocess.TimeoutExpired:
                if cancel() or time.monotonic() > deadline:
                    raise lost("the script took too long, or is not wanted any more") from None
            else:
                if self._cut:
                    raise lost("it was closed meanwhile")
                return output

    def _start(self, text: bytes) -> subprocess.Popen[bytes]:
        with tempfile.TemporaryFile() as script, self._lock:  # a file: writing to a pipe would have to be waited for
            script.write(text)
            script.seek(0)
            if self._cut:
                raise lost("it is being closed")
            process = subprocess.Popen(
                ["/bin/sh"],
                stdin=script,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._running.add(process)
            return process

    def cut(self) -> None:
        """Every call ends at once."""
        with self._lock:
            self._cut = True
            for process in self._running:
                _end(process)

    def close(self) -> None:
        """Nothing is kept open between calls."""
        self.cut()


def _end(process: subprocess.Popen[bytes]) -> None:
    """It, and what it started: a child that lives on would keep its output open."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def open_here(_on_cancel: OnCancel) -> LocalShell:
    """The shell of this machine."""
    return LocalShell()


def lost(why: str) -> MqiError:
    """The shell failed: nothing is known of what was asked of it."""
    return MqiError(Fault(f"The shell on this machine failed: {why}.", blame=Blame.HOST, kind="shell-lost"))
