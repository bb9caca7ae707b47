"""The CT of a case: the facts in its headers that decide whether an engine reads it rightly, and its grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from actors.errors import CaseError
from actors.formats import plan_values as values
from actors.formats.dicom_bounds import IMAGE_ELEMENTS, too_costly
from actors.formats.plan_context import BeamContext
from actors.formats.reading import MIB
from actors.formats.structures import StructureSet, structure_set_of, unseen_by_engine
from messages.engine import MOST_MM, MOST_VOXELS, EngineProfile, Grid

LIMIT = 64 * MIB
MAX_SLICES = 2000
_POSITION_TOLERANCE_MM = 0.01
_AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


@dataclass(frozen=True, slots=True)
class CtSlice:
    """Header of one CT image."""

    where: str
    uid: str
    frame_of_reference: str
    patient_position: str
    rows: int
    columns: int
    spacing_mm: tuple[float, ...]
    """Between rows (y), between columns (x)."""
    thickness_mm: float
    origin_mm: tuple[float, ...]
    """Centre of the first pixel, DICOM patient axes."""
    orientation: tuple[float, ...]
    slope: float
    intercept: float
    bits: int
    series_uid: str = ""
    study_uid: str = ""


@dataclass(frozen=True, slots=True)
class CtVolume:
    """All slices of one CT, ascending in z."""

    slices: tuple[CtSlice, ...]

    def grid(self, isocentre_mm: tuple[float, float, float]) -> Grid:
        """The grid that the engine scores in; origin: first voxel's centre minus the isocentre, DICOM patient axes."""
        first = self.slices[0]
        pitch = _pitch(self.slices)
        x, y, z = (place - centre for place, centre in zip(first.origin_mm, isocentre_mm, strict=True))
        return Grid(
            size=(first.columns, first.rows, len(self.slices)),
            spacing_mm=(first.spacing_mm[1], first.spacing_mm[0], pitch),
            origin_mm=(x, y, z),
        )


@dataclass(frozen=True, slots=True)
class Classified:
    """A DICOM file of the case folder: its modality, and what was read of it."""

    modality: str
    slice: CtSlice | None = None
    unseen: tuple[str, ...] = ()
    """Of a structure set: what the engine does not know of, such as ``overrides the density of Metal``."""
    structure_set: StructureSet | None = None


def classify(data: bytes, where: str) -> Classified:
    """Header facts of any DICOM file beside the plan; pixel data are not decoded. CaseError ``dicom-damaged``."""
    try:
        if why := too_costly(data, IMAGE_ELEMENTS):
            raise ValueError(why)
        dataset = pydicom.dcmread(BytesIO(data), stop_before_pixels=True)
        modality = values.text(dataset, "Modality")
        if modality == "CT":
            return Classified(modality, slice=_slice(dataset, where))
        if modality == "RTSTRUCT":
            return Classified(modality, unseen=unseen_by_engine(dataset), structure_set=structure_set_of(dataset))
        return Classified(modality)
    except CaseError:
        raise
    except Exception as error:  # a decoder fed with damage raises whatever it stumbles over
        raise CaseError(
            f"A DICOM file of the case cannot be read: {error}.", where, "Send the file again.", "dicom-damaged"
        ) from None


def volume_of(slices: Sequence[CtSlice], profile: EngineProfile) -> CtVolume:
    """The CT as the engine reads it; CaseError ``ct-…`` for whatever it would silently get wrong."""
    if not 2 <= len(slices) <= MAX_SLICES:
        raise CaseError(
            f"The case has {len(slices)} CT slices; the profile {profile.name} needs its CT.",
            "",
            "Send the CT of the plan with the case.",
            "ct-missing",
        )
    ordered = sorted(slices, key=lambda one: one.origin_mm[2:3])
    for one in ordered:
        kind, what = _refused_slice(one, ordered[0], profile)
        if kind:
            raise CaseError(
                f"The CT {what}; the engine would silently get it wrong.", one.where, "Resample the CT.", kind
            )
    kind, what = _refused_stack(ordered)
    if kind:
        raise CaseError(f"The CT {what}.", ordered[0].where, "Send every slice once, or resample the CT.", kind)
    return CtVolume(tuple(ordered))


