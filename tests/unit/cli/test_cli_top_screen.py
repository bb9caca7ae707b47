"""The screen of ``top`` as text: what moves, what stands still, what is wrong, in any width."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from actors.cli.top.screen import bar, clock, screen, sign
from messages.ledger import AlarmRow
from messages.states import BeamState, CaseState
from tests.unit.console.stand_ins import CASE, NOW, Inside, PaperLedger, beam, case


def drawn(overview: object, width: int = 160, height: int = 40) -> str:
    sink = io.StringIO()
    Console(file=sink, width=width, height=height, color_system=None).print(screen(overview, width, height))  # type: ignore[arg-type]
    return sink.getvalue()


def overview(inside: Inside) -> dict[str, object]:
    inside.look()
    assert inside.hub.newest is not None
    return dict(inside.hub.newest.document)


@pytest.mark.parametrize("width", [80, 100, 160, 240])
def test_everything_at_a_glance(width: int) -> None:
    ended = case("20260302-080000-0000000a", CaseState.DONE)
    inside = Inside(PaperLedger(case(), ended))
    inside.ledger.happened("case: running → done", ended.case)
    text = drawn(overview(inside), width)
    for wanted in (CASE, "▶ running", "40%", "gpu1", "71", "40/80 GB", "! quarantined", "1 cases"):
        assert wanted in text
    assert max(map(len, text.splitlines())) <= width


def test_alarms_stand_above_all() -> None:
    inside = Inside()
    inside.heard = None
    inside.ledger.standing = (AlarmRow("host:gpu3", NOW, "Host gpu3 cannot be used."),)
    lines = drawn(overview(inside)).splitlines()
    assert "Host gpu3 cannot be used." in lines[1]


def test_more_than_fits_is_counted() -> None:
    rows = [case(f"c{n}", beams=tuple(beam(b, BeamState.RUNNING) for b in range(4))) for n in range(12)]
    assert "more" in drawn(overview(Inside(PaperLedger(*rows))), 160, 20)


def test_no_daemon_a_silent_one_and_no_ledger_are_said() -> None:
    document = overview(Inside())
    stopped = {**document, "daemon": {"state": "stopped"}}
    assert "no daemon is running" in drawn(stopped)
    silent = {**document, "daemon": {"state": "running", "pid": 7, "since": None, "answers": False}}
    assert "pid 7 does not answer" in drawn(silent)
    assert "The ledger is damaged." in drawn({"at": None, "fault": "The ledger is damaged."})
    assert "Nothing has been looked at yet." in drawn({})
    assert "intake is paused" in drawn({**document, "paused": "by operator"})


def test_marks_and_bars_need_no_colour() -> None:
    assert sign("failed").plain == "✕ failed"
    assert sign("of a later release").plain == "? of a later release"
    assert [bar(share).plain.rstrip() for share in (-1, 0, 0.5, 1, 2)] == ["", "", "█" * 10, "█" * 20, "█" * 20]
    assert bar(0.0125).plain[0] == "▎"
    assert clock(None) == ""
