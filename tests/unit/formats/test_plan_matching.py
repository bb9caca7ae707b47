"""A delivery belongs to exactly one plan, by what it says and by what was scanned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from plan_maker import plan_of

from actors.demo.factory import make_case
from actors.demo.recipe import CaseFault, CaseRecipe, Interruption
from actors.errors import CaseError
from actors.formats.calibration import Calibration, parse_calibration
from actors.formats.matching import DeliveryFacts, match_plan, mismatch, scan_rms
from actors.formats.mgn import MagnetScan, parse_mgn
from actors.formats.plan import Plan
from actors.formats.plan_info import parse_plan_info
from actors.formats.plan_range import PlanRange, parse_plan_range
from actors.formats.plan_reader import parse_plan

CONF = Path(__file__).resolve().parents[3] / "conf" / "calibrations"
CALIBRATIONS: dict[str, Calibration] = {
    gantry: parse_calibration(gantry, (CONF / f"{gantry.lower()}.txt").read_bytes(), gantry) for gantry in ("G1", "G2")
}
WITH_AND_WITHOUT = [CALIBRATIONS, None]


def facts_of(recipe: CaseRecipe, number: int = 0) -> tuple[DeliveryFacts, list[Plan]]:
    """What a delivery of a synthetic case says, and the plans that lie beside it."""
    made = make_case(recipe, Path("/share"))
    files = {step.path: step.content for step in made.steps}
    folder = made.case.deliveries[number].path
    ranges = parse_plan_range(files[folder / "PlanRange.txt"], "PlanRange.txt")
    scans = {row.layer: parse_mgn(files[folder / row.mgn], "beam", row.mgn) for row in ranges.rows}
    info = parse_plan_info(files[folder / "PlanInfo.txt"], "PlanInfo.txt")
    plans = [parse_plan(content, path.name) for path, content in files.items() if path.suffix == ".dcm"]
    return DeliveryFacts(str(folder), info, ranges, scans), plans


@pytest.mark.promise("P13")
@pytest.mark.parametrize("calibrations", WITH_AND_WITHOUT)
@pytest.mark.parametrize("machine", ["G1", "GTR2"])
def test_a_replan_of_the_same_study_is_another_plan(calibrations: dict[str, Calibration] | None, machine: str) -> None:
    recipe = CaseRecipe(layers=3, spots=12, replan=True, machine=machine)
    facts, plans = facts_of(recipe)
    assert len(plans) == 2
    assert match_plan(facts, plans, calibrations).sop_instance_uid == plans[0].sop_instance_uid
    assert "mm (RMS) beside this plan" in mismatch(facts, plans[1], calibrations)


@pytest.mark.parametrize("calibrations", WITH_AND_WITHOUT)
def test_several_plans_are_an_error_that_names_them(calibrations: dict[str, Calibration] | None) -> None:
    facts, plans = facts_of(CaseRecipe(layers=3, spots=12, fault=CaseFault.TWO_PLANS))
    with pytest.raises(CaseError) as caught:
        match_plan(facts, plans, calibrations)
    assert caught.value.fault.kind == "plan-ambiguous"
    assert all(plan.sop_instance_uid in caught.value.fault.what for plan in plans)


def test_the_same_plan_twice_is_one_plan() -> None:
    facts, plans = facts_of(CaseRecipe(layers=3, spots=12))
    assert match_plan(facts, plans * 2, CALIBRATIONS).path == plans[0].path


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (CaseFault.WRONG_PATIENT, "another patient"),
        (CaseFault.WRONG_STUDY, "another study"),
        (CaseFault.WRONG_BEAM, "no treatment beam 97"),
        (CaseFault.WRONG_ENERGY, "layer 2 of beam 3"),
        (CaseFault.UNPLANNED_LAYER, "has 3 layers, the delivery layer 4"),
        (CaseFault.UNKNOWN_MACHINE, "'G7' is not a known gantry"),
        (CaseFault.POSITIONS_OFF_PLAN, "layer 1 of beam 3 is scanned 2.00 mm"),
        (CaseFault.SHORT_MGN, "layer 2 of beam 3 has 12 spots"),
    ],
)
def test_none_is_an_error_that_says_why(fault: CaseFault, says: str) -> None:
    facts, plans = facts_of(CaseRecipe(layers=3, spots=12, fault=fault))
    with pytest.raises(CaseError) as caught:
        match_plan(facts, plans, CALIBRATIONS)
    assert caught.value.fault.kind == "plan-missing"
    assert says in caught.value.fault.what
    assert plans[0].patient_id not in caught.value.fault.what


def test_without_any_plan_it_says_so() -> None:
    facts, _ = facts_of(CaseRecipe(layers=2, spots=8))
    with pytest.raises(CaseError, match="there is no RT Ion Plan"):
        match_plan(facts, [])


def test_a_gantry_without_calibration_matches_nothing() -> None:
    facts, plans = facts_of(CaseRecipe(layers=2, spots=8))
    assert mismatch(facts, plans[0], {"G1": CALIBRATIONS["G1"]}) == "there is no calibration of G2"


def test_energies_agree_to_a_hundredth() -> None:
    facts, plans = facts_of(CaseRecipe(layers=2, spots=8))

    def moved(by: float) -> str:
        rows = tuple(replace(row, energy_mev=round(row.energy_mev + by, 4)) for row in facts.range.rows)
        return mismatch(replace(facts, range=PlanRange(rows)), plans[0], CALIBRATIONS)

    assert moved(0.01) == ""
    assert moved(-0.01) == ""
    assert "MeV" in moved(0.011)


@pytest.mark.promise("P13")
@pytest.mark.parametrize(("shift_mm", "fits"), [(0.03, True), (0.07, False)])
def test_positions_agree_to_a_twentieth_of_a_millimetre(shift_mm: float, fits: bool) -> None:
    facts, (plan,) = facts_of(CaseRecipe(layers=2, spots=12))
    scan = facts.scans[2]
    records = scan.records.copy()
    records["x"] += round(shift_mm / CALIBRATIONS["G2"].x_preset_gain_mm)
    moved = replace(facts, scans={**facts.scans, 2: MagnetScan(scan.where, records)})
    assert (mismatch(moved, plan, CALIBRATIONS) == "") is fits


@pytest.mark.parametrize("number", [0, 1])
def test_parts_of_a_resumed_beam_match(number: int) -> None:
    recipe = CaseRecipe(layers=4, spots=12, interruption=Interruption(layer=2, share=0.5))
    facts, plans = facts_of(recipe, number)
    assert match_plan(facts, plans, CALIBRATIONS).sop_instance_uid == plans[0].sop_instance_uid


def test_a_scan_of_a_run_of_spots_matches_only_where_a_delivery_was_cut() -> None:
    facts, plans = facts_of(CaseRecipe(layers=2, spots=12))
    scan, layer = facts.scans[1], plan_of(CaseRecipe(layers=2, spots=12)).treatment_beams[0].layers[0]
    rest = MagnetScan(scan.where, scan.records[4:])
    assert scan_rms(rest, layer, CALIBRATIONS["G2"]) is None
    part = scan_rms(rest, layer, CALIBRATIONS["G2"], part=True)
    assert part is not None
    assert part < 0.01
    assert plans
