"""``python -m actors.reporter PARENT_PID``: one MakeReport, pickled, on stdin; its answer as JSON on stdout.

A process for each report: what it held is given back, and whatever goes wrong in it goes wrong nowhere else. It yields
the processor to everything else, holds no more memory than it was told, and dies with the daemon.
"""

from __future__ import annotations

import ctypes
import errno
import json
import logging
import os
import pickle
import resource
import signal
import sys
import warnings
from dataclasses import asdict
from typing import BinaryIO

from actors.errors import MqiError
from actors.reporter.order import MadeReport, MakeReport, NoReport

NICENESS = 15
_PR_SET_PDEATHSIG = 1
_MIB = 2**20


def main(parent: int) -> None:
    """Answer the one order on stdin."""
    answers = _private_stdout()
    _yield_to_all(parent)
    order = pickle.load(sys.stdin.buffer)
    assert isinstance(order, MakeReport)
    _bound_memory(order.rules.memory_limit_mb)
    answer = answer_to(order)
    kind = "made" if isinstance(answer, MadeReport) else "none"
    answers.write(json.dumps({kind: asdict(answer)}).encode())
    answers.flush()


def answer_to(order: MakeReport) -> MadeReport | NoReport:
    """The report, or the sentence why there is none."""
    try:
        from actors.reporter.make import make_report  # noqa: PLC0415 - the heavy libraries, within the bounds set above

        return make_report(order)
    except MqiError as error:
        return NoReport(str(error.fault), error.fault.kind)
    except MemoryError:
        limit = order.rules.memory_limit_mb
        return NoReport(f"It needs more than the {limit} MB of report.memory_limit_mb.", "report-memory")
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return NoReport(
            f"{error.strerror or error} ({error.filename or order.result}).", "disk-full" if full else "report-io"
        )
    except Exception as error:
        return NoReport(f"It failed by a fault of ours: {type(error).__name__}: {error}.", "report-error")


def _private_stdout() -> BinaryIO:
    """The answer travels on a copy of fd 1; whatever a library prints goes to stderr."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def _yield_to_all(parent: int) -> None:
    """Die with the daemon, not by the signals that ask it to stop; let everything else have the processor."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the line above
        os._exit(0)
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold patients' data
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")


def _bound_memory(limit_mb: int) -> None:
    """An allocation beyond it fails: MemoryError here, not the machine's memory."""
    resource.setrlimit(resource.RLIMIT_DATA, (limit_mb * _MIB, limit_mb * _MIB))


if __name__ == "__main__":
    main(int(sys.argv[1]))
