"""Faults of a synthetic case that lie in its plan: each changes the dataset as a real plan of that kind has it."""

from __future__ import annotations

from collections.abc import Callable

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence

from actors.demo.recipe import CaseFault


def spoil_plan(plan: Dataset, fault: CaseFault | None) -> None:
    """Change the plan as ``fault`` says; a fault that lies elsewhere leaves it alone."""
    spoil = None if fault is None else _PLAN_FAULTS.get(fault)
    if spoil is not None:
        spoil(plan)


def _first_beam(plan: Dataset) -> Dataset:
    beam: Dataset = next(item for item in plan.IonBeamSequence if item.TreatmentDeliveryType == "TREATMENT")
    return beam


def _unknown_machine(plan: Dataset) -> None:
    for beam in plan.IonBeamSequence:
        beam.TreatmentMachineName = "G7"


def _qa_plan(plan: Dataset) -> None:
    plan.PlanIntent = "VERIFICATION"


def _unapproved(plan: Dataset) -> None:
    plan.ApprovalStatus = "UNAPPROVED"
    del plan.ReviewDate, plan.ReviewTime, plan.ReviewerName


def _range_shifter(plan: Dataset) -> None:
    beam = _first_beam(plan)
    shifter = Dataset()
    shifter.RangeShifterNumber = "1"
    shifter.RangeShifterID = "RS40"
    shifter.RangeShifterType = "BINARY"
    beam.NumberOfRangeShifters = "1"
    beam.RangeShifterSequence = DicomSequence([shifter])
    _shifter_setting(beam.IonControlPointSequence[0], "IN")


def _shifter_setting(point: Dataset, setting: str) -> None:
    item = Dataset()
    item.RangeShifterSetting = setting
    item.IsocenterToRangeShifterDistance = 300.0
    item.RangeShifterWaterEquivalentThickness = 39.37
    item.ReferencedRangeShifterNumber = "1"
    point.RangeShifterSettingsSequence = DicomSequence([item])


def _moving_range_shifter(plan: Dataset) -> None:
    _range_shifter(plan)
    points = _first_beam(plan).IonControlPointSequence
    _shifter_setting(points[min(2, len(points) - 1)], "OUT")


def _compensator(plan: Dataset) -> None:
    beam = _first_beam(plan)
    item = Dataset()
    item.CompensatorNumber = "1"
    item.MaterialID = "PMMA"
    item.CompensatorMountingPosition = "PATIENT_SIDE"
    beam.NumberOfCompensators = "1"
    beam.IonRangeCompensatorSequence = DicomSequence([item])


def _block(plan: Dataset) -> None:
    beam = _first_beam(plan)
    item = Dataset()
    item.BlockNumber = "1"
    item.BlockType = "APERTURE"
    item.BlockDivergence = "ABSENT"
    item.BlockMountingPosition = "PATIENT_SIDE"
    item.MaterialID = "BRASS"
    item.BlockThickness = "65"
    item.IsocenterToBlockTrayDistance = 100.0
    item.BlockNumberOfPoints = "4"
    item.BlockData = ["-40", "-40", "40", "-40", "40", "40", "-40", "40"]
    beam.NumberOfBlocks = "1"
    beam.IonBlockSequence = DicomSequence([item])


def _mlc(plan: Dataset) -> None:
    beam = _first_beam(plan)
    device = Dataset()
    device.RTBeamLimitingDeviceType = "MLCX"
    device.IsocenterToBeamLimitingDeviceDistance = 350.0
    device.NumberOfLeafJawPairs = "2"
    device.LeafPositionBoundaries = ["-60", "0", "60"]
    beam.IonBeamLimitingDeviceSequence = DicomSequence([device])
    position = Dataset()
    position.RTBeamLimitingDeviceType = "MLCX"
    position.LeafJawPositions = ["-10", "-10", "10", "10"]
    beam.IonControlPointSequence[0].BeamLimitingDevicePositionSequence = DicomSequence([position])


def _bolus(plan: Dataset) -> None:
    beam = _first_beam(plan)
    item = Dataset()
    item.ReferencedROINumber = "1"
    beam.NumberOfBoli = "1"
    beam.ReferencedBolusSequence = DicomSequence([item])


def _patient_position(plan: Dataset) -> None:
    plan.PatientSetupSequence[0].PatientPosition = "FFP"


def _scan_mode(plan: Dataset) -> None:
    _first_beam(plan).ScanMode = "UNIFORM"


_PLAN_FAULTS: dict[CaseFault, Callable[[Dataset], None]] = {
    CaseFault.UNKNOWN_MACHINE: _unknown_machine,
    CaseFault.QA_PLAN: _qa_plan,
    CaseFault.UNAPPROVED: _unapproved,
    CaseFault.RANGE_SHIFTER: _range_shifter,
    CaseFault.MOVING_RANGE_SHIFTER: _moving_range_shifter,
    CaseFault.COMPENSATOR: _compensator,
    CaseFault.BLOCK: _block,
    CaseFault.MLC: _mlc,
    CaseFault.BOLUS: _bolus,
    CaseFault.PATIENT_POSITION: _patient_position,
    CaseFault.SCAN_MODE: _scan_mode,
}
