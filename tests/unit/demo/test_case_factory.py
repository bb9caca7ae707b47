"""The case factory: what it writes is what a machine writes, read here by a parser of the test's own."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from case_reading import FACTOR, contents, folders, info, mgn, ptn, ranges, spots, the_plan, treatment_beams

from actors.demo.factory import make_case, write_case, write_demo_case
from actors.demo.planned import planned_beams
from actors.demo.recipe import CaseRecipe, Interruption, LayerShift, real_recipe

SMALL = CaseRecipe(beams=2, layers=(3, 2), spots=12)


def test_equal_recipes_give_equal_bytes(tmp_path: Path) -> None:
    assert contents(make_case(SMALL, tmp_path)) == contents(make_case(SMALL, tmp_path / "elsewhere"))


def test_another_seed_is_another_case(tmp_path: Path) -> None:
    one = make_case(SMALL, tmp_path).case
    other = make_case(CaseRecipe(beams=2, layers=(3, 2), spots=12, seed=2), tmp_path).case
    assert one.study_uid != other.study_uid
    assert one.plan_uid != other.plan_uid


def test_another_fraction_is_the_same_plan(tmp_path: Path) -> None:
    one = make_case(SMALL, tmp_path)
    later = CaseRecipe(beams=2, layers=(3, 2), spots=12, irradiated=datetime(2026, 3, 3, 9, 0, tzinfo=UTC))
    two = make_case(later, tmp_path)
    assert one.steps[0] == two.steps[0]
    assert not {step.path for step in one.steps[1:]} & {step.path for step in two.steps[1:]}
    assert one.case.delivered_mu != two.case.delivered_mu


@pytest.mark.parametrize("machine", ["G1", "G2", "GTR1", "GTR2"])
@pytest.mark.parametrize("mode", ["line", "spot"])
def test_counts_are_the_planned_mu(tmp_path: Path, machine: str, mode: str) -> None:
    recipe = CaseRecipe(beams=1, layers=4, spots=12, machine=machine, scan_mode=mode)  # type: ignore[arg-type]
    made = make_case(recipe, tmp_path)
    files = contents(made)
    gantry = f"G{machine[-1]}"
    mu_per_count = {"G1": 2.1125e-8, "G2": 2.12e-8}[gantry]
    (folder,) = folders(files)
    for row, layer in zip(ranges(files, folder), made.case.beams[0].layers, strict=True):
        rows = ptn(files[f"{folder}/{row['SCAN_OUT_FL_NM']}"], gantry)
        factor = FACTOR[int(row["DOSE1_RANGE"])]
        on = sum(round(item.dose1 * factor) for item in rows if item.on)
        off = sum(round(item.dose1 * factor) for item in rows if not item.on)
        assert (on, off) == (layer.on_counts, layer.off_counts)
        assert (on + off) * mu_per_count == pytest.approx(layer.planned_mu, rel=0.005)
        assert 0.0003 < off / (on + off) < 0.0006
        assert {item.layer for item in rows} == {layer.number}
        assert all(item.x_size == item.y_size == 0 for item in rows if not item.on)
        assert all(item.x_size > 0 and item.y_size > 0 for item in rows if item.on)
        assert {item.flags for item in rows if item.on} <= {0x0001, 0x4001, 0x8001, 0xC001}


def test_every_range_code_occurs(tmp_path: Path) -> None:
    files = contents(make_case(CaseRecipe(), tmp_path))
    codes = {row["DOSE1_RANGE"] for folder in folders(files) for row in ranges(files, folder)}
    assert codes == {"2", "3", "4", "5"}


@pytest.mark.parametrize("machine", ["G1", "G2"])
def test_sentinel_rows_lie_far_out(tmp_path: Path, machine: str) -> None:
    files = contents(make_case(CaseRecipe(beams=1, layers=1, spots=12, machine=machine), tmp_path))
    (content,) = [content for name, content in files.items() if name.endswith(".ptn")]
    off = [row for row in ptn(content, machine) if not row.on]
    assert off
    assert all(abs(row.x_mm - 295) < 0.1 and abs(abs(row.y_mm) - 233) < 0.1 for row in off)


@pytest.mark.parametrize("machine", ["G1", "G2"])
@pytest.mark.parametrize("tags", ["private", "standard"])
def test_mgn_holds_the_planned_spots_and_two_more(tmp_path: Path, machine: str, tags: str) -> None:
    recipe = CaseRecipe(beams=2, layers=2, spots=25, machine=machine, spot_tags=tags)  # type: ignore[arg-type]
    files = contents(make_case(recipe, tmp_path))
    plan = the_plan(files)
    for folder, beam in zip(folders(files), treatment_beams(plan), strict=True):
        for row, point in zip(ranges(files, folder), beam.IonControlPointSequence[::2], strict=True):
            planned, weights = spots(point)
            records = mgn(files[f"{folder}/{row['PLAN_SCAN_OUT_FL_NM']}"], machine)
            assert len(records) == len(planned) + 2
            off = np.array([record[1:3] for record in records[1:-1]]) - np.array(planned)
            assert np.abs(off).max() < 0.004
            assert [bool(record[3]) for record in records[1:-1]] == [weight > 0 for weight in weights]
            assert all(later[0] > earlier[0] for earlier, later in pairwise(records))


@pytest.mark.parametrize("final", ["meterset", "one", "hundred"])
def test_weights_and_metersets_agree(tmp_path: Path, final: str) -> None:
    recipe = CaseRecipe(beams=2, layers=3, spots=12, final_weight=final)  # type: ignore[arg-type]
    made = make_case(recipe, tmp_path)
    plan = the_plan(contents(made))
    metersets = {
        int(item.ReferencedBeamNumber): float(item.BeamMeterset)
        for item in plan.FractionGroupSequence[0].ReferencedBeamSequence
        if "BeamMeterset" in item
    }
    for beam, written in zip(treatment_beams(plan), made.case.beams, strict=True):
        full = float(beam.FinalCumulativeMetersetWeight)
        points = beam.IonControlPointSequence
        assert len(points) == int(beam.NumberOfControlPoints) == 6
        assert metersets[int(beam.BeamNumber)] == pytest.approx(written.planned_mu)
        for even, odd, layer in zip(points[::2], points[1::2], written.layers, strict=True):
            places, weights = spots(even)
            again, zeros = spots(odd)
            step = float(odd.CumulativeMetersetWeight) - float(even.CumulativeMetersetWeight)
            assert again == places
            assert set(zeros) == {0.0}
            assert weights[0] == 0.0  # a line begins where the beam is off
            assert sum(weights) == pytest.approx(step, rel=1e-6)
            assert step * metersets[int(beam.BeamNumber)] / full == pytest.approx(layer.planned_mu, rel=1e-6)
        assert float(points[-1].CumulativeMetersetWeight) == full


def test_setup_beam_and_beam_numbers(tmp_path: Path) -> None:
    plan = the_plan(contents(make_case(CaseRecipe(beams=10, layers=1, spots=4), tmp_path)))
    setup = [beam for beam in plan.IonBeamSequence if beam.TreatmentDeliveryType == "SETUP"]
    numbers = [int(beam.BeamNumber) for beam in treatment_beams(plan)]
    assert len(setup) == 1
    assert setup[0].RadiationType == "PHOTON"
    assert len(set(numbers)) == 10
    assert numbers[0] != 1
    assert numbers != list(range(numbers[0], numbers[0] + 10))
    assert int(setup[0].BeamNumber) not in numbers


def test_odd_beam_names_survive(tmp_path: Path) -> None:
    names = ("1: a/b", "빔 둘")
    plan = the_plan(contents(make_case(CaseRecipe(beams=2, layers=1, spots=4, beam_names=names), tmp_path)))
    assert tuple(beam.BeamName for beam in treatment_beams(plan)) == names


def test_plan_info_says_what_was_delivered(tmp_path: Path) -> None:
    made = make_case(SMALL, tmp_path)
    files = contents(made)
    for folder, delivery in zip(folders(files), made.case.deliveries, strict=True):
        said = info(files, folder)
        assert delivery.path.name == folder == said["TCSC_IRRAD_DATETIME"]
        assert said["DICOM_STUDY_INS_UID"] == made.case.study_uid
        assert said["DICOM_PATIENT_ID"] == made.case.patient_id
        assert int(said["DICOM_BEAM_NUMBER"]) == delivery.beam_number
        assert (said["START_LAYER_NUMBER"], said["STOP_LAYER_NUMBER"]) == ("1", str(delivery.stop_layer))
        energies = [float(row["LAYER_ENERGY"]) for row in ranges(files, folder)]
        beam = next(beam for beam in made.case.beams if beam.number == delivery.beam_number)
        assert energies == [layer.energy_mev for layer in beam.layers]


def test_the_beam_follows_the_segments(tmp_path: Path) -> None:
    recipe = CaseRecipe(beams=1, layers=1, spots=20, position_noise_mm=0.0)
    files = contents(make_case(recipe, tmp_path))
    places, weights = spots(treatment_beams(the_plan(files))[0].IonControlPointSequence[0])
    (content,) = [content for name, content in files.items() if name.endswith(".ptn")]
    rows = np.array([(row.x_mm, row.y_mm) for row in ptn(content, "G2") if row.on])
    begins, ends = np.array(places[:-1]), np.array(places[1:])
    used = np.array(weights[1:]) > 0
    begins, ways = begins[used], (ends - begins)[used]
    share = np.clip(((rows[:, None] - begins) * ways).sum(-1) / (ways**2).sum(-1), 0.0, 1.0)
    away = np.linalg.norm(rows[:, None] - begins - share[..., None] * ways, axis=-1).min(axis=1)
    assert away.max() < 0.01
    assert {
        int(n) for n in np.linalg.norm(rows[:, None] - begins - share[..., None] * ways, axis=-1).argmin(axis=1)
    } == set(range(len(begins)))


def test_one_layer_can_be_shifted(tmp_path: Path) -> None:
    plain = make_case(SMALL, tmp_path).case
    moved = make_case(
        CaseRecipe(beams=2, layers=(3, 2), spots=12, layer_shift=LayerShift(1, 2, 5.0, -3.0)), tmp_path
    ).case
    before, after = plain.beams[1].layers[1].centroid_mm, moved.beams[1].layers[1].centroid_mm
    assert np.subtract(after, before) == pytest.approx((5.0, -3.0), abs=0.02)
    assert plain.beams[0] == moved.beams[0]


@pytest.mark.parametrize("pattern", ["raster", "L"])
def test_patterns_have_no_symmetry(tmp_path: Path, pattern: str) -> None:
    recipe = CaseRecipe(beams=1, layers=1, spots=40, pattern=pattern)  # type: ignore[arg-type]
    places, _ = spots(treatment_beams(the_plan(contents(make_case(recipe, tmp_path))))[0].IonControlPointSequence[0])
    xy = np.array(places) - np.mean(places, axis=0)
    assert np.abs(xy).max() < 40.0
    for turn in ([[0, 1], [1, 0]], [[-1, 0], [0, 1]], [[1, 0], [0, -1]], [[-1, 0], [0, -1]], [[0, -1], [-1, 0]]):
        turned = xy @ np.array(turn)
        nearest = np.linalg.norm(turned[:, None] - xy[None], axis=-1).min(axis=1)
        assert np.sqrt((nearest**2).mean()) > 1.0


def test_the_field_lies_in_the_demo_phantom() -> None:
    for recipe in (CaseRecipe(), real_recipe()):
        reach = max(np.abs(layer.xy_mm).max() for beam in planned_beams(recipe) for layer in beam.layers)
        assert 20.0 < reach < 36.0


def test_a_delivery_interrupted_between_layers(tmp_path: Path) -> None:
    recipe = CaseRecipe(beams=1, layers=4, spots=12, interruption=Interruption(layer=3))
    made = make_case(recipe, tmp_path)
    files = contents(made)
    told = [info(files, folder) for folder in folders(files)]
    assert [(one["START_LAYER_NUMBER"], one["STOP_LAYER_NUMBER"]) for one in told] == [("1", "3"), ("4", "4")]
    assert made.case.delivered_mu == pytest.approx(
        make_case(CaseRecipe(beams=1, layers=4, spots=12), tmp_path).case.delivered_mu
    )


def test_a_delivery_interrupted_in_mid_layer(tmp_path: Path) -> None:
    recipe = CaseRecipe(beams=1, layers=4, spots=12, interruption=Interruption(layer=2, share=0.4))
    made = make_case(recipe, tmp_path)
    files = contents(made)
    told = [info(files, folder) for folder in folders(files)]
    assert [(one["START_LAYER_NUMBER"], one["STOP_LAYER_NUMBER"]) for one in told] == [("1", "2"), ("2", "4")]
    whole = make_case(CaseRecipe(beams=1, layers=4, spots=12), tmp_path).case
    assert made.case.beams[0].layers == whole.beams[0].layers


def test_a_treatment_that_stopped_for_good(tmp_path: Path) -> None:
    case = make_case(CaseRecipe(beams=2, layers=4, spots=12, layers_left=3), tmp_path).case
    assert [delivery.stop_layer for delivery in case.deliveries] == [4, 1]
    assert len(case.beams[1].layers) == 1
    nothing = make_case(CaseRecipe(beams=2, layers=4, spots=12, layers_left=4), tmp_path).case
    assert len(nothing.deliveries) == 1


def test_mu_scale(tmp_path: Path) -> None:
    once = make_case(SMALL, tmp_path).case
    twice = make_case(CaseRecipe(beams=2, layers=(3, 2), spots=12, layer_mu=2.4), tmp_path).case
    more = make_case(CaseRecipe(beams=2, layers=(3, 2), spots=12, delivered_scale=1.05), tmp_path).case
    assert twice.delivered_mu == pytest.approx(2.0 * once.delivered_mu, rel=1e-4)
    assert more.planned_mu == once.planned_mu
    assert more.delivered_mu == pytest.approx(1.05 * once.delivered_mu, rel=1e-4)


def test_times_are_the_zone_s(tmp_path: Path) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    recipe = CaseRecipe(
        beams=2, layers=1, spots=4, irradiated=datetime(2026, 3, 29, 1, 58, tzinfo=berlin), beam_interval_s=240.0
    )
    case = make_case(recipe, tmp_path).case
    assert [delivery.path.name for delivery in case.deliveries] == ["2026032901580000", "2026032903020000"]
    assert (
        case.deliveries[1].irradiated.astimezone(UTC) - case.deliveries[0].irradiated.astimezone(UTC)
    ).seconds == 240


def test_naive_times_and_empty_cases_are_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        CaseRecipe(irradiated=datetime(2026, 3, 2, 9, 0))  # noqa: DTZ001 - that is the point
    with pytest.raises(ValueError, match="at least"):
        CaseRecipe(beams=0)
    with pytest.raises(ValueError, match="G9"):
        make_case(CaseRecipe(machine="G9"), Path())


def test_steps_come_in_any_order_and_the_marker_last(tmp_path: Path) -> None:
    made = make_case(CaseRecipe(beams=1, layers=2, spots=4, marker="_CASE_READY", room="room 1"), tmp_path)
    assert made.case.path.relative_to(tmp_path).parts[0] == "room 1"
    for order in ("machine", "shuffled", "plan-last"):
        steps = made.ordered(order, seed=4)  # type: ignore[arg-type]
        assert sorted(step.path for step in steps) == sorted(step.path for step in made.steps)
        assert steps[-1].path.name == "_CASE_READY"
    assert made.ordered("plan-last")[-2].path.name.startswith("RP")
    assert made.ordered("shuffled", seed=4) != made.ordered("machine")
    assert make_case(SMALL, tmp_path).ordered("plan-last")[-1].path.name.startswith("RP")


def test_a_file_arrives_in_pieces(tmp_path: Path) -> None:
    step = make_case(CaseRecipe(beams=1, layers=1, spots=4), tmp_path).steps[0]
    sizes = [step.path.stat().st_size for _ in step.pieces(1000)]
    assert sizes[0] == 1000
    assert sizes == sorted(sizes)
    assert step.path.read_bytes() == step.content


def test_writing_again_touches_nothing(tmp_path: Path) -> None:
    case = write_case(SMALL, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in case.files}
    write_case(SMALL, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in case.files} == before


def test_a_replan_lies_beside_the_plan(tmp_path: Path) -> None:
    files = contents(make_case(CaseRecipe(beams=1, layers=1, spots=4, replan=True), tmp_path))
    assert len([name for name in files if name.startswith("RP")]) == 2


def test_demo_case_defaults(tmp_path: Path) -> None:
    case = write_demo_case(tmp_path)
    assert len(case.beams) == 2
    assert all(len(beam.layers) == 6 and beam.layers[0].spots == 40 for beam in case.beams)
    assert all(path.is_file() for path in case.files)
    with pytest.raises(ValueError, match="missing-layer"):
        write_demo_case(tmp_path, fault="nonsense")
    with pytest.raises(ValueError, match="real"):
        write_demo_case(tmp_path, size="huge")


def test_the_size_of_a_real_case(tmp_path: Path) -> None:
    case = write_demo_case(tmp_path, size="real")
    assert [len(beam.layers) for beam in case.beams] == [34, 32, 42]
    assert len(case.files) == 223
    assert 40e6 < sum(path.stat().st_size for path in case.files) < 50e6
    assert 0.5e6 < case.plan_path.stat().st_size < 1e6
