"""Which RT Dose is the planning system's, and what of one fraction it says; when in doubt, none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from actors.reporter.planning import DoseHeader, Fractions, choose, header_of

PLAN, FRAME = "1.2.77", "1.2.88"
WHOLE = DoseHeader(Path("rd.dcm"), (PLAN,), (), "PLAN", "PHYSICAL", "GY", FRAME)
EFFECTIVE = replace(WHOLE, dose_type="EFFECTIVE")
SESSION = replace(WHOLE, summation="FRACTION_SESSION")
BEAM = replace(WHOLE, summation="BEAM", beams=(3,))


def chosen(*headers: DoseHeader, fractions: int = 25, groups: int = 1):  # type: ignore[no-untyped-def]
    """What is chosen where fraction group 1 of the plan was delivered."""
    of_plan = Fractions(fractions, 1, groups)
    return choose(headers, plan_uid=PLAN, frame_of_reference=FRAME, fractions=of_plan, rbe=1.1)


@pytest.mark.promise("P41")
@pytest.mark.parametrize(
    ("header", "factor"),
    [
        (WHOLE, 1 / 25),
        (replace(WHOLE, summation="FRACTION"), 1 / 25),
        (EFFECTIVE, 1 / 25 / 1.1),
        (SESSION, 1.0),
        (replace(SESSION, dose_type="EFFECTIVE"), 1 / 1.1),
    ],
)
def test_fractions_and_rbe_are_taken_out_once(header: DoseHeader, factor: float) -> None:
    choice = chosen(header)
    assert choice.reason == ""
    assert choice.plan.factor == pytest.approx(factor)
    assert header.summation in choice.plan.statement
    assert header.dose_type in choice.plan.statement


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ((), "brings no RT Dose of its plan"),
        ((replace(WHOLE, plan_uids=("9.9",)),), "1 RT Dose files refer to other plans"),
        ((WHOLE, EFFECTIVE), "ambiguous: the case brings several RT Doses of the whole plan, 2 of them"),
        ((WHOLE, SESSION, BEAM), "ambiguous: the case brings several RT Doses of the whole plan, 2 of them"),
        ((replace(WHOLE, plan_uids=(PLAN, "9.9")),), "ambiguous: the planning dose refers to 2 plans"),
        ((replace(SESSION, plan_uids=("9.9", PLAN, "9.8")),), "ambiguous: the planning dose refers to 3 plans"),
        ((replace(WHOLE, summation="MULTI_PLAN", plan_uids=(PLAN, "9.9")),), "no RT Dose of the whole plan"),
        ((BEAM,), "no RT Dose of the whole plan (DoseSummationType: BEAM)"),
        ((replace(WHOLE, summation=""),), "no RT Dose of the whole plan (DoseSummationType: unstated)"),
        ((replace(WHOLE, units="RELATIVE"),), "not in gray"),
        ((replace(WHOLE, dose_type="ERROR"),), "neither physical nor effective"),
        ((replace(WHOLE, frame_of_reference="other"),), "another frame of reference"),
    ],
)
def test_what_is_ambiguous_is_not_compared(headers: tuple[DoseHeader, ...], words: str) -> None:
    choice = chosen(*headers)
    assert choice.plan is None
    assert words in choice.reason


def test_a_plan_without_fractions_has_no_dose_of_one() -> None:
    assert "how many fractions" in chosen(WHOLE, fractions=0).reason
    assert chosen(SESSION, fractions=0).plan.factor == 1.0


FRACTION = replace(WHOLE, summation="FRACTION", fraction_groups=(1,))
OTHER_GROUP = replace(FRACTION, path=Path("boost.dcm"), fraction_groups=(2,))


@pytest.mark.promise("P41")
@pytest.mark.parametrize(
    ("headers", "groups", "words"),
    [
        ((WHOLE,), 2, "sum over all fraction groups of the plan, and the plan has 2"),
        ((replace(WHOLE, fraction_groups=(1,)),), 2, "sum over all fraction groups"),
        ((WHOLE,), 0, "the result does not say how many groups it has"),
        ((OTHER_GROUP,), 2, "is of fraction group 2, and what was delivered is of group 1"),
        ((OTHER_GROUP,), 1, "is of fraction group 2"),
        ((replace(SESSION, fraction_groups=(2,)),), 2, "is of fraction group 2"),
        ((replace(FRACTION, fraction_groups=(1, 2)),), 2, "is of fraction group 1, 2"),
        ((replace(FRACTION, fraction_groups=()),), 2, "does not say of which fraction group"),
        ((FRACTION, FRACTION), 2, "several RT Doses"),
    ],
)
def test_the_dose_of_another_fraction_group_is_not_compared(
    headers: tuple[DoseHeader, ...], groups: int, words: str
) -> None:
    choice = chosen(*headers, groups=groups)
    assert choice.plan is None
    assert words in choice.reason


def test_among_doses_of_several_fraction_groups_the_delivered_one_is_taken() -> None:
    boost = replace(BEAM, beams=(5,), fraction_groups=(2,))
    choice = chosen(OTHER_GROUP, FRACTION, WHOLE, replace(BEAM, fraction_groups=(1,)), boost, groups=2)
    assert (choice.plan.path, choice.plan.factor) == (Path("rd.dcm"), pytest.approx(1 / 25))
    assert [one.beam for one in choice.beams] == [3]


def test_doses_of_single_beams_are_kept_beside_the_plans() -> None:
    other = replace(BEAM, beams=(5,), summation="BEAM_SESSION")
    twice = replace(BEAM, beams=(9,))
    choice = chosen(WHOLE, BEAM, other, twice, twice)
    assert [(one.beam, one.factor) for one in choice.beams] == [(3, pytest.approx(1 / 25)), (5, 1.0)]
    assert choice.plan is not None


def test_a_dose_that_names_its_one_plan_twice_is_of_one_plan() -> None:
    assert chosen(replace(WHOLE, plan_uids=(PLAN, PLAN))).reason == ""


def test_the_dose_of_a_beam_of_several_plans_is_not_that_beams() -> None:
    assert chosen(WHOLE, replace(BEAM, plan_uids=(PLAN, "9.9"))).beams == ()


def test_the_header_of_a_file() -> None:
    beam, group, plan, dose = Dataset(), Dataset(), Dataset(), Dataset()
    beam.ReferencedBeamNumber = "4"
    group.ReferencedBeamSequence = Sequence([beam])
    group.ReferencedFractionGroupNumber = "2"
    plan.ReferencedSOPInstanceUID = PLAN
    plan.ReferencedFractionGroupSequence = Sequence([group])
    dose.ReferencedRTPlanSequence = Sequence([plan])
    dose.DoseSummationType, dose.DoseType, dose.DoseUnits = "BEAM", "PHYSICAL", "GY"
    header = header_of(dose, Path("x"))
    assert (header.plan_uids, header.beams, header.summation, header.frame_of_reference) == ((PLAN,), (4,), "BEAM", "")
    assert header.fraction_groups == (2,)
    empty = header_of(Dataset(), Path("x"))
    assert (empty.plan_uids, empty.fraction_groups) == ((), ())
