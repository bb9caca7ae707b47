"""The table of transitions, and that no sequence of records gets round it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.errors import MqiError
from actors.ledger import reads
from actors.ledger.transitions import ATTEMPT, BEAM, CASE, check, check_case
from messages.faults import Blame
from messages.ledger import (
    AttemptRow,
    CaseRow,
    ExplainBeam,
    MarkCleaned,
    MoveAttempt,
    MoveBeam,
    MoveCase,
    NoteProgress,
    Record,
    SightCase,
)
from messages.states import OPEN_ATTEMPTS, AttemptState, BeamState, CaseState
from tests.integration.ledger.ledger_cases import admission, attempt, memory_ledger, running_case, whole_attempt, write

ATTEMPT_ORDER = [
    AttemptState.INTENDED,
    AttemptState.STAGED,
    AttemptState.LAUNCHING,
    AttemptState.RUNNING,
    AttemptState.ENDED,
    AttemptState.COLLECTED,
]
BEAM_ORDER = [
    BeamState.PENDING,
    BeamState.INTERPRETED,
    BeamState.STAGED,
    BeamState.RUNNING,
    BeamState.ENDED,
    BeamState.COLLECTED,
    BeamState.DONE,
]
STARTED = (CaseState.QUEUED, CaseState.RUNNING, CaseState.DONE)


@pytest.mark.parametrize(
    ("table", "states"),
    [(CASE, CaseState), (BEAM, BeamState), (ATTEMPT, AttemptState)],
    ids=["case", "beam", "attempt"],
)
def test_every_state_has_its_line_in_the_table(table: Mapping, states: type) -> None:
    assert set(table) == set(states)
    assert all(state not in followers for state, followers in table.items()), "staying is no transition"


@pytest.mark.promise("P19")
def test_an_illegal_transition_names_both_states() -> None:
    with pytest.raises(MqiError) as caught:
        check(BEAM, "Beam 3 of case c", BeamState.DONE, BeamState.RUNNING)
    assert "Beam 3 of case c is done" in caught.value.fault.what
    assert "cannot become running" in caught.value.fault.what
    assert (caught.value.fault.kind, caught.value.fault.blame) == ("illegal-transition", Blame.OURS)


def test_staying_is_allowed_and_is_no_step() -> None:
    assert check(BEAM, "b", BeamState.DONE, BeamState.DONE) is False
    assert check(BEAM, "b", BeamState.COLLECTED, BeamState.DONE) is True


@pytest.mark.promise("P19")
@pytest.mark.parametrize("held_from", [CaseState.INCOMING, CaseState.INCOMPLETE, CaseState.QUEUED, CaseState.RUNNING])
def test_a_hold_goes_back_to_where_it_came_from(held_from: CaseState) -> None:
    admitted = held_from in STARTED
    assert check_case("c", CaseState.HELD, held_from, held_from=held_from, admitted=admitted)
    for other in {CaseState.INCOMING, CaseState.INCOMPLETE, CaseState.QUEUED, CaseState.RUNNING} - {held_from}:
        with pytest.raises(MqiError):
            check_case("c", CaseState.HELD, other, held_from=held_from, admitted=admitted)


@pytest.mark.parametrize("state", [CaseState.CANCELLED, CaseState.FAILED])
def test_a_retry_of_what_was_never_complete_waits_for_its_files_again(state: CaseState) -> None:
    assert check_case("c", state, CaseState.INCOMING, held_from=None, admitted=False)
    assert check_case("c", state, CaseState.QUEUED, held_from=None, admitted=True)
    with pytest.raises(MqiError) as caught:
        check_case("c", state, CaseState.QUEUED, held_from=None, admitted=False)
    assert caught.value.fault.kind == "not-admitted"
    with pytest.raises(MqiError):
        check_case("c", state, CaseState.INCOMING, held_from=None, admitted=True)


CASES, BEAMS = ("c1", "c2"), (2, 3)


@st.composite
def any_record(draw: st.DrawFn) -> tuple[Record, ...]:
    """Records that writers send, in no sensible order at all; now and then a sensible run of them."""
    case, beam, number = draw(st.sampled_from(CASES)), draw(st.sampled_from(BEAMS)), draw(st.integers(1, 3))
    return draw(
        st.sampled_from(
            [
                (
                    SightCase(
                        case, "i", "/p", draw(st.sampled_from(["waits for a beam", "changing"])), delivery_keys=("k",)
                    ),
                ),
                (admission(case, keys=(f"{case}-a", draw(st.sampled_from(["shared", f"{case}-b"])))),),
                (MoveCase(case, draw(st.sampled_from(CaseState)), "because"),),
                (MoveBeam(case, beam, draw(st.sampled_from(BeamState))),),
                (attempt(case, beam, number),),
                (MoveAttempt(f"{case}/{beam}/{number}", draw(st.sampled_from(AttemptState)), "seen"),),
                (NoteProgress(case, beam, number, draw(st.floats(allow_nan=True, allow_infinity=True))),),
                (NoteProgress(case, beam, number, draw(st.floats(0, 1))),),
                (MarkCleaned(case),),
                (ExplainBeam(case, beam, "waits"),),
                running_case(case),
                whole_attempt(case, beam, number),
                (*whole_attempt(case, beam, number), MoveCase(case, CaseState.DONE)),
                (MoveCase(case, CaseState.DONE),),
                whole_attempt(case, beam, number)[: draw(st.integers(1, 12))],
            ]
        )
    )


class Look:
    """All of a small ledger at one moment."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self.cases: dict[str, CaseRow] = {row.case: row for row in reads.all_cases(database)}
        self.attempts: dict[str, AttemptRow] = {
            row.key: row for case in self.cases for row in reads.attempts_of(database, case)
        }
        self.beams = {(case, beam.number): beam for case, row in self.cases.items() for beam in row.beams}
        self.events = reads.events_after(database, 0, 100_000)
        self.claims = database.execute("SELECT key FROM deliveries").fetchall()


