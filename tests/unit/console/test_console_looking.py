"""What the console sees, and when it looks at all: every event once, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from actors.console import looking
from actors.console.hub import Hub
from actors.console.looking import Health, Look, Sight, cleaned
from actors.documents import Today, midnight, tally
from actors.errors import MqiError
from messages.faults import Fault
from messages.ledger import EventRow
from messages.states import CaseState
from tests.unit.console.stand_ins import CASE, NOW, Inside, PaperLedger, case, health


class Looked:
    """A look whose ledger's file changes when a test says so."""

    def __init__(self, folder: Path, ledger: PaperLedger) -> None:
        self.path, self.ledger, self.now = folder / "ledger.sqlite", ledger, NOW
        self.health: Health | None = None
        self.inside = Inside(ledger)
        self.look = Look(
            ledger,
            self.path,
            facts=self.inside.facts,
            health=lambda: self.health,
            configured=[("gpu1", "ssh")],
            attempts=3,
            clean=lambda text: text.replace("JANE", "…"),
            clock=lambda: self.now,
        )
        self.path.write_text("x")
        self.written()

    def written(self) -> None:
        """The file has another time of change, well before now."""
        self.now += timedelta(seconds=1)
        at = int((self.now - timedelta(seconds=0.5)).timestamp() * 1e9)
        os.utime(self.path, ns=(at, at))


@pytest.fixture
def looked(tmp_path: Path) -> Looked:
    return Looked(tmp_path, PaperLedger(case()))


def test_a_ledger_that_does_not_change_is_not_read_again(looked: Looked) -> None:
    first = looked.look.look()
    assert first is not None
    assert (first.revision, first.document["cases"]["running"]) == (1, 1)
    reads = looked.ledger.reads
    assert looked.look.look() is None
    assert looked.ledger.reads == reads
    looked.written()
    second = looked.look.look()
    assert second is not None
    assert second.revision == 2


def test_a_file_written_this_moment_may_be_written_again_unseen_and_is_read_again(looked: Looked) -> None:
    assert looked.look.look() is not None
    at = int(looked.now.timestamp() * 1e9)
    os.utime(looked.path, ns=(at, at))
    assert looked.look.look() is not None
    assert looked.look.look() is not None


def test_what_the_monitor_says_is_news(looked: Looked) -> None:
    assert looked.look.look() is not None
    looked.health = Health(health(), looked.now)
    sight = looked.look.look()
    assert sight is not None
    assert sight.document["hosts"][0]["gpus"][0]["temperature_c"] == 71
    looked.health = Health(health(), looked.now + timedelta(seconds=1))
    assert looked.look.look() is None  # the same, said again


def test_everything_is_read_again_after_a_while(looked: Looked, monkeypatch: pytest.MonkeyPatch) -> None:
    assert looked.look.look() is not None
    monkeypatch.setattr(looking, "SLOWEST_S", 0.0)
    assert looked.look.look() is not None


def test_changed_cases_are_those_with_events_or_progress(looked: Looked) -> None:
    looked.look.look()
    looked.ledger.happened("case: seen, incoming", "20260302-000000-0000000b")
    looked.written()
    sight = looked.look.look()
    assert sight is not None
    assert sight.changed == {"20260302-000000-0000000b"}
    row = looked.ledger.rows[CASE]
    looked.ledger.rows[CASE] = replace(row, beams=(replace(row.beams[0], progress=0.9), row.beams[1]))
    looked.written()
    sight = looked.look.look()
    assert sight is not None
    assert sight.changed == {CASE}


def test_what_ends_while_it_is_counted_is_counted_once(looked: Looked) -> None:
    looked.look.look()
    ledger = looked.ledger

    def hurried() -> int:  # another event is written between two questions
        upto = len(ledger.history)
        ledger.happened("beam 5: collected → done")
        return upto

    ledger.happened("beam 3: collected → done")
    ledger.last_event = hurried  # type: ignore[method-assign]
    looked.written()
    first = looked.look.look()
    assert first is not None
    assert first.document["today"]["beams"] == 1
    looked.written()
    second = looked.look.look()
    assert second is not None
    assert second.document["today"]["beams"] == 2


