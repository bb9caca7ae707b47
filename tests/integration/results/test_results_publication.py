"""A published case: RT Dose that strict readers accept, provenance, and a folder that appears whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from actors import unfinished
from actors.errors import MqiError
from actors.results import publish as publish_module
from actors.results import publish_case, verify_published, verify_run
from actors.results.folder import NewFolder
from messages.engine import EngineProfile, Grid
from messages.faults import Blame
from messages.interpretation import BeamAmount, Interpretation, SeriesReference
from messages.results import PublishCase, PublishedCase
from tests.integration.results.run_maker import (
    CASE,
    ENGINE_SHA,
    GRID,
    PROFILE,
    a_dose,
    a_result,
    beam_input,
    collected_run,
    interpretation,
    publication,
)
from tests.kit.waiting import wait_until

NUMBERS = (2, 3, 10)
IMAGES = ("1.2.840.77.1", "1.2.840.77.2")
STRUCTURES = "1.2.840.77.3"
OTHER_STUDY = "1.2.840.77.5"
REFERENCES = (
    SeriesReference(OTHER_STUDY, "1.2.840.77.10", pydicom.uid.CTImageStorage, IMAGES),
    SeriesReference("1.2.826.0.1.3680043.8.498.1", "1.2.840.77.30", pydicom.uid.RTStructureSetStorage, (STRUCTURES,)),
)
"""The CT lies in a study of its own."""


def an_order(
    folder: Path, profile: EngineProfile = PROFILE, numbers: tuple[int, ...] = NUMBERS, **changes: object
) -> PublishCase:
    """Verified runs of some beams, and the order to publish them."""
    runs = [collected_run(folder / "runs", beam_input(number, name=f"beam:{number} 김/\\x")) for number in numbers]
    results = tuple(a_result(run, verify_run(run)) for run in runs)
    value = interpretation(*(run.beam for run in runs), **changes)
    return publication(folder / "results", value, results, profile)


@pytest.fixture
def order(tmp_path: Path) -> PublishCase:
    return an_order(tmp_path)


def read(published: PublishedCase, name: str) -> Dataset:
    return pydicom.dcmread(Path(published.path) / name)


def dose_of(dataset: Dataset) -> np.ndarray:
    """[frames, rows, columns] as any reader of the standard makes it."""
    shape = (int(dataset.NumberOfFrames), dataset.Rows, dataset.Columns)
    return np.frombuffer(dataset.PixelData, "<u4").reshape(shape) * float(dataset.DoseGridScaling)


def manifest_of(published: PublishedCase) -> dict:
    return json.loads((Path(published.path) / "manifest.json").read_text())


def snapshot(folder: Path) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in sorted(folder.iterdir())}


# --- the dose files ---


def test_every_file_of_the_interface_is_there(order: PublishCase) -> None:
    published = publish_case(order)
    names = {entry.name for entry in Path(published.path).iterdir()}
    beams = {name.format(number) for number in NUMBERS for name in ("beam_{}.dcm", "engine_{}.log")}
    assert names == beams | {"sum.dcm", "manifest.json"}
    assert Path(published.path) == Path(order.results_dir) / CASE
    assert verify_published(published.path) == ()
    manifest = (Path(published.path) / "manifest.json").read_bytes()
    assert published.manifest_sha256 == hashlib.sha256(manifest).hexdigest()


@pytest.mark.promise("P41")
@pytest.mark.promise("P8")
def test_doses_are_the_engines_scaled_once_and_their_sum(order: PublishCase) -> None:
    published = publish_case(order)
    total = np.zeros(a_dose().shape)
    for number in NUMBERS:
        expected = a_dose(seed=number) * 0.5  # dose_scale
        dataset = read(published, f"beam_{number}.dcm")
        level = float(dataset.DoseGridScaling)
        assert np.abs(dose_of(dataset) - expected).max() <= level / 2 * (1 + 1e-9)
        assert level < 1e-9 * expected.max()
        total += expected
    dataset = read(published, "sum.dcm")
    assert np.abs(dose_of(dataset) - total).max() <= float(dataset.DoseGridScaling) / 2 * (1 + 1e-9)
    assert manifest_of(published)["sum"]["maximum"] == pytest.approx(total.max(), rel=1e-15)


@pytest.mark.promise("P41")
@pytest.mark.parametrize("fractions", [1, 33])
def test_the_planned_number_of_fractions_changes_no_dose(tmp_path: Path, fractions: int) -> None:
    published = publish_case(an_order(tmp_path, planned_fractions=fractions))
    assert dose_of(read(published, "beam_3.dcm")).max() == pytest.approx(1.0, rel=1e-9)
    assert manifest_of(published)["dose"]["fractions"] == {"computed": 1, "planned": fractions}


@pytest.mark.promise("P40")
def test_a_voxel_is_where_the_engine_had_it(order: PublishCase) -> None:
    """The phantom's axes: columns along x, rows along y, frames along z towards the source."""
    dataset = read(publish_case(order), "beam_3.dcm")
    frame, row, column = np.unravel_index(dose_of(dataset).argmax(), (4, 5, 6))
    orientation = np.array(dataset.ImageOrientationPatient, float)
    spacing = [float(value) for value in dataset.PixelSpacing]
    position = (
        np.array(dataset.ImagePositionPatient, float)
        + column * spacing[1] * orientation[:3]
        + row * spacing[0] * orientation[3:]
        + float(dataset.GridFrameOffsetVector[frame]) * np.cross(orientation[:3], orientation[3:])
    )
    at = (3, 2, 2)  # x, y, z index of the maximum of a_dose
    expected = [GRID.origin_mm[axis] + at[axis] * GRID.spacing_mm[axis] for axis in range(3)]
    assert position == pytest.approx(expected)
    assert float(dataset.GridFrameOffsetVector[0]) == 0
    assert len(dataset.GridFrameOffsetVector) == dataset.NumberOfFrames == 4


