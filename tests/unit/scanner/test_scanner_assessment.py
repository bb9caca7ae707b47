"""The cases of a folder: what each is called and what it lacks."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.scanner.assessment import Assessment, Standing
from actors.scanner.facts import DeliveryFacts
from actors.scanner.register import Register
from messages.cases import CaseSource
from messages.faults import Fault
from messages.ledger import BeamName, CaseRow, KnownCase
from messages.states import CaseState
from tests.unit.scanner.making import NOW, PATH, PLAN, assessed, delivery, plan, sighted, survey

WHOLE_PLAN = plan((3, 6), (5, 4))


def source_of(case: Assessment) -> CaseSource:
    assert case.source is not None
    return case.source


def failed_row(source: CaseSource, *, interpretation: str = "") -> CaseRow:
    return CaseRow(
        case=source.case,
        state=CaseState.FAILED,
        reason="layer 2 of beam 3 is truncated",
        priority=0,
        path=source.path,
        plan_uid=source.plan_uid,
        study_uid=source.study_uid,
        identity=source.identity,
        seen=NOW,
        admitted=NOW,
        started=None,
        ended=NOW,
        source=source,
        interpretation=interpretation,
        verdict="",
        cleaned=False,
        beams=(),
    )


def test_a_whole_case_has_its_source() -> None:
    (case,) = assessed(survey((WHOLE_PLAN,), delivery(3, 1, 6), delivery(5, 1, 4, minutes=4)))
    source = source_of(case)
    assert case.standing is Standing.WHOLE
    assert re.fullmatch(r"20260302-093015-[0-9a-f]{8}", case.case)
    assert case.case.endswith(source.identity[:8])
    assert (source.plan_uid, source.machine, source.partial, source.missing, source.supersedes) == (
        PLAN,
        "G2",
        False,
        (),
        "",
    )
    assert [one.beam_number for one in source.deliveries] == [3, 5]
    assert case.beams == (BeamName(3, "B3"), BeamName(5, "B5"))


@pytest.mark.promise("P11")
def test_what_was_not_delivered_is_named() -> None:
    (case,) = assessed(survey((WHOLE_PLAN,), delivery(3, 1, 2)))
    assert case.standing is Standing.SHORT
    assert case.sentence == "beam 3 'B3': layers 3 to 6 of 6 not delivered; beam 5 'B5' was not delivered"
    source = source_of(case)
    assert source.partial
    assert source.missing == ("beam 3 'B3': layers 3 to 6 of 6 not delivered", "beam 5 'B5' was not delivered")
    assert case.beams == (BeamName(3, "B3"),)


@pytest.mark.promise("P11")
def test_missing_files_are_no_partial_treatment() -> None:
    lacking = ("beam 3: the .ptn file of layer 2 is missing",)
    (case,) = assessed(survey((WHOLE_PLAN,), delivery(3, 1, 6, lacking=lacking)))
    assert (case.standing, case.source) == (Standing.LACKING, None)
    assert case.sentence == f"{lacking[0]}; beam 5 'B5' was not delivered"


def test_a_delivery_that_cannot_be_read_yet_keeps_a_short_case_waiting() -> None:
    unread = ("delivery 2026030209341500: there is no PlanInfo.txt yet",)
    (short,) = assessed(survey((WHOLE_PLAN,), delivery(3, 1, 6), lacking=unread))
    assert short.standing is Standing.LACKING
    assert unread[0] in short.sentence
    (whole,) = assessed(survey((WHOLE_PLAN,), delivery(3, 1, 6), delivery(5, 1, 4, minutes=4), lacking=unread))
    assert whole.standing is Standing.WHOLE


def test_a_last_layer_left_half_way_was_not_delivered() -> None:
    stopped = delivery(5, 1, 4, minutes=4, shares={1: 1.0, 4: 0.51})
    (case,) = assessed(survey((WHOLE_PLAN,), delivery(3, 1, 6), stopped))
    assert (case.standing, case.sentence) == (Standing.SHORT, "beam 5 'B5': layer 4 was stopped at 51% of its MU")
    rest = delivery(5, 4, 4, minutes=9, shares={4: 0.49})
    (whole,) = assessed(survey((WHOLE_PLAN,), delivery(3, 1, 6), stopped, rest))
    assert whole.standing is Standing.WHOLE


@pytest.mark.promise("P3")
def test_a_delivery_that_begins_with_the_rest_of_a_layer_can_be_stopped_again() -> None:
    """Layer 2 came in two parts; what its second part holds of it says nothing about how much a whole layer is."""
    first = delivery(5, 1, 2, minutes=4, shares={1: 1.0, 2: 0.4})
    second = delivery(5, 2, 4, minutes=9, shares={2: 0.6, 4: 0.7})
    (case,) = assessed(survey((WHOLE_PLAN,), delivery(3, 1, 6), first, second))
    assert (case.standing, case.sentence) == (Standing.SHORT, "beam 5 'B5': layer 4 was stopped at 70% of its MU")
    (case,) = assessed(survey((WHOLE_PLAN,), delivery(3, 1, 6), second))
    assert "layer 4 was stopped at 70%" in case.sentence


def test_a_beam_of_too_little_mu_throughout_is_not_taken_for_a_stop() -> None:
    weak = delivery(5, 1, 4, minutes=4, shares={1: 0.5, 4: 0.5})
    (case,) = assessed(survey((WHOLE_PLAN,), delivery(3, 1, 6), weak))
    assert case.standing is Standing.WHOLE


def test_what_no_file_mends_is_wrong() -> None:
    doubled = Fault("PlanRange.txt names layer 2 twice.", remedy="Send the delivery again.", kind="layer-doubled")
    (case,) = assessed(survey((WHOLE_PLAN,), delivery(3, 1, 6, fault=doubled)))
    assert (case.standing, case.sentence) == (
        Standing.WRONG,
        "PlanRange.txt names layer 2 twice. Send the delivery again.",
    )


def test_a_wrong_plan_comes_before_what_follows_from_it() -> None:
    machine = Fault("The treatment machine 'G7' is not known.", kind="gantry-unknown")
    bad = plan((3, 6), fault=machine)
    (case,) = assessed(survey((bad,), delivery(3, 1, 6, lacking=("matches no plan",))))
    assert (case.standing, case.sentence) == (Standing.WRONG, machine.what)


def test_a_dose_in_ct_waits_for_the_ct() -> None:
    deliveries = delivery(3, 1, 6), delivery(5, 1, 4, minutes=4)
    (case,) = assessed(survey((WHOLE_PLAN,), *deliveries), needs_ct=True)
    assert (case.standing, case.sentence) == (Standing.LACKING, "no CT image yet")
    (case,) = assessed(survey((WHOLE_PLAN,), *deliveries, ct=True), needs_ct=True)
    assert case.standing is Standing.WHOLE


@pytest.mark.promise("P11")
def test_deliveries_without_a_plan_are_a_case_already() -> None:
    (case,) = assessed(survey((), delivery(3, 1, 6, plan="")))
    assert (case.standing, case.sentence) == (Standing.LACKING, "no RTPLAN yet")
    assert case.case.startswith("20260302-093015-")


@pytest.mark.promise("P11")
def test_a_folder_in_which_nothing_can_be_read_is_a_case_already() -> None:
    (case,) = assessed(survey((), lacking=("delivery 1: there is no PlanInfo.txt yet",)), names=("2026030209301512",))
    assert case.sentence == "delivery 1: there is no PlanInfo.txt yet"
    assert case.keys == ()
    assert case.case.startswith("20260302-120000-")  # when it was seen, in the site's zone
    (plan_alone,) = assessed(survey((WHOLE_PLAN,)))
    assert plan_alone.sentence == "no delivery yet"
    assert assessed(survey(())) == ()


@pytest.mark.promise("P11")
def test_a_case_keeps_the_name_under_which_it_was_first_seen() -> None:
    register = Register()
    (first,) = assessed(survey((WHOLE_PLAN,)), register)
    sighted(register, first)
    (second,) = assessed(survey((WHOLE_PLAN,), delivery(5, 1, 4, minutes=4)), register)
    assert second.case == first.case
    sighted(register, second)
    (third,) = assessed(survey((WHOLE_PLAN,), delivery(3, 1, 6), delivery(5, 1, 4, minutes=4)), register)
    assert (third.case, third.standing) == (first.case, Standing.WHOLE)
    assert source_of(third).case == first.case


@pytest.mark.promise("P13")
def test_an_admitted_delivery_is_no_case_again_whatever_its_folder_is_called() -> None:
    register = Register()
    found = survey((WHOLE_PLAN,), delivery(3, 1, 6), delivery(5, 1, 4, minutes=4))
    (case,) = assessed(found, register)
    register.admitted(source_of(case), NOW)
    assert assessed(found, register) == ()
    assert assessed(replace(found, path="/other/root/copy"), register) == ()


@pytest.mark.promise("P13")
def test_the_next_fraction_and_another_plan_are_cases_of_their_own() -> None:
    register = Register()
    monday = delivery(3, 1, 6), delivery(5, 1, 4, minutes=4)
    (first,) = assessed(survey((WHOLE_PLAN,), *monday), register)
    register.admitted(source_of(first), NOW)
    tuesday = delivery(3, 1, 6, minutes=24 * 60), delivery(5, 1, 4, minutes=24 * 60 + 4)
    (second,) = assessed(survey((WHOLE_PLAN,), *monday, *tuesday), register)
    assert second.case != first.case
    assert second.case.startswith("20260303-093015-")
    other = plan((3, 6), (5, 4), uid="1.2.3.77", study="1.2.4")
    moved = [replace(one, plan="1.2.3.77", study_uid="1.2.4") for one in tuesday]
    (third,) = assessed(survey((other,), *moved), Register())
    assert third.case != second.case


def test_later_data_make_a_case_that_supersedes_the_partial_one() -> None:
    register = Register()
    first = delivery(3, 1, 6)
    (short,) = assessed(survey((WHOLE_PLAN,), first), register)
    register.admitted(source_of(short), NOW)
    assert assessed(survey((WHOLE_PLAN,), first), register) == ()
    (whole,) = assessed(survey((WHOLE_PLAN,), first, delivery(5, 1, 4, minutes=90)), register)
    assert whole.case != short.case
    assert source_of(whole).supersedes == short.case
    assert len(source_of(whole).deliveries) == 2
    assert len(whole.keys) == 1
    register.admitted(source_of(whole), NOW)
    assert assessed(survey((WHOLE_PLAN,), first, delivery(5, 1, 4, minutes=90)), register) == ()


def test_a_case_that_failed_before_interpretation_runs_again_when_its_files_change() -> None:
    register = Register()
    found = survey((WHOLE_PLAN,), delivery(3, 1, 6), delivery(5, 1, 4, minutes=4))
    (case,) = assessed(found, register)
    source = source_of(case)
    register.admitted(source, NOW)
    register.learn_row(failed_row(source))
    assert assessed(found, register) == ()
    mended = survey((WHOLE_PLAN,), delivery(3, 1, 6, content="new"), delivery(5, 1, 4, minutes=4))
    (again,) = assessed(mended, register)
    assert (again.case, again.failed_before, again.standing) == (source.case, True, Standing.WHOLE)
    broken = survey((WHOLE_PLAN,), delivery(3, 1, 6, content="new", lacking=("cut",)), delivery(5, 1, 4, minutes=4))
    assert assessed(broken, register) == ()
    register.learn_row(failed_row(source, interpretation="{}"))
    assert assessed(mended, register) == ()


def test_two_cases_that_turn_out_to_be_one_keep_the_older_name() -> None:
    register = Register()
    first, second = delivery(3, 1, 6, plan=""), delivery(5, 1, 4, minutes=4 * 60 + 30, plan="")
    cases = assessed(survey((), first, second), register)
    assert len(cases) == 2
    for case in cases:
        sighted(register, case)
    joining = delivery(3, 1, 6), delivery(5, 3, 4, minutes=60), delivery(5, 1, 2, minutes=4 * 60 + 30)
    assert len(assessed(survey((WHOLE_PLAN,), *joining), register)) == 1


@pytest.mark.promise("P13")
@given(st.permutations(range(4)), st.sets(st.integers(0, 3), min_size=1))
def test_any_order_of_arrival_ends_in_the_same_case(order: list[int], stops: set[int]) -> None:
    """Deliveries arrive one by one, and what is not whole is sighted on the way: the last case is always the same."""
    parts: list[DeliveryFacts] = [
        delivery(3, 1, 2),
        delivery(3, 3, 6, minutes=20),
        delivery(5, 1, 3, minutes=30),
        delivery(5, 4, 4, minutes=200),
    ]
    register = Register()
    there: list[DeliveryFacts] = []
    for step, number in enumerate(order):
        there.append(parts[number])
        cases = assessed(survey((WHOLE_PLAN,), *random.Random(step).sample(there, len(there))), register)
        assert len(there) == 4 or all(case.standing is Standing.SHORT for case in cases)
        if step in stops:
            for case in cases:
                sighted(register, case)
    (last,) = cases
    (fresh,) = assessed(survey((WHOLE_PLAN,), *parts))
    assert last.standing is Standing.WHOLE
    assert (last.identity, source_of(last).deliveries) == (fresh.identity, source_of(fresh).deliveries)


def test_after_a_restart_the_ledger_s_names_are_kept() -> None:
    before = Register()
    (case,) = assessed(survey((WHOLE_PLAN,), delivery(5, 1, 4, minutes=4)), before)
    known = KnownCase(case.case, case.identity, CaseState.INCOMPLETE, PATH, case.keys, NOW, False, case.sentence)
    register = Register()
    register.learn_known([known])
    (later,) = assessed(survey((WHOLE_PLAN,), delivery(3, 1, 6), delivery(5, 1, 4, minutes=4)), register)
    assert later.case == case.case
