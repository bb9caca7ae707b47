"""The statistical uncertainty of a Monte Carlo dose from two half-runs with different seeds.

D1 and D2 each estimate the whole dose from half the histories; the dose is their mean. So rms(D1 − D2) / 2 is the
standard deviation of the mean, and divided by the mean dose (D1 + D2) / 2 it is relative.
"""

from __future__ import annotations

import numpy as np

from actors.results.raw_dose import Dose

HIGH_DOSE = 0.5
"""Voxels above this share of the maximum of D1 + D2 count."""


def relative_sigma(first: Dose, second: Dose) -> float:
    """rms(D1 − D2) / mean(D1 + D2) over the high dose. ValueError for halves that are the same, or have no dose."""
    both = first + second
    high = both > HIGH_DOSE * both.max()
    if not high.any():
        raise ValueError("the halves have no dose")
    difference = (first - second)[high]
    if not difference.any():
        raise ValueError("the halves are the same: one run was counted twice, or both had one seed")
    return float(np.sqrt(np.mean(difference**2)) / both[high].mean())


def is_mean(dose: Dose, first: Dose, second: Dose, tolerance: float = 1e-5) -> bool:
    """Is the dose the mean of its halves, but for this share of its maximum?"""
    return bool(np.abs(dose - 0.5 * (first + second)).max() <= tolerance * dose.max())
