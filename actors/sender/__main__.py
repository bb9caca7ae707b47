"""``python -m actors.sender PARENT_PID``: one SendResult, pickled, on stdin; its answer as JSON on stdout.

A process for each result: DICOM's libraries stay out of the daemon, and whatever goes wrong in it goes wrong nowhere
else. It yields the processor to everything else, and dies with the daemon.
"""

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
from dataclasses import asdict
from typing import BinaryIO

from actors.errors import MqiError
from actors.sender.order import NotSent, SendResult, Sent, Why

NICENESS = 10
_PR_SET_PDEATHSIG = 1


def main(parent: int) -> None:
    """Answer the one order on stdin."""
    answers = _private_stdout()
    _yield_to_all(parent)
    order = pickle.load(sys.stdin.buffer)
    assert isinstance(order, SendResult)
    answer = answer_to(order)
    kind = "sent" if isinstance(answer, Sent) else "not_sent"
    answers.write(json.dumps({kind: asdict(answer)}).encode())
    answers.flush()


def answer_to(order: SendResult) -> Sent | NotSent:
    """Sent, or the sentence why not."""
    try:
        from actors.sender.send import send  # noqa: PLC0415 - the heavy libraries, after the bounds set above

        return send(order)
    except MqiError as error:
        return NotSent(str(error.fault), Why.CHANGED)
    except OSError as error:
        return NotSent(f"{error.strerror or error} ({error.filename or order.result})", Why.OURS)
    except Exception as error:
        return NotSent(f"It failed by a fault of ours: {type(error).__name__}: {error}", Why.OURS)


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


if __name__ == "__main__":
    main(int(sys.argv[1]))
