"""A chart as shapes for the page: values in the order in which they came, above their moving ranges. Pure.

Across, places are in percent of whatever width the chart is given, so that words and marks keep their size on a
telephone and on a wall; down, they are in pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import floor, inf, log10

from actors.console.trend.series import ACTION, WITHIN, Chart, Point

HEIGHT, RANGE_HEIGHT = 180, 64
"""Pixels of the values, and of their moving ranges."""
_EDGE = 12.0
_ROOM = 0.08
"""Of the height, above and below all that is drawn."""
MOST_DOTS = 240
"""More points than this are a line only; what is out of its limits is marked all the same."""
MOST_STEPS = 700
"""Of a line: of more points the extremes of each stretch are drawn."""
_FAR = 6.0
"""Levels that are farther from the middle than so many times all values and control limits are told in words only."""
_TICKS = 6


@dataclass(frozen=True, slots=True)
class Line:
    """Across the whole chart."""

    kind: str
    """``centre``, ``control``, ``tolerance``, ``action``."""
    y: float
    value: float


@dataclass(frozen=True, slots=True)
class Mark:
    """A point that can be pointed at."""

    x: float
    """Percent."""
    y: float
    point: Point
    kind: str
    """What it says by its shape: ``within``, ``tolerance``, ``action``."""
    ring: bool
    """Beyond a control limit."""


@dataclass(frozen=True, slots=True)
class Tick:
    x: float
    """Percent."""
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Panel:
    """Values, or moving ranges."""

    height: int
    path: str
    """In a field of 1000 by ``height``."""
    lines: tuple[Line, ...]
    marks: tuple[Mark, ...]
    scale: tuple[tuple[float, str], ...]
    """(pixels from above, text) of the marks of the scale."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One chart."""

    chart: Chart
    values: Panel
    ranges: Panel
    ticks: tuple[Tick, ...]
    hidden: tuple[str, ...]
    """Kinds of levels that are too far away to be drawn."""


def picture_of(chart: Chart) -> Picture | None:
    """None of a chart without points."""
    if not chart.points:
        return None
    shown, hidden = _levels(chart)
    return Picture(chart, _values(chart, shown), _ranges(chart), tuple(_ticks(chart.points)), hidden)


def _levels(chart: Chart) -> tuple[list[tuple[str, float]], tuple[str, ...]]:
    """(kind, value) of the levels that are drawn, and which are not."""
    around = [point.value for point in chart.points]
    if chart.limits is not None:
        around += [chart.limits.lower, chart.limits.upper]
    middle, half = (max(around) + min(around)) / 2.0, (max(around) - min(around)) / 2.0
    shown: list[tuple[str, float]] = []
    hidden = []
    for kind, allowed in (("tolerance", chart.tolerance), ("action", chart.action)):
        bounds = [bound for bound in (allowed.low, allowed.high) if abs(bound) < inf]
        near = [bound for bound in bounds if abs(bound - middle) <= max(_FAR * half, 1e-9)]
        shown += [(kind, bound) for bound in near]
        if not near and bounds:
            hidden.append(kind)
    return shown, tuple(hidden)


def _values(chart: Chart, levels: Sequence[tuple[str, float]]) -> Panel:
    wanted = list(levels)
    if chart.limits is not None:
        wanted += [("centre", chart.limits.centre)]
        bounds = (chart.limits.lower, chart.limits.upper)
        wanted += [("control", bound) for bound in bounds if chart.least <= bound <= chart.most]
    values = [point.value for point in chart.points]
    bottom, top = _domain([*values, *(value for _, value in wanted)], chart.least, chart.most)
    y = _scaled(bottom, top, HEIGHT)
    every = len(chart.points) <= MOST_DOTS
    marks = tuple(
        Mark(_x(index, len(values)), round(y(point.value), 1), point, point.level, point.outside)
        for index, point in enumerate(chart.points)
        if every or point.level == ACTION or point.outside
    )
    lines = tuple(Line(kind, round(y(value), 1), value) for kind, value in wanted)
    return Panel(HEIGHT, _path(values, y), lines, marks, tuple(_scale(bottom, top, y)))


