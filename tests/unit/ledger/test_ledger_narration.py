"""What of the history an operator reads in the log."""

from __future__ import annotations

import pytest

from actors.ledger.narration import Line, narrate


@pytest.mark.promise("P37")
@pytest.mark.parametrize(
    ("what", "detail", "line"),
    [
        ("case: queued → running", "", Line("INFO", "c", "", "queued → running")),
        ("case: running → failed", "why", Line("ERROR", "c", "", "running → failed: why")),
        ("order: cancel c", "by kim", Line("INFO", "c", "", "order: cancel c: by kim")),
        ("case: cleaned", "", Line("DEBUG", "c", "", "cleaned")),
        ("beam 3: staged → running", "", Line("INFO", "c", "3", "staged → running")),
        ("beam 3 attempt 2: intended", "h/gpu-0 slot-0", Line("INFO", "c", "3", "attempt 2 goes to h/gpu-0 slot-0")),
        ("beam 3 attempt 2: staged → launching", "", Line("DEBUG", "c", "3", "attempt 2: staged → launching")),
        (
            "beam 3 attempt 2: running → failed",
            '{"what": "The engine crashed.", "remedy": "Look at its log."}',
            Line("WARNING", "c", "3", "attempt 2 failed: The engine crashed. Look at its log."),
        ),
        ("beam 3 attempt 2: running → failed", "plain", Line("WARNING", "c", "3", "attempt 2 failed: plain")),
    ],
)
def test_one_event_is_one_line(what: str, detail: str, line: Line) -> None:
    assert narrate("c", what, detail) == line


def test_the_system_is_told_quietly_but_for_what_somebody_ordered() -> None:
    assert narrate("", "order: pause", "by kim") == Line("INFO", "", "", "order: pause: by kim")
    assert narrate("", "gpu this/0: idle → busy", "") == Line("DEBUG", "", "", "gpu this/0: idle → busy")


def test_a_failed_attempt_is_not_named_twice() -> None:
    fault = '{"what": "Beam 3, attempt 2: the dose is zero.", "remedy": "Look.", "where": "/d"}'
    line = narrate("c", "beam 3 attempt 2: collected → failed", fault)
    assert line == Line("WARNING", "c", "3", "attempt 2 failed: the dose is zero. Look.")
