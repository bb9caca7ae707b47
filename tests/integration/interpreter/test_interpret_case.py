"""A whole delivered case on disk becomes one run's input per beam."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from case_requests import REFERENCE, fault_of, interpreted, request_of, without

from actors.demo.engine.input_file import InputFile
from actors.demo.engine.log_files import read_beam_logs
from actors.demo.engine.plan import beam_numbered, read_plan
from actors.demo.factory import write_case
from actors.demo.recipe import CaseFault, CaseRecipe, Interruption, LayerShift
from actors.interpreter import interpret_case
from messages.faults import Blame
from messages.files import FileProof

SMALL = CaseRecipe(layers=3, spots=12)


@pytest.mark.promise("P1")
@pytest.mark.parametrize("machine", ["G1", "GTR2"])
@pytest.mark.parametrize("mode", ["line", "spot"])
@pytest.mark.parametrize("tags", ["private", "standard"])
def test_every_count_and_place_arrives(tmp_path: Path, machine: str, mode: str, tags: str) -> None:
    case = write_case(replace(SMALL, machine=machine, scan_mode=mode, spot_tags=tags), tmp_path / "root")  # type: ignore[arg-type]
    found = interpreted(case, tmp_path / "input")
    assert (found.gantry, found.scan_mode, found.plan_uid) == (f"G{machine[-1]}", mode, case.plan_uid)
    assert (found.review, found.suspect) == ((), ())
    assert [beam.number for beam in found.beams] == [beam.number for beam in case.beams]
    for beam, made in zip(found.beams, case.beams, strict=True):
        assert beam.counts == sum(layer.on_counts for layer in made.layers)
        assert beam.planned_mu == pytest.approx(made.planned_mu)
        assert beam.fit.best == "identity"
        for layer, wrote in zip(beam.layers, made.layers, strict=True):
            assert (layer.layer, layer.energy_mev) == (wrote.number, wrote.energy_mev)
            assert layer.planned_mu == pytest.approx(wrote.planned_mu, rel=1e-5)
            assert layer.off_share == pytest.approx(wrote.off_counts / (wrote.off_counts + wrote.on_counts))
            assert layer.max_mm < 0.5
            assert layer.missing == 0


@pytest.mark.promise("P7")
def test_the_engine_reads_what_we_wrote(tmp_path: Path) -> None:
    case = write_case(SMALL, tmp_path / "root")
    found = interpreted(case, tmp_path / "input")
    for beam, made in zip(found.beams, case.beams, strict=True):
        run = tmp_path / f"run{beam.number}"
        run.mkdir()
        Path(beam.directory).rename(run / "in")
        given = InputFile.read(run / "in" / "input.txt")
        parent = run / given.text("ParentDir")
        logs = read_beam_logs(parent / given.text("logFilePath"), given.integers("BeamNumbers")[0] - 1)
        assert [layer.energy_mev for layer in logs] == [layer.energy_mev for layer in made.layers]
        assert [int(layer.counts.sum()) for layer in logs] == [layer.on_counts for layer in made.layers]
        for layer, wrote in zip(logs, made.layers, strict=True):
            assert len(layer.counts) <= wrote.on_rows
            centroid = [np.average(axis, weights=layer.counts) for axis in (layer.x_mm, layer.y_mm)]
            assert centroid == pytest.approx(wrote.centroid_mm, abs=2e-3)
        seen = beam_numbered(read_plan(parent / given.text("DicomDir")), 1)
        assert (seen.gantry_deg, seen.couch_deg) == (made.gantry_deg, made.couch_deg)
        assert seen.isocentre_mm == SMALL.isocentre_mm
        assert given.integer("RandomSeed", 0) == beam.seed == REFERENCE.seed + beam.number
        assert given.integer("GantryNum", 0) == 2
        assert given.text("OutputDir") == "out"


@pytest.mark.promise("P8")
def test_many_beams_with_odd_names_are_one_run_each(tmp_path: Path) -> None:
    names = ("1:LAO", "../../etc", "a b", "전방 빔", "x" * 64, "Setup", "#9", "a/b")
    case = write_case(CaseRecipe(beams=12, layers=1, spots=6, beam_names=names), tmp_path / "root")
    found = interpreted(case, tmp_path / "input")
    assert [beam.number for beam in found.beams] == [beam.number for beam in case.beams]
    assert {beam.name for beam in found.beams} == {beam.name for beam in case.beams}
    assert sorted(path.name for path in (tmp_path / "input").iterdir()) == sorted(str(b.number) for b in case.beams)
    for beam, made in zip(found.beams, case.beams, strict=True):
        plan = read_plan(Path(beam.directory) / "dicom")
        assert len(plan.IonBeamSequence) == 1
        assert int(plan.IonBeamSequence[0].BeamNumber) == 1
        assert plan.IonBeamSequence[0].BeamName == "beam"
        logs = read_beam_logs(Path(beam.directory) / "log", 0)
        assert sum(int(layer.counts.sum()) for layer in logs) == sum(layer.on_counts for layer in made.layers)


def test_the_run_s_plan_names_no_patient_and_refers_to_the_clinical_one(tmp_path: Path) -> None:
    case = write_case(SMALL, tmp_path / "root")
    found = interpreted(case, tmp_path / "input")
    uids = set()
    for beam in found.beams:
        plan = read_plan(Path(beam.directory) / "dicom")
        assert str(plan.PatientName) == ""
        assert "ReviewerName" not in plan
        assert plan.PatientID == found.case
        assert plan.ReferencedRTPlanSequence[0].ReferencedSOPInstanceUID == case.plan_uid
        assert int(plan.FractionGroupSequence[0].NumberOfFractionsPlanned) == 1
        uids.add(str(plan.SOPInstanceUID))
        for path in Path(beam.directory).rglob("*"):
            assert path.is_dir() or case.patient_id.encode() not in path.read_bytes()
    assert len(uids) == len(found.beams)
    assert case.plan_uid not in uids


@pytest.mark.promise("P9")
def test_every_file_that_was_read_and_written_is_proven(tmp_path: Path) -> None:
    case = write_case(SMALL, tmp_path / "root")
    found = interpreted(case, tmp_path / "input")
    read = {proof.path: proof for proof in found.inputs}
    assert set(read) == {str(path.relative_to(case.path)) for path in case.files}
    for proof in found.inputs:
        assert proof == proof_of(case.path, proof.path)
    for beam in found.beams:
        folder = Path(beam.directory)
        written = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
        assert written == {proof.path for proof in beam.files}
        for proof in beam.files:
            assert proof == proof_of(folder, proof.path)
    assert len(found.calibration_sha256) == 64
    assert found.profile == "reference/1"


def proof_of(folder: Path, name: str) -> FileProof:
    data = (folder / name).read_bytes()
    return FileProof(name, len(data), hashlib.sha256(data).hexdigest())


def test_the_same_case_gives_the_same_bytes(tmp_path: Path) -> None:
    case = write_case(SMALL, tmp_path / "root")
    one, two = interpreted(case, tmp_path / "one"), interpreted(case, tmp_path / "two")
    assert [beam.files for beam in one.beams] == [beam.files for beam in two.beams]
    again = interpreted(case, tmp_path / "one")
    assert again == one


def test_command_and_environment_are_ready_to_run(tmp_path: Path) -> None:
    case = write_case(SMALL, tmp_path / "root")
    beam = interpreted(case, tmp_path / "input").beams[0]
    assert beam.command == (sys.executable, "-m", "actors.demo.engine", "in/input.txt")
    assert (Path(dict(beam.environment)["PYTHONPATH"]) / "actors" / "demo" / "engine").is_dir()
    assert beam.grid == REFERENCE.grid
    assert beam.dose_scale == 1.0
    assert beam.expected == ("*_Dose.raw",)


@pytest.mark.promise("P3")
@pytest.mark.parametrize("share", [1.0, 0.4])
def test_a_resumed_delivery_is_merged_by_layer(tmp_path: Path, share: float) -> None:
    stopped = replace(SMALL, layers=4, interruption=Interruption(beam=0, layer=2, share=share))
    case = write_case(stopped, tmp_path / "root")
    whole = write_case(replace(stopped, interruption=None), tmp_path / "whole")
    assert len(case.deliveries) == len(whole.deliveries) + 1
    found, expected = interpreted(case, tmp_path / "one"), interpreted(whole, tmp_path / "two")
    for beam, other in zip(found.beams, expected.beams, strict=True):
        assert (beam.counts, beam.delivered_mu) == (other.counts, other.delivered_mu)
        assert [proof for proof in beam.files if "log/" in proof.path] == [
            proof for proof in other.files if "log/" in proof.path
        ]


@pytest.mark.promise("P3")
@pytest.mark.parametrize("share", [1.0, 0.4])
def test_a_clock_that_went_back_an_hour_does_not_turn_a_resumed_delivery_around(tmp_path: Path, share: float) -> None:
    recipe = replace(SMALL, beams=1, layers=4, interruption=Interruption(beam=0, layer=2, share=share))
    request = request_of(write_case(recipe, tmp_path / "root"), tmp_path / "input")
    first, second = request.source.deliveries
    back = replace(second, irradiated=second.irradiated - timedelta(hours=1))
    turned = interpret_case(replace(request, source=replace(request.source, deliveries=(first, back))))
    again = interpret_case(replace(request, target=str(tmp_path / "again")))
    assert [beam.files for beam in turned.beams] == [beam.files for beam in again.beams]


@pytest.mark.promise("P2")
def test_half_of_a_resumed_delivery_is_not_a_beam(tmp_path: Path) -> None:
    stopped = replace(SMALL, layers=4, interruption=Interruption(beam=0, layer=2, share=0.4))
    request = request_of(write_case(stopped, tmp_path / "root"), tmp_path / "input")
    second = next(n for n, one in enumerate(request.source.deliveries) if one.start_layer == 2)
    fault = fault_of(without(request, second))
    assert (fault.kind, fault.what) == ("layer-missing", "Beam 3: layers 3 to 4 are missing.")
    fault = fault_of(without(request, 0))
    assert (fault.kind, fault.what) == ("layer-missing", "Beam 3: layer 1 is missing.")


NAMED = {
    CaseFault.MISSING_LAYER: ("file-missing", "beam 3, layer 2"),
    CaseFault.MISSING_MGN: ("file-missing", "beam 3, layer 2"),
    CaseFault.EXTRA_LAYER: ("layer-extra", "Beam 3"),
    CaseFault.DOUBLED_LAYER: ("layer-doubled", "layer 2"),
    CaseFault.TRUNCATED_PTN: ("layer-truncated", "beam 3, layer 2"),
    CaseFault.SHORT_PTN: ("layer-truncated", "Beam 3: layer 2"),
    CaseFault.EMPTY_PTN: ("layer-truncated", "beam 3, layer 2"),
    CaseFault.TRUNCATED_MGN: ("scan-truncated", "beam 3, layer 2"),
    CaseFault.SHORT_MGN: ("scan-mismatch", "beam 3, layer 2"),
    CaseFault.NO_PLANINFO: ("file-missing", "PlanInfo.txt"),
    CaseFault.BAD_PLANINFO: ("plan-info-invalid", "DICOM_BEAM_NUMBER"),
    CaseFault.NO_PLANRANGE: ("file-missing", "PlanRange.txt"),
    CaseFault.BAD_PLANRANGE: ("plan-range-invalid", "PlanRange.txt"),
    CaseFault.MISSING_BEAM: ("beam-missing", "Beam 5"),
    CaseFault.TRUNCATED_PLAN: ("plan-damaged", "plan"),
    CaseFault.WRONG_PATIENT: ("plan-mismatch", "another patient"),
    CaseFault.WRONG_STUDY: ("plan-mismatch", "another study"),
    CaseFault.POSITIONS_OFF_PLAN: ("plan-mismatch", "beam 3, layer 1 lies 2.00 mm"),
}
UNKNOWN = {
    CaseFault.UNKNOWN_MACHINE: ("gantry-unknown", "G7"),
    CaseFault.UNKNOWN_RANGE_CODE: ("range-code-unknown", "Beam 3, layer 2"),
    CaseFault.WRONG_ENERGY: ("energy-mismatch", "Beam 3, layer 2"),
    CaseFault.SCAN_MODE: ("scan-mode-unknown", "beam 3"),
}
REFUSED = {
    CaseFault.RANGE_SHIFTER: ("range-shifter-refused", "RS40"),
    CaseFault.MOVING_RANGE_SHIFTER: ("range-shifter-refused", "RS40"),
    CaseFault.COMPENSATOR: ("compensator-refused", "Beam 3"),
    CaseFault.BLOCK: ("block-refused", "Beam 3"),
    CaseFault.MLC: ("mlc-refused", "MLCX"),
    CaseFault.PATIENT_POSITION: ("patient-position-refused", "FFP"),
    CaseFault.HIGH_ENERGY: ("energy-refused", "247.00 MeV"),
}
TURNED = {
    CaseFault.SWAPPED_AXES: ("axes-wrong", "x and y swapped"),
    CaseFault.MIRRORED: ("axes-wrong", "mirrored in x"),
}


def stopped(tmp_path: Path, fault: CaseFault) -> tuple[str, str]:
    found = fault_of(request_of(write_case(replace(SMALL, fault=fault), tmp_path / "root"), tmp_path / "input"))
    assert found.blame is Blame.INPUT
    assert found.where
    assert found.remedy
    return found.kind, found.what


@pytest.mark.promise("P2")
@pytest.mark.parametrize("fault", NAMED)
def test_wrong_files_stop_the_case_and_are_named(tmp_path: Path, fault: CaseFault) -> None:
    kind, what = stopped(tmp_path, fault)
    assert kind == NAMED[fault][0]
    assert NAMED[fault][1] in what


@pytest.mark.promise("P6")
@pytest.mark.parametrize("fault", UNKNOWN)
def test_the_unknown_is_an_error(tmp_path: Path, fault: CaseFault) -> None:
    kind, what = stopped(tmp_path, fault)
    assert kind == UNKNOWN[fault][0]
    assert UNKNOWN[fault][1] in what


@pytest.mark.promise("P39")
@pytest.mark.parametrize("fault", REFUSED)
def test_what_the_engine_would_get_wrong_is_refused(tmp_path: Path, fault: CaseFault) -> None:
    kind, what = stopped(tmp_path, fault)
    assert kind == REFUSED[fault][0]
    assert REFUSED[fault][1] in what


@pytest.mark.promise("P40")
@pytest.mark.parametrize("fault", TURNED)
@pytest.mark.parametrize("pattern", ["raster", "L"])
def test_wrong_axes_stop_the_case(tmp_path: Path, fault: CaseFault, pattern: str) -> None:
    case = write_case(replace(SMALL, fault=fault, pattern=pattern), tmp_path / "root")  # type: ignore[arg-type]
    found = fault_of(request_of(case, tmp_path / "input"))
    assert found.kind == TURNED[fault][0]
    assert TURNED[fault][1] in found.what


@pytest.mark.promise("P40")
def test_a_gantry_s_own_calibration_decides_the_scale(tmp_path: Path) -> None:
    case = write_case(SMALL, tmp_path / "root")
    request = request_of(case, tmp_path / "input")
    wrong = tmp_path / "g2.txt"
    text = Path(request.calibrations[1][1]).read_text()
    wrong.write_text(text.replace("XPOSGAIN        0.0072600", "XPOSGAIN        0.0075000"))
    assert wrong.read_text() != text
    found = fault_of(replace(request, calibrations=(("G2", str(wrong)),)))
    assert (found.kind, "1.03" in found.what) == ("axes-scale", True)


def test_a_shifted_layer_goes_to_the_engine_as_delivered_and_is_suspect(tmp_path: Path) -> None:
    plain = write_case(SMALL, tmp_path / "plain")
    case = write_case(replace(SMALL, layer_shift=LayerShift(0, 2, 5.0)), tmp_path / "root")
    one, two = interpreted(plain, tmp_path / "one"), interpreted(case, tmp_path / "two")
    assert any("layer 2" in sentence and "positions" in sentence for sentence in two.suspect)
    means = [read_beam_logs(Path(found.beams[0].directory) / "log", 0)[1].x_mm.mean() for found in (one, two)]
    assert means[1] - means[0] == pytest.approx(5.0, abs=0.02)


@pytest.mark.parametrize(
    ("fault", "review", "suspect"),
    [
        (CaseFault.UNAPPROVED, "UNAPPROVED", ""),
        (CaseFault.QA_PLAN, "VERIFICATION", ""),
        (CaseFault.HIGH_OFF_COUNTS, "Beam 3: 0.30% of the counts came with the beam off", ""),
        (CaseFault.SUSPECT_OFF_COUNTS, "", "Beam 3: 0.80% of the counts came with the beam off"),
        (CaseFault.WRONG_MU, "", "Beam 3: MU off plan: layer 1 by +7.9%"),
        (CaseFault.BOLUS, "", "Beam 3 has a bolus"),
    ],
)
@pytest.mark.promise("P4")
def test_what_a_physicist_must_read_is_said(tmp_path: Path, fault: CaseFault, review: str, suspect: str) -> None:
    found = interpreted(write_case(replace(SMALL, fault=fault), tmp_path / "root"), tmp_path / "input")
    assert review in " ".join(found.review)
    assert suspect in " ".join(found.suspect)
    assert bool(found.suspect) is bool(suspect)


def test_a_partial_case_is_computed_as_far_as_it_went(tmp_path: Path) -> None:
    case = write_case(replace(SMALL, layers=4, layers_left=2), tmp_path / "root")
    assert fault_of(request_of(case, tmp_path / "input")).kind == "layer-missing"
    found = interpreted(case, tmp_path / "input", partial=True)
    assert found.partial
    assert [len(beam.layers) for beam in found.beams] == [4, 2]
    assert found.beams[1].delivered_mu < 0.9 * found.beams[1].planned_mu
    assert found.suspect == ()
    assert found.review[0].startswith("PARTIAL")
    assert [amount.layers_left for amount in found.amounts] == [(), (3, 4)]
    for amount, beam in zip(found.amounts, found.beams, strict=True):
        assert (amount.planned_mu, amount.delivered_mu) == (beam.planned_mu, beam.delivered_mu)


def test_a_partial_case_may_stop_in_a_layer_and_lack_beams(tmp_path: Path) -> None:
    recipe = replace(SMALL, layers=4, interruption=Interruption(beam=0, layer=3, share=0.5))
    case = write_case(recipe, tmp_path / "root")
    request = request_of(case, tmp_path / "input", partial=True)
    first = replace(request, source=replace(request.source, deliveries=request.source.deliveries[:1]))
    found = interpret_case(first)
    (beam,) = found.beams
    assert [layer.layer for layer in beam.layers] == [1, 2, 3]
    assert beam.layers[2].delivered_mu == pytest.approx(0.5 * beam.layers[2].planned_mu, rel=0.1)
    assert beam.layers[2].max_mm < 1.0
    assert found.suspect == ()
    stopped, untouched = found.amounts
    assert stopped.layers_left == (3, 4)
    assert (untouched.number, untouched.delivered_mu, untouched.layers_left) == (5, 0.0, (1, 2, 3, 4))
    assert untouched.planned_mu > 1.0


@pytest.mark.promise("P3")
@pytest.mark.parametrize("pattern", ["raster", "L"])
def test_a_rest_without_its_beginning_is_computed_as_partial(tmp_path: Path, pattern: str) -> None:
    recipe = replace(SMALL, beams=1, layers=5, pattern=pattern, interruption=Interruption(beam=0, layer=3, share=0.4))  # type: ignore[arg-type]
    request = request_of(write_case(recipe, tmp_path / "root"), tmp_path / "input", partial=True)
    found = interpret_case(without(request, 0))
    (beam,), (amount,) = found.beams, found.amounts
    assert [layer.layer for layer in beam.layers] == [3, 4, 5]
    assert amount.layers_left == (1, 2, 3)
    assert beam.layers[0].delivered_mu == pytest.approx(0.6 * beam.layers[0].planned_mu, rel=0.1)
    assert max(layer.max_mm for layer in beam.layers) < 1.0
    assert found.suspect == ()


def test_a_qa_plan_is_a_qa_session(tmp_path: Path) -> None:
    for fault, intent, treatment in ((None, "CURATIVE", True), (CaseFault.QA_PLAN, "VERIFICATION", False)):
        case = write_case(replace(SMALL, beams=1, layers=1, fault=fault), tmp_path / f"{intent}")
        found = interpreted(case, tmp_path / "input")
        assert (found.intent, found.treatment) == (intent, treatment)
        assert found.amounts[0].layers_left == ()


def test_nothing_but_the_log_s_own_delivery_is_taken(tmp_path: Path) -> None:
    case = write_case(SMALL, tmp_path / "root")
    request = request_of(case, tmp_path / "input")
    none = replace(request, source=replace(request.source, deliveries=()))
    assert fault_of(none).kind == "beam-missing"
    moved = replace(request.source.deliveries[0], beam_number=5)
    changed = replace(request, source=replace(request.source, deliveries=(moved, *request.source.deliveries[1:])))
    assert fault_of(changed).kind == "delivery-changed"
    assert fault_of(replace(request, source=replace(request.source, plan_uid="1.2.3"))).kind == "plan-changed"


@pytest.mark.promise("P6")
def test_the_calibration_must_be_of_that_time(tmp_path: Path) -> None:
    case = write_case(SMALL, tmp_path / "root")
    request = request_of(case, tmp_path / "input")
    old, new = tmp_path / "old.txt", tmp_path / "new.txt"
    text = Path(request.calibrations[1][1]).read_text()
    old.write_text(text + "\nVALID_TO 2026-01-01\n")
    new.write_text(text.replace("2020-01-01", "2026-01-02"))
    assert fault_of(replace(request, calibrations=(("G1", request.calibrations[0][1]),))).kind == "calibration-missing"
    assert fault_of(replace(request, calibrations=(("G2", str(old)),))).kind == "calibration-expired"
    found = interpret_case(replace(request, calibrations=(("G2", str(old)), ("GTR2", str(new)))))
    assert found.calibration_sha256 == hashlib.sha256(new.read_bytes()).hexdigest()


def test_a_refused_disk_is_our_fault_and_leaves_nothing(tmp_path: Path) -> None:
    case = write_case(SMALL, tmp_path / "root")
    (tmp_path / "file").write_text("in the way")
    found = fault_of(request_of(case, tmp_path / "file" / "input"))
    assert (found.kind, found.blame) == ("disk", Blame.OURS)


def test_leftovers_of_a_killed_interpretation_are_replaced(tmp_path: Path) -> None:
    case = write_case(SMALL, tmp_path / "root")
    for leftover in (".input.partial/3/log", ".input.old/3", "input/99"):
        (tmp_path / leftover).mkdir(parents=True)
        (tmp_path / leftover / "junk").write_text("x")
    interpreted(case, tmp_path / "input")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["input", "root"]
    assert sorted(path.name for path in (tmp_path / "input").iterdir()) == ["3", "5"]


@pytest.mark.promise("P14")
def test_a_link_in_place_of_a_layer_is_not_followed(tmp_path: Path) -> None:
    case = write_case(SMALL, tmp_path / "root")
    layer = next(path for path in case.files if path.suffix == ".ptn")
    layer.rename(tmp_path / "elsewhere.ptn")
    layer.symlink_to(tmp_path / "elsewhere.ptn")
    assert fault_of(request_of(case, tmp_path / "input")).kind == "file-unreadable"
