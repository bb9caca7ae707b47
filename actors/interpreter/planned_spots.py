"""The planned delivery as the machine would have logged it without any error: the plan's spots as a table of samples.

Both of the engines' dialects are written from the same table as a measured delivery is, so that nothing but the
spots differs between the two runs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from actors.formats.calibration import Calibration
from actors.formats.delivered import DeliveredLayer
from actors.formats.plan import PlanLayer, ScanMode
from actors.formats.planned_path import PlannedPath, planned_path

STEP_MM = 0.25
"""A segment of line scanning is sampled so densely at least, its meterset spread evenly (PS3.3 C.8.8.25.8)."""


def planned_layers(
    beam: int, layers: Sequence[PlanLayer], mode: ScanMode, calibration: Calibration
) -> tuple[DeliveredLayer, ...]:
    """Every layer of a beam as it was planned, in monitor counts.

    Counts are rounded cumulatively over the beam: its meterset is right to half a count (some 1e-8 MU). Samples that
    are left without a count are kept: they are where the beam was.
    """
    tables = [samples_of(planned_path(layer, mode)) for layer in layers]
    mu = np.concatenate([share * layer.mu for (_, share), layer in zip(tables, layers, strict=True)])
    counts = np.diff(np.rint(np.cumsum(mu) / calibration.mu_per_count), prepend=0.0).astype(np.int64)
    ends = np.cumsum([len(share) for _, share in tables])
    return tuple(
        _layer(beam, layer, positions, count, calibration)
        for layer, (positions, _), count in zip(layers, tables, np.split(counts, ends[:-1]), strict=True)
    )


def _layer(
    beam: int,
    layer: PlanLayer,
    positions: NDArray[np.float64],
    count: NDArray[np.int64],
    calibration: Calibration,
) -> DeliveredLayer:
    return DeliveredLayer(
        beam=beam,
        layer=layer.number,
        energy_mev=layer.energy_mev,
        t_ms=np.arange(len(count), dtype=np.float64) * calibration.time_gain_ms,
        x_mm=positions[:, 0],
        y_mm=positions[:, 1],
        count=count,
        off_count=0,
        mu_per_count=calibration.mu_per_count,
        time_gain_ms=calibration.time_gain_ms,
    )


def samples_of(path: PlannedPath) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(positions (n, 2), share of the layer's meterset (n,)): the middles of equal pieces of each stretch."""
    way = path.end_mm - path.begin_mm
    pieces = np.maximum(np.ceil(np.hypot(way[:, 0], way[:, 1]) / STEP_MM), 1.0).astype(np.int64)
    stretch = np.repeat(np.arange(len(path)), pieces)
    piece = np.arange(len(stretch)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    middle = (piece + 0.5) / pieces[stretch]
    positions: NDArray[np.float64] = path.begin_mm[stretch] + middle[:, None] * way[stretch]
    share: NDArray[np.float64] = (path.mu / path.mu.sum() / pieces)[stretch]
    return positions, share
