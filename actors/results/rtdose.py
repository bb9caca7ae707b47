"""An RT Dose file (PS3.3 A.18.3): its header by pydicom, its pixels streamed behind it."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from io import BytesIO

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian, RTDoseStorage

from actors.results.frame import DoseFrame
from actors.results.pixels import decimal_string
from actors.results.uids import IMPLEMENTATION_UID, uid
from messages.interpretation import SeriesReference

RT_ION_PLAN = "1.2.840.10008.5.1.4.1.1.481.8"
"""SOP class RT Ion Plan Storage."""
_CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
_USED_FOR_DOSE = ("129202", "DCM", "Image used for Dose Calculation")
"""Purpose of reference (PS3.16 CID 7201)."""
_CASE_TIME = re.compile(r"(\d{8})-(\d{6})-")
_LONG_STRING = 64
"""Characters of a DICOM long string (PS3.5 6.2, VR LO)."""
_UNFIT = re.compile(r"[\\\x00-\x1f\x7f]|[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Person:
    """Whose dose it is: the plan's patient and study for a CT, nobody for a phantom."""

    name: str
    id: str
    birth_date: str
    sex: str
    study_uid: str
    study_id: str
    study_date: str
    study_time: str
    accession: str
    plan_series_uid: str = ""
    """Of the plan itself; empty: a phantom's."""


@dataclass(frozen=True, slots=True)
class DoseLabel:
    """What one dose file says of itself."""

    case: str
    instance: int
    """InstanceNumber, from 1."""
    key: str
    """What makes its UID: beam and attempt, or those of all beams."""
    beam: int | None
    """DICOM beam number; None: the sum of a session."""
    description: str
    comment: str
    plan_uid: str
    fraction_group: int
    gray: bool
    """DoseUnits GY; otherwise RELATIVE."""
    series_key: str
    model: str
    software: tuple[str, ...]
    references: tuple[SeriesReference, ...] = ()
    """Plan, CT and RTSTRUCT of a dose in a patient; none: in a phantom."""


def phantom_person(case: str) -> Person:
    """A phantom is in no patient's study: a file that gets lost cannot pass for a patient's dose."""
    date, time = case_time(case)
    return Person(
        name="PHANTOM^QA",
        id=f"PHANTOM-{case}"[:_LONG_STRING],
        birth_date="",
        sex="",
        study_uid=uid("study", case),
        study_id=f"{date}-{time}" if date else "",
        study_date=date,
        study_time=time,
        accession="",
    )


def case_time(case: str) -> tuple[str, str]:
    """DICOM date and time of the first delivery, which a case is named after; both empty when it is not."""
    found = _CASE_TIME.match(case)
    return (found[1], found[2]) if found else ("", "")


def text(value: str, length: int = _LONG_STRING) -> str:
    """``value`` as a long string: no backslash, no control characters, no lone surrogates, not too long."""
    return _UNFIT.sub("_", value)[:length].strip()


