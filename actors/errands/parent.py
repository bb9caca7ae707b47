"""The side that waits: a process is started, given its order, and gone when the call returns."""

from __future__ import annotations

import os
import pickle
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO

from actors.crash_points import effect
from actors.supervision import TaskScope

_ROOT = Path(__file__).resolve().parents[2]
_NOTES_BYTES = 1000
_AS_IT_IS: Mapping[str, str] = MappingProxyType({})


class LateError(Exception):
    """It took longer than its limit."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of an errand."""

    answer: bytes
    """As the process wrote it; whatever of it there is, when it died."""
    code: int
    last_words: str
    """The last line on its stderr."""

    @property
    def end(self) -> str:
        """For the sentence about an answer that is none."""
        return f"Its process ended with {self.code}" + (
            f"; its last words: {self.last_words}" if self.last_words else ""
        )


def run_errand(
    scope: TaskScope, command: Sequence[str], order: object, limit_s: float, more: Mapping[str, str] = _AS_IT_IS
) -> Finished | None:
    """What came of the order; None when the task was cancelled. ``more``: variables beside our own environment.

    Raises LateError, and OSError where no process can be started.
    """
    with tempfile.TemporaryFile() as notes:
        with effect("errand.start"):
            # The kernel ties the child's life to this very thread, which waits for it below.
            process = subprocess.Popen(
                [*command, str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=notes,
                env={**os.environ, **more, "PYTHONPATH": _python_path()},
                process_group=0,  # a Ctrl-C in the daemon's terminal is not for it
            )
        keep = scope.on_cancel(process.kill)
        try:
            answer, _ = process.communicate(pickle.dumps(order), timeout=limit_s)
        except subprocess.TimeoutExpired:
            raise LateError from None
        finally:
            keep()
            with effect("errand.kill"):
                process.kill()
            with suppress(ValueError):
                process.communicate()
        return None if scope.cancelled else Finished(answer, process.returncode, _last_words(notes))


def _python_path() -> str:
    """Our own package before any other."""
    return os.pathsep.join(part for part in (str(_ROOT), os.environ.get("PYTHONPATH", "")) if part)


def _last_words(notes: IO[bytes]) -> str:
    notes.seek(0, os.SEEK_END)
    notes.seek(max(0, notes.tell() - _NOTES_BYTES))
    lines = notes.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else ""
