"""The run's own copy of the plan: one beam, numbered 1, plainly named, without the patient's identity.

Engines pick beams by number or by place in a list and name their output after the beam: with a single beam numbered 1
and named without surprises neither can go wrong. The true number and name come back in the result and its manifest.
"""

from __future__ import annotations

import uuid
from io import BytesIO

from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, ExplicitVRLittleEndian

from actors.formats import plan_values as values
from actors.formats.plan import Plan, PlanBeam
from actors.formats.plan_reader import RT_ION_PLAN

BEAM_NUMBER = 1
BEAM_NAME = "beam"
_PATIENT_GROUP = 0x0010


def derived_uid(*parts: object) -> str:
    """A UID that is the same for the same parts (PS3.5 B.2: 2.25 and a UUID as a whole number)."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, chr(0).join(str(part) for part in parts)).int}"


def run_plan(source: Dataset, plan: Plan, beam: PlanBeam, case: str, meterset_mu: float) -> Dataset:
    """A data set with the beam alone, as the engine is to see it; ``meterset_mu`` is its BeamMeterset for one fraction.

    SOPInstanceUID follows from plan, case and beam; the plan it was made from is referenced as PREDECESSOR.
    """
    dataset = shallow(source)
    for tag in [tag for tag in dataset.keys() if _names_people(tag)]:  # noqa: SIM118 - iterating decodes
        del dataset[tag]
    put(
        dataset,
        PatientName="",
        PatientID=case,
        SOPClassUID=RT_ION_PLAN,
        SOPInstanceUID=derived_uid("run plan", plan.sop_instance_uid, case, beam.number),
        ReferencedRTPlanSequence=[_reference(plan)],
        FractionGroupSequence=[_fraction_group(meterset_mu)],
    )
    item = shallow(source.IonBeamSequence[beam.index])
    put(item, BeamNumber=BEAM_NUMBER, BeamName=BEAM_NAME, BeamDescription="")
    put(dataset, IonBeamSequence=[item])
    return dataset


def _names_people(tag: BaseTag) -> bool:
    """The patient's own group, anyone's name, and what nobody knows the meaning of."""
    return tag.is_private or tag.group == _PATIENT_GROUP or (dictionary_has_tag(tag) and dictionary_VR(tag) == "PN")


def put(target: Dataset, **elements: object) -> None:
    """Sets elements by keyword, each a new one: assigning to an attribute changes the element that copies share."""
    for keyword, value in elements.items():
        tag = Tag(keyword)
        target[tag] = DataElement(tag, dictionary_VR(tag), value)


def shallow(source: Dataset) -> Dataset:
    """A data set of its own with the same elements, undecoded as they are; ``copy.copy`` would share the dictionary."""
    target = Dataset()
    implicit, little = source.original_encoding
    target.set_original_encoding(implicit, little, source.original_character_set)
    for tag in source.keys():  # noqa: SIM118 - iterating over the data set itself decodes every element
        target[tag] = source.get_item(tag)
    return target


def plan_bytes(dataset: Dataset) -> bytes:
    """The data set as a DICOM file, explicit VR little endian."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(values.text(dataset, "SOPClassUID"))
    meta.MediaStorageSOPInstanceUID = UID(values.text(dataset, "SOPInstanceUID"))
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta = meta
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _reference(plan: Plan) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = RT_ION_PLAN
    item.ReferencedSOPInstanceUID = plan.sop_instance_uid
    item.RTPlanRelationship = "PREDECESSOR"
    return item


def _fraction_group(meterset_mu: float) -> Dataset:
    """One fraction of one beam: no engine has planned fractions to multiply by."""
    reference = Dataset()
    reference.ReferencedBeamNumber = BEAM_NUMBER
    reference.BeamMeterset = decimal(meterset_mu)
    group = Dataset()
    group.FractionGroupNumber = 1
    group.NumberOfFractionsPlanned = 1
    group.NumberOfBeams = 1
    group.NumberOfBrachyApplicationSetups = 0
    group.ReferencedBeamSequence = [reference]
    return group


def decimal(value: float) -> str:
    """A DS: at most 16 characters, as exact as they allow (PS3.5 6.2)."""
    for digits in range(15, 5, -1):
        text = f"{value:.{digits}g}"
        if len(text) <= 16:
            return text
    raise ValueError(f"{value} does not fit a decimal string")
