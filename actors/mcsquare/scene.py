"""What MCsquare simulates in. Its axes: x as DICOM's, y against DICOM's, z as DICOM's, from the image's corner.

With gantry and couch at 0 its beam comes down its y axis with the spots' x along x and y along z. The isocentre is told
in these axes; image files, its CT and its dose alike, run against x and with y and z. The tests prove it with an
L of spots, off the middle of the image, at several angles, and with a block on one side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset

from actors.mcsquare.errors import DriverError
from actors.mcsquare.order import Box
from actors.mcsquare.plan import Beam

_AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
Voxels = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scene:
    """One image with one beam in it."""

    hu: Voxels
    """[z, y, x] as in an image file of MCsquare's."""
    spacing_mm: tuple[float, float, float]
    """Along x, y, z."""
    isocentre_mm: tuple[float, float, float]
    """In MCsquare's axes."""
    gantry_deg: float
    couch_deg: float
    back: Callable[[Voxels], Voxels]
    """An array of an image file as the profile's output has it: z slowest, x fastest."""

    @property
    def size(self) -> tuple[int, int, int]:
        """Voxels along x, y, z."""
        nz, ny, nx = self.hu.shape
        return nx, ny, nz


def phantom_scene(box: Box) -> Scene:
    """A box of water in the beam's own axes: the plan's angles and isocentre have no meaning there."""
    nx, ny, nz = box.size
    (dx, dy, dz), (x0, y0, z0) = box.spacing_mm, box.corner_mm
    hu = np.zeros((ny, nz, nx), dtype=np.float32)
    return Scene(hu, (dx, dz, dy), (-x0, -z0, -y0), 0.0, 0.0, _swapped)


def ct_scene(folder: Path, beam: Beam) -> Scene:
    """The CT beside the plan, head first supine; DriverError for what was not to be staged."""
    images = [image for path in sorted(folder.glob("*.dcm")) if (image := dcmread(path)).get("Modality") == "CT"]
    if len(images) < 2:
        raise DriverError(f"There is no CT in {folder}.")
    images.sort(key=lambda image: float(image.ImagePositionPatient[2]))
    first, last = images[0], images[-1]
    if tuple(round(float(value), 3) for value in first.ImageOrientationPatient) != _AXIAL:
        raise DriverError("The CT is not axial.")
    volume = np.stack([_hounsfield(image) for image in images])
    dy, dx = (float(value) for value in first.PixelSpacing)
    x0, y0, z0 = (float(value) for value in first.ImagePositionPatient)
    dz = (float(last.ImagePositionPatient[2]) - z0) / (len(images) - 1)
    x, y, z = beam.isocentre_mm
    height = volume.shape[1] * dy
    isocentre = (x - x0 + dx / 2, height - (y - y0 + dy / 2), z - z0 + dz / 2)
    return Scene(_mirrored(volume), (dx, dy, dz), isocentre, beam.gantry_deg, beam.couch_deg, _mirrored)


def _hounsfield(image: Dataset) -> Voxels:
    pixels = image.pixel_array.astype(np.float32)
    hounsfield: Voxels = pixels * np.float32(image.RescaleSlope) + np.float32(image.RescaleIntercept)
    return hounsfield


def _mirrored(volume: Voxels) -> Voxels:
    """DICOM's axes from those of an image file, and back."""
    return np.ascontiguousarray(volume[:, ::-1, ::-1])


def _swapped(volume: Voxels) -> Voxels:
    """The phantom's z lies along MCsquare's y, and its y along MCsquare's z."""
    return np.ascontiguousarray(volume[:, :, ::-1].transpose(1, 0, 2))
