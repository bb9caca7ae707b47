"""What is done next to end a run, from what was seen of it: the same wherever processes can be seen. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from actors.errors import MqiError
from actors.jobs.job_files import GRACE_S
from actors.jobs.state import Verdict
from messages.faults import Blame, Fault
from messages.jobs import Observation

GIVE_UP_AFTER_S = 25.0
"""Longer than TERM, grace and KILL take; what lives then is stuck in the kernel."""
_WRITES_EXIT_WITHIN_S = 3.0


class Step(Enum):
    """The next push towards the end of a run."""

    PROVEN = "it is over, and nobody is left"
    WAIT = "look again"
    VOID = "keep it from beginning; the next look sees it voided"
    ASK = "the wrapper is told to cancel, and writes exit.json"
    TERM = "its processes are told to end"
    KILL = "its processes are ended"


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at a run that is to end."""

    verdict: Verdict
    folder: bool
    """Its directory is there."""
    begun: bool
    """``started.json`` is."""
    wrapper: bool
    """Its wrapper lives."""
    left: tuple[int, ...] | None
    """Processes of it; None: not known."""


class Pressure:
    """One order to end a run: the wrapper is asked first, then its processes; KILL after the grace."""

    def __init__(self, grace_s: float = GRACE_S) -> None:
        self._grace_s = grace_s
        self._asked = False
        self._told = False

    def step(self, seen: Seen, elapsed_s: float) -> Step:
        """``elapsed_s``: since the order."""
        match seen.verdict.observation:
            case Observation.ABSENT | Observation.UNKNOWN:
                return _forestall(seen)
            case Observation.RUNNING:
                return self._push(seen, elapsed_s)
        if seen.left:
            return Step.KILL
        return Step.PROVEN if seen.verdict.released and seen.left is not None else Step.WAIT

    def _push(self, seen: Seen, elapsed_s: float) -> Step:
        """Each word once; without a wrapper, or when it takes too long, the processes are told themselves."""
        if not seen.begun:
            return Step.WAIT  # it is just beginning: the next look knows more
        if seen.wrapper and not self._asked:
            self._asked = True
            return Step.ASK
        if not seen.wrapper and not self._told:
            self._told = True
            return Step.TERM
        patience_s = self._grace_s + (_WRITES_EXIT_WITHIN_S if seen.wrapper else 0.0)
        return Step.KILL if elapsed_s > patience_s else Step.WAIT


def _forestall(seen: Seen) -> Step:
    """A run that did not begin is kept from beginning."""
    absent = seen.verdict.observation is Observation.ABSENT
    if absent and not seen.folder:
        return Step.PROVEN if seen.left == () else Step.WAIT
    return Step.VOID if absent or seen.verdict.unbegun else Step.WAIT


def not_ended(key: str, run_dir: str, evidence: str, left: Iterable[int]) -> MqiError:
    """Kind ``kill-failed``."""
    named = ", ".join(map(str, sorted(left))) or "unknown"
    return MqiError(
        Fault(
            what=f"Run {key} cannot be proven ended: {evidence} Processes left: {named}.",
            where=run_dir,
            remedy="What ignores KILL is stuck in the driver or on a disk: look at dmesg; a reboot ends it.",
            blame=Blame.HOST,
            kind="kill-failed",
        )
    )
