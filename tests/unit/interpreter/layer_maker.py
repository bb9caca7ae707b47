"""Delivered and planned layers in memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from actors.formats.delivered import DeliveredLayer
from actors.formats.plan import PlanLayer

MU_PER_COUNT = 2.0e-8


def planned(positions: ArrayLike, mu: ArrayLike, paintings: int = 1, number: int = 1) -> PlanLayer:
    weights = np.asarray(mu, dtype=np.float64)
    return PlanLayer(
        number, 0, 150.0, float(weights.sum()), np.asarray(positions, dtype=np.float64), weights, paintings
    )


def delivered(
    positions: ArrayLike, counts: ArrayLike, off_count: int = 0, layer: int = 1, energy_mev: float = 150.0
) -> DeliveredLayer:
    places = np.asarray(positions, dtype=np.float64)
    count = np.asarray(counts, dtype=np.int64)
    return DeliveredLayer(
        beam=3,
        layer=layer,
        energy_mev=energy_mev,
        t_ms=np.arange(len(count)) * 0.06,
        x_mm=places[:, 0].copy(),
        y_mm=places[:, 1].copy(),
        count=count,
        off_count=off_count,
        mu_per_count=MU_PER_COUNT,
    )


def along(plan: PlanLayer, samples: int = 20, shift: tuple[float, float] = (0.0, 0.0)) -> DeliveredLayer:
    """A perfect line delivery: ``samples`` rows to each segment, with the planned meterset."""
    places, counts = [], []
    for spot in range(1, len(plan.spots_mu)):
        if plan.spots_mu[spot] <= 0:
            continue
        steps = (np.arange(samples) + 0.5) / samples
        begin, end = plan.positions_mm[spot - 1], plan.positions_mm[spot]
        places.append(begin + steps[:, None] * (end - begin) + np.asarray(shift))
        counts.append(np.full(samples, plan.spots_mu[spot] / MU_PER_COUNT / samples))
    return delivered(np.concatenate(places), np.rint(np.concatenate(counts)), layer=plan.number)
