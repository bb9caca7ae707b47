"""The process's side: it yields the processor to everything else, dies with the daemon, and answers once."""

from __future__ import annotations

import ctypes
import json
import logging
import os
import pickle
import resource
import signal
import sys
import warnings
from collections.abc import Callable
from typing import Any, BinaryIO

_PR_SET_PDEATHSIG = 1
_MIB = 2**20

Answer = Callable[[dict[str, Any]], None]


def take_order(parent: int, niceness: int) -> tuple[object, Answer]:
    """The one order on stdin, and what writes its answer, a JSON document, to the daemon with the pid ``parent``."""
    answers = _private_stdout()
    _yield_to_all(parent, niceness)

    def answer(document: dict[str, Any]) -> None:
        answers.write(json.dumps(document).encode())
        answers.flush()

    return pickle.load(sys.stdin.buffer), answer


def bound_memory(limit_mb: int) -> None:
    """An allocation beyond it fails: MemoryError here, not the machine's memory."""
    resource.setrlimit(resource.RLIMIT_DATA, (limit_mb * _MIB, limit_mb * _MIB))


def _private_stdout() -> BinaryIO:
    """The answer travels on a copy of fd 1; whatever a library prints goes to stderr."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def _yield_to_all(parent: int, niceness: int) -> None:
    """Die with the daemon, not by the signals that ask it to stop; let everything else have the processor."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the line above
        os._exit(0)
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    os.nice(niceness)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold patients' data
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