def _ranges(chart: Chart) -> Panel:
    values = [point.moving_range or 0.0 for point in chart.points]
    limits = chart.limits
    wanted = [("centre", limits.mean_range), ("control", limits.range_upper)] if limits is not None else []
    _, top = _domain([0.0, *values, *(value for _, value in wanted)], 0.0, inf)
    y = _scaled(0.0, top, RANGE_HEIGHT)
    marks = tuple(
        Mark(_x(index, len(values)), round(y(point.moving_range or 0.0), 1), point, WITHIN, True)
        for index, point in enumerate(chart.points)
        if point.jumped
    )
    lines = tuple(Line(kind, round(y(value), 1), value) for kind, value in wanted)
    path = _path(values[1:], y, first=1, count=len(values))
    return Panel(RANGE_HEIGHT, path, lines, marks, tuple(_scale(0.0, top, y, most=2)))


class _Scale:
    """From a value to pixels from above."""

    def __init__(self, bottom: float, top: float, height: int) -> None:
        self._bottom, self._top, self._height = bottom, top, height

    def __call__(self, value: float) -> float:
        return _EDGE / 2 + (self._height - _EDGE) * (self._top - value) / (self._top - self._bottom)


def _scaled(bottom: float, top: float, height: int) -> _Scale:
    return _Scale(bottom, top, height)


def _domain(values: Sequence[float], least: float, most: float) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = (high - low) * _ROOM or max(abs(high) * _ROOM, 1e-3)
    return max(low - room, least), min(high + room, most) if most > low else high + room


def _x(index: int, count: int) -> float:
    """Percent; a single point stands in the middle."""
    return round(50.0 if count < 2 else 1.0 + 98.0 * index / (count - 1), 3)


def _path(values: Sequence[float], y: _Scale, *, first: int = 0, count: int = 0) -> str:
    count = count or len(values)
    steps = _thinned(values) if len(values) > MOST_STEPS else enumerate(values)
    points = [f"{10.0 * _x(first + index, count):.1f} {y(value):.1f}" for index, value in steps]
    return "M" + "L".join(points) if len(points) > 1 else ""


def _thinned(values: Sequence[float]) -> Iterator[tuple[int, float]]:
    """The least and the most of each stretch, in their order."""
    stretch = -(-len(values) * 2 // MOST_STEPS)
    for begin in range(0, len(values), stretch):
        part = range(begin, min(begin + stretch, len(values)))
        ends = {min(part, key=values.__getitem__), max(part, key=values.__getitem__)}
        yield from ((index, values[index]) for index in sorted(ends))


def _scale(bottom: float, top: float, y: _Scale, most: int = 4) -> Iterator[tuple[float, str]]:
    """Round values, at most so many and some."""
    rough = (top - bottom) / most
    power = 10.0 ** floor(log10(rough))
    step = next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= rough * 0.999)
    digits = max(0, -floor(log10(step) + 1e-9))
    number = -floor(-bottom / step + 1e-9)
    while number * step <= top + 1e-9 * step:
        yield round(y(number * step), 1), f"{number * step + 0.0:.{digits}f}"
        number += 1


def _ticks(points: Sequence[Point]) -> Iterator[Tick]:
    """Days along the points: some, evenly, no day twice."""
    count = len(points)
    told = ""
    for index in _spread(count):
        day = f"{points[index].at.astimezone():%m-%d}"
        if day != told:
            anchor = "start" if index == 0 and count > 1 else "end" if index == count - 1 and count > 1 else "middle"
            yield Tick(_x(index, count), day, anchor)
        told = day


def _spread(count: int) -> Iterable[int]:
    if count <= _TICKS:
        return range(count)
    return sorted({round(step * (count - 1) / (_TICKS - 1)) for step in range(_TICKS)})
