"""What the dose is scored in: a water phantom along the beam, the 2 cm plane, or the CT's voxels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actors.demo.engine.dose import BeamGrid
from actors.demo.engine.input_file import InputFile

TWO_CM_VOXELS = (400, 400, 1)
"""Whatever PhantomDim says."""
TWO_CM_DEPTH_MM = 20.0
_TWO_CM_THICK_MM = 2.0


@dataclass(frozen=True, slots=True)
class Phantom:
    """A box of water in the beam's axes, z towards the source; its surface is its highest z."""

    size: tuple[int, int, int]
    """Voxels along x, y, z."""
    spacing_mm: tuple[float, float, float]
    corner_mm: tuple[float, float, float]
    """Lowest x, y, z edge."""
    depth_above_mm: float = 0.0
    """Water between the surface and the highest voxel."""
    child: int = 1
    """Place among the world's children, which is part of the output's name (the air before the phantom is 0)."""

    def beam_grid(self) -> BeamGrid:
        """The same voxels by depth: the file's last z is the shallowest."""
        edges = self.depth_above_mm + self.spacing_mm[2] * np.arange(self.size[2] + 1, dtype=np.float64)
        return BeamGrid(self.centres(0), self.centres(1), edges)

    def centres(self, axis: int) -> NDArray[np.float64]:
        places = np.arange(self.size[axis], dtype=np.float64) + 0.5
        return self.corner_mm[axis] + self.spacing_mm[axis] * places


def phantom_of(given: InputFile) -> Phantom | None:
    """The phantom that the input file asks for; None where the dose belongs into the CT.

    As the real engine reads them, all numbers are whole: ``-60.5`` is −60.
    """
    if not given.flag("UsingPhantomGeo"):
        return None
    if given.flag("TwoCentimeterMode"):
        return Phantom(
            TWO_CM_VOXELS,
            (1.0, 1.0, _TWO_CM_THICK_MM),
            (-200.0, -200.0, -1.0),
            depth_above_mm=TWO_CM_DEPTH_MM - _TWO_CM_THICK_MM / 2.0,
            child=2,
        )
    size = tuple(given.integer(f"PhantomDim{axis}", 200) for axis in "XYZ")
    spacing = tuple(float(given.integer(f"PhantomUnit{axis}", 1)) for axis in "XYZ")
    corner = tuple(float(given.integer(f"PhantomPosition{axis}", 1)) for axis in "XYZ")
    return Phantom((size[0], size[1], size[2]), (spacing[0], spacing[1], spacing[2]), (corner[0], corner[1], corner[2]))
