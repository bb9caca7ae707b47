"""Both dialects, and every way a plan may state its meterset, describe one and the same delivered fraction."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from case_requests import CONF, REFERENCE, fault_of, interpreted, request_of

from actors.demo.engine.plan import beam_numbered, beam_spots, read_plan
from actors.demo.factory import WrittenCase, write_case
from actors.demo.recipe import CaseFault, CaseRecipe
from actors.formats.plan_reader import parse_plan
from actors.formats.profile import load_profile
from messages.engine import EngineProfile, InputLine
from messages.faults import Blame
from messages.interpretation import BeamInput

SMALL = CaseRecipe(beams=1, layers=2, spots=12)
MOQUI = load_profile("moqui", CONF / "engines")


def in_phantom(profile: EngineProfile, machine: Path) -> EngineProfile:
    """The public dialect, scoring in the reference engine's phantom, so that both dialects can be compared."""
    phantom = tuple(line for line in REFERENCE.input if "Phantom" in line.key)
    lines = tuple(
        InputLine(key="Machine", value=f"PBS:{machine}") if line.key == "Machine" else line for line in profile.input
    )
    return profile.model_copy(
        update={
            "geometry": "phantom",
            "grid": REFERENCE.grid,
            "input": (*lines, *phantom),
            "command": REFERENCE.command,
            "environment": REFERENCE.environment,
        }
    )


def dose_of(beam: BeamInput, run: Path) -> np.ndarray:
    """The dose of the beam's run in gray, (nz, ny, nx)."""
    (run / "out").mkdir(parents=True)
    Path(beam.directory).rename(run / "in")
    subprocess.run(
        beam.command, cwd=run, env={**os.environ, **dict(beam.environment)}, check=True, capture_output=True, timeout=60
    )
    (file,) = (run / "out").glob(beam.expected[0])
    return np.fromfile(file).reshape(beam.grid.size[::-1]) * beam.dose_scale


def log_plan(case: WrittenCase, target: Path, machine: Path) -> tuple[BeamInput, pydicom.Dataset]:
    (beam,) = interpreted(case, target, in_phantom(MOQUI, machine)).beams
    return beam, read_plan(Path(beam.directory) / "dicom")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    path = tmp_path / "model.txt"
    path.write_text("beam model")
    return path


@pytest.mark.promise("P41")
@pytest.mark.parametrize("mode", ["line", "spot"])
def test_the_log_plan_holds_the_delivered_meterset(tmp_path: Path, machine: Path, mode: str) -> None:
    case = write_case(replace(SMALL, scan_mode=mode, final_weight="one"), tmp_path / "root")  # type: ignore[arg-type]
    beam, dataset = log_plan(case, tmp_path / "input", machine)
    item = dataset.IonBeamSequence[0]
    total = float(item.FinalCumulativeMetersetWeight)
    assert total == float(dataset.FractionGroupSequence[0].ReferencedBeamSequence[0].BeamMeterset)
    assert total == pytest.approx(beam.delivered_mu, rel=1e-6)
    spots = beam_spots(dataset, 1)
    assert sum(layer.weights.sum() for layer in spots) == pytest.approx(beam.delivered_mu, rel=1e-6)
    for layer, wrote in zip(spots, case.beams[0].layers, strict=True):
        assert layer.energy_mev == wrote.energy_mev
        centroid = [np.average(axis, weights=layer.weights) for axis in (layer.x_mm, layer.y_mm)]
        assert centroid == pytest.approx(wrote.centroid_mm, abs=2e-3)
    assert float(item.IonControlPointSequence[-1].CumulativeMetersetWeight) == total
    assert beam_numbered(dataset, 1).isocentre_mm == SMALL.isocentre_mm
    assert item.ScanMode == "MODULATED"


