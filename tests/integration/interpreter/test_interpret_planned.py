"""The planned spots as the engine's input: what its own reader finds is the plan, in both dialects."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from case_requests import CONF, REFERENCE, fault_of, interpreted, request_of

from actors.demo.engine.log_files import read_beam_logs
from actors.demo.engine.plan import beam_spots, read_plan
from actors.demo.factory import WrittenCase, write_case
from actors.demo.recipe import CaseFault, CaseRecipe
from actors.formats.plan import PlanBeam
from actors.formats.plan_files import plan_content
from actors.formats.plan_reader import parse_plan
from actors.formats.profile import load_profile
from actors.interpreter import interpret_case, pack_case, take_answer
from actors.interpreter.__main__ import main
from messages.engine import EngineProfile
from messages.files import FileProof
from messages.interpretation import InterpretCase, PackCase, PackedCase, TakeAnswer

SMALL = CaseRecipe(beams=2, layers=3, spots=12)
MOQUI = load_profile("moqui", CONF / "engines").model_copy(update={"geometry": "phantom", "grid": REFERENCE.grid})


def planned_request(case: WrittenCase, target: Path, profile: EngineProfile = REFERENCE) -> InterpretCase:
    """As the delivery's case wants it."""
    request = request_of(case, target, profile)
    content = plan_content(interpreted(case, target.with_name("delivery"), profile).inputs)
    source = replace(
        request.source,
        case="plan-0123456789ab",
        deliveries=(),
        content=content,
        planned_at=request.source.deliveries[0].irradiated,
    )
    return replace(request, source=source)


def plan_beams(case: WrittenCase) -> tuple[PlanBeam, ...]:
    return parse_plan(case.plan_path.read_bytes(), str(case.plan_path)).treatment_beams


@pytest.mark.promise("P41")
@pytest.mark.parametrize("mode", ["line", "spot"])
@pytest.mark.parametrize("final", ["one", "meterset"])
def test_the_plan_that_the_engine_gets_is_the_planned_one(tmp_path: Path, mode: str, final: str) -> None:
    case = write_case(replace(SMALL, scan_mode=mode, final_weight=final), tmp_path / "root")  # type: ignore[arg-type]
    found = interpret_case(planned_request(case, tmp_path / "input", MOQUI))
    assert found.planned
    assert not found.partial
    assert [beam.number for beam in found.beams] == [beam.number for beam in case.beams]
    for beam, plan in zip(found.beams, plan_beams(case), strict=True):
        dataset = read_plan(Path(beam.directory) / "dicom")
        item = dataset.IonBeamSequence[0]
        total = float(item.FinalCumulativeMetersetWeight)
        assert total == float(dataset.FractionGroupSequence[0].ReferencedBeamSequence[0].BeamMeterset)
        assert total == pytest.approx(plan.meterset_mu, rel=1e-6)
        assert (beam.planned_mu, beam.delivered_mu) == (plan.meterset_mu, pytest.approx(plan.meterset_mu, rel=1e-6))
        spots = beam_spots(dataset, 1)
        assert sum(layer.weights.sum() for layer in spots) == pytest.approx(plan.meterset_mu, rel=1e-6)
        for layer, wanted in zip(spots, plan.layers, strict=True):
            assert layer.energy_mev == wanted.energy_mev
            assert layer.weights.sum() == pytest.approx(wanted.mu, rel=1e-6)
        assert (beam.fit.best, beam.layers[0].missing) == ("identity", 0)
        assert max(layer.max_mm for layer in beam.layers) < 1e-6


@pytest.mark.promise("P7")
def test_the_log_driven_dialect_gets_counts_of_the_planned_spots(tmp_path: Path) -> None:
    case = write_case(SMALL, tmp_path / "root")
    found = interpret_case(planned_request(case, tmp_path / "input"))
    for beam, plan in zip(found.beams, plan_beams(case), strict=True):
        logs = read_beam_logs(Path(beam.directory) / "log", 0)
        assert [log.energy_mev for log in logs] == [layer.energy_mev for layer in plan.layers]
        assert sum(int(log.counts.sum()) for log in logs) == beam.counts
        assert beam.counts == pytest.approx(plan.meterset_mu / 2.12e-8, rel=1e-6)
        for log, layer in zip(logs, plan.layers, strict=True):
            middles = np.vstack((layer.positions_mm[:1], (layer.positions_mm[1:] + layer.positions_mm[:-1]) / 2))
            wanted = np.average(middles, axis=0, weights=layer.spots_mu)
            centroid = [np.average(axis, weights=log.counts) for axis in (log.x_mm, log.y_mm)]
            assert centroid == pytest.approx(wanted, abs=1e-3)


def test_its_seeds_are_its_own_and_nothing_of_the_delivery_is_read(tmp_path: Path) -> None:
    case = write_case(SMALL, tmp_path / "root")
    request = planned_request(case, tmp_path / "input")
    delivered = interpreted(case, tmp_path / "other")
    for folder in (path for path in case.path.iterdir() if path.is_dir()):
        for file in folder.iterdir():
            file.unlink()
    found = interpret_case(request)
    assert {beam.seed for beam in found.beams}.isdisjoint(beam.seed for beam in delivered.beams)
    assert [proof.path for proof in found.inputs] == [case.plan_path.name]
    assert (found.review, found.suspect) == ((), ())


@pytest.mark.parametrize("change", ["plan", "another"])
def test_a_plan_that_changed_since_is_no_run_of_that_name(tmp_path: Path, change: str) -> None:
    case = write_case(SMALL, tmp_path / "root")
    request = planned_request(case, tmp_path / "input")
    if change == "plan":
        case.plan_path.write_bytes(case.plan_path.read_bytes() + b"\0\0")
    else:
        request = replace(request, source=replace(request.source, content="0" * 64))
    assert fault_of(request).kind == "plan-changed"


@pytest.mark.promise("P39")
def test_what_is_refused_of_a_delivery_is_refused_of_its_plan(tmp_path: Path) -> None:
    case = write_case(SMALL, tmp_path / "root")
    request = planned_request(case, tmp_path / "input")
    blocked = write_case(replace(SMALL, fault=CaseFault.BLOCK), tmp_path / "blocked")
    digest = hashlib.sha256(blocked.plan_path.read_bytes()).hexdigest()
    source = replace(
        request.source,
        path=str(blocked.path),
        plan_path=str(blocked.plan_path),
        plan_uid=blocked.plan_uid,
        content=plan_content([FileProof("RP.dcm", 0, digest)]),
    )
    assert "block" in fault_of(replace(request, source=source)).what.casefold()


def test_a_host_writes_the_same_planned_spots(tmp_path: Path) -> None:
    case = write_case(SMALL, tmp_path / "root")
    request = planned_request(case, tmp_path / "input")
    here = interpret_case(request)
    bundle = pack_case(PackCase(request, str(tmp_path / "bundle")))
    assert isinstance(bundle, PackedCase)
    assert [proof.path for proof in bundle.files if proof.path.endswith(".ptn")] == []
    run = tmp_path / "host" / "run"
    shutil.copytree(bundle.directory, run / "in")
    main(run / "in" / bundle.request, run / "out")
    asked = next(proof.sha256 for proof in bundle.files if proof.path == bundle.request)
    assert take_answer(TakeAnswer("gpu1", str(run), request.target, bundle.directory, asked)) == here