def test_labels_of_a_beam_and_of_the_sum(order: PublishCase) -> None:
    published = publish_case(order)
    beam, total = read(published, "beam_10.dcm"), read(published, "sum.dcm")
    for dataset in (beam, total):
        assert (dataset.DoseType, dataset.DoseUnits) == ("PHYSICAL", "GY")
        assert (dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit) == (32, 32, 31)
        assert (dataset.StudyDate, dataset.SeriesTime) == ("20240229", "101530")
        (plan,) = dataset.ReferencedRTPlanSequence
        assert plan.ReferencedSOPInstanceUID == order.interpretation.plan_uid
        (group,) = plan.ReferencedFractionGroupSequence
        assert group.ReferencedFractionGroupNumber == 1
    assert beam.DoseSummationType == "BEAM_SESSION"
    beams = beam.ReferencedRTPlanSequence[0].ReferencedFractionGroupSequence[0].ReferencedBeamSequence
    assert [item.ReferencedBeamNumber for item in beams] == [10]
    assert total.DoseSummationType == "FRACTION_SESSION"
    assert "ReferencedBeamSequence" not in total.ReferencedRTPlanSequence[0].ReferencedFractionGroupSequence[0]
    assert total.DoseComment == "One fraction, physical; superposition in beam axes"
    assert beam.DoseComment == "One fraction, physical; beam 10 beam:10 김/_x"
    assert beam.SoftwareVersions == ["0.1.0", ENGINE_SHA]


@pytest.mark.promise("P37")
def test_a_phantom_dose_cannot_pass_for_a_patients(order: PublishCase) -> None:
    dataset = read(publish_case(order), "sum.dcm")
    assert str(dataset.PatientName).startswith("PHANTOM")
    assert dataset.PatientID == f"PHANTOM-{CASE}"
    assert "PHANTOM" in dataset.SeriesDescription
    assert dataset.StudyInstanceUID != order.interpretation.study_uid
    assert dataset.FrameOfReferenceUID != order.interpretation.frame_of_reference


def test_an_uncalibrated_dose_is_relative(tmp_path: Path) -> None:
    published = publish_case(an_order(tmp_path, PROFILE.model_copy(update={"calibrated": False})))
    assert read(published, "beam_2.dcm").DoseUnits == "RELATIVE"
    assert manifest_of(published)["dose"]["units"] == "RELATIVE"


