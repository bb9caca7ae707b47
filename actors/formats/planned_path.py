"""The planned way of the beam over a layer, as stretches with the beam on; and where on it a delivered sample was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actors.formats.delivered import DeliveredLayer
from actors.formats.plan import PlanLayer, ScanMode


@dataclass(frozen=True, slots=True, eq=False)
class PlannedPath:
    """Stretches with the beam on, in order: segments (line), or points with equal ends (spot)."""

    begin_mm: NDArray[np.float64]
    """(m, 2)."""
    end_mm: NDArray[np.float64]
    """(m, 2)."""
    mu: NDArray[np.float64]
    """(m,) planned meterset of each, > 0."""
    edges: NDArray[np.float64]
    """(m + 1,) cumulative share of the layer's meterset, 0 to 1."""

    def __len__(self) -> int:
        return len(self.mu)


def planned_path(layer: PlanLayer, mode: ScanMode) -> PlannedPath:
    """Stretches of a layer; every painting goes the whole way with its share of the weights."""
    end = layer.positions_mm
    begin = end if mode is ScanMode.SPOT else np.concatenate((end[:1], end[:-1]))
    on = layer.spots_mu > 0
    mu = np.tile(layer.spots_mu[on] / layer.paintings, layer.paintings)
    edges = np.concatenate(([0.0], np.cumsum(mu)))
    return PlannedPath(
        begin_mm=np.tile(begin[on], (layer.paintings, 1)),
        end_mm=np.tile(end[on], (layer.paintings, 1)),
        mu=mu,
        edges=edges / edges[-1],
    )


def progress_of(
    delivered: DeliveredLayer, planned_mu: float, *, whole: bool, rest: bool = False
) -> NDArray[np.float64]:
    """(n,) share of the planned way that is done in the middle of each sample, by monitor counts.

    ``whole``: the layer was finished, so its own sum counts as the whole way; else the planned meterset does, from its
    beginning on, or (``rest``) up to its end.
    """
    middle = np.cumsum(delivered.count) - 0.5 * delivered.count
    total = delivered.counts if whole else planned_mu / delivered.mu_per_count
    begun = max(total - delivered.counts, 0.0) if rest and not whole else 0.0
    share: NDArray[np.float64] = (begun + middle) / max(total, 1e-9)
    return share


def stretch_at(path: PlannedPath, share: NDArray[np.float64]) -> NDArray[np.intp]:
    """(n,) index of the stretch that is under way at each share."""
    return np.clip(np.searchsorted(path.edges, share, side="right") - 1, 0, len(path) - 1)


def distance_to(path: PlannedPath, stretch: NDArray[np.intp], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) distance in mm of each point (n, 2) to its stretch."""
    begin = path.begin_mm[stretch]
    way = path.end_mm[stretch] - begin
    from_begin = points - begin
    length2 = np.einsum("ij,ij->i", way, way)
    along = np.einsum("ij,ij->i", from_begin, way) / np.where(length2 > 0, length2, 1.0)
    np.clip(along, 0.0, 1.0, out=along)
    from_begin -= way * along[:, None]
    distance: NDArray[np.float64] = np.sqrt(np.einsum("ij,ij->i", from_begin, from_begin))
    return distance