def test_a_flood_of_events_is_counted_and_not_told_one_by_one(looked: Looked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "_STORM", 3)
    looked.look.look()
    for _ in range(10):
        looked.ledger.happened("beam 3: collected → done", "20260302-000000-0000000b")
    looked.written()
    sight = looked.look.look()
    assert sight is not None
    assert sight.document["today"]["beams"] == 10
    assert sight.changed == frozenset()


def test_a_new_day_begins_at_nought(looked: Looked) -> None:
    looked.ledger.happened("beam 3: collected → done", at=NOW)
    first = looked.look.look()
    assert first is not None
    assert first.document["today"]["beams"] == 1
    looked.now += timedelta(days=1)
    looked.written()
    second = looked.look.look()
    assert second is not None
    assert second.document["today"]["beams"] == 0


def test_a_ledger_that_cannot_be_read_is_told_until_it_can(looked: Looked) -> None:
    looked.ledger.fault = MqiError(Fault("The ledger of /share/JANE is damaged."))
    sight = looked.look.look()
    assert sight is not None
    assert sight.document["fault"] == "The ledger of /share/… is damaged."
    looked.ledger.fault = None
    looked.written()
    sight = looked.look.look()
    assert sight is not None
    assert "fault" not in sight.document


def test_every_text_of_a_document_is_cleaned() -> None:
    dirty = {"a": ["JANE", {"b": "JANE"}], "c": ("JANE",), "d": 3, "e": None}
    assert cleaned(dirty, lambda text: text.lower()) == {"a": ["jane", {"b": "jane"}], "c": ["jane"], "d": 3, "e": None}


# -- a day's work


def event(what: str, hour: int, name: str = CASE) -> EventRow:
    return EventRow(1, datetime(2026, 3, 2, hour, 5, tzinfo=UTC), name, what, "")


def test_a_days_work_is_counted_by_hour() -> None:
    day = Today(midnight(datetime(2026, 3, 2, 12, tzinfo=UTC)))
    done = tally(
        day,
        [
            event("beam 3: collected → done", 9),
            event("beam 5: collected → done", 9),
            event("case: running → done", 10, "a"),
            event("case: running → failed", 10, "b"),
            event("case: running → done", 11, "a"),
        ],
    )
    assert (done.cases, done.failed, done.beams, sum(done.hours)) == (2, 1, 2, 2)
    assert done.last == ("a", "b")
    many = tally(day, [event("case: running → done", 1, str(n)) for n in range(20)])
    assert many.last == ("19", "18", "17", "16", "15", "14")


# -- who listens


def sight(revision: int, *changed: str) -> Sight:
    return Sight(revision, {"revision": revision}, frozenset(changed))


def test_a_slow_listener_gets_the_newest_and_every_change() -> None:
    async def listen() -> tuple[Any, Any, int]:
        hub = Hub()
        hub.publish(sight(1, "a"))
        line = hub.join()
        assert line is not None
        first = await line.take(1)
        for revision in range(2, 50):
            hub.publish(sight(revision, f"c{revision}"))
        await asyncio.sleep(0)
        second = await line.take(1)
        assert await line.take(0.01) is None
        hub.leave(line)
        assert hub.listeners == 0
        return first, second, line.missed

    first, second, missed = asyncio.run(listen())
    assert first == (sight(1, "a"), frozenset({"a"}))
    assert second is not None
    assert second[0].revision == 49
    assert second[1] == {f"c{n}" for n in range(2, 50)}
    assert missed == 47


def test_a_listener_whose_loop_is_gone_holds_nobody_up() -> None:
    hub = Hub()

    async def join() -> None:
        assert hub.join() is not None

    asyncio.run(join())
    began = time.monotonic()
    hub.publish(sight(1))
    assert time.monotonic() - began < 1
    assert hub.newest == sight(1)


def test_no_more_listen_than_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.console.hub.LISTENERS", 2)

    async def join() -> list[bool]:
        hub = Hub()
        return [hub.join() is not None for _ in range(3)]

    assert asyncio.run(join()) == [True, True, False]


def test_states_of_cases_are_counted(looked: Looked) -> None:
    looked.ledger.rows["b"] = case("b", CaseState.FAILED)
    first = looked.look.look()
    assert first is not None
    assert (first.document["cases"]["running"], first.document["cases"]["failed"]) == (1, 1)
    assert [one["case"] for one in first.document["running"]] == [CASE]
    assert "path" not in first.document["running"][0]