def _slice(dataset: Dataset, where: str) -> CtSlice:
    context = BeamContext(where)
    return CtSlice(
        where=where,
        uid=values.text(dataset, "SOPInstanceUID"),
        frame_of_reference=values.text(dataset, "FrameOfReferenceUID"),
        patient_position=values.text(dataset, "PatientPosition"),
        rows=values.whole(dataset, "Rows", context, default=0),
        columns=values.whole(dataset, "Columns", context, default=0),
        spacing_mm=values.numbers(dataset, "PixelSpacing", context),
        thickness_mm=values.number(dataset, "SliceThickness", context) or 0.0,
        origin_mm=values.numbers(dataset, "ImagePositionPatient", context),
        orientation=values.numbers(dataset, "ImageOrientationPatient", context),
        slope=values.required(dataset, "RescaleSlope", context),
        intercept=values.required(dataset, "RescaleIntercept", context),
        bits=values.whole(dataset, "BitsAllocated", context, default=0),
        series_uid=values.text(dataset, "SeriesInstanceUID"),
        study_uid=values.text(dataset, "StudyInstanceUID"),
    )


def _refused_slice(one: CtSlice, first: CtSlice, profile: EngineProfile) -> tuple[str, str]:
    """(kind, what is wrong) of one slice; two empty texts when nothing is."""
    if len(one.origin_mm) != 3 or len(one.spacing_mm) != 2 or len(one.orientation) != 6:
        return "ct-geometry-missing", "has no position, spacing or orientation"
    checks = (
        (
            one.patient_position not in profile.patient_positions,
            "ct-position",
            f"lies {one.patient_position or 'unstated'}",
        ),
        (
            not np.allclose(one.orientation, _AXIAL, atol=1e-4),
            "ct-orientation",
            "is not axial (ImageOrientationPatient)",
        ),
        (abs(one.spacing_mm[0] - one.spacing_mm[1]) > 1e-4, "ct-pixels", "has pixels that are not square"),
        (one.slope != int(one.slope) or one.slope == 0, "ct-slope", f"has the rescale slope {one.slope:g}"),
        (not _is_grid(one), "ct-pixels", f"has {one.columns} × {one.rows} pixels, {one.spacing_mm[1]:g} mm apart"),
        (one.rows > one.columns, "ct-rows", f"has more rows ({one.rows}) than columns ({one.columns})"),
        (one.bits != 16, "ct-bits", f"has {one.bits} bits per pixel, not 16"),
        (_grid_of(one) != _grid_of(first), "ct-mixed", "has slices of different size, spacing, scale or place"),
    )
    return next(((kind, what) for wrong, kind, what in checks if wrong), ("", ""))


def _is_grid(one: CtSlice) -> bool:
    """Sizes within which a grid is one, and not the outcome of damage."""
    sizes = all(0 < size <= MOST_VOXELS for size in (one.rows, one.columns))
    return sizes and all(0 < spacing <= MOST_MM for spacing in one.spacing_mm)


def _grid_of(one: CtSlice) -> tuple[object, ...]:
    return (
        one.rows,
        one.columns,
        one.spacing_mm,
        tuple(round(place, 2) for place in one.origin_mm[:2]),
        one.frame_of_reference,
        one.slope,
        one.intercept,
    )


def _refused_stack(ordered: Sequence[CtSlice]) -> tuple[str, str]:
    steps = np.diff([one.origin_mm[2] for one in ordered])
    if np.ptp(steps) > _POSITION_TOLERANCE_MM or steps.min() <= 0 or not 0 < _pitch(ordered) <= MOST_MM:
        return "ct-gap", f"has slices {steps.min():.2f} to {steps.max():.2f} mm apart: one is missing or doubled"
    pitch = _pitch(ordered)
    if any(abs(one.thickness_mm - pitch) > _POSITION_TOLERANCE_MM for one in ordered):
        return "ct-thickness", f"has slices {pitch:.2f} mm apart that are {ordered[0].thickness_mm:.2f} mm thick"
    return "", ""


def _pitch(ordered: Sequence[CtSlice]) -> float:
    return round((ordered[-1].origin_mm[2] - ordered[0].origin_mm[2]) / (len(ordered) - 1), 6)
