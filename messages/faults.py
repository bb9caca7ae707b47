"""How failures are told: what is wrong, where, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Blame(StrEnum):
    """What a failure says about where it came from; the retry policy reads it."""

    INPUT = "input"
    """The case itself is wrong: no retry helps."""
    ENGINE = "engine"
    """The engine's run failed: another attempt may succeed, elsewhere if possible."""
    GPU = "gpu"
    """The GPU is suspect: another attempt, on another GPU."""
    HOST = "host"
    """The host or link is at fault: wait, then again; no budget is spent."""
    OURS = "ours"
    """A fault of ours or of this machine (a worker process died, disk full): again after a while."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One failure in words an operator can act on."""

    what: str
    """One sentence: what is wrong, naming beam, layer, file or host."""
    where: str = ""
    """Path, host or key it is about."""
    remedy: str = ""
    """What to do about it; empty when nothing is to be done."""
    blame: Blame = Blame.INPUT
    kind: str = ""
    """Stable short name of the fault, such as ``layer-missing``; tests and alarms go by it."""

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, f"({self.where})" if self.where else "", self.remedy) if part)
