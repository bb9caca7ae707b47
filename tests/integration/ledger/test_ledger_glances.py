"""What the page asks of the ledger again and again: a part of the list, and what ended since."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from actors.ledger import Reader, next_boot, open_store
from actors.ledger.codec import time_text
from actors.ledger.commit import commit
from messages.ledger import MoveBeam, MoveCase, NoteEvent, Record, SetPriority, Write
from messages.states import BeamState, CaseState
from tests.integration.ledger.ledger_cases import admission, must, running_case

EVERY = frozenset(CaseState)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def reader(path: Path) -> Iterator[Reader]:
    """Five cases: two wait, one of them urgent, one runs, two failed."""
    next_boot(path)
    with closing(open_store(path)) as database:
        for name in ("20260301-a", "20260302-b", "20260303-c"):
            must(database, admission(name))
        must(database, *running_case("20260304-d"))
        must(database, admission("20260305-e"), SetPriority("20260302-b", 5))
        for name in ("20260303-c", "20260305-e"):
            must(database, MoveCase(name, CaseState.FAILED, "Beam 3: Layer 4 is missing"))
    return Reader(path)


def names(reader: Reader, **asked: object) -> list[str]:
    states = asked.pop("states", EVERY)
    return [row.case for row in reader.find(states, **asked)[1]]  # type: ignore[arg-type]


def test_open_cases_come_in_the_order_in_which_they_will_run_then_ended_ones_newest_first(reader: Reader) -> None:
    assert names(reader) == ["20260302-b", "20260301-a", "20260304-d", "20260305-e", "20260303-c"]
    assert [len(row.beams) for row in reader.find(EVERY)[1]] == [2] * 5


def test_a_part_of_the_list_knows_how_long_it_is(reader: Reader) -> None:
    total, rows = reader.find(EVERY, limit=2, offset=3)
    assert (total, [row.case for row in rows]) == (5, ["20260305-e", "20260303-c"])
    assert reader.find(EVERY, limit=0) == (5, ())
    assert reader.find(frozenset()) == (0, ())


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("0303", ["20260303-c"]),
        ("LAYER 4", ["20260305-e", "20260303-c"]),
        ("1.2.3", 5),
        ("%", []),
        ("'", []),
        ("zzz", []),
    ],
)
def test_a_search_looks_into_name_plan_and_reason(reader: Reader, search: str, found: list[str] | int) -> None:
    assert (len(names(reader, search=search)) if isinstance(found, int) else names(reader, search=search)) == found


def test_states_are_chosen(reader: Reader) -> None:
    assert names(reader, states=frozenset({CaseState.RUNNING})) == ["20260304-d"]


def at(path: Path, when: datetime, *records: Record) -> None:
    with closing(open_store(path)) as database:
        commit(database, [Write("x", None, "test", 1, records)], time_text(when))


def test_what_ended_is_found_from_any_moment(path: Path) -> None:
    next_boot(path)
    for hour in range(6):
        at(path, NOON + timedelta(hours=hour), NoteEvent("", f"event {hour}"))
    reader = Reader(path)
    for hour in range(6):
        before = reader.event_before(NOON + timedelta(hours=hour))
        assert [event.what for event in reader.events_after(before)][:1] == [f"event {hour}"]
    assert reader.event_before(NOON - timedelta(days=1)) == 0
    assert reader.event_before(NOON + timedelta(days=1)) == reader.last_event()


def test_only_ends_of_beams_and_cases_are_endings(path: Path) -> None:
    next_boot(path)
    with closing(open_store(path)) as database:
        must(database, *running_case("c1"))
        for state in (BeamState.STAGED, BeamState.RUNNING, BeamState.ENDED, BeamState.COLLECTED, BeamState.DONE):
            must(database, MoveBeam("c1", 2, state))
        must(database, NoteEvent("c1", "beam 3 attempt 1: collected → verified"), MoveCase("c1", CaseState.FAILED))
    reader = Reader(path)
    assert [event.what for event in reader.endings_after(0)] == ["beam 2: collected → done", "case: running → failed"]
    assert reader.endings_after(reader.last_event()) == ()