def a_plan(path: Path, order: PublishCase, uid: str | None = None) -> None:
    plan = Dataset()
    plan.file_meta = FileMetaDataset()
    plan.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    plan.SOPClassUID = "1.2.840.10008.5.1.4.1.1.481.8"
    plan.SOPInstanceUID = uid or order.interpretation.plan_uid
    plan.SeriesInstanceUID = "1.2.840.77.6"
    plan.SpecificCharacterSet = "ISO_IR 192"
    plan.PatientName, plan.PatientID, plan.PatientSex = "김^철수", "12345", "O"
    plan.PatientBirthDate, plan.StudyDate, plan.StudyTime, plan.StudyID = "19500101", "20240201", "120000", "7"
    path.parent.mkdir(parents=True, exist_ok=True)
    plan.save_as(path, enforce_file_format=True)


@pytest.fixture
def ct_order(tmp_path: Path) -> PublishCase:
    profile = PROFILE.model_copy(update={"geometry": "ct", "grid": None})
    order = an_order(tmp_path, profile, references=REFERENCES)
    order = replace(order, plan_path=str(tmp_path / "case" / "RP.dcm"))
    a_plan(Path(order.plan_path), order)
    return order


def test_a_ct_dose_belongs_to_the_patient_and_the_plans_frame(ct_order: PublishCase) -> None:
    dataset = read(publish_case(ct_order), "sum.dcm")
    assert (str(dataset.PatientName), dataset.PatientID, dataset.StudyID) == ("김^철수", "12345", "7")
    assert dataset.StudyInstanceUID == ct_order.interpretation.study_uid
    assert dataset.FrameOfReferenceUID == ct_order.interpretation.frame_of_reference
    assert [float(value) for value in dataset.ImagePositionPatient] == [5.0, 14.0, 25.5]
    assert "PHANTOM" not in dataset.SeriesDescription
    assert dataset.TissueHeterogeneityCorrection == "IMAGE"


