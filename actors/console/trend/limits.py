"""Individuals and moving-range charts: control limits of single values in the order in which they came. Pure.

NIST/SEMATECH e-Handbook of Statistical Methods, 6.3.2.2: mean ± 3·(mean moving range)/1.128, written here with the
usual rounded 2.66; and 3.267 times the mean moving range for the ranges themselves (D4 of samples of two). That such
charts set the tolerance limits of patient-specific QA, and action limits come from clinical requirements, is the
procedure of Sanghangthum et al., Phys. Med. Biol. 58 (2013) 7025, which AAPM TG-218 follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

INDIVIDUALS = 2.66
"""3/d2, d2 = 1.128 of samples of two: limits around the mean, in mean moving ranges."""
RANGES = 3.267
"""D4 of samples of two: the upper limit of moving ranges, in mean moving ranges; the lower one is 0."""
LEAST = 25
"""Of fewer values no limits are computed: they would say more of chance than of the machine."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What values of a process that has not changed stay within, 3σ."""

    centre: float
    lower: float
    upper: float
    mean_range: float
    range_upper: float

    def holds(self, value: float) -> bool:
        """The value is within them; rounding is none of its faults."""
        slack = 1e-9 * max(abs(self.lower), abs(self.upper))
        return self.lower - slack <= value <= self.upper + slack

    def holds_range(self, moving_range: float) -> bool:
        return moving_range <= self.range_upper * (1.0 + 1e-9)


def moving_ranges(values: Sequence[float]) -> tuple[float, ...]:
    """Of each value but the first: how far it is from the one before."""
    return tuple(abs(after - before) for before, after in pairwise(values))


def control_limits(values: Sequence[float], least: int = LEAST) -> Limits | None:
    """Of the values in their order; None of fewer than ``least``."""
    if len(values) < max(least, 2):
        return None
    centre = sum(values) / len(values)
    ranges = moving_ranges(values)
    mean_range = sum(ranges) / len(ranges)
    away = INDIVIDUALS * mean_range
    return Limits(centre, centre - away, centre + away, mean_range, RANGES * mean_range)
