"""From what reports found to charts: which value, which levels, what is marked, and where it is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from actors.console.trend import drawing
from actors.console.trend.drawing import HEIGHT, MOST_DOTS, MOST_STEPS, picture_of
from actors.console.trend.series import ACTION, TOLERANCE, WITHIN, Chart, charts_of, document
from actors.settings import ReportSettings
from messages.ledger import FigureRow

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
RULES = ReportSettings()


def row(number: int, values: Mapping[str, Any], *, beam: int = 3, band: int = 0) -> FigureRow:
    return FigureRow(f"case-{number}", beam, band, "G1", AT + timedelta(hours=number), values)


def chart(name: str, *rows: FigureRow, rules: ReportSettings = RULES, band: int = 0) -> Chart:
    return next(one for one in charts_of(rows, rules, band=band) if one.figure == name)


def mu(*percent: float | None) -> Chart:
    return chart("mu", *(row(number, {"mu_percent": value}) for number, value in enumerate(percent)))


def test_a_point_is_judged_as_the_report_judges_it() -> None:
    found = mu(0.5, 0.51, -1.0, -1.01)
    assert [point.level for point in found.points] == [WITHIN, TOLERANCE, TOLERANCE, ACTION]
    assert [point.case for point in found.judged] == ["case-3"]
    assert (found.limits, found.outside, found.jumped) == (None, (), ())


@pytest.mark.parametrize(
    ("name", "key", "good", "bad"),
    [
        ("position_mean", "position_mean_worst_mm", 1.0, 1.01),
        ("position_p95", "position_p95_mm", 1.5, 1.51),
        ("size", "size_percent", -15.0, -15.1),
        ("r80", "r80_difference_mm", -2.0, -2.1),
    ],
)
def test_the_action_levels_are_the_sites(name: str, key: str, good: float, bad: float) -> None:
    found = chart(name, row(0, {key: good}), row(1, {key: bad}))
    assert [point.level for point in found.points] == [TOLERANCE, ACTION]


def test_gamma_is_the_cases_and_of_the_configured_criterion() -> None:
    rules = ReportSettings(gamma_judged=(2.0, 1.0))
    rows = [
        row(number, {"gamma_2pct_1mm_passed_percent": value, "gamma_3pct_2mm_passed_percent": 100.0}, beam=0)
        for number, value in enumerate((95.0, 94.9, 89.9))
    ]
    found = chart("gamma", *rows, row(9, {"gamma_2pct_1mm_passed_percent": 1.0}), rules=rules)
    assert [point.level for point in found.points] == [WITHIN, TOLERANCE, ACTION]
    assert all(one.figure != "gamma" for one in charts_of(rows, rules, band=70))


def test_a_band_of_layers_has_the_levels_of_a_layer() -> None:
    found = chart("mu", row(0, {"mu_percent": 1.5}, band=70), band=70)
    assert (found.points[0].level, found.action.high) == (TOLERANCE, 2.0)


def test_charts_of_delivery_alone_are_there_where_it_was_compared() -> None:
    rows = [
        row(0, {"delivery_r80_difference_mm": 2.5}),
        row(0, {"delivery_gamma_3pct_2mm_passed_percent": 94.0}, beam=0),
    ]
    assert chart("delivery_r80", *rows).points[0].level == ACTION
    assert chart("delivery_gamma", *rows).points[0].level == TOLERANCE
    assert {"delivery_r80", "delivery_gamma"}.isdisjoint(one.figure for one in charts_of([], RULES, band=0))


def test_what_is_no_number_is_no_point() -> None:
    found = mu(0.1, None, 0.3)
    assert [point.value for point in found.points] == [0.1, 0.3]
    assert [point.moving_range for point in found.points] == [None, pytest.approx(0.2)]


def test_from_25_points_on_what_is_out_of_the_control_limits_is_marked() -> None:
    few = mu(*[0.0, 0.1] * 12)
    assert few.limits is None
    # Ranges of 0.1 but for two of 0.4: 0.125 in the mean of 24; limits 0.066 ± 0.3325, ranges up to 0.4084.
    found = mu(*[0.0, 0.1] * 8, 0.5, *[0.1, 0.0] * 4)
    assert found.limits is not None
    assert found.limits.mean_range == pytest.approx((22 * 0.1 + 2 * 0.4) / 24)
    assert [point.value for point in found.outside] == [0.5]
    assert found.jumped == ()
    assert found.judged == ()  # within tolerance all the same
    leap = mu(*[0.0, 0.1] * 8, 1.0, *[0.1, 0.0] * 4)
    assert [point.value for point in leap.jumped] == [1.0, 0.1]


def test_the_document_has_no_infinite_bounds() -> None:
    (told,) = [one for one in document(charts_of([row(0, {"position_p95_mm": 0.4})], RULES, band=0)) if one["points"]]
    assert (told["figure"], told["tolerance"], told["action"]) == ("position_p95", [None, 1.0], [None, 1.5])
    (point,) = told["points"]
    assert (point["case"], point["beam"], point["value"], point["level"]) == ("case-0", 3, 0.4, "within")


def test_a_chart_without_points_has_no_picture() -> None:
    assert picture_of(mu()) is None


def test_one_point_stands_in_the_middle() -> None:
    picture = picture_of(mu(0.2))
    assert picture is not None
    assert picture.values.path == ""
    assert [mark.x for mark in picture.values.marks] == [50.0]
    assert [tick.anchor for tick in picture.ticks] == ["middle"]


def test_larger_is_higher_and_all_lies_in_the_picture() -> None:
    picture = picture_of(mu(0.0, 0.2, -0.2, 0.7))
    assert picture is not None
    y = {mark.point.value: mark.y for mark in picture.values.marks}
    assert y[0.7] < y[0.2] < y[0.0] < y[-0.2]
    places = [*y.values(), *(line.y for line in picture.values.lines), *(at for at, _ in picture.values.scale)]
    assert all(0.0 <= place <= HEIGHT for place in places)
    assert {line.kind for line in picture.values.lines} == {"tolerance", "action"}


def test_levels_far_away_are_told_and_not_drawn() -> None:
    found = mu(*[0.0, 0.01] * 15)
    picture = picture_of(found)
    assert picture is not None
    assert picture.hidden == ("tolerance", "action")
    assert {line.kind for line in picture.values.lines} == {"centre", "control"}


def test_limits_beyond_what_a_figure_can_be_are_not_drawn() -> None:
    rows = [row(n, {"gamma_3pct_2mm_passed_percent": 100.0 - (n % 2)}, beam=0) for n in range(30)]
    picture = picture_of(chart("gamma", *rows))
    assert picture is not None
    assert picture.chart.limits is not None
    assert picture.chart.limits.upper > 100.0
    assert [line.kind for line in picture.values.lines].count("control") == 1


def test_of_very_many_points_the_extremes_are_drawn_and_what_is_out_is_marked() -> None:
    values = [0.1 * (n % 7) / 7 for n in range(5000)]
    values[2500] = 3.0
    picture = picture_of(mu(*values))
    assert picture is not None
    assert picture.values.path.count("L") < MOST_STEPS + 2
    (mark,) = picture.values.marks
    assert (mark.point.value, mark.kind, mark.ring) == (3.0, ACTION, True)
    assert f"{10 * mark.x:.1f} {mark.y:.1f}" in picture.values.path.replace("M", "L").split("L")
    assert len(mu(*values[:MOST_DOTS]).points) == MOST_DOTS


@pytest.mark.parametrize(
    ("bottom", "top", "texts"),
    [
        (-1.0, 1.0, ["-1.0", "-0.5", "0.0", "0.5", "1.0"]),
        (0.0, 0.09, ["0.00", "0.05"]),
        (88.0, 100.0, ["90", "95", "100"]),
    ],
)
def test_scales_have_round_numbers(bottom: float, top: float, texts: list[str]) -> None:
    found = list(drawing._scale(bottom, top, drawing._scaled(bottom, top, 100), most=4 if top != 0.09 else 2))
    assert [text for _, text in found] == texts


def test_no_day_is_told_twice() -> None:
    picture = picture_of(mu(*[0.1] * 3))
    assert picture is not None
    assert len(picture.ticks) == 1
