"""Proof of axes, signs and scale: delivered positions must fit the plan as it is, not turned, mirrored or stretched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actors.errors import CaseError
from actors.formats.planned_path import PlannedPath, stretch_at
from messages.interpretation import AxisFit

SCALE_TOLERANCE = 0.01
SHIFT_TOLERANCE_MM = 1.0
# Orientations whose residuals differ by less cannot be told apart: a pattern on one line or in one point has such.
MARGIN_MM = 0.2
# An axis along which the plan spreads less (RMS) says nothing about scale.
_LEAST_SPREAD_MM = 5.0
# A scale that differs from 1 by less than its own uncertainty allows is 1.
_SIGMAS = 3.0

ORIENTATIONS: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "identity": ((1, 0), (0, 1)),
    "mirrored in x": ((-1, 0), (0, 1)),
    "mirrored in y": ((1, 0), (0, -1)),
    "turned by 180 degrees": ((-1, 0), (0, -1)),
    "x and y swapped": ((0, 1), (1, 0)),
    "turned by 90 degrees": ((0, -1), (1, 0)),
    "turned by 270 degrees": ((0, 1), (-1, 0)),
    "swapped and mirrored": ((0, -1), (-1, 0)),
}


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Matching places of one layer: where a stretch was planned, and where the beam was on it."""

    planned_mm: NDArray[np.float64]
    """(k, 2) middles of the planned stretches."""
    measured_mm: NDArray[np.float64]
    """(k, 2) mean measured positions, weighted by counts."""


def pairs_of(
    path: PlannedPath, share: NDArray[np.float64], positions_mm: NDArray[np.float64], count: NDArray[np.int64]
) -> Pairs:
    """Pairs of one layer; samples belong to stretches by order and monitor counts alone, whatever the axes are."""
    stretch = stretch_at(path, share)
    weight = np.bincount(stretch, weights=count, minlength=len(path))
    reached = weight > 0
    sums = [np.bincount(stretch, weights=count * positions_mm[:, axis], minlength=len(path)) for axis in (0, 1)]
    measured = np.stack(sums, axis=1)[reached] / weight[reached, None]
    return Pairs(((path.begin_mm + path.end_mm) / 2)[reached], measured)


def fit_axes(layers: Sequence[Pairs]) -> tuple[AxisFit, bool]:
    """Fit of one beam, and whether it tells the best orientation apart from every other.

    Every orientation is tried with scale 1 and the shift that fits best, up to the tolerance: the residual decides.
    Scale (the axis that is further from 1) and shift (median over layers, so that one layer gone astray is a finding
    and not a wrong axis) are those of the identity.
    """
    planned = np.concatenate([pairs.planned_mm for pairs in layers])
    measured = np.concatenate([pairs.measured_mm for pairs in layers])
    layer = np.repeat(np.arange(len(layers)), [len(pairs.planned_mm) for pairs in layers])
    residuals = {
        name: _residual(measured - planned @ np.array(matrix, dtype=np.float64).T, layer)
        for name, matrix in ORIENTATIONS.items()
    }
    ranked = sorted(residuals, key=lambda name: residuals[name])
    best = ranked[0]
    if best != "identity" and residuals["identity"] - residuals[best] <= MARGIN_MM:
        best = "identity"
    runner_up = next(name for name in ranked if name != best)
    shift = _median_shift(measured - planned, layer)
    fit = AxisFit(
        best=best,
        scale=_scale(measured, planned, layer),
        shift_x_mm=float(shift[0]),
        shift_y_mm=float(shift[1]),
        rms_mm=residuals[best],
        runner_up=runner_up,
        runner_up_rms_mm=residuals[runner_up],
    )
    return fit, residuals[runner_up] - residuals[best] > MARGIN_MM


def check_fit(beam: int, fit: AxisFit, where: str) -> None:
    """CaseError ``axes-wrong``, ``axes-scale`` or ``axes-shift``: the case stops; its dose would lie elsewhere."""
    if fit.best != "identity":
        raise _error(
            "axes-wrong",
            beam,
            f"was delivered {fit.best} (residual {fit.rms_mm:.2f} mm; as planned it fits worse)",
            where,
        )
    if abs(fit.scale - 1.0) > SCALE_TOLERANCE:
        raise _error("axes-scale", beam, f"was delivered at a scale of {fit.scale:.4f} to the plan", where)
    if np.hypot(fit.shift_x_mm, fit.shift_y_mm) > SHIFT_TOLERANCE_MM:
        raise _error(
            "axes-shift",
            beam,
            f"was delivered ({fit.shift_x_mm:+.2f}, {fit.shift_y_mm:+.2f}) mm beside the plan",
            where,
        )


def _median_shift(difference: NDArray[np.float64], layer: NDArray[np.intp]) -> NDArray[np.float64]:
    """(2,) median over layers of each layer's mean difference."""
    many = np.bincount(layer)
    means = np.stack([np.bincount(layer, weights=difference[:, axis]) / many for axis in (0, 1)], axis=1)
    median: NDArray[np.float64] = np.median(means, axis=0)
    return median


def _residual(difference: NDArray[np.float64], layer: NDArray[np.intp]) -> float:
    shift = np.clip(_median_shift(difference, layer), -SHIFT_TOLERANCE_MM, SHIFT_TOLERANCE_MM)
    return float(np.sqrt(((difference - shift) ** 2).sum(axis=1).mean()))


def _scale(measured: NDArray[np.float64], planned: NDArray[np.float64], layer: NDArray[np.intp]) -> float:
    """Scale of the axis that is further from 1, each layer about its own centre; 1 where nothing can be said."""
    many = np.bincount(layer)
    worst = 1.0
    for axis in (0, 1):
        centred = [
            values[:, axis] - (np.bincount(layer, weights=values[:, axis]) / many)[layer]
            for values in (measured, planned)
        ]
        spread = float(np.sqrt((centred[1] ** 2).mean()))
        if spread < _LEAST_SPREAD_MM:
            continue
        scale = float(centred[0] @ centred[1]) / float(centred[1] @ centred[1])
        residual = float(np.sqrt(((centred[0] - scale * centred[1]) ** 2).mean()))
        uncertainty = residual / (spread * np.sqrt(len(planned)))
        if abs(scale - 1.0) > abs(worst - 1.0) and abs(scale - 1.0) > _SIGMAS * uncertainty:
            worst = scale
    return worst


def _error(kind: str, beam: int, what: str, where: str) -> CaseError:
    return CaseError(
        f"Beam {beam} {what}.", where, "Check gantry, calibration and plan: the log's axes are not the plan's.", kind
    )
