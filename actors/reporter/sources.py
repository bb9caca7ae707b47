"""What the case folder brings beside the logs: CT, structure set, RT Doses. A folder that is gone brings nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from actors.reporter.dose_grid import Array, Values
from actors.reporter.planning import DoseHeader, header_of

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
RT_DOSE = "1.2.840.10008.5.1.4.1.1.481.2"
_HEADER = (
    "SOPClassUID",
    "SOPInstanceUID",
    "FrameOfReferenceUID",
    "ImagePositionPatient",
    "ReferencedRTPlanSequence",
    "ReferencedFrameOfReferenceSequence",
    "DoseSummationType",
    "DoseType",
    "DoseUnits",
)
_MAX_FILES = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Ct:
    """A CT for pictures: Hounsfield units (z, y, x) at voxel centres; the axes ascend."""

    hounsfield: Values
    z_mm: Array
    y_mm: Array
    x_mm: Array


@dataclass(frozen=True, slots=True)
class CaseFiles:
    """DICOM files of the case folder by what they are."""

    ct: tuple[Path, ...]
    """Of the plan's frame of reference."""
    structure_sets: tuple[Path, ...]
    """Those of the plan's frame of reference."""
    doses: tuple[DoseHeader, ...]
    reason: str = ""
    """Why nothing could be looked for; empty: it was looked for."""


def case_files(folder: Path, frame_of_reference: str) -> CaseFiles:
    """Look at the header of every DICOM file of the folder itself."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.casefold() == ".dcm" and path.is_file())
    except OSError as error:
        return CaseFiles((), (), (), f"the case folder cannot be read any more ({error.strerror or error})")
    ct: list[tuple[float, Path]] = []
    structures: list[Path] = []
    doses: list[DoseHeader] = []
    for path, header in _headers(paths[:_MAX_FILES]):
        kind = str(header.get("SOPClassUID", ""))
        if kind == CT_IMAGE and header.get("FrameOfReferenceUID") == frame_of_reference:
            ct.append((float(header.ImagePositionPatient[2]), path))
        elif kind == STRUCTURE_SET and frame_of_reference in _frames(header):
            structures.append(path)
        elif kind == RT_DOSE:
            doses.append(header_of(header, path))
    return CaseFiles(tuple(path for _, path in sorted(ct)), tuple(structures), tuple(doses))


def _headers(paths: list[Path]) -> Iterator[tuple[Path, Dataset]]:
    for path in paths:
        try:
            yield path, dcmread(path, stop_before_pixels=True, specific_tags=list(_HEADER))
        except (OSError, InvalidDicomError, ValueError):
            continue  # whatever else lies there is none of ours


def _frames(header: Dataset) -> set[str]:
    found = {str(one.get("FrameOfReferenceUID", "")) for one in header.get("ReferencedFrameOfReferenceSequence") or ()}
    return found | {str(header.get("FrameOfReferenceUID", ""))}


def read_ct(paths: tuple[Path, ...]) -> Ct | None:
    """The CT as one volume, slices as sorted; None where there are too few, or they do not fit together."""
    if len(paths) < 2:
        return None
    images = [dcmread(path) for path in paths]
    first = images[0]
    if len({(int(image.Rows), int(image.Columns)) for image in images}) > 1:
        return None
    x0, y0, _ = (float(value) for value in first.ImagePositionPatient)
    between_rows, between_columns = (float(value) for value in first.PixelSpacing)
    return Ct(
        hounsfield=np.stack([_hounsfield(image) for image in images]),
        z_mm=np.array([float(image.ImagePositionPatient[2]) for image in images]),
        y_mm=y0 + between_rows * np.arange(int(first.Rows), dtype=np.float64),
        x_mm=x0 + between_columns * np.arange(int(first.Columns), dtype=np.float64),
    )


def _hounsfield(image: Dataset) -> Values:
    pixels: Any = image.pixel_array
    values: Values = pixels.astype(np.float32) * np.float32(image.RescaleSlope) + np.float32(image.RescaleIntercept)
    return values