@pytest.mark.parametrize("name", ["beam_10.dcm", "sum.dcm"])
def test_a_ct_dose_refers_to_the_images_and_the_structure_set_that_it_was_computed_with(
    ct_order: PublishCase, name: str
) -> None:
    published = publish_case(ct_order)
    dataset = read(published, name)
    images = dataset.ReferencedImageSequence
    assert [image.ReferencedSOPInstanceUID for image in images] == list(IMAGES)
    assert {image.ReferencedSOPClassUID for image in images} == {pydicom.uid.CTImageStorage}
    assert {image.PurposeOfReferenceCodeSequence[0].CodeValue for image in images} == {"129202"}
    (other,) = dataset.StudiesContainingOtherReferencedInstancesSequence
    assert other.StudyInstanceUID == OTHER_STUDY
    named = [
        (
            str(series.SeriesInstanceUID),
            [str(one.ReferencedSOPInstanceUID) for one in series.ReferencedInstanceSequence],
        )
        for series in (*dataset.ReferencedSeriesSequence, *other.ReferencedSeriesSequence)
    ]
    plan_uid = ct_order.interpretation.plan_uid
    assert named == [("1.2.840.77.6", [plan_uid]), ("1.2.840.77.30", [STRUCTURES]), ("1.2.840.77.10", list(IMAGES))]
    shown = subprocess.run(
        [tool("dcmdump"), "+P", "0008,1155", str(Path(published.path) / name)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert all(f"[{one}]" in shown for one in (*IMAGES, STRUCTURES, plan_uid))


def test_a_phantom_dose_refers_to_nothing_of_a_patient_but_the_plan(tmp_path: Path) -> None:
    dataset = read(publish_case(an_order(tmp_path, references=REFERENCES)), "sum.dcm")
    assert "ReferencedRTPlanSequence" in dataset
    for linked in ("ReferencedImageSequence", "ReferencedSeriesSequence"):
        assert linked not in dataset
    assert "StudiesContainingOtherReferencedInstancesSequence" not in dataset


def test_beams_with_isocentres_of_their_own_share_the_cts_grid(ct_order: PublishCase) -> None:
    beams = []
    for index, beam in enumerate(ct_order.interpretation.beams):
        isocentre = (10.1 + 0.7 * index, -20.3, 1 / 3)
        origin = tuple(place - centre for place, centre in zip((-250.1, -180.7, 12.3), isocentre, strict=True))
        grid = beam.grid.model_copy(update={"origin_mm": origin})
        beams.append(replace(beam, grid=grid, isocentre_mm=isocentre))
    order = replace(ct_order, interpretation=replace(ct_order.interpretation, beams=tuple(beams)))
    dataset = read(publish_case(order), "sum.dcm")
    assert [float(value) for value in dataset.ImagePositionPatient] == [-250.1, -180.7, 12.3]


def test_a_ct_dose_without_its_plan_is_not_published(ct_order: PublishCase) -> None:
    plan = Path(ct_order.plan_path)
    a_plan(plan, ct_order, uid="1.2.3.4")
    for spoil in (lambda: None, plan.unlink):
        spoil()
        with pytest.raises(MqiError) as caught:
            publish_case(ct_order)
        assert caught.value.fault.kind == "plan-gone"
    assert not any(Path(ct_order.results_dir).iterdir())


# --- strict readers ---


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not here: apt-get install dcmtk dicom3tools")
    return found


@pytest.mark.parametrize("name", ["beam_10.dcm", "sum.dcm"])
def test_dcmdump_reads_it_without_a_word(order: PublishCase, name: str) -> None:
    file = Path(publish_case(order).path) / name
    done = subprocess.run([tool("dcmdump"), "+E", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr == ""
    for word in ("=RTDoseStorage", "=RTIonPlanStorage", "DoseGridScaling"):
        assert word in done.stdout


@pytest.mark.parametrize("name", ["beam_10.dcm", "sum.dcm"])
@pytest.mark.parametrize("geometry", ["order", "ct_order"])
def test_dciodvfy_finds_no_error(geometry: str, name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Debian's dciodvfy stops at an assertion for 32-bit OW pixels, which the standard asks for: it gets 16 bits."""
    dataset = read(publish_case(request.getfixturevalue(geometry)), name)
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelData = dataset.PixelData[: len(dataset.PixelData) // 2]
    dataset.save_as(tmp_path / name)
    done = subprocess.run([tool("dciodvfy"), str(tmp_path / name)], capture_output=True, text=True, check=False)
    assert "RTDose" in done.stderr
    assert "Error" not in done.stderr, done.stderr
    assert done.returncode == 0


def test_every_element_keeps_the_standards_lengths(order: PublishCase) -> None:
    pydicom.config.settings.reading_validation_mode = pydicom.config.RAISE
    try:
        for name in ("beam_2.dcm", "sum.dcm"):
            for element in read(publish_case(order), name).iterall():
                assert element.value is not None
    finally:
        pydicom.config.settings.reading_validation_mode = pydicom.config.WARN


# --- provenance ---


@pytest.mark.promise("P9")
def test_the_manifest_names_everything_that_made_the_result(order: PublishCase) -> None:
    published = publish_case(order)
    manifest = manifest_of(published)
    value = order.interpretation
    assert manifest["plan"]["sop_instance_uid"] == value.plan_uid
    assert (manifest["plan"]["fraction_group"], manifest["plan"]["fraction_groups"]) == (1, 2)
    assert manifest["inputs"] == [{"path": "RP.dcm", "size": 7, "sha256": "01" * 32}]
    assert manifest["calibration"] == {"gantry": "G1", "sha256": "ef" * 32}
    assert (manifest["profile"]["name"], manifest["profile"]["version"]) == ("reference", "3")
    assert manifest["profile"]["content"]["dose_factor"] == 0.25
    assert manifest["engine"]["command"] == ["engine", "{input}"]
    assert (manifest["engine"]["version"], manifest["engine"]["sha256"]) == (f"sha256 {ENGINE_SHA}", ENGINE_SHA)
    assert manifest["dose"]["factors"] == {"dose_factor": 0.25, "shorten": 2}
    assert manifest["dose"]["rbe"] == {"factor": 1.1, "applied": False}
    assert "gantry and couch angle" in manifest["not_verified"]
    assert "beam axes" in manifest["sum"]["axes"]
    assert manifest["made_by"]["version"] == "0.1.0"
    beam = manifest["beams"][2]
    expected = {
        "number": 10,
        "attempt": 1,
        "key": f"{CASE}/10/1",
        "host": "gpu1",
        "gpu": "GPU-1234",
        "seed": 11,
        "dose_scale": 0.5,
        "exit_code": 0,
        "counts": 123456,
        "planned_mu": 100.0,
        "delivered_mu": 99.5,
    }
    assert {key: beam[key] for key in expected} == expected
    assert beam["run_inputs"][0]["sha256"] == "cd" * 32
    assert beam["engine_output"]["sha256"] == order.beams[2].dose.sha256
    listed = {item["path"]: item for item in manifest["files"]}
    for name, content in snapshot(Path(published.path)).items():
        if name != "manifest.json":
            assert listed[name]["size"] == len(content)
            assert listed[name]["sha256"] == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("changes", "note", "verdict"),
    [
        ({}, (), "accepted"),
        ({"review": ("The plan is UNAPPROVED.",)}, (), "review"),
        ({"review": ("r",), "suspect": ("Off counts over 0.5 %.",)}, (), "suspect"),
        ({}, ("the maximum lies on the edge",), "review"),
    ],
)
def test_the_verdict_and_its_sentences(tmp_path: Path, changes: dict, note: tuple[str, ...], verdict: str) -> None:
    order = an_order(tmp_path, **changes)
    first = replace(order.beams[0], dose=replace(order.beams[0].dose, notes=note))
    published = publish_case(replace(order, beams=(first, *order.beams[1:])))
    assert published.verdict == manifest_of(published)["verdict"] == verdict
    assert published.sentences == (*changes.get("suspect", ()), *changes.get("review", ()), *note)


@pytest.mark.promise("P10")
def test_a_partial_result_says_so_everywhere(tmp_path: Path) -> None:
    order = replace(an_order(tmp_path, partial=True), missing=("Beam 5 was not delivered.",), supersedes="")
    published = publish_case(order)
    for number in NUMBERS:
        assert read(published, f"beam_{number}.dcm").SeriesDescription.startswith("PARTIAL")
    assert read(published, "sum.dcm").SeriesDescription.startswith("PARTIAL")
    manifest = manifest_of(published)
    assert (manifest["partial"], manifest["missing"]) == (True, ["Beam 5 was not delivered."])
    assert published.verdict == "review"
    assert "Beam 5 was not delivered." in published.sentences[0]


@pytest.mark.promise("P41")
def test_a_partial_session_names_what_is_left_of_every_planned_beam(tmp_path: Path) -> None:
    amounts = (BeamAmount(2, "a", 50.0, 49.8, 6, ()), BeamAmount(5, "b", 60.0, 0.0, 4, (1, 2, 3, 4)))
    published = publish_case(an_order(tmp_path, partial=True, amounts=amounts))
    assert [amount["layers_left"] for amount in manifest_of(published)["amounts"]] == [[], [1, 2, 3, 4]]
    assert manifest_of(published)["session"] == "part of one fraction"
    assert read(published, "sum.dcm").DoseComment.startswith("Part of one fraction, physical;")


def test_a_qa_session_is_never_called_a_fraction(tmp_path: Path) -> None:
    published = publish_case(an_order(tmp_path, intent="VERIFICATION", treatment=False))
    manifest = manifest_of(published)
    assert (manifest["session"], manifest["plan"]["intent"]) == ("one QA session", "VERIFICATION")
    assert "fraction:" not in manifest["dose"]["statement"]
    for name in ("beam_2.dcm", "sum.dcm"):
        dataset = read(published, name)
        assert dataset.DoseComment.startswith("One QA session, physical;")
        assert dataset.SeriesDescription.split()[0] == "QA"


@pytest.mark.parametrize(
    ("commissioned", "reason"),
    [
        ((), "lists nothing"),
        (("11" * 32,), "not the commissioned binary"),
        ((ENGINE_SHA, "22" * 32), f"Commissioned but not used in this run: SHA-256 {'22' * 32}"),
        ((ENGINE_SHA, "cd" * 32), ""),
    ],
)
def test_only_what_was_commissioned_is_unmarked(tmp_path: Path, commissioned: tuple[str, ...], reason: str) -> None:
    published = publish_case(an_order(tmp_path, PROFILE.model_copy(update={"commissioned": commissioned})))
    manifest = manifest_of(published)
    assert manifest["uncommissioned"] == published.uncommissioned == bool(reason)
    assert reason in " ".join(manifest["uncommissioned_because"])
    dataset = read(published, "sum.dcm")
    assert ("UNCOMMISSIONED" in dataset.SeriesDescription) == bool(reason)
    # What was not commissioned together with the calibration gives no gray, whatever the calibration says.
    assert dataset.DoseUnits == manifest["dose"]["units"] == ("RELATIVE" if reason else "GY")


def test_an_engine_of_unknown_version_is_uncommissioned(order: PublishCase) -> None:
    published = publish_case(replace(order, engine_version=""))
    assert published.uncommissioned
    assert manifest_of(published)["engine"]["sha256"] == ""


# --- whole or not at all ---


@pytest.mark.promise("P25")
def test_the_same_argument_gives_the_same_bytes(order: PublishCase, tmp_path: Path) -> None:
    first = publish_case(order)
    elsewhere = publish_case(replace(order, results_dir=str(tmp_path / "elsewhere")))
    assert snapshot(Path(first.path)) == snapshot(Path(elsewhere.path))
    before = {entry: entry.stat().st_mtime_ns for entry in Path(first.path).iterdir()}
    assert publish_case(order) == first
    assert {entry: entry.stat().st_mtime_ns for entry in Path(first.path).iterdir()} == before


def test_bytes_depend_on_the_attempt_but_not_on_host_and_gpu(order: PublishCase, tmp_path: Path) -> None:
    moved = tuple(replace(beam, host="other", gpu="GPU-9") for beam in order.beams)
    retried = tuple(replace(beam, attempt=2) for beam in order.beams)
    first = snapshot(Path(publish_case(order).path))
    second = snapshot(Path(publish_case(replace(order, results_dir=str(tmp_path / "b"), beams=moved)).path))
    third = publish_case(replace(order, results_dir=str(tmp_path / "c"), beams=retried))
    assert {name for name in first if first[name] != second[name]} == {"manifest.json"}
    uid = read(third, "beam_2.dcm").SOPInstanceUID
    assert uid.startswith("2.25.")
    assert len(uid) <= 64
    assert uid.encode() not in first["beam_2.dcm"]


@pytest.mark.promise("P25")
def test_only_what_nobody_writes_any_more_is_cleared_away(order: PublishCase) -> None:
    """Two daemons may publish into one folder; clearing what another is just renaming would empty its result."""
    results = Path(order.results_dir)
    results.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(["sleep", "60"]) as other:
        living = results / f".{CASE}.{unfinished.writer(other.pid)}.partial"
        reused = results / f".{CASE}.{unfinished.machine()}~{other.pid}~1.partial"
        elsewhere, forgotten = (results / f".{CASE}.gpu9~77~{n}.partial" for n in (1, 2))
        odd = results / f".{CASE}.12345.partial"
        for made in (living, reused, elsewhere, forgotten, odd):
            made.mkdir()
        os.utime(forgotten, (0.0, 0.0))
        publish_case(order)
        left = {entry for entry in results.iterdir() if entry.name.startswith(".")}
        assert left == {living, elsewhere}
        other.kill()
        wait_until(lambda: not living.name.endswith(f".{unfinished.writer(other.pid)}.partial"), 10, "a zombie")
        assert Path(f"/proc/{other.pid}").exists(), "nobody has waited for it yet"
        publish_case(order)
        assert not living.exists()


@pytest.mark.promise("P25")
def test_another_result_is_never_overwritten(order: PublishCase) -> None:
    folder = Path(publish_case(order).path)
    (folder / "sum.dcm").write_bytes(b"reviewed by somebody")
    (folder / "notes.txt").write_text("kept")
    before = snapshot(folder)
    with pytest.raises(MqiError) as caught:
        publish_case(order)
    fault = caught.value.fault
    assert (fault.kind, fault.blame, fault.where) == ("result-exists", Blame.OURS, str(folder))
    assert "sum.dcm, notes.txt differ" in fault.what
    assert snapshot(folder) == before
    assert [entry.name for entry in folder.parent.iterdir()] == [CASE]


@pytest.mark.promise("P25")
@pytest.mark.parametrize("linked", [False, True])
def test_what_is_no_folder_in_the_place_of_a_result_is_named_and_left(order: PublishCase, linked: bool) -> None:
    place = Path(order.results_dir) / CASE
    place.parent.mkdir(parents=True, exist_ok=True)
    if linked:
        place.symlink_to(place.parent / "nowhere")
    else:
        place.write_text("kept")
    with pytest.raises(MqiError, match="no folder stands in the place") as caught:
        publish_case(order)
    assert (caught.value.fault.kind, caught.value.fault.where) == ("result-exists", str(place))
    assert [entry.name for entry in place.parent.iterdir()] == [CASE]
    assert place.is_symlink() if linked else place.read_text() == "kept"


@pytest.mark.promise("P25")
@pytest.mark.parametrize("files", range(9))
def test_cut_off_at_any_file_nothing_appears(order: PublishCase, files: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed publication: no clean-up runs, and the next one ends as if nothing had been."""
    done = 0
    write = NewFolder.write

    def write_or_die(self: NewFolder, name: str, blocks: object) -> object:
        nonlocal done
        if done == files:
            (self.partial / name).write_bytes(b"half")
            raise KeyboardInterrupt
        done += 1
        return write(self, name, blocks)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(NewFolder, "write", write_or_die)
        patch.setattr(NewFolder, "discard", lambda self: None)
        if files < 8:
            with pytest.raises(KeyboardInterrupt):
                publish_case(order)
            assert not (Path(order.results_dir) / CASE).exists()
            assert len(list(Path(order.results_dir).iterdir())) == 1
    published = publish_case(order)
    assert verify_published(published.path) == ()
    assert [entry.name for entry in Path(order.results_dir).iterdir()] == [CASE]


@pytest.mark.promise("P21")
def test_every_byte_is_on_the_disk_before_the_folder_has_its_name(
    order: PublishCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut after the rename finds whole files: each was flushed before, its folder and the parent too."""
    steps: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def noted_fsync(handle: int) -> None:
        steps.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        fsync(handle)

    def noted_rename(self: Path, target: Path) -> Path:
        steps.append(f"renamed to {target.name}")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "rename", noted_rename)
    published = publish_case(order)
    renamed = steps.index(f"renamed to {CASE}")
    names = {proof.path for proof in published.files} | {"manifest.json"}
    assert names <= set(steps[:renamed])
    assert steps[renamed - 1].endswith(".partial")
    assert steps[renamed + 1 :] == ["results"]


@pytest.mark.promise("P20")
def test_a_full_disk_leaves_nothing(order: PublishCase, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int, _block: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            publish_case(order)
    assert not list(Path(order.results_dir).iterdir())
    publish_case(order)


@pytest.mark.promise("P25")
def test_a_dose_that_changed_after_verification_is_not_published(order: PublishCase) -> None:
    path = Path(order.beams[1].dose.path)
    content = path.read_bytes()
    for spoil, kind in ((lambda: path.write_bytes(content[::-1]), "dose-changed"), (path.unlink, "dose-gone")):
        spoil()
        with pytest.raises(MqiError) as caught:
            publish_case(order)
        assert (caught.value.fault.kind, caught.value.fault.blame) == (kind, Blame.OURS)
    assert not list(Path(order.results_dir).iterdir())


def wrong_beams(order: PublishCase) -> PublishCase:
    return replace(order, beams=order.beams[:-1])


def doubled_beam(order: PublishCase) -> PublishCase:
    return replace(order, beams=(*order.beams, order.beams[0]))


def another_grid(order: PublishCase) -> PublishCase:
    value = order.interpretation
    moved = Grid(size=GRID.size, spacing_mm=GRID.spacing_mm, origin_mm=(0.0, 0.0, 0.0))
    beams = (*value.beams[:-1], replace(value.beams[-1], grid=moved))
    return replace(order, interpretation=replace(value, beams=beams))


def no_scale(order: PublishCase) -> PublishCase:
    value = order.interpretation
    beams = tuple(replace(beam, dose_scale=0.0) for beam in value.beams)
    return replace(order, interpretation=replace(value, beams=beams))


def named(name: str) -> object:
    def rename(order: PublishCase) -> PublishCase:
        return replace(order, interpretation=replace(order.interpretation, case=name))

    return rename


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (wrong_beams, "beams"),
        (doubled_beam, "beams"),
        (another_grid, "grids-differ"),
        (no_scale, "dose-scale"),
        pytest.param(named("../escape"), "case-name", marks=pytest.mark.promise("P14")),
        pytest.param(named(".hidden"), "case-name", marks=pytest.mark.promise("P14")),
    ],
)
def test_what_does_not_fit_together_is_refused(order: PublishCase, spoil: object, kind: str) -> None:
    with pytest.raises(MqiError) as caught:
        publish_case(spoil(order))  # type: ignore[operator]
    assert (caught.value.fault.kind, caught.value.fault.blame) == (kind, Blame.OURS)


def test_a_name_without_a_time_has_no_dates(tmp_path: Path) -> None:
    order = an_order(tmp_path)
    published = publish_case(replace(order, interpretation=replace(order.interpretation, case="odd[1]*")))
    assert read(published, "sum.dcm").StudyDate == ""
    assert verify_published(published.path) == ()


# --- logs ---


def test_a_flooded_log_keeps_head_and_tail(order: PublishCase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish_module, "LOG_LIMIT", 20)
    (Path(order.beams[0].directory) / "engine.log").write_bytes(b"0123456789" + b"x" * 1000 + b"abcdefghij")
    (Path(order.beams[1].directory) / "engine.log").unlink()
    folder = Path(publish_case(order).path)
    assert (folder / "engine_2.log").read_text() == "0123456789\n[... 1000 bytes left out ...]\nabcdefghij"
    assert "not collected" in (folder / "engine_3.log").read_text()


# --- published folders ---


def test_every_change_of_a_published_folder_is_named(order: PublishCase, tmp_path: Path) -> None:
    folder = Path(publish_case(order).path)
    (folder / "beam_3.dcm").write_bytes((folder / "beam_3.dcm").read_bytes()[:-1] + b"\0")
    (folder / "engine_2.log").unlink()
    (folder / "extra").write_text("")
    findings = " ".join(verify_published(folder))
    for name in ("beam_3.dcm is not", "engine_2.log is not", "extra was not published"):
        assert name in findings
    moved = folder.rename(folder.with_name("renamed"))
    assert any(f"result of case {CASE}" in finding for finding in verify_published(moved))
    assert "cannot be read" in verify_published(tmp_path / "nowhere")[0]
    manifest = json.loads((moved / "manifest.json").read_text())
    manifest["format"] = 99
    manifest["files"][0]["path"] = "../runs"
    (moved / "manifest.json").write_text(json.dumps(manifest))
    findings = " ".join(verify_published(str(moved)))
    assert "format 99" in findings
    assert "../runs is not the file" in findings


# --- measured ---


@pytest.mark.bench
def test_verification_and_publication_are_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grid = Grid(size=(60, 60, 150), spacing_mm=(2.0, 2.0, 2.0), origin_mm=(-59.0, -59.0, -299.0))
    times = []
    for number in range(4):
        runs = [collected_run(tmp_path / str(number), beam_input(beam, grid)) for beam in NUMBERS]
        begin = time.perf_counter()
        results = tuple(a_result(run, verify_run(run)) for run in runs)
        verified = time.perf_counter()
        value: Interpretation = interpretation(*(run.beam for run in runs))
        publish_case(publication(tmp_path / f"results{number}", value, results))
        times.append((verified - begin, time.perf_counter() - verified))
    verify_s, publish_s = min(times)
    with capsys.disabled():
        print(
            f"\nresults: 3 beams of 540,000 voxels: verified in {verify_s * 1e3:.0f} ms, "
            f"published in {publish_s * 1e3:.0f} ms"
        )
    assert verify_s + publish_s < 1.0
