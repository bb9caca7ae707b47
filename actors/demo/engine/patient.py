"""Dose in a CT: the beam's water dose, looked up at each voxel's place across the beam and water-equivalent depth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from scipy.ndimage import map_coordinates

from actors.demo.engine.dose import BeamGrid
from actors.demo.engine.input_file import EngineAbortError
from actors.demo.engine.plan import PlanBeam

_LATERAL_MM = 2.0
_ALONG_MM = 1.0
_MARGIN_MM = 30.0
_WATER_FROM = 0.1
"""Density from which on a voxel is taken for water; below it no dose is scored."""


@dataclass(frozen=True, slots=True)
class Volume:
    """A CT in patient axes; the engine takes slices as axial and pixels as square."""

    density: NDArray[np.float32]
    """(z, y, x), relative to water."""
    origin_mm: tuple[float, float, float]
    """Centre of the first voxel, x, y, z."""
    spacing_mm: tuple[float, float, float]

    @property
    def size(self) -> tuple[int, int, int]:
        """nx, ny, nz."""
        nz, ny, nx = self.density.shape
        return nx, ny, nz


def read_volume(directory: Path) -> Volume:
    """All CT slices of the folder, by height."""
    slices = sorted(_slices(directory), key=lambda image: float(image.ImagePositionPatient[2]))
    if not slices:
        raise EngineAbortError("std::runtime_error", "There is no CT in the path.")
    first = slices[0]
    density = np.stack([_density(image) for image in slices])
    x, y, z = (float(value) for value in first.ImagePositionPatient)
    pixel = float(first.PixelSpacing[0])
    return Volume(density, (x, y, z), (pixel, pixel, float(first.SliceThickness)))


def beam_axes(gantry_deg: float, couch_deg: float) -> NDArray[np.float64]:
    """Rows: the beam's x, y and z (towards the source) as unit vectors in DICOM patient axes, head first supine.

    IEC 61217: the gantry turns about the fixed y, the couch about the fixed z; DICOM's x, y, z are the couch's
    x, −z, y.
    """
    g, c = math.radians(gantry_deg), math.radians(couch_deg)
    beam = np.array([[math.cos(g), 0.0, -math.sin(g)], [0.0, 1.0, 0.0], [math.sin(g), 0.0, math.cos(g)]])
    couch = np.array([[math.cos(c), math.sin(c), 0.0], [-math.sin(c), math.cos(c), 0.0], [0.0, 0.0, 1.0]])
    to_dicom = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    axes: NDArray[np.float64] = beam @ (to_dicom @ couch).T
    return axes


@dataclass(frozen=True, slots=True)
class BeamInVolume:
    """Where a beam meets a volume: the water grid to compute in, and the way back into the voxels."""

    grid: BeamGrid
    lookup: NDArray[np.float64]
    """(3, voxels): depth, y and x index into the water dose of each voxel."""
    inside: NDArray[np.bool_]
    """(z, y, x): voxels that score."""

    def into_voxels(self, dose: NDArray[np.float64]) -> NDArray[np.float64]:
        """The water dose (depth, y, x) in the CT's voxels (z, y, x)."""
        values = np.zeros(self.inside.shape)
        values[self.inside] = map_coordinates(dose, self.lookup, order=1, mode="nearest")
        return values


def place_beam(volume: Volume, beam: PlanBeam, spots_mm: NDArray[np.float64]) -> BeamInVolume:
    """``spots_mm`` (n, 2): where the spots are, which bounds what has to be computed."""
    axes = beam_axes(beam.gantry_deg, beam.couch_deg)
    origin, spacing = np.asarray(volume.origin_mm), np.asarray(volume.spacing_mm)
    inside = volume.density > _WATER_FROM
    z, y, x = np.nonzero(inside)
    places = np.column_stack([x, y, z]) * spacing + origin - np.asarray(beam.isocentre_mm)
    across_x, across_y, height = axes @ places.T
    x_mm, y_mm = (_line(spots_mm[:, axis]) for axis in (0, 1))
    top = float(height.max(initial=0.0)) + 2 * _ALONG_MM
    bottom = float(height.min(initial=0.0)) - 2 * _ALONG_MM
    heights = np.arange(top, bottom, -_ALONG_MM)
    depths = _water_depths(volume, beam, axes, (x_mm, y_mm, heights))
    across = ((across_y - y_mm[0]) / _LATERAL_MM, (across_x - x_mm[0]) / _LATERAL_MM)
    depth = map_coordinates(depths, [(top - height) / _ALONG_MM, *across], order=1, mode="nearest")
    deepest = max(float(depths.max()), _ALONG_MM)
    edges = np.arange(0.0, deepest + 2 * _ALONG_MM, _ALONG_MM)
    seen = (across_x >= x_mm[0]) & (across_x <= x_mm[-1]) & (across_y >= y_mm[0]) & (across_y <= y_mm[-1])
    scored = inside.copy()
    scored[inside] = seen
    lookup = np.stack([depth / _ALONG_MM - 0.5, *across])[:, seen]
    return BeamInVolume(BeamGrid(x_mm, y_mm, edges), lookup, scored)


def _line(places: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = (float(places.min()), float(places.max())) if len(places) else (0.0, 0.0)
    line: NDArray[np.float64] = np.arange(low - _MARGIN_MM, high + _MARGIN_MM + _LATERAL_MM, _LATERAL_MM)
    return line


def _water_depths(
    volume: Volume,
    beam: PlanBeam,
    axes: NDArray[np.float64],
    lines: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Water-equivalent depth (height, y, x) at the middle of each step, downwards from the source."""
    x_mm, y_mm, heights = lines
    shape = (len(heights), len(y_mm), len(x_mm))
    h, b, a = np.meshgrid(heights, y_mm, x_mm, indexing="ij")
    places = axes.T @ np.stack([a.ravel(), b.ravel(), h.ravel()]) + np.asarray(beam.isocentre_mm)[:, None]
    index = (places - np.asarray(volume.origin_mm)[:, None]) / np.asarray(volume.spacing_mm)[:, None]
    density = map_coordinates(volume.density, index[::-1], order=1, mode="constant", cval=0.0).reshape(shape)
    summed = np.cumsum(density, axis=0)
    depths: NDArray[np.float64] = _ALONG_MM * (summed - 0.5 * density)
    return depths


def _slices(directory: Path) -> list[Dataset]:
    found: list[Dataset] = []
    for path in sorted(directory.iterdir()) if directory.is_dir() else ():
        try:
            image = dcmread(path)
        except (InvalidDicomError, OSError):
            continue
        if image.get("Modality") == "CT":
            found.append(image)
    return found


def _density(image: Dataset) -> NDArray[np.float32]:
    """Pixels as density relative to water: 1 + HU/1000, never below 0."""
    pixels = np.frombuffer(image.PixelData, dtype="<i2").reshape(int(image.Rows), int(image.Columns))
    hounsfield = pixels * float(image.RescaleSlope) + float(image.RescaleIntercept)
    density: NDArray[np.float32] = np.clip(1.0 + hounsfield / 1000.0, 0.0, None).astype(np.float32)
    return density