@pytest.mark.promise("P41")
def test_our_own_reader_finds_the_delivered_layers_in_the_log_plan(tmp_path: Path, machine: Path) -> None:
    case = write_case(SMALL, tmp_path / "root")
    beam, _ = log_plan(case, tmp_path / "input", machine)
    (path,) = (Path(beam.directory) / "dicom").iterdir()
    (read,) = parse_plan(path.read_bytes(), str(path)).treatment_beams
    assert [layer.mu for layer in read.layers] == pytest.approx([layer.delivered_mu for layer in beam.layers], rel=1e-6)
    assert all(layer.spots_mu.min() > 0 for layer in read.layers)


def test_what_the_plan_leaves_to_inheritance_every_control_point_of_the_log_plan_says(
    tmp_path: Path, machine: Path
) -> None:
    case = write_case(replace(SMALL, layers=3, spot_tags="standard"), tmp_path / "root")
    plan = pydicom.dcmread(case.plan_path)
    points = plan.IonBeamSequence[1].IonControlPointSequence
    for point in points[1:]:
        del point.ScanningSpotSize, point.ScanSpotTuneID, point.NumberOfPaintings
    points[2].ScanningSpotSize = [8.0, 8.5]
    plan.save_as(case.plan_path)
    _, dataset = log_plan(case, tmp_path / "input", machine)
    written = dataset.IonBeamSequence[0].IonControlPointSequence
    sizes = [list(point.ScanningSpotSize) for point in written]
    assert sizes == [list(points[0].ScanningSpotSize)] * 2 + [[8.0, 8.5]] * 4
    assert {str(point.ScanSpotTuneID) for point in written} == {"4.0"}
    assert {float(point.GantryAngle) for point in written} == {float(points[0].GantryAngle)}
    assert {float(point.SnoutPosition) for point in written} == {float(points[0].SnoutPosition)}


@pytest.mark.promise("P41")
def test_no_choice_of_weights_or_fractions_changes_the_run(tmp_path: Path, machine: Path) -> None:
    doses = []
    for number, (final, fractions) in enumerate((("meterset", 1), ("one", 33), ("hundred", 25))):
        recipe = replace(SMALL, final_weight=final, planned_fractions=fractions)  # type: ignore[arg-type]
        case = write_case(recipe, tmp_path / f"root{number}")
        for profile in (REFERENCE, in_phantom(MOQUI, machine)):
            (beam,) = interpreted(case, tmp_path / f"{number}{profile.name}", profile).beams
            doses.append(dose_of(beam, tmp_path / f"run{number}{profile.name}"))
    first = doses[0]
    assert first.max() > 0
    for dose in doses[::2]:
        # The factory's rows follow from the weights as float32: another choice moves a count here and there.
        assert np.abs(dose - first).max() < 1e-3 * first.max()
    for dose in doses[1::2]:
        assert dose.sum() == pytest.approx(first.sum(), rel=0.005)
        assert np.abs(dose - first).max() < 0.005 * first.max()


@pytest.mark.promise("P41")
def test_a_shortened_run_gives_the_same_dose(tmp_path: Path) -> None:
    case = write_case(SMALL, tmp_path / "root")
    short = REFERENCE.model_copy(update={"shorten": 1000})
    (whole,), (tenth,) = (
        interpreted(case, tmp_path / f"k{profile.shorten}", profile).beams for profile in (REFERENCE, short)
    )
    assert tenth.counts == pytest.approx(whole.counts / 1000, abs=2)
    assert tenth.dose_scale == 1000.0
    one, two = dose_of(whole, tmp_path / "run1"), dose_of(tenth, tmp_path / "run2")
    assert np.abs(two - one).max() < 1e-3 * one.max()


