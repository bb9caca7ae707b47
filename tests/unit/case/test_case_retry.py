"""What a failure costs depends on whose it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.case.retry import LONGEST_PAUSE_S, SPENDS, Again, GiveUp, RetryPolicy, Try, pause_s
from messages.faults import Blame, Fault

POLICY = RetryPolicy(attempts=3, patience=5)


def a_try(attempt: int, blame: Blame | None, place: str = "gpu1/GPU-0") -> Try:
    return Try(attempt, place, None if blame is None else Fault(f"fault {attempt}", blame=blame))


def test_the_first_try_is_made_at_once_anywhere() -> None:
    assert POLICY.decide(1, ()) == Again(0.0)


def test_an_engine_that_failed_is_tried_at_once_elsewhere() -> None:
    tries = (a_try(1, Blame.ENGINE, "gpu1/GPU-0"), a_try(2, Blame.GPU, "gpu1/GPU-1"))
    assert POLICY.decide(1, tries) == Again(0.0, frozenset({"gpu1/GPU-0", "gpu1/GPU-1"}))


def test_a_wrong_input_is_the_end_with_its_sentence() -> None:
    assert POLICY.decide(1, (a_try(1, Blame.INPUT),)) == GiveUp("fault 1")


def test_a_spent_budget_is_the_end() -> None:
    tries = tuple(a_try(number, Blame.ENGINE) for number in (1, 2, 3))
    assert POLICY.decide(3, tries) == GiveUp("beam 3 failed 3 times, the last time: fault 3")
    assert RetryPolicy(attempts=1).decide(3, tries[:1]) == GiveUp("beam 3 failed once, the last time: fault 1")


@pytest.mark.parametrize("blame", [Blame.HOST, Blame.OURS, None])
def test_what_others_spoil_spends_nothing_and_waits_longer_each_time(blame: Blame | None) -> None:
    pauses = []
    for count in range(1, POLICY.patience + 1):
        decision = POLICY.decide(1, tuple(a_try(number, blame) for number in range(1, count + 1)))
        assert isinstance(decision, Again)
        assert decision.avoid == frozenset()
        pauses.append(decision.after_s)
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0]
    assert isinstance(POLICY.decide(1, tuple(a_try(number, blame) for number in range(1, 7))), GiveUp)


def test_the_pause_is_bounded() -> None:
    assert pause_s(0) == 0.0
    assert pause_s(10_000) == LONGEST_PAUSE_S


@given(st.lists(st.sampled_from([*Blame, None]), max_size=60))
def test_every_history_ends_or_goes_on_and_the_budget_is_exact(blames: list[Blame | None]) -> None:
    tries = tuple(a_try(number, blame) for number, blame in enumerate(blames, 1))
    decision = POLICY.decide(1, tries)
    spent = sum(blame in SPENDS for blame in blames if blame is not None)
    if spent >= POLICY.attempts:
        assert isinstance(decision, GiveUp)
    elif not blames or (blames[-1] is not Blame.INPUT and len(blames) <= POLICY.patience):
        assert isinstance(decision, Again)
