"""The run's plan: the log RT Ion Plan with one beam, whose weights are MU."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset

from actors.mcsquare.errors import DriverError

_MU_TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class Layer:
    """Spots of one energy."""

    energy_mev: float
    positions_mm: NDArray[np.float64]
    """(n, 2), IEC gantry x, y in the isocentre plane."""
    mu: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Beam:
    """One beam: IEC angles in degrees, isocentre in DICOM patient axes (mm)."""

    gantry_deg: float
    couch_deg: float
    isocentre_mm: tuple[float, float, float]
    layers: tuple[Layer, ...]


def read_beam(folder: Path) -> Beam:
    """The one beam of the one RTPLAN in the folder; DriverError where it would not be simulated rightly."""
    found = [plan for path in sorted(folder.glob("*.dcm")) if (plan := dcmread(path)).get("Modality") == "RTPLAN"]
    if len(found) != 1 or len(found[0].IonBeamSequence) != 1:
        raise DriverError(f"{folder} must hold one RTPLAN with one beam, not {len(found)} plans.")
    beam = found[0].IonBeamSequence[0]
    first = beam.IonControlPointSequence[0]
    if int(beam.get("NumberOfRangeShifters") or 0):
        raise DriverError("The beam has a range shifter, which this driver does not pass on.")
    if any(float(first.get(name) or 0.0) for name in ("TableTopPitchAngle", "TableTopRollAngle", "GantryPitchAngle")):
        raise DriverError("The beam has a pitch or roll angle, which MCsquare does not know.")
    layers = tuple(_layers(list(beam.IonControlPointSequence)))
    _check_meterset(found[0], layers)
    x, y, z = (float(value) for value in first.IsocenterPosition)
    return Beam(float(first.GantryAngle), float(first.get("PatientSupportAngle") or 0.0), (x, y, z), layers)


def _layers(points: list[Dataset]) -> list[Layer]:
    """Each control point with a weight; its odd twin repeats the positions with none."""
    layers = []
    for point in points:
        mu = _floats(point.ScanSpotMetersetWeights)
        if mu.sum() > 0:
            xy = _floats(point.ScanSpotPositionMap).reshape(-1, 2)
            beam_on = mu > 0
            layers.append(Layer(float(point.NominalBeamEnergy), xy[beam_on], mu[beam_on]))
    if not layers:
        raise DriverError("The plan has no spot with a weight.")
    return layers


def _check_meterset(plan: Dataset, layers: tuple[Layer, ...]) -> None:
    """Weights are taken for MU: so they must be."""
    told = float(plan.FractionGroupSequence[0].ReferencedBeamSequence[0].BeamMeterset)
    summed = sum(float(layer.mu.sum()) for layer in layers)
    if abs(told - summed) > _MU_TOLERANCE * told:
        raise DriverError(f"The plan's weights sum to {summed:.6g}, its meterset is {told:.6g} MU.")


def _floats(values: Any) -> NDArray[np.float64]:
    return np.atleast_1d(np.asarray(values, dtype=np.float64))
