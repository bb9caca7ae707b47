"""Delivered against planned of one layer: meterset, distance to the planned way, what was left out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from actors.formats.plan import PlanLayer, ScanMode
from actors.interpreter.delivered import DeliveredLayer
from actors.interpreter.path import PlannedPath, distance_to, progress_of, stretch_at
from messages.interpretation import LayerDeviation

# The monitor's share of the way and the real place differ by a little: a quarter of a usual stretch is let pass.
_SLACK = 0.25
# A neighbouring stretch takes a sample only when it is clearly nearer than the one under way.
_CLEARLY_MM = 0.25


def deviation_of(
    planned: PlanLayer,
    path: PlannedPath,
    mode: ScanMode,
    delivered: DeliveredLayer,
    *,
    whole: bool,
    rest: bool = False,
) -> LayerDeviation:
    """Deviation of one delivered layer; ``whole`` and ``rest`` as ``progress_of`` has them.

    Line scanning: distance of each sample to the planned segment under way (by monitor counts). Spot scanning: distance
    to the nearest planned spot. ``missing``: stretches with planned meterset that got no counts.
    """
    share = progress_of(delivered, planned.mu, whole=whole, rest=rest)
    under_way = stretch_at(path, share)
    points = delivered.positions_mm
    if mode is ScanMode.SPOT:
        distances, stretch = _nearest_spot(path, points)
    else:
        distances, stretch = _segments(path, share, under_way, points)
    mu = np.bincount(stretch, weights=delivered.count, minlength=len(path)) * delivered.mu_per_count
    reached = _reached(path, under_way, whole=whole, rest=rest)
    differences = np.abs(mu - path.mu)[reached]
    shift = _centroid_shift(path, delivered) if whole else np.zeros(2)
    return LayerDeviation(
        layer=planned.number,
        energy_mev=planned.energy_mev,
        planned_mu=planned.mu,
        delivered_mu=delivered.mu,
        off_share=delivered.off_share,
        mean_mm=_figure(distances.mean()),
        p95_mm=_figure(np.percentile(distances, 95)),
        max_mm=_figure(distances.max()),
        missing=int((mu[reached] == 0).sum()),
        worst_stretch_mu=float(differences.max(initial=0.0)),
        shift_x_mm=_figure(shift[0]),
        shift_y_mm=_figure(shift[1]),
        size_x_mm=_figure(delivered.size_mm[0]),
        size_y_mm=_figure(delivered.size_mm[1]),
        beam_on_ms=len(delivered.t_ms) * delivered.time_gain_ms,
        total_ms=float(np.ptp(delivered.t_ms)) + delivered.time_gain_ms,
    )


def _figure(millimetres: float) -> float:
    """To the nanometre: the last bits of a sum depend on the processor, and a case is told alike on every host."""
    return round(float(millimetres), 6)


def _centroid_shift(path: PlannedPath, delivered: DeliveredLayer) -> NDArray[np.float64]:
    """(2,) centroid of the delivered counts − centroid of the planned meterset, mm."""
    wanted = np.average(0.5 * (path.begin_mm + path.end_mm), axis=0, weights=path.mu)
    found: NDArray[np.float64] = np.average(delivered.positions_mm, axis=0, weights=delivered.count)
    return found - wanted


def _reached(path: PlannedPath, under_way: NDArray[np.intp], *, whole: bool, rest: bool) -> slice:
    """Stretches that must have got their whole meterset: not the one in which the beam stopped or went on."""
    if whole:
        return slice(len(path))
    return slice(int(under_way.min(initial=len(path))) + 1, len(path)) if rest else slice(int(under_way.max(initial=0)))


def _segments(
    path: PlannedPath, share: NDArray[np.float64], under_way: NDArray[np.intp], points: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """(distance, segment that the counts belong to) of each sample."""
    slack = _SLACK / len(path)
    distance = distance_to(path, under_way, points)
    nearest = distance.copy()
    owner = under_way.copy()
    for step in (-1, 1):
        neighbour = np.clip(under_way + step, 0, len(path) - 1)
        to_neighbour = distance_to(path, neighbour, points)
        in_reach = stretch_at(path, share + step * slack) == neighbour
        np.minimum(distance, to_neighbour, out=distance, where=in_reach)
        nearer = to_neighbour < nearest - _CLEARLY_MM
        owner[nearer] = neighbour[nearer]
        nearest[nearer] = to_neighbour[nearer]
    return distance, owner


def _nearest_spot(path: PlannedPath, points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    from scipy.spatial import cKDTree  # noqa: PLC0415 - only spot scanning needs it, and it loads slowly

    distances, spots = cKDTree(path.end_mm).query(points)
    return distances, spots
