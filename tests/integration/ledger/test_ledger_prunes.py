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
        clock[0] += timedelta(days=DAYS + 1)
        note("new")
        timers.advance(PRUNE_FIRST_S)
        wait_until(lambda: len(left()) <= 8)
        wait_until(lambda: timers.advance(PRUNE_PAUSE_S) or left() == ["new"])
        clock[0] += timedelta(days=DAYS + 1)
        note("newer")
        ledger.tell(PruneNow())
        wait_until(lambda: left() == ["newer"])
        clock[0] += timedelta(days=DAYS + 1)
        note("newest")
        wait_until(lambda: timers.advance(PRUNE_AGAIN_S) or left() == ["newest"])


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
