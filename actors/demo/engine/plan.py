"""The plan as the engine reads it: the first RTPLAN of its folder, a beam's geometry, the public dialect's spots."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from actors.demo.engine.input_file import EngineAbortError


class EngineCrashError(Exception):
    """What ends the real engine by a segmentation fault: an index out of range, an attribute that is not there."""


@dataclass(frozen=True, slots=True)
class PlanBeam:
    """Geometry of one beam: angles in degrees, isocentre in mm (DICOM patient axes)."""

    name: str
    machine: str
    gantry_deg: float
    couch_deg: float
    isocentre_mm: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class PlanLayer:
    """One control point with spots: raw weights, as they stand in the plan."""

    energy_mev: float
    x_mm: NDArray[np.float64]
    y_mm: NDArray[np.float64]
    weights: NDArray[np.float64]


def read_plan(directory: Path) -> Dataset:
    """The first file of Modality RTPLAN in the folder, by name; any other one is ignored."""
    for path in sorted(directory.iterdir()) if directory.is_dir() else ():
        if path.is_file() and _modality(path) == "RTPLAN":
            return dcmread(path)
    raise EngineAbortError("std::runtime_error", "There is no RTPLAN in the path. Exiting.")


def planned_fractions(plan: Dataset) -> int:
    return int(plan.FractionGroupSequence[0].NumberOfFractionsPlanned)


def beam_numbered(plan: Dataset, number: int) -> PlanBeam:
    """Geometry of the beam of this DICOM number; its *name* is that of the ``number``-th beam of the list."""
    beams = plan.IonBeamSequence
    if not 1 <= number <= len(beams):
        raise EngineCrashError(f"beam list has {len(beams)} names, asked for {number}")
    beam = _dataset_of(plan, number)
    first = beam.IonControlPointSequence[0]
    x, y, z = (float(value) for value in first.get("IsocenterPosition") or (0.0, 0.0, 0.0))
    return PlanBeam(
        name=str(beams[number - 1].get("BeamName", "")),
        machine=str(beam.get("TreatmentMachineName", "")),
        gantry_deg=float(first.get("GantryAngle") or 0.0),
        couch_deg=float(first.get("PatientSupportAngle") or 0.0),
        isocentre_mm=(x, y, z),
    )


def beam_spots(plan: Dataset, number: int) -> tuple[PlanLayer, ...]:
    """Spots of every even control point; what one lacks is left over from the one before."""
    held: dict[str, Any] = {}
    layers = []
    for point in list(_dataset_of(plan, number).IonControlPointSequence)[::2]:
        for keyword in (
            "NominalBeamEnergy",
            "NumberOfScanSpotPositions",
            "ScanSpotPositionMap",
            "ScanSpotMetersetWeights",
        ):
            if keyword in point:
                held[keyword] = point[keyword].value
        if len(held) < 4:
            raise EngineCrashError("a control point has no spots")
        count = int(held["NumberOfScanSpotPositions"])
        xy = np.atleast_1d(np.asarray(held["ScanSpotPositionMap"], dtype=np.float64))
        weights = np.atleast_1d(np.asarray(held["ScanSpotMetersetWeights"], dtype=np.float64))
        layers.append(
            PlanLayer(float(held["NominalBeamEnergy"]), xy[0 : 2 * count : 2], xy[1 : 2 * count : 2], weights[:count])
        )
    return tuple(layers)


def _dataset_of(plan: Dataset, number: int) -> Dataset:
    for beam in plan.IonBeamSequence:
        if int(beam.BeamNumber) == number:
            return beam  # type: ignore[no-any-return]
    raise EngineAbortError("std::runtime_error", "Invalid beam number.")


def _modality(path: Path) -> str:
    try:
        return str(dcmread(path, specific_tags=["Modality"], stop_before_pixels=True).get("Modality", ""))
    except (InvalidDicomError, OSError, ValueError):
        return ""
