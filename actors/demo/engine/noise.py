"""Statistical noise as a Monte Carlo run has it, and the two half-runs that tell how large it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SHARE = 1e-4
"""A voxel at the dose maximum counts so many of all histories: 1e8 histories leave 1 % of noise there."""


def half_runs(
    dose: NDArray[np.float64], histories: float, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two estimates of ``dose`` from half of the histories each, with the seeds (seed, 1) and (seed, 2).

    The relative noise of a voxel falls with the root of the histories that reach it: with those of the run, and with
    its dose.
    """
    first, second = (_noisy(dose, histories / 2, np.random.default_rng((abs(seed), half))) for half in (1, 2))
    return first, second


def _noisy(dose: NDArray[np.float64], histories: float, random: np.random.Generator) -> NDArray[np.float64]:
    maximum = float(dose.max())
    if maximum <= 0:
        return dose.copy()
    sigma = np.sqrt(dose * maximum / (histories * _SHARE))
    noisy: NDArray[np.float64] = np.maximum(dose + sigma * random.standard_normal(dose.shape), 0.0)
    return noisy
