"""The engine's raw dose: headerless little-endian float64, x fastest, z slowest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

Dose = npt.NDArray[np.float64]

_BLOCK = 4 * 1024 * 1024
"""Bytes looked at together; they stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class RawDose:
    """What one pass over a raw dose says of it, in the engine's units."""

    sha256: str
    finite: bool
    """False: some voxel is NaN or infinite, and the numbers below mean nothing."""
    minimum: float
    maximum: float
    maximum_at: int
    """Index of the first voxel with the maximum, x fastest."""
    total: float


def scan_raw(path: Path) -> RawDose:
    """Hash and examine a raw dose whose size is a multiple of 8 bytes, in one pass and little memory. OSError."""
    digest = hashlib.sha256()
    minimum, maximum, maximum_at, total, voxels = np.inf, -np.inf, 0, 0.0, 0
    finite = True
    with path.open("rb") as handle:
        while block := handle.read(_BLOCK):
            digest.update(block)
            values = np.frombuffer(block, dtype="<f8")
            finite = finite and bool(np.isfinite(values).all())
            at = int(values.argmax())
            if values[at] > maximum:
                maximum, maximum_at = float(values[at]), voxels + at
            minimum = min(minimum, float(values.min()))
            with np.errstate(over="ignore", invalid="ignore"):
                total += float(values.sum())
            voxels += values.size
    return RawDose(digest.hexdigest(), finite and bool(np.isfinite(total)), minimum, maximum, maximum_at, total)


def read_raw(path: Path, size: tuple[int, int, int]) -> Dose:
    """The dose as a writable array [nz, ny, nx] in the engine's units. ValueError when it has another size; OSError."""
    nx, ny, nz = size
    return cast(Dose, np.fromfile(path, dtype="<f8").reshape(nz, ny, nx).astype(np.float64, copy=False))
