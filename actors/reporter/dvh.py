"""Dose-volume histograms of the RTSTRUCT's structures, by dicompyler-core.

dicompyler-core 0.5.6, its last release, asks pydicom for ``read_file``, which pydicom 3 dropped in favour of the same
function's other name, ``dcmread`` (dicompyler-core issue 385: mended, not released). It is given that name before it
is loaded; all else of it works with pydicom 3 and numpy 2, and tests compare it with volumes and doses in closed form.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom.dicomio
from pydicom.dataset import Dataset

from actors.reporter.dose_grid import Array

_FINER = 10.0
"""dicompyler's bins are 1 cGy, coarse for one fraction: the dose is read as ten times as large, the bins are 1 mGy."""


@dataclass(frozen=True, slots=True)
class Structure:
    """One region of interest of a structure set."""

    number: int
    name: str
    kind: str
    """RTROIInterpretedType, such as PTV or ORGAN; empty when unstated."""


@dataclass(frozen=True, slots=True, eq=False)
class Dvh:
    """Cumulative histogram of one structure and one dose."""

    structure: Structure
    volume_cm3: float
    dose: Array
    """(n,) lower edges of the bins, in the dose's units."""
    volume_percent: Array
    """(n,) volume that gets at least that dose."""
    mean: float
    minimum: float
    maximum: float
    notes: str
    """What dicompyler says of it; empty: nothing."""

    def at_volume(self, percent: float) -> float:
        """D_percent: the dose that this share of the volume gets at least."""
        reached = np.flatnonzero(self.volume_percent >= percent)
        return float(self.dose[reached[-1]]) if len(reached) else 0.0


def structures_of(structure_set: Dataset) -> tuple[Structure, ...]:
    """The regions with closed planar contours, in the set's order."""
    kinds = {
        int(one.ReferencedROINumber): str(one.get("RTROIInterpretedType") or "")
        for one in structure_set.get("RTROIObservationsSequence") or ()
        if "ReferencedROINumber" in one
    }
    drawn = {
        int(one.ReferencedROINumber)
        for one in structure_set.get("ROIContourSequence") or ()
        if any(c.get("ContourGeometricType") == "CLOSED_PLANAR" for c in one.get("ContourSequence") or ())
    }
    return tuple(
        Structure(
            int(roi.ROINumber), str(roi.get("ROIName") or f"region {roi.ROINumber}"), kinds.get(int(roi.ROINumber), "")
        )
        for roi in structure_set.get("StructureSetROISequence") or ()
        if int(roi.ROINumber) in drawn
    )


def histograms(
    structure_set: Dataset, dose: Dataset, structures: tuple[Structure, ...], factor: float = 1.0
) -> Iterator[Dvh]:
    """The histogram of each structure; those that the dose grid does not reach are left out.

    dose: an RT Dose dataset with pixels in the structures' frame of reference; its dose times ``factor`` counts.
    """
    dvhcalc = _dvhcalc()
    finer = Dataset()
    finer.update(dose)
    finer.file_meta = dose.file_meta
    del finer.DoseGridScaling, finer.DoseUnits  # new elements, not new values in the caller's
    finer.DoseGridScaling = float(dose.DoseGridScaling) * factor * _FINER
    finer.DoseUnits = "GY"
    for structure in structures:
        found = dvhcalc.get_dvh(structure_set, finer, structure.number, use_structure_extents=True)
        if found.volume > 0 and len(found.counts) > 1:
            yield _plain(structure, found)


def _plain(structure: Structure, found: Any) -> Dvh:
    counts = np.asarray(found.counts, dtype=np.float64)
    return Dvh(
        structure=structure,
        volume_cm3=float(found.volume),
        dose=np.asarray(found.bins, dtype=np.float64)[:-1] / _FINER,
        volume_percent=100.0 * counts / counts[0],
        mean=float(found.mean) / _FINER,
        minimum=float(found.min) / _FINER,
        maximum=float(found.max) / _FINER,
        notes=str(found.notes or ""),
    )


def _dvhcalc() -> Any:
    if not hasattr(pydicom.dicomio, "read_file"):
        pydicom.dicomio.read_file = pydicom.dcmread  # type: ignore[attr-defined]
    from dicompylercore import dvhcalc  # noqa: PLC0415 - it looks for the name above when it is loaded

    return dvhcalc
