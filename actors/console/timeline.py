"""Where each beam was when: the history of a case as spans of time, laid out for a picture. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

WIDTH = 1000.0
LEFT = 150.0
"""For the beams' names."""
LANE = 34.0
FOOT = 26.0
_STEP = re.compile(r"beam (\d+): (\w+) → (\w+)")
_BEGIN = "→ queued, admitted"
_ENDED = frozenset({"done", "failed", "cancelled"})
_TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400, 7 * 86400)
"""Seconds between two marks."""


@dataclass(frozen=True, slots=True)
class Span:
    state: str
    x: float
    width: float
    begin: str
    """ISO 8601."""
    end: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Lane:
    label: str
    y: float
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    x: float
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """For a picture WIDTH wide."""

    height: float
    begin: str
    end: str
    lanes: tuple[Lane, ...]
    ticks: tuple[Tick, ...]
    states: tuple[str, ...]
    """Those that occur, in the order of a beam's life."""


def timeline(beams: Sequence[Mapping[str, Any]], events: Iterable[Mapping[str, Any]], now: datetime) -> Timeline | None:
    """From a case's ``show`` document; None before anything happened to a beam. An open span ends now."""
    moves = _moves(events)
    if not moves:
        return None
    begin = min(at for steps in moves.values() for at, _ in steps)
    last = max(at for steps in moves.values() for at, _ in steps)
    is_open = any(steps[-1][1] not in _ENDED for steps in moves.values())
    end = max(now if is_open else last, begin + timedelta(seconds=1))
    scale = (WIDTH - LEFT) / (end - begin).total_seconds()
    lanes = tuple(
        Lane(
            f"{beam['number']} {beam['name']}"[:18],
            row * LANE,
            tuple(_spans(moves.get(beam["number"], ()), begin, end, scale)),
        )
        for row, beam in enumerate(beams)
    )
    seen = [span.state for lane in lanes for span in lane.spans]
    height = len(lanes) * LANE + FOOT
    return Timeline(
        height, begin.isoformat(), end.isoformat(), lanes, _ticks(begin, end, scale), tuple(dict.fromkeys(seen))
    )


def _moves(events: Iterable[Mapping[str, Any]]) -> dict[int, list[tuple[datetime, str]]]:
    """(time, state from then on) of every beam. Events without a beam's transition are passed over."""
    moves: dict[int, list[tuple[datetime, str]]] = {}
    admitted: datetime | None = None
    for event in events:
        if str(event["what"]).endswith(_BEGIN):
            admitted = datetime.fromisoformat(event["at"])
        if match := _STEP.fullmatch(event["what"]):
            at = datetime.fromisoformat(event["at"])
            steps = moves.setdefault(int(match[1]), [])
            if not steps:
                steps.append((admitted or at, match[2]))
            steps.append((at, match[3]))
    return moves


def _spans(steps: Sequence[tuple[datetime, str]], begin: datetime, end: datetime, scale: float) -> Iterable[Span]:
    for (at, state), following in zip(steps, [*(step[0] for step in steps[1:]), end], strict=True):
        mark = at + timedelta(seconds=4 / scale)  # what is over lasts no longer than it takes to be seen
        until = min(following, mark) if state in _ENDED else following
        seconds = (until - at).total_seconds()
        if seconds > 0 or state in _ENDED:
            x = LEFT + (at - begin).total_seconds() * scale
            width = max(min(seconds * scale, WIDTH - x), 3.0 if state in _ENDED else 0.5)
            yield Span(state, round(min(x, WIDTH - 3), 1), round(width, 1), at.isoformat(), until.isoformat(), seconds)


def _ticks(begin: datetime, end: datetime, scale: float) -> tuple[Tick, ...]:
    """Marks at round times of day, at most nine or so."""
    length = (end - begin).total_seconds()
    step = next((one for one in _TICKS if length / one <= 8), _TICKS[-1])
    local = begin.astimezone()
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    since = (local - midnight).total_seconds()
    first = midnight + timedelta(seconds=-(-since // step) * step)
    marks = []
    while first <= end:
        x = round(LEFT + (first - begin).total_seconds() * scale, 1)
        text = f"{first:%m-%d}" if step >= 86400 else f"{first:%H:%M}" if step >= 60 else f"{first:%H:%M:%S}"
        marks.append(Tick(x, text, "end" if x > WIDTH - 30 else "middle"))
        first += timedelta(seconds=step)
    return tuple(marks)
