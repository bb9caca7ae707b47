"""One report in a process of its own: started, given its order, waited for in a task of the actor."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from actors.crash_points import effect
from actors.reporter.order import MadeReport, MakeReport, NoReport
from actors.supervision import TaskScope
from messages.ledger import Figures

_ROOT = Path(__file__).resolve().parents[2]
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
_NOTES_BYTES = 1000
COMMAND = (sys.executable, "-m", "actors.reporter")


def run_process(
    scope: TaskScope, order: MakeReport, command: tuple[str, ...] = COMMAND
) -> MadeReport | NoReport | None:
    """What came of the order; None when the task was cancelled. The process is gone when this returns.

    Raises OSError where no process can be started.
    """
    with tempfile.TemporaryFile() as notes:
        with effect("report.start"):
            # The kernel ties the child's life to this very thread, which waits for it below.
            process = subprocess.Popen(
                [*command, str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=notes,
                env=_environment(os.environ),
                process_group=0,  # a Ctrl-C in the daemon's terminal is not for it
            )
        keep = scope.on_cancel(process.kill)
        try:
            answer, _ = process.communicate(pickle.dumps(order), timeout=order.rules.timeout_s)
        except subprocess.TimeoutExpired:
            return NoReport(
                f"It took longer than the {order.rules.timeout_s:g} s of report.timeout_s.", "report-timeout"
            )
        finally:
            keep()
            with effect("report.kill"):
                process.kill()
            with suppress(ValueError):
                process.communicate()
        if scope.cancelled:
            return None
        return _read(answer) or NoReport(f"Its process ended with {process.returncode}{_tail(notes)}.", "report-died")


def _read(answer: bytes) -> MadeReport | NoReport | None:
    """None: it is no answer."""
    try:
        document: dict[str, Any] = json.loads(answer)
        return _made(document["made"]) if "made" in document else NoReport(**document["none"])
    except (ValueError, KeyError, TypeError):
        return None


def _made(values: dict[str, Any]) -> MadeReport:
    return MadeReport(**{**values, "figures": tuple(Figures(**one) for one in values["figures"])})


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    """One thread, and our own package before any other."""
    path = os.pathsep.join(part for part in (str(_ROOT), given.get("PYTHONPATH", "")) if part)
    return {**given, **_ONE_THREAD, "PYTHONPATH": path}


def _tail(notes: IO[bytes]) -> str:
    """The last words that it wrote on stderr."""
    notes.seek(0, os.SEEK_END)
    notes.seek(max(0, notes.tell() - _NOTES_BYTES))
    lines = notes.read().decode("utf-8", "replace").strip().splitlines()
    return f"; its last words: {lines[-1]}" if lines else ""
