"""Dose as 32-bit pixels: the scaling is rounded to what the file can say before anything is quantised by it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from actors.results.raw_dose import Dose

LEVELS = 2**32 - 1
"""Highest pixel value of 32 bits."""
_DS_LENGTH = 16
"""Characters of a decimal string (PS3.5 6.2, VR DS)."""
_VOXELS_AT_ONCE = 512 * 1024


def decimal_string(value: float) -> str:
    """``value`` (finite) with as many digits as a DICOM decimal string of 16 characters holds."""
    exact = repr(float(value))
    if len(exact) <= _DS_LENGTH:
        return exact
    return next(text for digits in range(_DS_LENGTH, 0, -1) if len(text := f"{value:.{digits}g}") <= _DS_LENGTH)


def grid_scaling(maximum: float) -> str:
    """DoseGridScaling as the file will hold it: pixel × this = dose; ``maximum`` (positive) gets the highest pixel.

    Its eleven digits are right to 5e-11, a quarter of a level at the maximum: nothing overflows by more than that.
    """
    return decimal_string(maximum / LEVELS)


def pixel_blocks(dose: Dose, scaling: str) -> Iterator[bytes]:
    """``dose`` ≥ 0 as little-endian uint32, nearest level, frame by frame in the order of the array [nz, ny, nx]."""
    flat = dose.reshape(-1)
    step = float(scaling)
    for start in range(0, flat.size, _VOXELS_AT_ONCE):
        levels = np.rint(flat[start : start + _VOXELS_AT_ONCE] / step)
        yield np.minimum(levels, LEVELS).astype("<u4").tobytes()
