"""What a structure set says that no engine of this family reads: overridden densities, couches, boluses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.dataset import Dataset

from actors.formats import plan_values as values
from actors.formats.reading import shown

STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
# ROIPhysicalProperty that changes how protons are stopped (PS3.3 C.8.8.8; ELEM_FRACTION says of what the region is).
_DENSITIES = {"REL_MASS_DENSITY", "REL_ELEC_DENSITY", "REL_STOP_RATIO", "MASS_DENSITY", "ELEM_FRACTION"}
# RTROIInterpretedType (PS3.3 C.8.8.8.1): SUPPORT is an external device that carries the patient.
_BODIES = {"SUPPORT": "has the couch or support", "BOLUS": "has the bolus"}


@dataclass(frozen=True, slots=True)
class StructureSet:
    """What identifies one RTSTRUCT."""

    uid: str
    """SOPInstanceUID."""
    series_uid: str
    study_uid: str
    frames_of_reference: frozenset[str]
    """In which its regions are drawn."""


def structure_set_of(dataset: Dataset) -> StructureSet:
    """The identity of an RTSTRUCT data set."""
    referenced = values.items(dataset, "ReferencedFrameOfReferenceSequence")
    frames = {values.text(one, "FrameOfReferenceUID") for one in (dataset, *referenced)}
    uid, series, study = (
        values.text(dataset, name) for name in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
    )
    return StructureSet(uid, series, study, frozenset(frames - {""}))


def unseen_by_engine(dataset: Dataset) -> tuple[str, ...]:
    """Each as the end of a sentence, such as ``overrides the density of Metal``; empty: nothing."""
    names = {
        roi.get("ROINumber"): shown(values.text(roi, "ROIName"))
        for roi in values.items(dataset, "StructureSetROISequence")
    }
    found = []
    for observation in values.items(dataset, "RTROIObservationsSequence"):
        name = names.get(observation.get("ReferencedROINumber")) or "an unnamed region"
        found += [f"{what} {name}" for what in _of_region(observation)]
    return tuple(found)


def _of_region(observation: Dataset) -> Iterator[str]:
    body = _BODIES.get(values.text(observation, "RTROIInterpretedType").upper())
    if body:
        yield body
    properties = values.items(observation, "ROIPhysicalPropertiesSequence")
    if any(values.text(one, "ROIPhysicalProperty").upper() in _DENSITIES for one in properties):
        yield "overrides the density of"