def check_alone(now: Look) -> None:
    """What holds at every moment."""
    for row in now.cases.values():
        assert row.state not in STARTED or row.source is not None
        assert (row.state is CaseState.HELD) == (row.held_from is not None)
        if row.state is CaseState.DONE:
            assert all(beam.state is BeamState.DONE for beam in row.beams)
        if row.state in (CaseState.INCOMING, CaseState.INCOMPLETE):
            assert row.source is None
    open_beams = [(row.case, row.beam) for row in now.attempts.values() if row.state in OPEN_ATTEMPTS]
    assert len(open_beams) == len(set(open_beams)), "two open attempts of one beam"
    keys = [row["key"] for row in now.claims]
    assert len(keys) == len(set(keys))
    for beam in now.beams.values():
        assert 0 <= beam.progress <= 1


def check_step(before: Look, now: Look) -> None:
    """What holds between two moments, told without the table."""
    assert now.events[: len(before.events)] == before.events, "history changed"
    changes = _beam_changes(before, now) + _attempt_changes(before, now)
    for name, row in before.cases.items():
        assert row.state is not CaseState.DONE or now.cases[name].state is CaseState.DONE
        changes += now.cases[name].state != row.state
    assert len(now.events) - len(before.events) >= changes, "a transition without its event"


def _beam_changes(before: Look, now: Look) -> int:
    for key, beam in before.beams.items():
        new = now.beams[key]
        assert beam.state is not BeamState.DONE or new.state is BeamState.DONE
        assert new.attempt >= beam.attempt
        if new.attempt == beam.attempt:
            assert new.progress >= beam.progress
            if new.state in BEAM_ORDER and beam.state in BEAM_ORDER:
                back = BEAM_ORDER.index(new.state) < BEAM_ORDER.index(beam.state)
                assert not back or new.state is BeamState.INTERPRETED
    return sum(now.beams[key].state != beam.state for key, beam in before.beams.items())


def _attempt_changes(before: Look, now: Look) -> int:
    for key, row in before.attempts.items():
        new = now.attempts[key]
        assert new.progress >= row.progress
        if row.state not in OPEN_ATTEMPTS:
            assert new.state is row.state
        elif new.state in OPEN_ATTEMPTS:
            assert ATTEMPT_ORDER.index(new.state) >= ATTEMPT_ORDER.index(row.state)
    return sum(now.attempts[key].state != row.state for key, row in before.attempts.items())


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    with closing(memory_ledger()) as opened:
        yield opened


@pytest.mark.promise("P19")
@pytest.mark.promise("P13")
@settings(max_examples=150)
@given(writes=st.lists(any_record(), max_size=25))
def test_no_sequence_of_records_makes_an_illegal_state(writes: list[tuple[Record, ...]]) -> None:
    with closing(memory_ledger()) as database:
        before = Look(database)
        for records in writes:
            fault = write(database, *records)
            now = Look(database)
            check_alone(now)
            check_step(before, now)
            if fault is not None:
                assert now.events == before.events, "a refused write left a trace"
                assert (now.cases, now.attempts) == (before.cases, before.attempts)
            before = now


def test_a_whole_life_is_legal(database: sqlite3.Connection) -> None:
    assert write(database, *running_case("c1")) is None
    for beam in (2, 3):
        assert write(database, *whole_attempt("c1", beam)) is None
    assert write(database, MoveCase("c1", CaseState.DONE), MarkCleaned("c1")) is None
    row = reads.one_case(database, "c1")
    assert row is not None
    assert (row.state, row.cleaned) == (CaseState.DONE, True)
    assert row.started is not None
    assert row.ended is not None
    assert [beam.progress for beam in row.beams] == [1.0, 1.0]
