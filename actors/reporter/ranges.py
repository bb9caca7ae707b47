"""Depth dose along a beam and its distal 80 % (R80), of one dose and of two compared. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from actors.reporter.dose_grid import Array, DoseGrid

STEP_MM = 0.5
"""Along the beam."""
_LATERAL_MM = 3.0
"""Between rays; more where a field is so large that there would be too many."""
_RAYS = 1500
_RAYS_AT_ONCE = 64
_MUCH = 0.3
_IN_FIELD = 0.5
"""A ray is in the field where its largest dose is at least this share of the largest of all rays."""
_DISTAL = 0.8


@dataclass(frozen=True, slots=True)
class BeamLine:
    """Where a beam comes from: its own axes as unit vectors (x, y, z) of the dose's frame, and its isocentre there."""

    a: tuple[float, float, float]
    b: tuple[float, float, float]
    c: tuple[float, float, float]
    """Towards the source."""
    isocentre_mm: tuple[float, float, float]


PHANTOM_LINE = BeamLine((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.0, 0.0, 0.0))
"""A phantom's axes are the beam's."""


@dataclass(frozen=True, slots=True, eq=False)
class DepthDose:
    """Mean dose over the field's rays."""

    along_mm: Array
    """(n,) place along the beam, increasing with depth; 0 at the isocentre."""
    dose: Array
    """(n,)."""
    r80_mm: float | None
    """Where the mean falls to 80 % of its maximum, beyond it."""


@dataclass(frozen=True, slots=True)
class RangeDifference:
    """Evaluated − reference of the distal 80 %, ray by ray (mm; positive: deeper)."""

    mean_mm: float | None
    """None where every ray is lost; so is ``p95_mm``."""
    p95_mm: float | None
    """95th percentile of the absolute differences."""
    rays: int
    """That have a distal end in both doses."""
    lost: int
    """That have one in the reference alone: nothing can be said of their range."""

    @property
    def lost_percent(self) -> float:
        """Of the rays that have a distal end in the reference."""
        return 100.0 * self.lost / (self.rays + self.lost)


@dataclass(frozen=True, slots=True, eq=False)
class Rays:
    """A dose sampled along parallel rays."""

    along_mm: Array
    across_mm: Array
    """(rays, 2): place of each ray across the beam, along its a and b."""
    dose: Array
    """(rays, n)."""


def rays_of(dose: DoseGrid, line: BeamLine) -> Rays:
    """The dose along rays across its field, every 0.5 mm, over all of the grid that they cross."""
    reach = _reach(dose, line)
    along = np.arange(-reach, reach + STEP_MM, STEP_MM)
    return sampled(dose, line, along, _field(dose, line))


def sampled(dose: DoseGrid, line: BeamLine, along_mm: Array, across_mm: Array, *, smooth: bool = False) -> Rays:
    """The dose along given rays; ``smooth``: by splines, which keep the place of an edge, but ring at the surface."""
    a, b, c = (np.asarray(axis) for axis in (line.a, line.b, line.c))
    begin = np.asarray(line.isocentre_mm) + across_mm[:, :1] * a + across_mm[:, 1:] * b
    way = -along_mm[:, None] * c
    values = np.empty((len(across_mm), len(along_mm)))
    look = dose.smooth() if smooth else dose.at
    for first in range(0, len(begin), _RAYS_AT_ONCE):
        some = begin[first : first + _RAYS_AT_ONCE]
        points = (some[:, None, :] + way[None, :, :]).reshape(-1, 3)
        values[first : first + len(some)] = look(points).reshape(len(some), -1)
    return Rays(along_mm, across_mm, values)


def _reach(dose: DoseGrid, line: BeamLine) -> float:
    """Distance from the isocentre to the farthest corner of the grid."""
    corners = np.array([[x, y, z] for x in dose.x_mm[[0, -1]] for y in dose.y_mm[[0, -1]] for z in dose.z_mm[[0, -1]]])
    return float(np.linalg.norm(corners - np.asarray(line.isocentre_mm), axis=1).max())


def _field(dose: DoseGrid, line: BeamLine) -> Array:
    """(rays, 2): places across the beam that could lie in the field, from the voxels with much dose."""
    at = np.argwhere(dose.dose >= _MUCH * dose.maximum)
    points = np.column_stack([dose.x_mm[at[:, 2]], dose.y_mm[at[:, 1]], dose.z_mm[at[:, 0]]]) - line.isocentre_mm
    places = [points @ np.asarray(axis) for axis in (line.a, line.b)]
    edges = [(float(place.min()), float(place.max())) for place in places]
    pitch = max(_LATERAL_MM, np.sqrt(np.prod([high - low for low, high in edges]) / _RAYS))
    lines = [np.arange(low, high + pitch / 2, pitch) for low, high in edges]
    a, b = np.meshgrid(*lines, indexing="ij")
    return np.column_stack([a.ravel(), b.ravel()])


def in_field(rays: Rays) -> np.ndarray:
    """(rays,) which rays are in the field."""
    peaks = rays.dose.max(axis=1)
    chosen: np.ndarray = peaks >= _IN_FIELD * peaks.max()
    return chosen


def depth_dose(rays: Rays, chosen: np.ndarray) -> DepthDose:
    """The mean over the chosen rays."""
    mean = rays.dose[chosen].mean(axis=0)
    return DepthDose(rays.along_mm, mean, distal(rays.along_mm, mean))


def distal(along_mm: Array, dose: Array, share: float = _DISTAL) -> float | None:
    """Where the dose falls to ``share`` of its maximum for the last time; None where it does not."""
    level = share * float(dose.max())
    above = np.flatnonzero(dose >= level)
    if not len(above) or level <= 0.0 or above[-1] + 1 >= len(dose):
        return None
    last = int(above[-1])
    part = (dose[last] - level) / (dose[last] - dose[last + 1])
    return float(along_mm[last] + part * (along_mm[last + 1] - along_mm[last]))


def range_difference(reference: Rays, evaluated: Rays) -> RangeDifference | None:
    """Ray by ray within the reference's field; both sampled along the same rays. None where no ray of the reference has
    a distal end.

    The level is 80 % of each ray's own maximum, so that a difference of dose is none of range.
    """
    found, lost = [], 0
    for index in np.flatnonzero(in_field(reference)):
        wanted = distal(reference.along_mm, reference.dose[index])
        got = distal(evaluated.along_mm, evaluated.dose[index])
        if wanted is None:
            continue
        if got is None:
            lost += 1
        else:
            found.append(got - wanted)
    if not found:
        return RangeDifference(None, None, 0, lost) if lost else None
    differences = np.asarray(found)
    return RangeDifference(
        mean_mm=float(differences.mean()),
        p95_mm=float(np.percentile(np.abs(differences), 95)),
        rays=len(found),
        lost=lost,
    )
