"""What the engine would silently get wrong is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from plan_maker import first_beam, plan_of
from pydicom.dataset import Dataset

from actors.demo.recipe import CaseFault, CaseRecipe
from actors.errors import CaseError
from actors.formats.plan_checks import plan_notes, refuse_beam
from actors.formats.profile import load_profile
from messages.engine import EngineProfile

ENGINES = Path(__file__).resolve().parents[3] / "conf" / "engines"
PHANTOM = load_profile("moqui-smc", ENGINES)
CT = load_profile("moqui", ENGINES)


def refused(change: Callable[[Dataset], None] | None, profile: EngineProfile, fault: CaseFault | None = None) -> str:
    """Kind of the refusal of the first treatment beam; empty: it is taken."""
    plan = plan_of(CaseRecipe(layers=2, spots=12, fault=fault), change)
    try:
        refuse_beam(plan, plan.treatment_beams[0], profile)
    except CaseError as error:
        assert "Beam 3" in error.fault.what
        assert profile.name in error.fault.what
        return error.fault.kind
    return ""


@pytest.mark.parametrize("profile", [PHANTOM, CT])
def test_a_plain_beam_is_taken(profile: EngineProfile) -> None:
    assert refused(None, profile) == ""


@pytest.mark.promise("P39")
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (CaseFault.BLOCK, "block-refused"),
        (CaseFault.COMPENSATOR, "compensator-refused"),
        (CaseFault.MLC, "mlc-refused"),
        (CaseFault.RANGE_SHIFTER, "range-shifter-refused"),
        (CaseFault.MOVING_RANGE_SHIFTER, "range-shifter-refused"),
        (CaseFault.HIGH_ENERGY, "energy-refused"),
        (CaseFault.PATIENT_POSITION, "patient-position-refused"),
    ],
)
def test_modifiers_are_refused_by_name(fault: CaseFault, kind: str) -> None:
    # The factory refuses no energy itself, but draws it into the plan.
    assert refused(None, PHANTOM, fault) == kind


@pytest.mark.promise("P39")
def test_a_listed_range_shifter_must_be_in_throughout() -> None:
    listed = PHANTOM.model_copy(update={"range_shifters": ("RS40",)})
    assert refused(None, listed, CaseFault.RANGE_SHIFTER) == ""
    assert refused(None, listed, CaseFault.MOVING_RANGE_SHIFTER) == "range-shifter-moves"

    def unset(dataset: Dataset) -> None:
        del first_beam(dataset).IonControlPointSequence[0].RangeShifterSettingsSequence

    plan = plan_of(CaseRecipe(layers=2, spots=12, fault=CaseFault.RANGE_SHIFTER), unset)
    with pytest.raises(CaseError, match="not IN throughout"):
        refuse_beam(plan, plan.treatment_beams[0], listed)


def _number_alone(keyword: str) -> Callable[[Dataset], None]:
    return lambda dataset: setattr(first_beam(dataset), keyword, "1")


def _opening(kind: str, leaves: list[str], bounds: list[str] | None = None) -> Callable[[Dataset], None]:
    def change(dataset: Dataset) -> None:
        device = Dataset()
        device.RTBeamLimitingDeviceType = kind
        if bounds:
            device.LeafPositionBoundaries = bounds
        first_beam(dataset).IonBeamLimitingDeviceSequence = [device]
        position = Dataset()
        position.RTBeamLimitingDeviceType = kind
        position.LeafJawPositions = leaves
        first_beam(dataset).IonControlPointSequence[0].BeamLimitingDevicePositionSequence = [position]

    return change


def _spreader(kind: str) -> Callable[[Dataset], None]:
    def change(dataset: Dataset) -> None:
        device = Dataset()
        device.LateralSpreadingDeviceType = kind
        first_beam(dataset).LateralSpreadingDeviceSequence = [device]

    return change


def _on_beam(keyword: str, value: object) -> Callable[[Dataset], None]:
    return lambda dataset: setattr(first_beam(dataset), keyword, value)


def _on_point(index: int, keyword: str, value: object) -> Callable[[Dataset], None]:
    return lambda dataset: setattr(first_beam(dataset).IonControlPointSequence[index], keyword, value)


def _no_isocentre(dataset: Dataset) -> None:
    del first_beam(dataset).IonControlPointSequence[0].IsocenterPosition


def _no_snout(dataset: Dataset) -> None:
    del first_beam(dataset).IonControlPointSequence[0].SnoutPosition


WIDE = ["-100", "-100", "100", "100"]


@pytest.mark.promise("P39")
@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (_number_alone("NumberOfBlocks"), "block-refused"),
        (_number_alone("NumberOfRangeModulators"), "modulator-refused"),
        (_number_alone("NumberOfWedges"), "wedge-refused"),
        (_number_alone("NumberOfRangeShifters"), "range-shifter-refused"),
        (_on_beam("RadiationType", "ION"), "radiation-refused"),
        (_spreader("SCATTERER"), "spreader-refused"),
        (_spreader("MAGNET"), ""),
        (_opening("MLCX", WIDE, ["-100", "0", "100"]), ""),
        (_opening("MLCX", WIDE), "mlc-refused"),
        (_opening("MLCX", ["-100", "-5", "100", "5"], ["-100", "60", "100"]), ""),
        (_opening("MLCX", ["-100", "-5", "100", "5"], ["-100", "0", "100"]), "mlc-refused"),
        (_opening("MLCY", ["-100", "-5", "100", "5"], ["-100", "0", "100"]), "mlc-refused"),
        (_opening("ASYMX", ["-100", "100"]), ""),
        (_opening("Y", ["-100", "10"]), "mlc-refused"),
        (_opening("IRIS", ["100"]), "mlc-refused"),
        (_no_snout, "snout-missing"),
        (_on_point(2, "GantryAngle", "33"), "angles-move"),
        (_on_point(2, "IsocenterPosition", ["0", "0", "99"]), "angles-move"),
    ],
)
def test_each_obstacle_has_its_name(change: Callable[[Dataset], None], kind: str) -> None:
    assert refused(change, PHANTOM) == kind


@pytest.mark.promise("P39")
@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (_on_point(0, "TableTopPitchAngle", 2.0), "angle-refused"),
        (_on_point(0, "TableTopRollAngle", 2.0), "angle-refused"),
        (_on_point(0, "BeamLimitingDeviceAngle", "90"), "angle-refused"),
        (_on_point(0, "TableTopEccentricAngle", "5"), "angle-refused"),
        (_on_point(0, "GantryPitchAngle", 3.0), "angle-refused"),
        (_no_isocentre, "isocentre-missing"),
    ],
)
def test_what_only_matters_in_a_patient_is_refused_there(change: Callable[[Dataset], None], kind: str) -> None:
    assert refused(change, CT) == kind
    assert refused(change, PHANTOM) == ""


def test_a_plan_without_patient_setup_is_taken_in_a_phantom_only() -> None:
    def change(dataset: Dataset) -> None:
        del dataset.PatientSetupSequence

    assert refused(change, PHANTOM) == ""
    assert refused(change, CT) == "patient-position-refused"


@pytest.mark.parametrize(
    ("fault", "review", "suspect"),
    [
        (None, "", ""),
        (CaseFault.UNAPPROVED, "UNAPPROVED", ""),
        (CaseFault.QA_PLAN, "VERIFICATION", ""),
        (CaseFault.BOLUS, "", "bolus"),
    ],
)
def test_notes_say_what_is_unusual(fault: CaseFault | None, review: str, suspect: str) -> None:
    plan = plan_of(CaseRecipe(layers=2, spots=12, fault=fault))
    reviews, suspects = plan_notes(plan, plan.treatment_beams)
    assert [bool(reviews), bool(suspects)] == [bool(review), bool(suspect)]
    assert review in " ".join(reviews)
    assert suspect in " ".join(suspects)
    assert plan.is_treatment is (fault is not CaseFault.QA_PLAN)


@pytest.mark.parametrize(
    ("intent", "treatment"), [("CURATIVE", True), ("", True), ("VERIFICATION", False), ("MACHINE_QA", False)]
)
def test_qa_plans_are_no_treatment(intent: str, treatment: bool) -> None:
    plan = plan_of(CaseRecipe(layers=1, spots=4), lambda dataset: setattr(dataset, "PlanIntent", intent))
    assert plan.is_treatment is treatment
    assert any("QA session" in sentence for sentence in plan_notes(plan, plan.treatment_beams)[0]) is not treatment