def header(frame: DoseFrame, person: Person, label: DoseLabel, scaling: str) -> bytes:
    """Everything of the file up to its pixels; the same arguments give the same bytes."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    _sop(dataset, label)
    _study_and_series(dataset, person, label)
    _plane(dataset, frame)
    _dose(dataset, frame, label, scaling)
    dataset.ReferencedRTPlanSequence = Sequence([_referenced_plan(label)])
    _patient_references(dataset, person, label)
    dataset.file_meta = _meta(dataset)
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def pixel_element(size: tuple[int, int, int]) -> bytes:
    """The head of the PixelData element (7FE0,0010), OW, for 32-bit pixels: the last element of the file."""
    columns, rows, frames = size
    return struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, columns * rows * frames * 4)


def _meta(dataset: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = RTDoseStorage
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_UID)
    meta.ImplementationVersionName = "MQI_COMMUNICATOR"
    return meta


def _sop(dataset: Dataset, label: DoseLabel) -> None:
    dataset.SOPClassUID = RTDoseStorage
    dataset.SOPInstanceUID = UID(uid("dose", label.case, label.key))
    dataset.InstanceNumber = label.instance


def _study_and_series(dataset: Dataset, person: Person, label: DoseLabel) -> None:
    date, time = case_time(label.case)
    dataset.PatientName = person.name
    dataset.PatientID = person.id
    dataset.PatientBirthDate = person.birth_date
    dataset.PatientSex = person.sex
    dataset.StudyInstanceUID = person.study_uid
    dataset.StudyDate = person.study_date
    dataset.StudyTime = person.study_time
    dataset.StudyID = person.study_id
    dataset.AccessionNumber = person.accession
    dataset.ReferringPhysicianName = ""
    dataset.Modality = "RTDOSE"
    dataset.SeriesInstanceUID = uid("series", label.case, label.series_key)
    dataset.SeriesNumber = 1
    dataset.SeriesDate = date
    dataset.SeriesTime = time
    dataset.SeriesDescription = text(label.description)
    dataset.OperatorsName = ""
    dataset.Manufacturer = "MQI Communicator"
    dataset.ManufacturerModelName = text(label.model)
    dataset.SoftwareVersions = [text(version) for version in label.software]


def _plane(dataset: Dataset, frame: DoseFrame) -> None:
    columns, rows, frames = frame.size
    dx, dy, dz = frame.spacing_mm
    dataset.FrameOfReferenceUID = frame.frame_of_reference
    dataset.PositionReferenceIndicator = ""
    dataset.SliceThickness = decimal_string(dz)
    dataset.ImagePositionPatient = [decimal_string(value) for value in frame.position_mm]
    dataset.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    dataset.PixelSpacing = [decimal_string(dy), decimal_string(dx)]  # between rows, then between columns
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.NumberOfFrames = frames
    dataset.FrameIncrementPointer = 0x3004000C
    dataset.Rows = rows
    dataset.Columns = columns
    dataset.BitsAllocated = 32
    dataset.BitsStored = 32
    dataset.HighBit = 31
    dataset.PixelRepresentation = 0
    dataset.GridFrameOffsetVector = [decimal_string(index * dz) for index in range(frames)]


def _dose(dataset: Dataset, frame: DoseFrame, label: DoseLabel, scaling: str) -> None:
    """Type and summation by PS3.3 C.8.8.3 (Dose Summation Type): BEAM_SESSION is a single session ("fraction") of one
    or more beams of the plan, FRACTION_SESSION that of a single fraction group. BEAM is the entire delivery of beams,
    FRACTION that of a fraction group, PLAN that of all fraction groups: none of them is what one session delivered.
    """
    dataset.DoseUnits = "GY" if label.gray else "RELATIVE"
    dataset.DoseType = "PHYSICAL"
    dataset.DoseSummationType = "FRACTION_SESSION" if label.beam is None else "BEAM_SESSION"
    dataset.DoseComment = text(label.comment)
    dataset.DoseGridScaling = scaling
    dataset.TissueHeterogeneityCorrection = "WATER" if frame.phantom else "IMAGE"


def _patient_references(dataset: Dataset, person: Person, label: DoseLabel) -> None:
    """What a dose in a patient belongs to, besides the frame of reference that it shares with all of it.

    The RT Dose Module (PS3.3 C.8.8.3) itself refers to plans alone: its Derivation Code and Referenced Instance
    Sequences are for a dose composed of other doses (CID 7220), and the Referenced Structure Set Sequence is the RT DVH
    Module's (C.8.8.4), which is nothing without histograms. The Common Instance Reference Module (C.12.2, optional in
    the IOD by A.18.3) names all objects by study and series. The images stand in the Referenced Image Sequence as well,
    with the purpose that PS3.16 CID 7201 has for them.
    """
    images = [uid for one in label.references if one.sop_class == _CT_IMAGE for uid in one.instances]
    if images:
        dataset.ReferencedImageSequence = Sequence([_used_image(uid) for uid in images])
    own = [one for one in label.references if one.study_uid == person.study_uid]
    if own:
        dataset.ReferencedSeriesSequence = Sequence([_series(one) for one in own])
    studies = dict.fromkeys(one.study_uid for one in label.references if one not in own)
    if studies:
        dataset.StudiesContainingOtherReferencedInstancesSequence = Sequence(
            [_study(uid, label.references) for uid in studies]
        )


def _study(study_uid: str, references: tuple[SeriesReference, ...]) -> Dataset:
    item = Dataset()
    item.StudyInstanceUID = study_uid
    item.ReferencedSeriesSequence = Sequence([_series(one) for one in references if one.study_uid == study_uid])
    return item


def _series(reference: SeriesReference) -> Dataset:
    item = Dataset()
    item.SeriesInstanceUID = reference.series_uid
    item.ReferencedInstanceSequence = Sequence([_reference(reference.sop_class, uid) for uid in reference.instances])
    return item


def _used_image(instance: str) -> Dataset:
    purpose = Dataset()
    purpose.CodeValue, purpose.CodingSchemeDesignator, purpose.CodeMeaning = _USED_FOR_DOSE
    image = _reference(_CT_IMAGE, instance)
    image.PurposeOfReferenceCodeSequence = Sequence([purpose])
    return image


def _reference(sop_class: str, instance: str) -> Dataset:
    """SOP Instance Reference Macro (PS3.3 Table 10-11)."""
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class
    item.ReferencedSOPInstanceUID = instance
    return item


def _referenced_plan(label: DoseLabel) -> Dataset:
    """The clinical plan; the fraction group for every session, the beam for a beam's (PS3.3 Table C.8-39, type 1C)."""
    group = Dataset()
    group.ReferencedFractionGroupNumber = label.fraction_group
    if label.beam is not None:
        beam = Dataset()
        beam.ReferencedBeamNumber = label.beam
        group.ReferencedBeamSequence = Sequence([beam])
    plan = _reference(RT_ION_PLAN, label.plan_uid)
    plan.ReferencedFractionGroupSequence = Sequence([group])
    return plan
