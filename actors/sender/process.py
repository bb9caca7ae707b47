"""One result sent by a process of its own: started, given its order, waited for in a task of the actor."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from actors.crash_points import effect
from actors.sender.order import NotSent, SendResult, Sent, Why
from actors.supervision import TaskScope

LIMIT_S = 3600.0
"""For one try, whatever its own limits are: beyond this it hangs where no limit reaches, as on a share that is gone."""
COMMAND = (sys.executable, "-m", "actors.sender")
_ROOT = Path(__file__).resolve().parents[2]
_NOTES_BYTES = 1000


def run_process(
    scope: TaskScope, order: SendResult, command: tuple[str, ...] = COMMAND, limit_s: float = LIMIT_S
) -> Sent | NotSent | None:
    """What came of the order; None when the task was cancelled. The process is gone when this returns.

    Raises OSError where no process can be started.
    """
    with tempfile.TemporaryFile() as notes:
        with effect("send.start"):
            # The kernel ties the child's life to this very thread, which waits for it below.
            process = subprocess.Popen(
                [*command, str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=notes,
                env={**os.environ, "PYTHONPATH": _python_path()},
                process_group=0,  # a Ctrl-C in the daemon's terminal is not for it
            )
        keep = scope.on_cancel(process.kill)
        try:
            answer, _ = process.communicate(pickle.dumps(order), timeout=limit_s)
        except subprocess.TimeoutExpired:
            return NotSent(f"It took longer than {limit_s:g} s", Why.NODE)
        finally:
            keep()
            with effect("send.kill"):
                process.kill()
            with suppress(ValueError):
                process.communicate()
        if scope.cancelled:
            return None
        return _read(answer) or NotSent(f"Its process ended with {process.returncode}{_tail(notes)}", Why.OURS)


def _read(answer: bytes) -> Sent | NotSent | None:
    """None: it is no answer."""
    try:
        document: dict[str, Any] = json.loads(answer)
        if "sent" in document:
            return Sent(**document["sent"])
        told = document["not_sent"]
        return NotSent(told["sentence"], Why(told["why"]), told["answers"])
    except (ValueError, KeyError, TypeError):
        return None


def _python_path() -> str:
    """Our own package before any other."""
    return os.pathsep.join(part for part in (str(_ROOT), os.environ.get("PYTHONPATH", "")) if part)


def _tail(notes: IO[bytes]) -> str:
    """The last words that it wrote on stderr."""
    notes.seek(0, os.SEEK_END)
    notes.seek(max(0, notes.tell() - _NOTES_BYTES))
    lines = notes.read().decode("utf-8", "replace").strip().splitlines()
    return f"; its last words: {lines[-1]}" if lines else ""
