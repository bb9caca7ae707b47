"""Which cases have an actor: what has begun, then by the ledger's order, then what is to be cleaned; never too many."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from actors.case.intake import Intake
from messages.ledger import CaseRow
from messages.states import CaseState
from tests.unit.case.case_world import World


def rows(*states: CaseState, cleaned: bool = False) -> list[CaseRow]:
    row = World().report().row
    assert row is not None
    return [replace(row, case=f"case-{n}", state=state, cleaned=cleaned) for n, state in enumerate(states)]


def test_what_had_begun_goes_first_then_the_queue_in_order_then_cleaning() -> None:
    intake = Intake(max_active=10)
    found = rows(CaseState.DONE, CaseState.QUEUED, CaseState.RUNNING, CaseState.QUEUED, CaseState.CANCELLED)
    assert intake.choose(found) == ("case-2", "case-1", "case-3", "case-0", "case-4")
    assert intake.choose(found) == (), "they have their actors"


def test_failed_cleaned_and_held_cases_are_left_alone() -> None:
    intake = Intake(max_active=10)
    assert intake.choose(rows(CaseState.FAILED, CaseState.HELD, CaseState.INCOMING)) == ()
    assert intake.choose(rows(CaseState.DONE, cleaned=True)) == ()


def test_a_case_that_failed_long_ago_is_cleaned() -> None:
    intake, (row,) = Intake(max_active=10), rows(CaseState.FAILED)
    intake.failed_before = datetime(2026, 3, 2, tzinfo=UTC)
    assert intake.choose([replace(row, ended=datetime(2026, 3, 3, tzinfo=UTC))]) == ()
    assert intake.choose([replace(row, ended=datetime(2026, 3, 1, tzinfo=UTC), cleaned=True)]) == ()
    assert intake.choose([replace(row, ended=datetime(2026, 3, 1, tzinfo=UTC))]) == ("case-0",)


def test_when_one_ends_there_is_room_for_the_next() -> None:
    intake, found = Intake(max_active=1), rows(CaseState.QUEUED, CaseState.QUEUED)
    assert intake.choose(found) == ("case-0",)
    assert intake.room == 0
    intake.ended("case-0")
    assert intake.room == 1
    assert intake.choose(found[1:]) == ("case-1",)


def test_what_could_not_be_cleaned_is_left_until_the_next_look() -> None:
    intake, found = Intake(max_active=1), rows(CaseState.DONE)
    assert intake.choose(found) == ("case-0",)
    intake.ended("case-0")
    assert intake.choose(found) == ()
    intake.look_again()
    assert intake.choose(found) == ("case-0",)


@given(st.lists(st.sampled_from(CaseState), max_size=20), st.integers(1, 5))
def test_never_more_than_there_is_room_for(states: list[CaseState], most: int) -> None:
    intake = Intake(max_active=most)
    chosen = intake.choose(rows(*states))
    assert len(chosen) == len(set(chosen)) <= most
    assert len(intake.active) <= most
