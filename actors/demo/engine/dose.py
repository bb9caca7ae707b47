"""Dose in water of one beam's layers, on a grid along the beam."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actors.demo.engine.beam_model import BeamModel
from actors.demo.engine.bragg import bragg_curve
from actors.demo.engine.lateral import variance_mm2

JOULE_PER_MEV = 1.602176634e-13
GRAY_MM2_PER_MEV_CM = JOULE_PER_MEV * 1000.0 * 100.0
"""MeV/cm per mm² in water of 1 g/cm³ as gray: 1 g = 1e-3 kg, 1 cm² = 100 mm²."""
_BIN_MM = 0.5
_WIDTHS = 16
"""Beam widths for which the lateral map is computed; between them it is mixed, which keeps total and variance."""
_FRINGE_MM = 1e-6
_REACH_MM = 60.0


@dataclass(frozen=True, slots=True)
class SpotLayer:
    """Protons of one energy."""

    energy_mev: float
    x_mm: NDArray[np.float64]
    y_mm: NDArray[np.float64]
    protons: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BeamGrid:
    """Voxels along the beam: x and y by their centres, depth by the slabs' edges (ascending from the surface)."""

    x_mm: NDArray[np.float64]
    y_mm: NDArray[np.float64]
    depth_edges_mm: NDArray[np.float64]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(depth, y, x)."""
        return len(self.depth_edges_mm) - 1, len(self.y_mm), len(self.x_mm)


def beam_dose(layers: Iterable[SpotLayer], grid: BeamGrid, model: BeamModel) -> NDArray[np.float64]:
    """Gray in (depth, y, x) of all layers together; they superpose."""
    dose = np.zeros(grid.shape)
    for layer in layers:
        add_layer(dose, layer, grid, model)
    return dose


def add_layer(dose: NDArray[np.float64], layer: SpotLayer, grid: BeamGrid, model: BeamModel) -> None:
    """Add one layer's gray to ``dose`` (depth, y, x). Spots too far off to reach the grid are lost."""
    near = _within(layer.x_mm, grid.x_mm) & _within(layer.y_mm, grid.y_mm)
    if not near.any():
        return
    curve = bragg_curve(layer.energy_mev, model.energy_spread * layer.energy_mev)
    along = curve.slab_means(grid.depth_edges_mm / 10.0) * GRAY_MM2_PER_MEV_CM
    middle = 0.5 * (grid.depth_edges_mm[1:] + grid.depth_edges_mm[:-1])
    reached = np.flatnonzero(along > 0.0)
    if len(reached) == 0:
        return
    variance = variance_mm2(middle[reached], layer.energy_mev, model.sigma_mm)
    knots = np.linspace(variance.min(), variance.max() + _FRINGE_MM, _WIDTHS)
    hits = SpotLayer(layer.energy_mev, layer.x_mm[near], layer.y_mm[near], layer.protons[near])
    maps = _lateral_maps(hits, grid, knots)
    place = (variance - knots[0]) / (knots[1] - knots[0])
    lower = np.minimum(place.astype(int), _WIDTHS - 2)
    mix = np.zeros((len(reached), _WIDTHS))
    rows = np.arange(len(reached))
    mix[rows, lower] = 1.0 - (place - lower)
    mix[rows, lower + 1] = place - lower
    shares = (mix * along[reached, None]) @ maps.reshape(_WIDTHS, -1)
    dose[reached] += shares.reshape(len(reached), len(grid.y_mm), len(grid.x_mm))


def _within(places: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = (places > centres.min() - _REACH_MM) & (places < centres.max() + _REACH_MM)
    return inside


def _lateral_maps(layer: SpotLayer, grid: BeamGrid, variances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Protons per mm² in (width, y, x) for each variance. A Gaussian in x times one in y: two matrix products."""
    x, y, fluence = _binned(layer)
    maps = np.empty((len(variances), len(grid.y_mm), len(grid.x_mm)))
    away_x = (grid.x_mm[:, None] - x[None, :]) ** 2
    away_y = (grid.y_mm[:, None] - y[None, :]) ** 2
    for index, variance in enumerate(variances):
        in_x = np.exp(away_x / (-2.0 * variance))
        in_y = np.exp(away_y / (-2.0 * variance))
        maps[index] = in_y @ fluence @ in_x.T / (2.0 * np.pi * variance)
    return maps


def _binned(layer: SpotLayer) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Spots shared out among the four nearest nodes of a fine raster: total and centre of mass stay as they are.

    Returns node x (m,), node y (n,) and protons (n, m).
    """
    x0, y0 = layer.x_mm.min(), layer.y_mm.min()
    columns = int((layer.x_mm.max() - x0) / _BIN_MM) + 2
    rows = int((layer.y_mm.max() - y0) / _BIN_MM) + 2
    along_x, along_y = (layer.x_mm - x0) / _BIN_MM, (layer.y_mm - y0) / _BIN_MM
    column, row = along_x.astype(int), along_y.astype(int)
    part_x, part_y = along_x - column, along_y - row
    fluence = np.zeros(rows * columns)
    for down, weight_y in ((0, 1.0 - part_y), (1, part_y)):
        for right, weight_x in ((0, 1.0 - part_x), (1, part_x)):
            node = (row + down) * columns + column + right
            fluence += np.bincount(node, layer.protons * weight_x * weight_y, minlength=rows * columns)
    return x0 + _BIN_MM * np.arange(columns), y0 + _BIN_MM * np.arange(rows), fluence.reshape(rows, columns)
