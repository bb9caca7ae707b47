"""One report in a process of its own: started, given its order, waited for in a task of the actor."""

from __future__ import annotations

import json
import sys
from typing import Any

from actors.errands import LateError, run_errand
from actors.reporter.order import MadeReport, MakeReport, NoReport
from actors.supervision import TaskScope
from messages.ledger import Figures

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
COMMAND = (sys.executable, "-m", "actors.reporter")


def run_process(
    scope: TaskScope, order: MakeReport, command: tuple[str, ...] = COMMAND
) -> MadeReport | NoReport | None:
    """What came of the order; None when the task was cancelled. The process is gone when this returns.

    Raises OSError where no process can be started.
    """
    limit_s = order.rules.timeout_s
    try:
        done = run_errand(scope, command, order, limit_s, _ONE_THREAD)
    except LateError:
        return NoReport(f"It took longer than the {limit_s:g} s of report.timeout_s.", "report-timeout")
    if done is None:
        return None
    return _read(done.answer) or NoReport(f"{done.end}.", "report-died")


def _read(answer: bytes) -> MadeReport | NoReport | None:
    """None: it is no answer."""
    try:
        document: dict[str, Any] = json.loads(answer)
        return _made(document["made"]) if "made" in document else NoReport(**document["none"])
    except (ValueError, KeyError, TypeError):
        return None


def _made(values: dict[str, Any]) -> MadeReport:
    return MadeReport(**{**values, "figures": tuple(Figures(**one) for one in values["figures"])})
