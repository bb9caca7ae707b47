"""Where a dose grid lies in DICOM coordinates, and what it belongs to: a phantom of its own, or the patient's CT.

Phantom: the engine's axes are the beam's own (x = a, y = b of the scan, z towards the source; right-handed), origin
at the isocentre. The file takes them as its coordinates: columns run along +x, rows along +y, frames along +z, so that
ImageOrientationPatient is the identity, ImagePositionPatient is the centre of the first voxel, and
GridFrameOffsetVector rises from 0 (PS3.3 C.8.8.3.2, first case). Nothing links these axes to a patient: the frame of
reference is the phantom's own, and beams of different gantry angles lie on one another in it.

CT: the engine scores on the CT's grid in patient axes (head first supine, the only geometry that a profile may
declare), so that the same mapping holds with the isocentre added and the plan's frame of reference.
"""

from __future__ import annotations

from dataclasses import dataclass

from actors.results.uids import uid
from messages.engine import EngineProfile, Grid
from messages.interpretation import BeamInput, Interpretation


@dataclass(frozen=True, slots=True)
class DoseFrame:
    """The geometry of one dose file."""

    phantom: bool
    frame_of_reference: str
    position_mm: tuple[float, float, float]
    """ImagePositionPatient: centre of the first voxel."""
    spacing_mm: tuple[float, float, float]
    """Along x (columns), y (rows), z (frames)."""
    size: tuple[int, int, int]
    """Columns, rows, frames."""


def dose_frame(interpretation: Interpretation, profile: EngineProfile, beam: BeamInput) -> DoseFrame:
    """The frame of a beam's dose."""
    phantom = profile.geometry != "ct"
    grid: Grid = beam.grid
    shift = (0.0, 0.0, 0.0) if phantom else beam.isocentre_mm
    own = uid("frame", interpretation.case, profile.name, profile.version)
    # The CT's origin is the same for every isocentre, but for the last bits of the sum.
    x, y, z = (round(origin + offset, 6) for origin, offset in zip(grid.origin_mm, shift, strict=True))
    return DoseFrame(
        phantom=phantom,
        frame_of_reference=own if phantom else interpretation.frame_of_reference or own,
        position_mm=(x, y, z),
        spacing_mm=grid.spacing_mm,
        size=grid.size,
    )
