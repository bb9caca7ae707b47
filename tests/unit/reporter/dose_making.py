"""Doses in closed form on small grids."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from actors.reporter.dose_grid import DoseGrid

Axis = np.ndarray


def dose_of(
    formula: Callable[[Axis, Axis, Axis], Axis],
    *,
    size: tuple[int, int, int] = (9, 9, 9),
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0),
    origin_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> DoseGrid:
    """``formula(x, y, z)`` in mm at every voxel; size, spacing and origin along x, y, z."""
    x, y, z = (begin + step * np.arange(n) for n, step, begin in zip(size, spacing_mm, origin_mm, strict=True))
    grid_z, grid_y, grid_x = np.meshgrid(z, y, x, indexing="ij")
    values = np.broadcast_to(formula(grid_x, grid_y, grid_z), grid_x.shape).astype(np.float32)
    return DoseGrid(values, z, y, x, gray=True, frame_of_reference="1.2.3")


def flat(level: float) -> DoseGrid:
    return dose_of(lambda x, y, z: np.full_like(x, level))
