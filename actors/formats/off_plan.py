"""How far each delivered sample lay from where the plan wanted it, and which planned stretch its counts belong to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from actors.formats.plan import ScanMode
from actors.formats.planned_path import PlannedPath, distance_to, stretch_at

# The monitor's share of the way and the real place differ by a little: a quarter of a usual stretch is let pass.
_SLACK = 0.25
# A neighbouring stretch takes a sample only when it is clearly nearer than the one under way.
_CLEARLY_MM = 0.25

# Samples at a segment's ends are told from its neighbours' by the monitor alone, so that one that the beam skipped can
# have some: a stretch with less than this share of its meterset was not delivered.
_UNDELIVERED = 0.25


def undelivered(path: PlannedPath, mu: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(m,) planned stretches that were not delivered; mu: (m,) what each got."""
    missed: NDArray[np.bool_] = mu < _UNDELIVERED * path.mu
    return missed


def distances_to_plan(
    path: PlannedPath, mode: ScanMode, share: NDArray[np.float64], points: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """(n,) distance in mm of each sample (n, 2), and (n,) index of the stretch that its counts belong to.

    Line scanning: distance to the planned segment under way at ``share`` (see ``progress_of``). Spot scanning: distance
    to the nearest planned spot.
    """
    if mode is ScanMode.SPOT:
        return _nearest_spot(path, points)
    return _segments(path, share, points)


def _segments(
    path: PlannedPath, share: NDArray[np.float64], points: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    slack = _SLACK / len(path)
    under_way = stretch_at(path, share)
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
