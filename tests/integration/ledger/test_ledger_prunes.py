"""The ledger's actor removes old history once a day, a part at a time, and when it is told to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from actors.ledger import Ledger, Reader
from actors.ledger.actor import PRUNE_AGAIN_S, PRUNE_FIRST_S, PRUNE_PAUSE_S
from messages.ledger import NoteEvent, Write, Written
from messages.operators import PruneNow
from tests.kit import Probe, VirtualTimers, running, wait_until

NOW = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = 100


def test_on_its_schedule_and_by_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, clock, timers = tmp_path / "ledger.sqlite", [NOW], VirtualTimers()
    monkeypatch.setattr("actors.ledger.actor.PRUNE_ROWS", 5)
    settings = {"backups": tmp_path / "b", "backup_hours": 0.0, "events_days": DAYS, "clock": lambda: clock[0]}
    with running(Ledger, name="ledger", timers=timers, path=path, watchdog_period_s=60.0, **settings) as ledger:
        probe = Probe()

        def note(*texts: str) -> None:
            for text in texts:
                ledger.tell(Write(text, probe, "test", 1, (NoteEvent("", text),)))
                probe.expect(Written)

        def left() -> list[str]:
            return [event.what for event in Reader(path).events("")]

        note(*(f"old {n}" for n in range(12)))

        def pass_days(text: str) -> list[str]:
            """Until all that was is old; what happens meanwhile, for the clock went on all the time."""
            clock[0] += timedelta(days=DAYS + 1 - 10)
            note(f"before {text}")
            clock[0] += timedelta(days=10)
            note(text)
            return [f"before {text}", text]

        young = pass_days("new")
        timers.advance(PRUNE_FIRST_S)
        wait_until(lambda: len(left()) <= 9)
        wait_until(lambda: timers.advance(PRUNE_PAUSE_S) or left() == young)
        young = pass_days("newer")
        ledger.tell(PruneNow())
        wait_until(lambda: left() == young)
        young = pass_days("newest")
        wait_until(lambda: timers.advance(PRUNE_AGAIN_S) or left() == young)


@pytest.mark.promise("P21")
def test_a_clock_that_jumps_ahead_makes_nothing_old(tmp_path: Path, log_lines: list[str]) -> None:
    path, clock = tmp_path / "ledger.sqlite", [NOW]
    with running(
        Ledger,
        name="ledger",
        path=path,
        backups=tmp_path / "b",
        backup_hours=0.0,
        events_days=DAYS,
        clock=lambda: clock[0],
    ) as ledger:
        probe = Probe()

        def prune_after(text: str) -> None:
            """The write behind the order is acknowledged when that is carried out."""
            ledger.tell(PruneNow())
            ledger.tell(Write(text, probe, "test", 1, (NoteEvent("", text),)))
            probe.expect(Written)

        prune_after("first")
        prune_after("second")
        clock[0] += timedelta(days=4000)
        prune_after("after the jump")
        prune_after("later")
        prune_after("last")
    assert [event.what for event in Reader(path).events("")] == ["first", "second", "after the jump", "later", "last"]
    assert sum("no old history is removed: the clock says 2037-" in line for line in log_lines) == 3


def test_kept_for_ever_where_that_is_wanted(tmp_path: Path) -> None:
    path, clock = tmp_path / "ledger.sqlite", [NOW]
    with running(
        Ledger, name="ledger", path=path, backups=tmp_path / "b", backup_hours=0.0, clock=lambda: clock[0]
    ) as ledger:
        probe = Probe()
        for text in ("old", "new"):
            ledger.tell(Write(text, probe, "test", 1, (NoteEvent("", text),)))
            probe.expect(Written)
            clock[0] += timedelta(days=10_000)
        ledger.tell(PruneNow())
        ledger.tell(Write("last", probe, "test", 1, (NoteEvent("", "last"),)))
        probe.expect(Written)
    assert [event.what for event in Reader(path).events("")] == ["old", "new", "last"]