def test_a_control_point_never_holds_more_than_fits(
    tmp_path: Path, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = write_case(SMALL, tmp_path / "root")
    monkeypatch.setattr("actors.interpreter.log_plan.MAX_SPOTS", 50)
    beam, dataset = log_plan(case, tmp_path / "input", machine)
    points = dataset.IonBeamSequence[0].IonControlPointSequence
    assert len(points) > 4
    assert max(int(point.NumberOfScanSpotPositions) for point in points) == 50
    total = sum(sum(point.ScanSpotMetersetWeights) for point in points)
    assert total == pytest.approx(beam.delivered_mu, rel=1e-6)


def test_losing_histories_to_truncation_is_refused(tmp_path: Path, machine: Path) -> None:
    case = write_case(SMALL, tmp_path / "root")
    coarse = in_phantom(MOQUI, machine).model_copy(update={"histories_per_mu": 1000.0})
    found = fault_of(request_of(case, tmp_path / "input", coarse))
    assert (found.kind, found.blame) == ("truncation-loss", Blame.OURS)


class TestCt:
    def test_the_ct_goes_with_every_beam_and_gives_the_grid(self, tmp_path: Path) -> None:
        case = write_case(CaseRecipe(beams=2, layers=1, spots=6, ct=True), tmp_path / "root")
        found = interpreted(case, tmp_path / "input", MOQUI)
        slices = sorted(case.path.glob("CT*.dcm"))
        for beam in found.beams:
            folder = Path(beam.directory) / "dicom"
            assert len(list(folder.glob("CT*.dcm"))) == len(slices) == 100
            assert len(list(folder.glob("RP*.dcm"))) == 1
            assert beam.grid.size == (100, 100, 100)
            assert beam.grid.origin_mm == pytest.approx((-148.5, -148.5, -148.5))
            assert {proof.path for proof in beam.files} == {
                str(path.relative_to(beam.directory)) for path in Path(beam.directory).rglob("*") if path.is_file()
            }
        one, two = (Path(beam.directory) / "dicom" / "CT.0007.dcm" for beam in found.beams)
        assert one.samefile(two)
        assert found.suspect == ()

    @pytest.mark.promise("P39")
    @pytest.mark.parametrize(("fault", "kind"), [(CaseFault.CT_TILTED, "ct-orientation"), (CaseFault.CT_GAP, "ct-gap")])
    def test_a_ct_that_the_engine_misreads_is_refused(self, tmp_path: Path, fault: CaseFault, kind: str) -> None:
        case = write_case(CaseRecipe(beams=1, layers=1, spots=6, fault=fault), tmp_path / "root")
        assert fault_of(request_of(case, tmp_path / "input", MOQUI)).kind == kind

    @pytest.mark.parametrize("profile", [MOQUI, REFERENCE], ids=["ct", "phantom"])
    def test_an_overridden_density_is_suspect_whatever_is_scored_in(
        self, tmp_path: Path, profile: EngineProfile
    ) -> None:
        recipe = CaseRecipe(beams=1, layers=1, spots=6, fault=CaseFault.DENSITY_OVERRIDE)
        found = interpreted(write_case(recipe, tmp_path / "root"), tmp_path / "input", profile)
        assert "density of Metal" in found.suspect[0]
        read = {Path(proof.path).name for proof in found.inputs if proof.path.endswith(".dcm")}
        assert "RS.structures.dcm" in read
        assert any(name.startswith("CT") for name in read) is (profile.geometry == "ct")

    def test_a_large_dose_beside_the_plan_is_not_even_read(self, tmp_path: Path) -> None:
        case = write_case(CaseRecipe(beams=1, layers=1, spots=6, ct=True), tmp_path / "root")
        rt_dose = b"\x02\x00\x02\x00UI\x1e\x001.2.840.10008.5.1.4.1.1.481.2\0"
        (case.path / "RD.dcm").write_bytes(b"\0" * 128 + b"DICM" + rt_dose)
        os.truncate(case.path / "RD.dcm", 100 * 2**20)
        found = interpreted(case, tmp_path / "input", MOQUI)
        assert "RD.dcm" not in {proof.path for proof in found.inputs}

    def test_a_case_without_ct_says_so(self, tmp_path: Path) -> None:
        case = write_case(CaseRecipe(beams=1, layers=1, spots=6), tmp_path / "root")
        assert fault_of(request_of(case, tmp_path / "input", MOQUI)).kind == "ct-missing"
