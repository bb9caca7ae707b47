"""The engine's output file, as the engine writes it: straight to its final name, and silent when it cannot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_HEADED = frozenset({"mhd", "mha"})


@dataclass(frozen=True, slots=True)
class Frame:
    """The grid as the MetaImage header states it: voxels, spacing and centre of the first voxel along x, y, z."""

    size: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]


def write_dose(directory: Path, stem: str, kind: str, dose: NDArray[np.float64], frame: Frame) -> Path | None:
    """Write ``dose`` (z, y, x) as little-endian float64, x fastest; None where nothing could be written.

    ``kind``: ``mhd`` (header beside), ``mha`` (header within), and ``raw`` for everything else. A folder that does not
    exist, a name that leads nowhere and a full disk are no errors to this engine.
    """
    data = np.ascontiguousarray(dose, dtype="<f8").tobytes()
    path = directory / f"{stem}.{'mha' if kind == 'mha' else 'raw'}"
    try:
        with path.open("wb") as file:
            if kind == "mha":
                file.write(_header(frame, "LOCAL"))
            file.write(data)
        if kind == "mhd":
            path.with_name(f"{stem}.mhd").write_bytes(_header(frame, path.name))
    except OSError:
        return None
    return path


def _header(frame: Frame, data_file: str) -> bytes:
    rows = {
        "ObjectType": "Image",
        "NDims": "3",
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": "False",
        "TransformMatrix": "1 0 0 0 1 0 0 0 1",
        "Offset": " ".join(f"{value:.6g}" for value in frame.origin_mm),
        "ElementSpacing": " ".join(f"{value:.6g}" for value in frame.spacing_mm),
        "DimSize": " ".join(str(value) for value in frame.size),
        "ElementType": "MET_DOUBLE",
        "ElementDataFile": data_file,
    }
    return "".join(f"{key} = {value}\n" for key, value in rows.items()).encode()
