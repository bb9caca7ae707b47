"""How often a beam is tried, where not, and after what pause: a small pure object that returns a decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from messages.faults import Blame, Fault

SPENDS = frozenset({Blame.ENGINE, Blame.GPU})
"""Blames that spend the budget and name the GPU as one to avoid."""
LONGEST_PAUSE_S = 600.0


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt that is over without success. ``fault`` None: it was given back before launch."""

    attempt: int
    place: str
    """``host/uuid``."""
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """Another attempt may follow, after a pause, elsewhere if possible."""

    after_s: float
    avoid: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The beam has failed."""

    reason: str


Decision = Again | GiveUp


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """``attempts``: runs that may fail by engine or GPU. ``patience``: what hosts, links and we ourselves may spoil."""

    attempts: int = 3
    patience: int = 50

    def decide(self, beam: int, tries: Sequence[Try]) -> Decision:
        """What follows these tries, oldest first."""
        last = tries[-1].fault if tries else None
        if last is not None and last.blame is Blame.INPUT:
            return GiveUp(str(last))
        spent = [one for one in tries if one.fault is not None and one.fault.blame in SPENDS]
        if len(spent) >= self.attempts:
            return GiveUp(f"beam {beam} failed {_times(len(spent))}, the last time: {spent[-1].fault}")
        spoilt = _trailing(tries)
        if spoilt > self.patience:
            return GiveUp(f"beam {beam} could not be run {_times(spoilt)} in a row: {last or 'given back each time'}")
        return Again(pause_s(spoilt), frozenset(one.place for one in spent))


def _trailing(tries: Sequence[Try]) -> int:
    """Tries at the end that spent nothing."""
    count = 0
    for one in reversed(tries):
        if one.fault is not None and one.fault.blame in SPENDS:
            break
        count += 1
    return count


def pause_s(failures: int) -> float:
    """Back-off: none before the first failure, 0.5 s after it, doubled, at most ``LONGEST_PAUSE_S``."""
    return 0.0 if failures < 1 else float(min(LONGEST_PAUSE_S, 0.5 * 2.0 ** min(failures - 1, 20)))


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
