"""The history as an operator tails it: which events become lines of the log, and in what words. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_BEAM = re.compile(r"beam (?P<beam>\d+): (?P<step>.+)")
_ATTEMPT = re.compile(r"beam (?P<beam>\d+) attempt (?P<attempt>\d+): (?P<step>.+)")
_WHO = re.compile(r"beam \d+, attempt \d+: ", re.IGNORECASE)
"""How a fault of an attempt begins; the line says it already."""
_QUIET_STEPS = ("→ queued, admitted", "seen, incoming", "verdict", "cleaned")
"""Of a case: told by the actor whose doing it is, or of no interest to who tails a log."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the log."""

    level: str
    case: str
    beam: str
    """Beam number; empty: about the whole case, or about the system."""
    text: str


def narrate(case: str, what: str, detail: str) -> Line:
    """The line for one event of the history (``what`` and ``detail`` as the ledger has them)."""
    if not case:
        ordered = what.startswith("order: ")
        return Line("INFO" if ordered else "DEBUG", "", "", _joined(what, detail))
    if match := _ATTEMPT.fullmatch(what):
        return _of_attempt(case, match["beam"], match["attempt"], match["step"], detail)
    if match := _BEAM.fullmatch(what):
        return Line("INFO", case, match["beam"], _joined(match["step"], detail))
    return _of_case(case, what.removeprefix("case: "), detail)


def _of_case(case: str, step: str, detail: str) -> Line:
    if step.startswith("order: "):
        return Line("INFO", case, "", _joined(step, detail))
    if step.endswith("→ failed"):
        return Line("ERROR", case, "", _joined(step, detail))
    if step.startswith("sending: rejected"):
        return Line("WARNING", case, "", _joined(step, detail))
    quiet = step.endswith(_QUIET_STEPS) or "→" not in step
    return Line("DEBUG" if quiet else "INFO", case, "", _joined(step, detail))


def _of_attempt(case: str, beam: str, attempt: str, step: str, detail: str) -> Line:
    """An attempt's steps are its beam's, said twice; only where it runs and why it failed is news."""
    if step == "intended":
        return Line("INFO", case, beam, f"attempt {attempt} goes to {detail}")
    if step.endswith("→ failed"):
        return Line("WARNING", case, beam, f"attempt {attempt} failed: {_sentence(detail)}")
    return Line("DEBUG", case, beam, _joined(f"attempt {attempt}: {step}", detail))


def _sentence(detail: str) -> str:
    """The words of a fault that was written as JSON, or the detail as it is."""
    try:
        fault = json.loads(detail)
        what = _WHO.sub("", fault["what"], count=1)
        return " ".join(part for part in (what, fault.get("remedy", "")) if part)
    except (ValueError, TypeError, KeyError):
        return detail


def _joined(step: str, detail: str) -> str:
    return f"{step}: {detail}" if detail else step
