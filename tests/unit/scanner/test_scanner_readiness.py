"""When a case may start."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.scanner.assessment import Assessment, Standing
from actors.scanner.readiness import Act, Rules, Situation, decide

RULES = Rules(quiet_s=30.0, marker="", give_up_h=24.0, partial_after_h=2.0)
MARKED = replace(RULES, marker="_CASE_READY")
QUIET = Situation(quiet_for_s=31.0, waiting_h=0.1)


def case(standing: Standing, sentence: str = "") -> Assessment:
    return Assessment("20260302-093015-00000000", "id", "/root/case", standing, sentence)


@pytest.mark.promise("P10")
def test_a_whole_and_quiet_case_starts() -> None:
    decision = decide(case(Standing.WHOLE), QUIET, RULES)
    assert (decision.act, decision.partial) == (Act.ADMIT, False)


@pytest.mark.promise("P10")
def test_a_whole_case_waits_until_it_is_quiet() -> None:
    decision = decide(case(Standing.WHOLE), replace(QUIET, quiet_for_s=12.0), RULES)
    assert decision.act is Act.WAIT
    assert decision.again_s == 18.0
    assert decision.sentence == "complete, but still changing: waits until nothing has changed for 30 s"


@pytest.mark.promise("P10")
def test_a_whole_case_waits_for_its_marker() -> None:
    decision = decide(case(Standing.WHOLE), QUIET, MARKED)
    assert (decision.act, decision.sentence) == (Act.WAIT, "waits for marker _CASE_READY")
    assert decide(case(Standing.WHOLE), replace(QUIET, marker_there=True), MARKED).act is Act.ADMIT


@pytest.mark.promise("P11")
def test_what_is_missing_is_said_and_in_time_given_up() -> None:
    lacking = case(Standing.LACKING, "beam 3: the .ptn file of layer 2 is missing")
    waits = decide(lacking, QUIET, RULES)
    assert (waits.act, waits.sentence) == (Act.WAIT, lacking.sentence)
    assert waits.again_s == pytest.approx(23.9 * 3600)
    late = decide(lacking, replace(QUIET, waiting_h=24.1), RULES)
    assert (late.act, late.sentence) == (Act.GIVE_UP, f"not complete after 24 h: {lacking.sentence}")


@pytest.mark.promise("P11")
def test_what_was_given_up_starts_when_the_rest_is_there() -> None:
    assert decide(case(Standing.WHOLE), replace(QUIET, waiting_h=100.0), RULES).act is Act.ADMIT


@pytest.mark.promise("P10")
def test_a_stopped_treatment_starts_as_partial_after_its_time() -> None:
    short = case(Standing.SHORT, "beam 5 'B5' was not delivered")
    waits = decide(short, QUIET, RULES)
    assert (waits.act, waits.again_s) == (Act.WAIT, pytest.approx(2 * 3600 - 31.0))
    assert waits.sentence == f"{short.sentence}; computed as PARTIAL after 2 h without more data"
    starts = decide(short, replace(QUIET, quiet_for_s=7201.0), RULES)
    assert (starts.act, starts.partial) == (Act.ADMIT, True)


def test_what_lacks_files_is_never_partial() -> None:
    later = replace(QUIET, quiet_for_s=1e6)
    assert decide(case(Standing.LACKING, "x"), later, RULES).act is Act.WAIT
    ordered = replace(later, ordered=True, as_it_is=True)
    assert decide(case(Standing.LACKING, "x"), ordered, RULES).act is Act.WAIT


def test_a_partial_waits_for_its_marker_too() -> None:
    later = replace(QUIET, quiet_for_s=7201.0)
    assert decide(case(Standing.SHORT, "x"), later, MARKED).act is Act.WAIT
    assert decide(case(Standing.SHORT, "x"), replace(later, marker_there=True), MARKED).act is Act.ADMIT


def test_given_up_before_its_partial_time_it_is_looked_at_again() -> None:
    rules = replace(RULES, give_up_h=1.0)
    decision = decide(case(Standing.SHORT, "x"), replace(QUIET, quiet_for_s=3601.0, waiting_h=1.1), rules)
    assert (decision.act, decision.again_s) == (Act.GIVE_UP, pytest.approx(3599.0))


def test_what_is_wrong_fails_once_it_is_quiet() -> None:
    wrong = case(Standing.WRONG, "PlanRange.txt names layer 2 twice. Send the delivery again.")
    growing = decide(wrong, replace(QUIET, quiet_for_s=3.0), RULES)
    assert (growing.act, growing.sentence) == (Act.WAIT, f"{wrong.sentence}; still growing")
    assert decide(wrong, QUIET, MARKED).act is Act.FAIL


def test_an_order_needs_neither_quiet_nor_marker() -> None:
    ordered = Situation(quiet_for_s=0.0, waiting_h=0.0, ordered=True)
    assert decide(case(Standing.WHOLE), ordered, MARKED).act is Act.ADMIT
    assert decide(case(Standing.WRONG, "x"), ordered, MARKED).act is Act.FAIL
    assert decide(case(Standing.SHORT, "x"), ordered, MARKED).act is Act.WAIT
    as_it_is = decide(case(Standing.SHORT, "x"), replace(ordered, as_it_is=True), MARKED)
    assert (as_it_is.act, as_it_is.partial) == (Act.ADMIT, True)


@pytest.mark.promise("P20")
def test_a_full_disk_stops_the_intake() -> None:
    paused = replace(QUIET, paused="the results disk has 3 GB left")
    decision = decide(case(Standing.WHOLE), paused, RULES)
    assert (decision.act, decision.sentence) == (
        Act.WAIT,
        "complete; new work is stopped: the results disk has 3 GB left",
    )


SITUATIONS = st.builds(
    Situation,
    quiet_for_s=st.floats(0, 1e6),
    waiting_h=st.floats(0, 1e4),
    marker_there=st.booleans(),
    paused=st.sampled_from(["", "no room"]),
)


@pytest.mark.promise("P10")
@given(st.sampled_from(Standing), SITUATIONS, st.sampled_from([RULES, MARKED]))
def test_nothing_starts_before_it_may(standing: Standing, now: Situation, rules: Rules) -> None:
    decision = decide(case(standing, "something"), now, rules)
    if decision.act is Act.ADMIT:
        assert standing in {Standing.WHOLE, Standing.SHORT}
        assert now.quiet_for_s >= rules.quiet_s
        assert now.marker_there or not rules.marker
        assert not now.paused
        assert decision.partial == (standing is Standing.SHORT)
        assert standing is Standing.WHOLE or now.quiet_for_s >= rules.partial_after_h * 3600
    else:
        assert decision.sentence


@given(st.sampled_from(Standing), SITUATIONS, st.sampled_from([RULES, MARKED]))
def test_what_time_can_change_is_looked_at_again_in_time(standing: Standing, now: Situation, rules: Rules) -> None:
    """If waiting longer changes the decision, ``again_s`` comes no later than that."""
    decision = decide(case(standing, "something"), now, rules)
    for later_s in (1.0, 60.0, 7200.0, 90_000.0, 1e7):
        later = replace(now, quiet_for_s=now.quiet_for_s + later_s, waiting_h=now.waiting_h + later_s / 3600)
        if decide(case(standing, "something"), later, rules).act is not decision.act:
            assert decision.again_s is not None
            assert decision.again_s <= later_s * (1 + 1e-9)
            return
