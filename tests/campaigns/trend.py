"""Is a figure flat? A straight line through it, with its confidence. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median

from scipy import stats

BINS = 24
"""Samples that lie close together resemble one another; medians of so many parts hardly do."""
CONFIDENCE = 0.99


@dataclass(frozen=True, slots=True)
class Trend:
    """A line through samples: its slope in units per case, and how far off that may be."""

    name: str
    unit: str
    slope: float
    margin: float
    """Half the width of the slope's interval of confidence."""
    level: float
    """Median of all samples."""
    tolerance: float
    """A slope of so much a case is none."""

    @property
    def rises(self) -> bool:
        """Beyond doubt, and by more than is tolerated."""
        return self.slope - self.margin > self.tolerance

    def __str__(self) -> str:
        text = f"{self.name} {self.level:.1f} {self.unit}, {_signed(self.slope * 1000)} ± {self.margin * 1000:.2g}"
        return f"{text} {self.unit} per 1,000 cases{', RISES' if self.rises else ''}"


def trend(name: str, unit: str, samples: Sequence[tuple[float, float]], tolerance: float) -> Trend:
    """Fit (cases so far, value) pairs, in order. Of fewer than three parts nothing is said: the margin is infinite."""
    parts = _parts(samples)
    level = median(value for _, value in samples) if samples else 0.0
    if len(parts) < 3 or len({x for x, _ in parts}) < 3:
        return Trend(name, unit, 0.0, math.inf, level, tolerance)
    fit = stats.linregress([x for x, _ in parts], [y for _, y in parts])
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(parts) - 2))
    return Trend(name, unit, float(fit.slope), float(fit.stderr) * reach, level, tolerance)


def _parts(samples: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """One pair for each of BINS parts of equal counts: mean of the cases, median of the values."""
    size = max(len(samples) / BINS, 1.0)
    edges = [round(number * size) for number in range(int(len(samples) / size) + 1)]
    runs = [samples[start:end] for start, end in pairwise(edges) if end > start]
    return [(fmean(x for x, _ in run), median(y for _, y in run)) for run in runs]


def _signed(value: float) -> str:
    return f"{value:+.2g}"
