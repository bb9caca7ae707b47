"""A dose on a grid whose axes are the frame of reference's own, as an RT Dose file holds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom import dcmread
from pydicom.dataset import Dataset
from scipy.interpolate import RegularGridInterpolator
from scipy.ndimage import map_coordinates, spline_filter

from actors.errors import MqiError
from messages.faults import Fault

Array = npt.NDArray[np.float64]
Values = npt.NDArray[np.float32]

_AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class DoseGrid:
    """Dose (z, y, x) at voxel centres; the axes ascend."""

    dose: Values
    z_mm: Array
    y_mm: Array
    x_mm: Array
    gray: bool
    """In gray; otherwise relative."""
    frame_of_reference: str

    @property
    def axes(self) -> tuple[Array, Array, Array]:
        """(z, y, x) in mm."""
        return self.z_mm, self.y_mm, self.x_mm

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Along z, y, x."""
        z, y, x = (float(axis[1] - axis[0]) if len(axis) > 1 else 0.0 for axis in self.axes)
        return z, y, x

    @property
    def maximum(self) -> float:
        return float(self.dose.max())

    def at(self, points_mm: Array) -> Array:
        """(n,) dose at points (n, 3) given as x, y, z in mm: trilinear between voxel centres, 0 outside of them."""
        look = RegularGridInterpolator(self.axes, self.dose, bounds_error=False, fill_value=0.0)
        values: Array = look(points_mm[:, ::-1])
        return values

    def smooth(self) -> Callable[[Array], Array]:
        """As ``at``, by cubic splines: an edge of a few voxels keeps its place and slope.

        Linear where the planes are not evenly spaced.
        """
        steps = self.spacing_mm
        if not all(
            len(axis) > 3 and np.allclose(np.diff(axis), step) for axis, step in zip(self.axes, steps, strict=True)
        ):
            return self.at
        coefficients = spline_filter(self.dose, order=3, output=np.float32)
        origin, step = np.array([axis[0] for axis in self.axes]), np.array(steps)

        def look(points_mm: Array) -> Array:
            places = (points_mm[:, ::-1] - origin) / step
            values: Array = map_coordinates(coefficients, places.T, order=3, prefilter=False, mode="constant")
            return values

        return look

    def on(self, axes: tuple[Array, Array, Array]) -> Values:
        """The dose on another grid's voxels (z, y, x): trilinear, 0 outside."""
        if all(len(a) == len(b) and np.allclose(a, b, atol=1e-3) for a, b in zip(axes, self.axes, strict=True)):
            return self.dose
        look = RegularGridInterpolator(self.axes, self.dose, bounds_error=False, fill_value=0.0)
        found = np.empty(tuple(len(axis) for axis in axes), dtype=np.float32)
        plane_y, plane_x = np.meshgrid(axes[1], axes[2], indexing="ij")
        for index, z in enumerate(axes[0]):  # plane by plane: the points of all would not fit the memory
            found[index] = look((np.full_like(plane_y, z), plane_y, plane_x))
        return found


def read_dose(path: Path) -> DoseGrid:
    """An RT Dose file. MqiError (``dose-geometry``) where its planes are not axial; OSError; pydicom's errors."""
    return grid_of(dcmread(path), str(path))


def grid_of(dataset: Dataset, where: str) -> DoseGrid:
    """The grid of an RT Dose dataset with its pixels (PS3.3 C.8.8.3)."""
    orientation = [float(value) for value in dataset.ImageOrientationPatient]
    if not np.allclose(orientation, _AXIAL, atol=_TOLERANCE):
        raise _unfit("The planes of the dose are not axial (ImageOrientationPatient).", where)
    frames = int(dataset.get("NumberOfFrames", 1))
    levels = np.asarray(dataset.pixel_array).reshape(frames, int(dataset.Rows), int(dataset.Columns))
    dose = levels.astype(np.float32) * np.float32(dataset.DoseGridScaling)
    x0, y0, z0 = (float(value) for value in dataset.ImagePositionPatient)
    between_rows, between_columns = (float(value) for value in dataset.PixelSpacing)
    z = _planes(dataset, z0, frames, where)
    if len(z) > 1 and z[1] < z[0]:
        z, dose = z[::-1], dose[::-1]
    return DoseGrid(
        dose=np.ascontiguousarray(dose),
        z_mm=np.ascontiguousarray(z),
        y_mm=y0 + between_rows * np.arange(dose.shape[1], dtype=np.float64),
        x_mm=x0 + between_columns * np.arange(dose.shape[2], dtype=np.float64),
        gray=str(dataset.DoseUnits) == "GY",
        frame_of_reference=str(dataset.get("FrameOfReferenceUID", "")),
    )


def _planes(dataset: Dataset, z0: float, frames: int, where: str) -> Array:
    """z of every frame: GridFrameOffsetVector is relative to the first (from 0), or absolute (then it begins at z0)."""
    if frames == 1:
        return np.array([z0])
    offsets = np.asarray([float(value) for value in dataset.GridFrameOffsetVector])
    steps = np.diff(offsets)
    if len(offsets) != frames or not (np.all(steps > 0) or np.all(steps < 0)):
        raise _unfit("GridFrameOffsetVector of the dose neither rises nor falls, or is not one value a frame.", where)
    relative = abs(offsets[0]) < _TOLERANCE
    if not relative and abs(offsets[0] - z0) > _TOLERANCE:
        raise _unfit("GridFrameOffsetVector begins neither at 0 nor at ImagePositionPatient.", where)
    planes: Array = z0 + offsets if relative else offsets
    return planes


def _unfit(what: str, where: str) -> MqiError:
    return MqiError(Fault(what=what, where=where, kind="dose-geometry"))
