"""Delivered against planned of one layer: meterset, distance to the planned way, what was left out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from actors.formats.delivered import DeliveredLayer
from actors.formats.off_plan import distances_to_plan, undelivered
from actors.formats.plan import PlanLayer, ScanMode
from actors.formats.planned_path import PlannedPath, progress_of, stretch_at
from messages.interpretation import LayerDeviation


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

    Distances as ``distances_to_plan`` has them; ``missing`` as ``undelivered`` does.
    """
    share = progress_of(delivered, planned.mu, whole=whole, rest=rest)
    under_way = stretch_at(path, share)
    distances, stretch = distances_to_plan(path, mode, share, delivered.positions_mm)
    counts = np.bincount(stretch, weights=delivered.count, minlength=len(path))
    mu: NDArray[np.float64] = (counts * delivered.mu_per_count).astype(np.float64)
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
        missing=int(undelivered(path, mu)[reached].sum()),
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
