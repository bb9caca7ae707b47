"""Reading an RT Ion Plan (PS3.3 A.20, C.8.8.25) into a ``Plan``."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from actors.errors import CaseError
from actors.formats import plan_values as values
from actors.formats.dicom_bounds import PLAN_ELEMENTS, too_costly
from actors.formats.plan import FractionGroup, Plan
from actors.formats.plan_beam import read_beam
from actors.formats.plan_context import BeamContext
from actors.formats.reading import MIB, read_bounded, shown

RT_ION_PLAN = "1.2.840.10008.5.1.4.1.1.481.8"
LIMIT = 64 * MIB
_MAX_BEAMS = 100

# What we use is checked by ourselves, with errors that name beam and place; a warning per odd value helps nobody.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE


def read_plan(path: str | Path) -> Plan:
    """Reads one RT Ion Plan of at most 64 MiB.

    Raises CaseError (kinds ``plan-not-ion``, ``plan-damaged``, ``spots-invalid``, ``weights-sum``,
    ``scan-mode-unknown``, ``fraction-group-ambiguous``) that names file, beam and control point.
    What an engine cannot do is judged apart, by ``plan_checks.refuse_beam``.
    """
    return parse_plan(read_bounded(path, LIMIT, "The RT Ion Plan"), shown(path))


def parse_dataset(data: bytes, where: str) -> Dataset:
    """The file's data set, fully in memory; CaseError when the bytes are no DICOM file or are cut."""
    if why := too_costly(data, PLAN_ELEMENTS):
        raise CaseError(f"The plan is not decoded: {why}.", where, "Export the plan again.", "plan-damaged")
    try:
        return pydicom.dcmread(BytesIO(data))
    except Exception as error:  # a decoder fed with damage raises whatever it stumbles over
        raise CaseError(
            f"The plan is not a readable DICOM file: {error}.", where, "Send the plan again.", "plan-damaged"
        ) from None


def parse_plan(data: bytes, where: str) -> Plan:
    """Plan of the file's bytes."""
    return plan_of(parse_dataset(data, where), where)


def plan_of(dataset: Dataset, where: str) -> Plan:
    """Plan of a data set."""
    context = BeamContext(where)
    try:
        return _plan(dataset, where, context)
    except CaseError:
        raise
    except Exception as error:
        # Elements are decoded when first touched: damage anywhere in the file can surface here, as any exception.
        raise context.error(f"cannot be decoded: {error}", "plan-damaged", "Send the plan again.") from None


def _plan(dataset: Dataset, where: str, context: BeamContext) -> Plan:
    if values.text(dataset, "SOPClassUID") != RT_ION_PLAN:
        kind = values.text(dataset, "Modality") or "no modality"
        raise context.error(f"is not an RT Ion Plan ({kind})", "plan-not-ion", "Send the plan that was delivered.")
    groups = tuple(_group(item, context) for item in values.items(dataset, "FractionGroupSequence"))
    if not groups:
        raise context.error("has no fraction group", "plan-damaged")
    beams = values.items(dataset, "IonBeamSequence")
    if not 1 <= len(beams) <= _MAX_BEAMS:
        raise context.error(f"has {len(beams)} beams", "plan-damaged")
    positions = _patient_positions(dataset, context)
    read = tuple(read_beam(index, item, groups, positions, context) for index, item in enumerate(beams))
    if len({beam.number for beam in read}) < len(read):
        raise context.error("has two beams of one number", "plan-damaged")
    return Plan(
        path=where,
        sop_instance_uid=_uid(dataset, "SOPInstanceUID", context),
        study_uid=_uid(dataset, "StudyInstanceUID", context),
        patient_id=values.text(dataset, "PatientID"),
        label=values.text(dataset, "RTPlanLabel"),
        intent=values.text(dataset, "PlanIntent"),
        approval=values.text(dataset, "ApprovalStatus"),
        frame_of_reference=values.text(dataset, "FrameOfReferenceUID"),
        fraction_groups=groups,
        beams=read,
    )


def _uid(dataset: Dataset, keyword: str, context: BeamContext) -> str:
    uid = values.text(dataset, keyword)
    if not uid:
        raise context.error(f"has no {keyword}", "plan-damaged")
    return uid


def _group(item: Dataset, context: BeamContext) -> FractionGroup:
    metersets = []
    for beam in values.items(item, "ReferencedBeamSequence"):
        number = values.required_whole(beam, "ReferencedBeamNumber", context)
        metersets.append((number, values.number(beam, "BeamMeterset", context) or 0.0))
    return FractionGroup(
        number=values.required_whole(item, "FractionGroupNumber", context),
        planned_fractions=values.whole(item, "NumberOfFractionsPlanned", context, default=0),
        metersets=tuple(metersets),
    )


def _patient_positions(dataset: Dataset, context: BeamContext) -> dict[int, str]:
    """PatientPosition by PatientSetupNumber."""
    return {
        values.whole(item, "PatientSetupNumber", context, default=0): values.text(item, "PatientPosition")
        for item in values.items(dataset, "PatientSetupSequence")
    }
