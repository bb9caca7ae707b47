"""Samples merged along the way of the beam, so that an engine that simulates spots can take them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BIN_MM = 1.0
_BLOCK = 64


@dataclass(frozen=True, slots=True, eq=False)
class PathBins:
    """Spots in order of time."""

    positions_mm: NDArray[np.float32]
    """(n, 2) centroids, weighted by MU."""
    mu: NDArray[np.float32]
    """(n,) meterset, > 0."""

    @property
    def total_mu(self) -> float:
        """Sum of the weights as they are written."""
        return float(self.mu.sum(dtype=np.float64))


def path_bins(positions_mm: NDArray[np.float64], mu: NDArray[np.float64]) -> PathBins:
    """Merges samples (n, 2) with their MU (n,) into bins in order of time; the MU are kept.

    A bin ends with the first sample that lies over 1 mm from the bin's first: measured from there, and not along the
    way, since the noise of the positions would make the way several times longer. Bins without MU vanish.
    """
    starts = _starts(positions_mm)
    weight = np.add.reduceat(mu, starts)
    some = weight.astype(np.float32) > 0
    sums = np.add.reduceat(positions_mm * mu[:, None], starts, axis=0)[some]
    return PathBins((sums / weight[some, None]).astype(np.float32), weight[some].astype(np.float32))


def _starts(positions_mm: NDArray[np.float64]) -> list[int]:
    """Index of the first sample of each bin."""
    starts = [0]
    while (following := _leaves(positions_mm, starts[-1])) < len(positions_mm):
        starts.append(following)
    return starts


def _leaves(positions_mm: NDArray[np.float64], start: int) -> int:
    """Index of the first sample over a bin's length away from sample ``start``; n when none is."""
    here, block = start + 1, _BLOCK
    while here < len(positions_mm):
        away = positions_mm[here : here + block] - positions_mm[start]
        far = np.einsum("ij,ij->i", away, away) > BIN_MM**2
        first = int(far.argmax())
        if far[first]:
            return here + first
        here, block = here + block, 2 * block
    return len(positions_mm)


def truncation_loss(mu: NDArray[np.float32], histories_per_mu: float) -> float:
    """Share of the histories that an engine loses by cutting each weight to whole histories."""
    histories = mu.astype(np.float64) * histories_per_mu
    return float((histories - np.floor(histories)).sum() / histories.sum())
