"""One result sent by a process of its own: started, given its order, waited for in a task of the actor."""

from __future__ import annotations

import json
import sys
from typing import Any

from actors.errands import LateError, run_errand
from actors.sender.order import NotSent, SendResult, Sent, Why
from actors.supervision import TaskScope

LIMIT_S = 3600.0
"""For one try, whatever its own limits are: beyond this it hangs where no limit reaches, as on a share that is gone."""
COMMAND = (sys.executable, "-m", "actors.sender")


def run_process(
    scope: TaskScope, order: SendResult, command: tuple[str, ...] = COMMAND, limit_s: float = LIMIT_S
) -> Sent | NotSent | None:
    """What came of the order; None when the task was cancelled. The process is gone when this returns.

    Raises OSError where no process can be started.
    """
    try:
        done = run_errand(scope, command, order, limit_s)
    except LateError:
        return NotSent(f"It took longer than {limit_s:g} s", Why.NODE)
    if done is None:
        return None
    return _read(done.answer) or NotSent(done.end, Why.OURS)


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
