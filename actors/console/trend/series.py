"""From what reports found to charts: one series of a figure, its levels and its control limits. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import Any

from actors.console.trend.limits import Limits, control_limits, moving_ranges
from actors.documents import gamma_figure, pair_gamma
from actors.settings import ReportSettings
from messages.ledger import FigureRow

WITHIN, TOLERANCE, ACTION = "within", "tolerance", "action"
"""Levels of a point: within tolerance, beyond it, beyond the action level."""


@dataclass(frozen=True, slots=True)
class Range:
    """What is allowed; infinite where there is no such bound."""

    low: float = -inf
    high: float = inf

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Point:
    at: datetime
    case: str
    beam: int
    """0: the case as a whole."""
    energy_mev: float | None
    """Mean, weighted by MU."""
    value: float
    moving_range: float | None
    """None of the first."""
    level: str
    outside: bool
    """Beyond the control limits."""
    jumped: bool
    """Its moving range is beyond its limit."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One figure over time."""

    figure: str
    """Stable name: a key of the words, too."""
    unit: str
    tolerance: Range
    action: Range
    least: float
    """What the figure cannot be below, or above."""
    most: float
    points: tuple[Point, ...]
    limits: Limits | None

    @property
    def judged(self) -> tuple[Point, ...]:
        """Points beyond the action level."""
        return tuple(point for point in self.points if point.level == ACTION)

    @property
    def outside(self) -> tuple[Point, ...]:
        return tuple(point for point in self.points if point.outside)

    @property
    def jumped(self) -> tuple[Point, ...]:
        return tuple(point for point in self.points if point.jumped)


@dataclass(frozen=True, slots=True)
class _Figure:
    name: str
    unit: str
    key: Callable[[ReportSettings], str]
    ranges: Callable[[ReportSettings, bool], tuple[Range, Range]]
    """(tolerance, action); the flag: of a band of layers, not of a beam as a whole."""
    of_case: bool = False
    least: float = -inf
    most: float = inf
    optional: bool = False
    """Without a point there is no chart of it."""


def _both(levels: tuple[float, float]) -> tuple[Range, Range]:
    return Range(-levels[0], levels[0]), Range(-levels[1], levels[1])


def _below(levels: tuple[float, float]) -> tuple[Range, Range]:
    return Range(high=levels[0]), Range(high=levels[1])


def _above(levels: tuple[float, float]) -> tuple[Range, Range]:
    return Range(low=levels[0]), Range(low=levels[1])


FIGURES = (
    _Figure(
        "mu",
        "%",
        lambda rules: "mu_percent",
        lambda rules, band: _both(rules.layer_mu_percent if band else rules.beam_mu_percent),
    ),
    _Figure(
        "position_mean",
        "mm",
        lambda rules: "position_mean_worst_mm",
        lambda rules, band: _below(rules.position_mean_mm),
        least=0.0,
    ),
    _Figure(
        "position_p95",
        "mm",
        lambda rules: "position_p95_mm",
        lambda rules, band: _below(rules.position_p95_mm),
        least=0.0,
    ),
    _Figure("size", "%", lambda rules: "size_percent", lambda rules, band: _both(rules.size_percent)),
    _Figure("r80", "mm", lambda rules: "r80_difference_mm", lambda rules, band: _both(rules.range_mm)),
    _Figure(
        "gamma",
        "%",
        lambda rules: gamma_figure(*rules.gamma_judged),
        lambda rules, band: _above(rules.gamma_passed_percent),
        of_case=True,
        least=0.0,
        most=100.0,
    ),
    _Figure(
        "delivery_r80",
        "mm",
        lambda rules: "delivery_r80_difference_mm",
        lambda rules, band: _both(rules.delivery_range_mm),
        optional=True,
    ),
    _Figure(
        "delivery_gamma",
        "%",
        lambda rules: pair_gamma("delivery", *rules.gamma_judged),
        lambda rules, band: _above(rules.delivery_passed_percent),
        of_case=True,
        least=0.0,
        most=100.0,
        optional=True,
    ),
)
"""As the report judges them: of a beam's layers the worst, of a case the criterion that its verdict goes by."""


def charts_of(rows: Sequence[FigureRow], rules: ReportSettings, *, band: int) -> tuple[Chart, ...]:
    """Every chart of these rows, which are of one gantry and in the order of delivery; without a value: no points."""
    wanted = [figure for figure in FIGURES if not (band and figure.of_case)]
    charts = [(figure, _chart(figure, rows, rules, band=band)) for figure in wanted]
    return tuple(chart for figure, chart in charts if chart.points or not figure.optional)


def _chart(figure: _Figure, rows: Iterable[FigureRow], rules: ReportSettings, *, band: int) -> Chart:
    key = figure.key(rules)
    wanted = [
        (row, value)
        for row in rows
        if (row.beam == 0) is figure.of_case and isinstance(value := row.values.get(key), float | int)
    ]
    values = [float(value) for _, value in wanted]
    tolerance, action = figure.ranges(rules, bool(band))
    limits = control_limits(values)
    points = tuple(
        _point(row, value, moved, (tolerance, action), limits)
        for (row, _), value, moved in zip(wanted, values, (None, *moving_ranges(values)), strict=False)
    )
    return Chart(figure.name, figure.unit, tolerance, action, figure.least, figure.most, points, limits)


def _point(
    row: FigureRow, value: float, moved: float | None, ranges: tuple[Range, Range], limits: Limits | None
) -> Point:
    tolerance, action = ranges
    level = WITHIN if tolerance.holds(value) else TOLERANCE if action.holds(value) else ACTION
    energy = row.values.get("energy_mev")
    return Point(
        at=row.delivered,
        case=row.case,
        beam=row.beam,
        energy_mev=float(energy) if isinstance(energy, float | int) else None,
        value=value,
        moving_range=moved,
        level=level,
        outside=limits is not None and not limits.holds(value),
        jumped=limits is not None and moved is not None and not limits.holds_range(moved),
    )


def document(charts: Iterable[Chart]) -> list[dict[str, Any]]:
    """As ``/api/trend`` gives them: a bound that does not exist is null."""
    return [
        {
            "figure": chart.figure,
            "unit": chart.unit,
            "tolerance": _bounds(chart.tolerance),
            "action": _bounds(chart.action),
            "limits": _limits(chart.limits),
            "points": [
                {
                    "at": point.at.astimezone().isoformat(timespec="seconds"),
                    "case": point.case,
                    "beam": point.beam or None,
                    "energy_mev": point.energy_mev,
                    "value": point.value,
                    "moving_range": point.moving_range,
                    "level": point.level,
                    "outside": point.outside,
                    "jumped": point.jumped,
                }
                for point in chart.points
            ],
        }
        for chart in charts
    ]


def _bounds(allowed: Range) -> list[float | None]:
    return [bound if abs(bound) < inf else None for bound in (allowed.low, allowed.high)]


def _limits(limits: Limits | None) -> dict[str, float] | None:
    if limits is None:
        return None
    return {
        "centre": limits.centre,
        "lower": limits.lower,
        "upper": limits.upper,
        "mean_range": limits.mean_range,
        "range_upper": limits.range_upper,
    }
