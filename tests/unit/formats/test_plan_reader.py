"""The RT Ion Plan as it is read: layers, meterset, spots, scan mode, inheritance."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan_maker import first_beam, plan_bytes, plan_of
from pydicom.dataset import Dataset

from actors.demo.planned import planned_beams
from actors.demo.recipe import CaseRecipe
from actors.errors import CaseError
from actors.formats.plan import ScanMode
from actors.formats.plan_reader import parse_plan

RECIPE = CaseRecipe(layers=3, spots=12)


@pytest.mark.promise("P5")
@pytest.mark.parametrize("tags", ["private", "standard"])
def test_spots_are_read_as_the_float32_they_are(tags: str) -> None:
    recipe = CaseRecipe(layers=3, spots=12, spot_tags=tags)  # type: ignore[arg-type]
    plan = plan_of(recipe)
    for beam, made in zip(plan.treatment_beams, planned_beams(recipe), strict=True):
        assert [layer.number for layer in beam.layers] == [1, 2, 3]
        for layer, planned in zip(beam.layers, made.layers, strict=True):
            assert np.array_equal(layer.positions_mm, planned.xy_mm.astype(np.float64))
            scale = made.meterset_mu / made.final_weight
            assert np.array_equal(layer.spots_mu, planned.weights.astype(np.float64) * scale)
            assert layer.energy_mev == planned.energy_mev
            assert layer.mu == pytest.approx(made.layer_mu(planned), rel=1e-5)


@pytest.mark.promise("P8")
def test_setup_beams_and_gaps_in_numbers_change_nothing() -> None:
    plan = plan_of(CaseRecipe(beams=12, layers=1, spots=4))
    assert len(plan.beams) == 13
    assert len(plan.treatment_beams) == 12
    numbers = [beam.number for beam in plan.treatment_beams]
    assert numbers == sorted(set(numbers))
    assert numbers[0] != 1
    setup = plan.beams[0]
    assert (setup.setup, setup.treatment, setup.layers) == (True, False, ())


@pytest.mark.parametrize(
    "change",
    [
        lambda beam: setattr(beam, "TreatmentDeliveryType", "SETUP"),
        lambda beam: setattr(beam, "BeamDescription", "Site Setup"),
        lambda beam: setattr(beam, "BeamName", "SETUP"),
    ],
)
def test_each_sign_of_a_setup_beam_counts(change: Callable[[Dataset], None]) -> None:
    plan = plan_of(RECIPE, lambda dataset: change(first_beam(dataset)))
    assert len(plan.treatment_beams) == 1


@pytest.mark.promise("P41")
def test_meterset_is_the_same_whatever_the_final_weight() -> None:
    plans = [plan_of(CaseRecipe(layers=3, spots=12, final_weight=final)) for final in ("meterset", "one", "hundred")]  # type: ignore[arg-type]
    for beam in range(2):
        for layer in range(3):
            mus = [plan.treatment_beams[beam].layers[layer].mu for plan in plans]
            assert mus == pytest.approx([mus[0]] * 3, rel=1e-6)
        total = sum(layer.mu for layer in plans[1].treatment_beams[beam].layers)
        assert total == pytest.approx(plans[1].treatment_beams[beam].meterset_mu, rel=1e-6)


@pytest.mark.promise("P41")
@given(st.floats(0.01, 1e4), st.integers(1, 40))
def test_planned_fractions_never_enter_the_meterset(final: float, fractions: int) -> None:
    def change(dataset: Dataset) -> None:
        dataset.FractionGroupSequence[0].NumberOfFractionsPlanned = fractions
        beam = first_beam(dataset)
        factor = final / float(beam.FinalCumulativeMetersetWeight)
        beam.FinalCumulativeMetersetWeight = f"{final:.10g}"
        for point in beam.IonControlPointSequence:
            point.CumulativeMetersetWeight = f"{float(point.CumulativeMetersetWeight) * factor:.10g}"
            weights = np.array(point.ScanSpotMetersetWeights) * factor
            point.ScanSpotMetersetWeights = weights.astype(np.float32).tolist()

    recipe = CaseRecipe(layers=2, spots=4, spot_tags="standard")
    plain, changed = plan_of(recipe), plan_of(recipe, change)
    assert changed.fraction_groups[0].planned_fractions == fractions
    for one, two in zip(plain.treatment_beams[0].layers, changed.treatment_beams[0].layers, strict=True):
        assert two.mu == pytest.approx(one.mu, rel=1e-4)


def test_energies_may_repeat_and_layers_go_by_pair() -> None:
    def change(dataset: Dataset) -> None:
        for point in first_beam(dataset).IonControlPointSequence:
            point.NominalBeamEnergy = "150"

    layers = plan_of(RECIPE, change).treatment_beams[0].layers
    assert [(layer.number, layer.control_point, layer.energy_mev) for layer in layers] == [
        (1, 0, 150.0),
        (2, 2, 150.0),
        (3, 4, 150.0),
    ]


def test_what_a_control_point_leaves_out_is_inherited() -> None:
    def change(dataset: Dataset) -> None:
        points = first_beam(dataset).IonControlPointSequence
        for index in (1, 3, 5):
            del points[index].NominalBeamEnergy
            block = points[index].private_block(0x300B, "IMPAC")
            del block[0x94], block[0x96]

    plain, changed = plan_of(RECIPE), plan_of(RECIPE, change)
    for one, two in zip(plain.treatment_beams[0].layers, changed.treatment_beams[0].layers, strict=True):
        assert one.energy_mev == two.energy_mev
        assert np.array_equal(one.positions_mm, two.positions_mm)


def test_private_block_may_be_anywhere() -> None:
    def change(dataset: Dataset) -> None:
        for point in first_beam(dataset).IonControlPointSequence:
            old = point.private_block(0x300B, "IMPAC")
            places, weights = old[0x94].value, old[0x96].value
            for tag in [tag for tag in point.keys() if tag.group == 0x300B]:  # noqa: SIM118
                del point[tag]
            point.private_block(0x300B, "SOMEONE ELSE", create=True).add_new(0x94, "UN", b"12345678")
            ours = point.private_block(0x300B, "IMPAC", create=True)
            ours.add_new(0x94, "UN", places)
            ours.add_new(0x96, "UN", weights)

    plain, changed = plan_of(RECIPE), plan_of(RECIPE, change)
    assert np.array_equal(
        plain.treatment_beams[0].layers[0].positions_mm, changed.treatment_beams[0].layers[0].positions_mm
    )


def test_weights_are_totals_over_paintings() -> None:
    def change(dataset: Dataset) -> None:
        first_beam(dataset).IonControlPointSequence[0].NumberOfPaintings = 4

    plain, changed = plan_of(RECIPE), plan_of(RECIPE, change)
    assert [layer.paintings for layer in changed.treatment_beams[0].layers] == [4, 4, 4]
    for one, two in zip(plain.treatment_beams[0].layers, changed.treatment_beams[0].layers, strict=True):
        assert (two.mu, two.spots_mu.sum()) == (one.mu, one.spots_mu.sum())


@pytest.mark.parametrize(
    ("scan", "detail", "mode"),
    [
        ("LINE", "", ScanMode.LINE),
        ("LINE SCANNING", "", ScanMode.LINE),
        ("MODULATED", "", ScanMode.SPOT),
        ("MODULATED_SPEC", "LINEAR", ScanMode.LINE),
        ("MODULATED_SPEC", "STATIONARY", ScanMode.SPOT),
    ],
)
def test_scan_mode_is_explicit(scan: str, detail: str, mode: ScanMode) -> None:
    def change(dataset: Dataset) -> None:
        first_beam(dataset).ScanMode = scan
        if detail:
            first_beam(dataset).ModulatedScanModeType = detail

    assert plan_of(RECIPE, change).treatment_beams[0].scan_mode is mode


@pytest.mark.promise("P6")
@pytest.mark.parametrize(
    ("scan", "detail"), [("", ""), ("UNIFORM", ""), ("MODULATED_SPEC", "LEAPING"), ("MODULATED_SPEC", "")]
)
def test_an_unknown_scan_mode_is_an_error(scan: str, detail: str) -> None:
    def change(dataset: Dataset) -> None:
        first_beam(dataset).ScanMode = scan
        if detail:
            first_beam(dataset).ModulatedScanModeType = detail

    with pytest.raises(CaseError) as caught:
        plan_of(RECIPE, change)
    assert caught.value.fault.kind == "scan-mode-unknown"
    assert "beam 3" in caught.value.fault.what


def _weights(dataset: Dataset) -> None:
    block = first_beam(dataset).IonControlPointSequence[2].private_block(0x300B, "IMPAC")
    block[0x96].value = (np.frombuffer(block[0x96].value, dtype="<f4") * np.float32(1.1)).tobytes()


def _cut_map(dataset: Dataset) -> None:
    block = first_beam(dataset).IonControlPointSequence[2].private_block(0x300B, "IMPAC")
    block[0x94].value = block[0x94].value[:-8]


def _odd_bytes(dataset: Dataset) -> None:
    block = first_beam(dataset).IonControlPointSequence[2].private_block(0x300B, "IMPAC")
    block[0x94].value = block[0x94].value[:-2]


def _nan(dataset: Dataset) -> None:
    block = first_beam(dataset).IonControlPointSequence[0].private_block(0x300B, "IMPAC")
    values = np.frombuffer(block[0x94].value, dtype="<f4").copy()
    values[3] = np.nan
    block[0x94].value = values.tobytes()


def _negative(dataset: Dataset) -> None:
    block = first_beam(dataset).IonControlPointSequence[0].private_block(0x300B, "IMPAC")
    values = np.frombuffer(block[0x96].value, dtype="<f4").copy()
    values[3] *= -1
    block[0x96].value = values.tobytes()


def _no_weights(dataset: Dataset) -> None:
    block = first_beam(dataset).IonControlPointSequence[0].private_block(0x300B, "IMPAC")
    del block[0x96]


def _no_spots(dataset: Dataset) -> None:
    for point in first_beam(dataset).IonControlPointSequence:
        block = point.private_block(0x300B, "IMPAC")
        del block[0x94], block[0x96]


def _two_groups(dataset: Dataset) -> None:
    dataset.FractionGroupSequence.append(dataset.FractionGroupSequence[0])


def _same_number(dataset: Dataset) -> None:
    dataset.IonBeamSequence[2].BeamNumber = first_beam(dataset).BeamNumber


def _falling(dataset: Dataset) -> None:
    first_beam(dataset).IonControlPointSequence[3].CumulativeMetersetWeight = "0"


def _begins_late(dataset: Dataset) -> None:
    first_beam(dataset).IonControlPointSequence[0].CumulativeMetersetWeight = "1"


def _final(dataset: Dataset) -> None:
    first_beam(dataset).FinalCumulativeMetersetWeight = "1000"


def _no_final(dataset: Dataset) -> None:
    del first_beam(dataset).FinalCumulativeMetersetWeight


def _zero_final(dataset: Dataset) -> None:
    first_beam(dataset).FinalCumulativeMetersetWeight = "0"


@pytest.mark.promise("P5")
@pytest.mark.parametrize(
    ("change", "kind", "says"),
    [
        (_weights, "weights-sum", "control point 2"),
        (_cut_map, "spots-invalid", "control point 2"),
        (_odd_bytes, "spots-invalid", "no float32"),
        (_nan, "spots-invalid", "not a number"),
        (_negative, "spots-invalid", "negative"),
        (_no_weights, "spots-invalid", "without weights"),
        (_no_spots, "spots-invalid", "no spots"),
        (_two_groups, "fraction-group-ambiguous", "several fraction groups"),
        (_same_number, "plan-damaged", "two beams of one number"),
        (_falling, "plan-damaged", "falls"),
        (_begins_late, "plan-damaged", "begin"),
        (_final, "plan-damaged", "ends at"),
        (_no_final, "plan-damaged", "FinalCumulativeMetersetWeight"),
        (_zero_final, "plan-damaged", "FinalCumulativeMetersetWeight"),
    ],
)
def test_what_is_wrong_is_named_with_beam_and_place(change: Callable[[Dataset], None], kind: str, says: str) -> None:
    with pytest.raises(CaseError) as caught:
        plan_of(RECIPE, change)
    assert caught.value.fault.kind == kind
    assert says in caught.value.fault.what
    assert caught.value.fault.where == "/share/RP.dcm"


def test_another_kind_of_plan_is_said_to_be_one() -> None:
    def change(dataset: Dataset) -> None:
        dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.481.5"

    with pytest.raises(CaseError) as caught:
        plan_of(RECIPE, change)
    assert caught.value.fault.kind == "plan-not-ion"


def test_a_plan_without_beams_or_groups_is_damaged() -> None:
    for keyword in ("IonBeamSequence", "FractionGroupSequence", "StudyInstanceUID"):
        with pytest.raises(CaseError) as caught:
            plan_of(RECIPE, lambda dataset, keyword=keyword: delattr(dataset, keyword))  # type: ignore[misc]
        assert caught.value.fault.kind == "plan-damaged"


@given(st.integers(0, 20_000), st.binary(max_size=40))
def test_damage_anywhere_is_a_case_error_or_harmless(place: int, junk: bytes) -> None:
    content = plan_bytes(CaseRecipe(layers=1, spots=4))
    damaged = content[:place] + junk if place < len(content) else content + junk
    try:
        parse_plan(damaged, "/share/RP.dcm")
    except CaseError as error:
        assert error.fault.where == "/share/RP.dcm"


def test_values_are_read_only() -> None:
    layer = plan_of(RECIPE).treatment_beams[0].layers[0]
    with pytest.raises(ValueError, match="read-only"):
        layer.positions_mm[0, 0] = 1.0


def test_a_beam_that_is_not_in_the_plan_names_those_that_are() -> None:
    with pytest.raises(CaseError, match="Beam 97 was delivered, but the plan's treatment beams are 3, 5") as caught:
        plan_of(RECIPE).beam(97)
    assert caught.value.fault.kind == "beam-not-in-plan"


def test_a_deflated_plan_is_not_inflated() -> None:
    def change(dataset: Dataset) -> None:
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"

    with pytest.raises(CaseError, match="deflated"):
        plan_of(RECIPE, change)


def test_a_beam_without_meterset_in_the_fraction_group_is_not_expected() -> None:
    def none(dataset: Dataset) -> None:
        del dataset.FractionGroupSequence[0].ReferencedBeamSequence[2].BeamMeterset

    def zero(dataset: Dataset) -> None:
        dataset.FractionGroupSequence[0].ReferencedBeamSequence[2].BeamMeterset = "0"

    assert [beam.number for beam in plan_of(RECIPE).treatment_beams] == [3, 5]
    for change in (none, zero):
        assert [beam.number for beam in plan_of(RECIPE, change).treatment_beams] == [3]
