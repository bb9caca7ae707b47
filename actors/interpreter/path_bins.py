"""Samples merged along the way of the beam, so that an engine that simulates spots can take them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BIN_MM = 1.0


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
    """Merges samples (n, 2) with their MU (n,) into bins whose way is at most 1 mm long; the MU are kept.

    A bin never reaches over 1 mm, since the way between two samples is at least their distance. Bins without MU vanish.
    """
    steps = np.sqrt((np.diff(positions_mm, axis=0) ** 2).sum(axis=1))
    way = np.concatenate(([0.0], np.cumsum(steps)))
    _, index = np.unique(np.floor(way / BIN_MM), return_inverse=True)
    bins = int(index.max()) + 1
    weight = np.bincount(index, weights=mu, minlength=bins)
    some = weight.astype(np.float32) > 0
    sums = [np.bincount(index, weights=mu * positions_mm[:, axis], minlength=bins)[some] for axis in (0, 1)]
    centroids = np.stack(sums, axis=1) / weight[some, None]
    return PathBins(centroids.astype(np.float32), weight[some].astype(np.float32))


def truncation_loss(mu: NDArray[np.float32], histories_per_mu: float) -> float:
    """Share of the histories that an engine loses by cutting each weight to whole histories."""
    histories = mu.astype(np.float64) * histories_per_mu
    return float((histories - np.floor(histories)).sum() / histories.sum())
