"""The RT Ion Plan of a synthetic case, with all that a planning system writes (PS3.3 A.20.3 and C.8.8.25)."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import UID, ExplicitVRLittleEndian, RTIonPlanStorage, RTStructureSetStorage
from pydicom.valuerep import format_number_as_ds

from actors.demo.planned import SETUP_NUMBER, Identity, PlannedBeam, PlannedLayer, made_uid, structures_uid
from actors.demo.recipe import CaseRecipe

IMPAC_GROUP = 0x300B
IMPAC_CREATOR = "IMPAC"
_DATE = "20260220"
_TIME = "101500"
_SPOT_FWHM_MM = [9.42, 9.42]
_IMPLEMENTATION_UID = UID("2.25.282431893317260273441215264187327463911")


def plan_dataset(recipe: CaseRecipe, identity: Identity, beams: Sequence[PlannedBeam]) -> FileDataset:
    """The plan as a dataset ready for :func:`dicom_bytes`."""
    plan = dicom_file(RTIonPlanStorage, identity.plan_uid)
    patient_and_study(plan, identity, "RTPLAN", series="plan")
    plan.Manufacturer = "Synthetic"
    plan.ManufacturerModelName = "Case factory"
    plan.SoftwareVersions = "1"
    plan.OperatorsName = ""
    plan.RTPlanLabel = f"DEMO{recipe.plan}"
    plan.RTPlanName = f"Synthetic plan {recipe.plan}"
    plan.RTPlanDate = _DATE
    plan.RTPlanTime = _TIME
    plan.PlanIntent = "CURATIVE"
    plan.RTPlanGeometry = "PATIENT"
    if recipe.with_ct:
        plan.ReferencedStructureSetSequence = DicomSequence([_structures(identity)])
    plan.ApprovalStatus = "APPROVED"
    plan.ReviewDate = _DATE
    plan.ReviewTime = _TIME
    plan.ReviewerName = "Synthetic^Physicist"
    plan.DoseReferenceSequence = DicomSequence([_dose_reference(recipe)])
    plan.FractionGroupSequence = DicomSequence([_fraction_group(recipe, beams)])
    plan.PatientSetupSequence = DicomSequence([_patient_setup()])
    plan.IonToleranceTableSequence = DicomSequence([_tolerances()])
    treatments = [_treatment_beam(recipe, beam) for beam in beams]
    plan.IonBeamSequence = DicomSequence([_setup_beam(recipe), *treatments])
    return plan


def dicom_file(sop_class: UID, sop_instance: str) -> FileDataset:
    """An empty dataset with its file meta information (PS3.10 7.1)."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = UID(sop_instance)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = _IMPLEMENTATION_UID
    dataset = FileDataset("", Dataset(), file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = sop_instance
    return dataset


def patient_and_study(dataset: Dataset, identity: Identity, modality: str, series: str) -> None:
    """The attributes that every object of the case shares."""
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.InstanceCreationDate = _DATE
    dataset.InstanceCreationTime = _TIME
    dataset.StudyDate = _DATE
    dataset.StudyTime = _TIME
    dataset.AccessionNumber = ""
    dataset.Modality = modality
    dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = "Synthetic case, no patient"
    dataset.PatientName = "Synthetic^Case"
    dataset.PatientID = identity.patient_id
    dataset.PatientBirthDate = ""
    dataset.PatientSex = "O"
    dataset.StudyInstanceUID = identity.study_uid
    dataset.SeriesInstanceUID = made_uid(series, identity.study_uid)
    dataset.StudyID = "1"
    dataset.SeriesNumber = "1"
    dataset.FrameOfReferenceUID = identity.frame_uid
    dataset.PositionReferenceIndicator = ""


def dicom_bytes(dataset: FileDataset) -> bytes:
    """The dataset as the bytes of a DICOM file."""
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _structures(identity: Identity) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = RTStructureSetStorage
    item.ReferencedSOPInstanceUID = structures_uid(identity)
    return item


def _dose_reference(recipe: CaseRecipe) -> Dataset:
    item = Dataset()
    item.DoseReferenceNumber = "1"
    item.DoseReferenceStructureType = "SITE"
    item.DoseReferenceDescription = "PTV"
    item.DoseReferenceType = "TARGET"
    item.TargetPrescriptionDose = str(2 * recipe.planned_fractions)
    return item


def _fraction_group(recipe: CaseRecipe, beams: Sequence[PlannedBeam]) -> Dataset:
    group = Dataset()
    group.FractionGroupNumber = "1"
    group.NumberOfFractionsPlanned = str(recipe.planned_fractions)
    group.NumberOfBeams = str(len(beams) + 1)
    group.NumberOfBrachyApplicationSetups = "0"
    references = [Dataset()]
    references[0].ReferencedBeamNumber = str(SETUP_NUMBER)
    for beam in beams:
        reference = Dataset()
        reference.BeamDose = "1.0"
        reference.BeamMeterset = format_number_as_ds(beam.meterset_mu)
        reference.ReferencedBeamNumber = str(beam.number)
        references.append(reference)
    group.ReferencedBeamSequence = DicomSequence(references)
    return group


def _patient_setup() -> Dataset:
    setup = Dataset()
    setup.PatientPosition = "HFS"
    setup.PatientSetupNumber = "1"
    setup.SetupTechnique = "ISOCENTRIC"
    return setup


def _tolerances() -> Dataset:
    table = Dataset()
    table.ToleranceTableNumber = "1"
    table.ToleranceTableLabel = "T1"
    table.GantryAngleTolerance = "0.5"
    return table


def _beam(recipe: CaseRecipe, number: int, name: str, description: str, delivery: str) -> Dataset:
    beam = Dataset()
    beam.Manufacturer = "Synthetic"
    beam.InstitutionName = "Synthetic"
    beam.ManufacturerModelName = "Demo"
    beam.TreatmentMachineName = recipe.machine
    beam.PrimaryDosimeterUnit = "MU"
    beam.BeamNumber = str(number)
    beam.BeamName = name
    beam.BeamDescription = description
    beam.BeamType = "STATIC"
    beam.TreatmentDeliveryType = delivery
    beam.NumberOfWedges = "0"
    beam.NumberOfCompensators = "0"
    beam.NumberOfBoli = "0"
    beam.NumberOfBlocks = "0"
    beam.VirtualSourceAxisDistances = [2597.0, 2223.0]
    beam.NumberOfRangeShifters = "0"
    beam.NumberOfLateralSpreadingDevices = "0"
    beam.NumberOfRangeModulators = "0"
    beam.PatientSupportType = "TABLE"
    beam.ReferencedPatientSetupNumber = "1"
    beam.ReferencedToleranceTableNumber = "1"
    return beam


def _setup_beam(recipe: CaseRecipe) -> Dataset:
    beam = _beam(recipe, SETUP_NUMBER, "SETUP", "Site Setup", "SETUP")
    beam.RadiationType = "PHOTON"
    beam.ScanMode = "NONE"
    beam.NumberOfControlPoints = "2"
    beam.FinalCumulativeMetersetWeight = "0"
    points = [Dataset(), Dataset()]
    for index, point in enumerate(points):
        point.ControlPointIndex = str(index)
        point.CumulativeMetersetWeight = "0"
    points[0].NominalBeamEnergy = "0"
    _geometry(points[0], recipe, gantry_deg=0.0, couch_deg=0.0)
    beam.IonControlPointSequence = DicomSequence(points)
    return beam


def _treatment_beam(recipe: CaseRecipe, planned: PlannedBeam) -> Dataset:
    beam = _beam(recipe, planned.number, planned.name, f"Synthetic field {planned.index + 1}", "TREATMENT")
    beam.RadiationType = "PROTON"
    beam.ScanMode = "LINE" if recipe.scan_mode == "line" else "MODULATED"
    snout = Dataset()
    snout.SnoutID = "S1"
    beam.SnoutSequence = DicomSequence([snout])
    beam.NumberOfControlPoints = str(2 * len(planned.layers))
    beam.FinalCumulativeMetersetWeight = format_number_as_ds(planned.final_weight)
    points: list[Dataset] = []
    cumulative = 0.0
    for layer in planned.layers:
        points.append(_control_point(recipe, layer, len(points), cumulative, layer.weights))
        cumulative += float(layer.weights.sum(dtype=np.float64))
        points.append(_control_point(recipe, layer, len(points), cumulative, np.zeros_like(layer.weights)))
    _geometry(points[0], recipe, planned.gantry_deg, planned.couch_deg)
    points[-1].CumulativeMetersetWeight = format_number_as_ds(planned.final_weight)
    beam.IonControlPointSequence = DicomSequence(points)
    return beam


def _geometry(point: Dataset, recipe: CaseRecipe, gantry_deg: float, couch_deg: float) -> None:
    """Angles, isocentre and snout: only the first control point has them, the others inherit."""
    point.GantryAngle = format_number_as_ds(gantry_deg)
    point.GantryRotationDirection = "NONE"
    point.GantryPitchAngle = 0.0
    point.GantryPitchRotationDirection = "NONE"
    point.BeamLimitingDeviceAngle = "0"
    point.BeamLimitingDeviceRotationDirection = "NONE"
    point.PatientSupportAngle = format_number_as_ds(couch_deg)
    point.PatientSupportRotationDirection = "NONE"
    point.TableTopPitchAngle = 0.0
    point.TableTopPitchRotationDirection = "NONE"
    point.TableTopRollAngle = 0.0
    point.TableTopRollRotationDirection = "NONE"
    point.TableTopVerticalPosition = None
    point.TableTopLongitudinalPosition = None
    point.TableTopLateralPosition = None
    point.IsocenterPosition = [format_number_as_ds(value) for value in recipe.isocentre_mm]
    point.SnoutPosition = 320.0


def _control_point(
    recipe: CaseRecipe, layer: PlannedLayer, index: int, cumulative: float, weights: np.ndarray
) -> Dataset:
    point = Dataset()
    point.ControlPointIndex = str(index)
    point.NominalBeamEnergy = format_number_as_ds(layer.energy_mev)
    point.CumulativeMetersetWeight = format_number_as_ds(cumulative)
    if recipe.spot_tags == "private":
        _private_spots(point, layer, weights)
    else:
        _standard_spots(point, layer, weights)
    return point


def _standard_spots(point: Dataset, layer: PlannedLayer, weights: np.ndarray) -> None:
    point.ScanSpotTuneID = "4.0"
    point.NumberOfScanSpotPositions = str(len(weights))
    point.ScanSpotPositionMap = layer.xy_mm.ravel().tolist()
    point.ScanSpotMetersetWeights = weights.tolist()
    point.ScanningSpotSize = _SPOT_FWHM_MM
    point.NumberOfPaintings = "1"


def _private_spots(point: Dataset, layer: PlannedLayer, weights: np.ndarray) -> None:
    """The vendor's tags of line scanning: positions and weights as little-endian float32."""
    block = point.private_block(IMPAC_GROUP, IMPAC_CREATOR, create=True)
    block.add_new(0x90, "LO", "4.0")
    block.add_new(0x92, "IS", str(len(weights)))
    block.add_new(0x94, "UN", layer.xy_mm.astype("<f4").tobytes())
    block.add_new(0x96, "UN", weights.astype("<f4").tobytes())
    point.ScanningSpotSize = _SPOT_FWHM_MM
