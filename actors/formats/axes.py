"""Axes: where a spot (a, b) of the scan lies in the patient and in the phantom.

The scan's axes are the beam's: a and b as ScanSpotPositionMap has them (IEC gantry x and y), c from the isocentre
towards the source. Patient axes are DICOM's (x to the left, y to the back, z to the head) for a patient head first
supine. At couch 0 the gantry turns about z: gantry 0 has the source in front of the patient (at -y), gantry 90 at the
left (+x). The couch turns about the vertical, so that at couch 90 and gantry 0 the spot (a, b) lies at (b, 0, -a).
"""

from __future__ import annotations

from math import cos, isclose, radians, sin

Vector = tuple[float, float, float]


def beam_axes(gantry_deg: float, couch_deg: float) -> tuple[Vector, Vector, Vector]:
    """Directions of a, b and c (towards the source) as unit vectors in DICOM patient axes, head first supine."""
    gantry = _turn(gantry_deg)
    directions: tuple[Vector, Vector, Vector] = (
        (gantry[0], gantry[1], 0.0),
        (0.0, 0.0, 1.0),
        (gantry[1], -gantry[0], 0.0),
    )
    a, b, c = (_couch(direction, couch_deg) for direction in directions)
    return a, b, c


def patient_offset(spot_mm: tuple[float, float], gantry_deg: float, couch_deg: float, toward_mm: float = 0.0) -> Vector:
    """Offset in mm from the isocentre, DICOM patient axes, of a spot ``toward_mm`` nearer to the source."""
    axes = beam_axes(gantry_deg, couch_deg)
    amounts = (spot_mm[0], spot_mm[1], toward_mm)
    x, y, z = (sum(amount * axis[place] for amount, axis in zip(amounts, axes, strict=True)) for place in range(3))
    return x, y, z


def phantom_offset(spot_mm: tuple[float, float], toward_mm: float = 0.0) -> Vector:
    """The same in the axes of a phantom run: x = a, y = b, z towards the source, whatever gantry and couch."""
    return spot_mm[0], spot_mm[1], toward_mm


def _couch(direction: Vector, couch_deg: float) -> Vector:
    cosine, sine = _turn(couch_deg)
    x, y, z = direction
    return x * cosine + z * sine, y, z * cosine - x * sine


def _turn(degrees: float) -> tuple[float, float]:
    """(cos, sin), exact at right angles so that axes stay clean."""
    return _clean(cos(radians(degrees))), _clean(sin(radians(degrees)))


def _clean(value: float) -> float:
    return round(value) + 0.0 if isclose(value, round(value), rel_tol=0.0, abs_tol=1e-15) else value
