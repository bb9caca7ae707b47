"""Each named fault does to the files what it says, and nothing else."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from case_reading import contents, folders, info, mgn, ptn, ranges, the_plan, treatment_beams
from pydicom import dcmread
from pydicom.dataset import Dataset

from actors.demo.factory import make_case
from actors.demo.recipe import NEEDS_CT, CaseFault, CaseRecipe

IN_PLAN = {
    CaseFault.UNKNOWN_MACHINE: lambda plan, beam: beam.TreatmentMachineName == "G7",
    CaseFault.QA_PLAN: lambda plan, beam: plan.PlanIntent == "VERIFICATION",
    CaseFault.UNAPPROVED: lambda plan, beam: plan.ApprovalStatus == "UNAPPROVED",
    CaseFault.RANGE_SHIFTER: lambda plan, beam: beam.NumberOfRangeShifters == 1 and shifter(beam) == ["IN"],
    CaseFault.MOVING_RANGE_SHIFTER: lambda plan, beam: shifter(beam) == ["IN", "OUT"],
    CaseFault.COMPENSATOR: lambda plan, beam: beam.NumberOfCompensators == 1,
    CaseFault.BLOCK: lambda plan, beam: beam.NumberOfBlocks == 1,
    CaseFault.MLC: lambda plan, beam: "IonBeamLimitingDeviceSequence" in beam,
    CaseFault.BOLUS: lambda plan, beam: beam.NumberOfBoli == 1,
    CaseFault.PATIENT_POSITION: lambda plan, beam: plan.PatientSetupSequence[0].PatientPosition == "FFP",
    CaseFault.SCAN_MODE: lambda plan, beam: beam.ScanMode == "UNIFORM",
}


def shifter(beam: Dataset) -> list[str]:
    points = [point for point in beam.IonControlPointSequence if "RangeShifterSettingsSequence" in point]
    return [point.RangeShifterSettingsSequence[0].RangeShifterSetting for point in points]


def recipe(fault: CaseFault | None) -> CaseRecipe:
    return CaseRecipe(beams=2, layers=3, spots=12, fault=fault)


def files_of(fault: CaseFault | None, folder: Path) -> dict[str, bytes]:
    return contents(make_case(recipe(fault), folder))


def changed(fault: CaseFault, folder: Path) -> tuple[dict[str, bytes], dict[str, bytes], list[str]]:
    """Files without and with the fault, and the names that differ (ending in the file's last two parts)."""
    sound, wrong = files_of(None, folder), files_of(fault, folder)
    return sound, wrong, sorted(name for name in sound.keys() | wrong.keys() if sound.get(name) != wrong.get(name))


@pytest.mark.parametrize("fault", [fault for fault in CaseFault if fault not in NEEDS_CT])
def test_every_fault_changes_something_and_says_what(fault: CaseFault, tmp_path: Path) -> None:
    assert fault.words
    assert changed(fault, tmp_path)[2]


@pytest.mark.parametrize("fault", IN_PLAN)
def test_faults_of_the_plan(fault: CaseFault, tmp_path: Path) -> None:
    sound, wrong, names = changed(fault, tmp_path)
    before, after = the_plan(sound), the_plan(wrong)
    assert len(names) == 1
    assert IN_PLAN[fault](after, treatment_beams(after)[0])
    assert not IN_PLAN[fault](before, treatment_beams(before)[0])


@pytest.mark.parametrize(
    ("fault", "suffix"),
    [
        (CaseFault.MISSING_LAYER, "_002.ptn"),
        (CaseFault.MISSING_MGN, "_002.mgn"),
        (CaseFault.NO_PLANINFO, "PlanInfo.txt"),
        (CaseFault.NO_PLANRANGE, "PlanRange.txt"),
    ],
)
def test_files_that_were_never_written(fault: CaseFault, suffix: str, tmp_path: Path) -> None:
    _, wrong, names = changed(fault, tmp_path)
    assert len(names) == 1
    assert names[0].endswith(suffix)
    assert names[0] not in wrong


def test_missing_plan_and_missing_beam(tmp_path: Path) -> None:
    assert not [name for name in files_of(CaseFault.MISSING_PLAN, tmp_path) if name.startswith("RP")]
    assert len(folders(files_of(CaseFault.MISSING_BEAM, tmp_path))) == 1
    assert len(treatment_beams(the_plan(files_of(CaseFault.MISSING_BEAM, tmp_path)))) == 2


@pytest.mark.parametrize(
    ("fault", "size"),
    [
        (CaseFault.TRUNCATED_PTN, lambda size: size - 7),
        (CaseFault.SHORT_PTN, lambda size: size // 32 * 16),
        (CaseFault.EMPTY_PTN, lambda size: 0),
        (CaseFault.TRUNCATED_MGN, lambda size: size - 5),
        (CaseFault.SHORT_MGN, lambda size: size - 42),
        (CaseFault.TRUNCATED_PLAN, lambda size: size // 2),
    ],
)
def test_files_that_were_cut(fault: CaseFault, size, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    sound, wrong, names = changed(fault, tmp_path)
    assert len(names) == 1
    assert len(wrong[names[0]]) == size(len(sound[names[0]]))
    assert sound[names[0]].startswith(wrong[names[0]])


def test_extra_doubled_and_unplanned_layers(tmp_path: Path) -> None:
    _, extra, names = changed(CaseFault.EXTRA_LAYER, tmp_path)
    assert [name[-8:] for name in names] == ["_004.mgn", "_004.ptn"]
    assert len(ranges(extra, folders(extra)[0])) == 3
    _, doubled, _ = changed(CaseFault.DOUBLED_LAYER, tmp_path)
    assert [row["LAYER_NO"] for row in ranges(doubled, folders(doubled)[0])] == ["1", "2", "2", "3"]
    _, unplanned, _ = changed(CaseFault.UNPLANNED_LAYER, tmp_path)
    folder = folders(unplanned)[0]
    assert [row["LAYER_NO"] for row in ranges(unplanned, folder)] == ["1", "2", "3", "4"]
    assert info(unplanned, folder)["STOP_LAYER_NUMBER"] == "4"
    for files, place in ((doubled, folders(doubled)[0]), (unplanned, folder)):
        assert all(f"{place}/{row['SCAN_OUT_FL_NM']}" in files for row in ranges(files, place))


@pytest.mark.parametrize(
    ("fault", "key", "value"),
    [
        (CaseFault.WRONG_PATIENT, "DICOM_PATIENT_ID", "DEMO99999"),
        (CaseFault.WRONG_STUDY, "DICOM_STUDY_INS_UID", "2.25.1234567890"),
        (CaseFault.WRONG_BEAM, "DICOM_BEAM_NUMBER", "97"),
    ],
)
def test_plan_info_that_names_another(fault: CaseFault, key: str, value: str, tmp_path: Path) -> None:
    _, wrong, names = changed(fault, tmp_path)
    first, second = folders(wrong)
    assert names == [f"{first}/PlanInfo.txt"]
    assert info(wrong, first)[key] == value
    assert info(wrong, second)[key] != value


def test_bad_text_files(tmp_path: Path) -> None:
    wrong = files_of(CaseFault.BAD_PLANINFO, tmp_path)
    lines = wrong[f"{folders(wrong)[0]}/PlanInfo.txt"].decode().splitlines()
    assert not [line for line in lines if line.startswith("DICOM_BEAM_NUMBER")]
    assert [line for line in lines if "," not in line]
    rows = files_of(CaseFault.BAD_PLANRANGE, tmp_path)[f"{folders(wrong)[0]}/PlanRange.txt"].decode().splitlines()
    assert sorted({row.count(",") for row in rows}) == [7, 10]


def test_wrong_energy_and_range_code(tmp_path: Path) -> None:
    sound, wrong, names = changed(CaseFault.WRONG_ENERGY, tmp_path)
    folder = folders(sound)[0]
    assert names == [f"{folder}/PlanRange.txt"]
    steps = [
        float(after["LAYER_ENERGY"]) - float(before["LAYER_ENERGY"])
        for before, after in zip(ranges(sound, folder), ranges(wrong, folder), strict=True)
    ]
    assert steps == pytest.approx([0.0, 1.5, 0.0])
    coded = files_of(CaseFault.UNKNOWN_RANGE_CODE, tmp_path)
    assert [row["DOSE1_RANGE"] for row in ranges(coded, folder)][1] == "7"


def test_high_energy_is_in_plan_and_delivery(tmp_path: Path) -> None:
    files = files_of(CaseFault.HIGH_ENERGY, tmp_path)
    point = treatment_beams(the_plan(files))[0].IonControlPointSequence[0]
    assert float(point.NominalBeamEnergy) == 247.0
    assert float(ranges(files, folders(files)[0])[0]["LAYER_ENERGY"]) == 247.0


def measured(files: dict[str, bytes], number: int = 0, layer: int = 0) -> np.ndarray:
    """Beam-on positions (n, 2) in mm of one layer."""
    folder = folders(files)[number]
    rows = ptn(files[f"{folder}/{ranges(files, folder)[layer]['SCAN_OUT_FL_NM']}"], "G2")
    return np.array([(row.x_mm, row.y_mm) for row in rows if row.on])


@pytest.mark.parametrize(
    ("fault", "turn"),
    [(CaseFault.SWAPPED_AXES, [[0.0, 1.0], [1.0, 0.0]]), (CaseFault.MIRRORED, [[-1.0, 0.0], [0.0, 1.0]])],
)
def test_axes_that_are_wrong(fault: CaseFault, turn: list[list[float]], tmp_path: Path) -> None:
    sound, wrong = files_of(None, tmp_path), files_of(fault, tmp_path)
    for number in (0, 1):
        assert np.abs(measured(wrong, number) - measured(sound, number) @ np.array(turn)).max() < 0.01


def test_positions_off_plan_and_shifted_layer(tmp_path: Path) -> None:
    sound, wrong, names = changed(CaseFault.POSITIONS_OFF_PLAN, tmp_path)
    assert {name[-4:] for name in names} == {".mgn"}
    steps = [
        after[1] - before[1]
        for before, after in zip(mgn(sound[names[0]], "G2"), mgn(wrong[names[0]], "G2"), strict=True)
    ]
    assert steps == pytest.approx([2.0] * len(steps), abs=0.01)
    shifted = files_of(CaseFault.SHIFTED_LAYER, tmp_path)
    assert (measured(shifted) - measured(sound)).mean(axis=0) == pytest.approx([5.0, 0.0], abs=0.01)
    assert (measured(shifted, layer=1) == measured(sound, layer=1)).all()


@pytest.mark.promise("P4")
@pytest.mark.parametrize(
    ("fault", "share"), [(None, 0.00045), (CaseFault.HIGH_OFF_COUNTS, 0.003), (CaseFault.SUSPECT_OFF_COUNTS, 0.008)]
)
def test_off_counts(fault: CaseFault | None, share: float, tmp_path: Path) -> None:
    case = make_case(recipe(fault), tmp_path).case
    for layer in case.beams[0].layers:
        assert layer.off_counts / (layer.on_counts + layer.off_counts) == pytest.approx(share, rel=0.01)
    assert case.beams[1] == make_case(recipe(None), tmp_path).case.beams[1]


def test_wrong_mu(tmp_path: Path) -> None:
    sound = make_case(recipe(None), tmp_path).case.beams[0]
    wrong = make_case(recipe(CaseFault.WRONG_MU), tmp_path).case.beams[0]
    ratios = [
        after.delivered_mu / before.delivered_mu for before, after in zip(sound.layers, wrong.layers, strict=True)
    ]
    assert ratios == pytest.approx([1.08, 1.0, 1.0], rel=1e-3)
    assert wrong.planned_mu == sound.planned_mu


def test_two_plans_differ_in_their_uid_only(tmp_path: Path) -> None:
    files = files_of(CaseFault.TWO_PLANS, tmp_path)
    one, two = (dcmread(io.BytesIO(content)) for name, content in files.items() if name.startswith("RP"))
    assert one.SOPInstanceUID != two.SOPInstanceUID
    two.SOPInstanceUID = one.SOPInstanceUID
    assert one == two


def test_a_ct_and_its_faults(tmp_path: Path) -> None:
    def slices(fault: CaseFault | None, *, ct: bool = True) -> tuple[list[Dataset], Dataset]:
        made = make_case(CaseRecipe(beams=1, layers=1, spots=4, ct=ct, fault=fault), tmp_path)
        read = [dcmread(io.BytesIO(step.content)) for step in made.steps if step.path.name.startswith(("CT", "RS"))]
        return read[:-1], read[-1]

    sound, structures = slices(None)
    assert len(sound) == 100
    assert {image.Modality for image in sound} == {"CT"}
    assert [roi.ROIName for roi in structures.StructureSetROISequence] == ["External", "Target"]
    middle = np.frombuffer(sound[50].PixelData, dtype="<i2").reshape(100, 100)
    assert middle[50, 50] == 0
    assert middle[0, 0] == -1000
    tilted, _ = slices(CaseFault.CT_TILTED, ct=False)
    assert [float(value) for value in tilted[0].ImageOrientationPatient] != [1, 0, 0, 0, 1, 0]
    assert len(slices(CaseFault.CT_GAP, ct=False)[0]) == 99
    overridden = slices(CaseFault.DENSITY_OVERRIDE, ct=False)[1].RTROIObservationsSequence[1]
    assert overridden.ROIPhysicalPropertiesSequence[0].ROIPhysicalProperty == "REL_MASS_DENSITY"
