"""Which cases have an actor: what has begun, then by the ledger's order, then what is to be cleaned; never too many."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from actors.case.intake import Intake
from messages.ledger import CaseRow
from messages.states import BeamState, CaseState
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
    assert len(chosen) == len(set(chosen)) == len(intake.active)
    assert len(intake.active - intake.cleaning) <= most
    assert len(intake.cleaning) <= most


def test_a_case_that_is_only_cleaned_holds_no_place_of_one_that_is_to_be_worked_on() -> None:
    intake = Intake(max_active=2)
    assert intake.choose(rows(CaseState.RUNNING, CaseState.RUNNING, CaseState.QUEUED)) == ("case-0", "case-1")
    assert intake.choose(rows(CaseState.DONE, CaseState.CANCELLED, CaseState.QUEUED)) == ("case-2",)
    assert (intake.room, intake.room_to_clean) == (1, 0)
    retried = rows(CaseState.DONE, CaseState.QUEUED, CaseState.RUNNING, CaseState.QUEUED)
    assert intake.choose(retried) == (), "an operator has it worked on again, and it has its actor still"
    assert (intake.room, intake.room_to_clean) == (0, 1)
    intake.ended("case-0")
    assert intake.room_to_clean == 2


def test_cleaning_has_places_of_its_own_and_what_still_runs_of_a_cancelled_case_is_first() -> None:
    intake = Intake(max_active=1)
    found = rows(CaseState.RUNNING, CaseState.DONE, CaseState.CANCELLED)
    under_way = replace(found[2], beams=(replace(found[2].beams[0], state=BeamState.RUNNING),))
    assert intake.choose([*found[:2], under_way]) == ("case-0", "case-2")
