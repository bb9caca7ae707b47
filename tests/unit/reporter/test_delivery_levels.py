"""Delivered against planned, judged by the site's levels."""

from __future__ import annotations

from dataclasses import replace

import pytest
from manifest_making import GOOD, manifest

from actors.reporter.delivery import baseline_mm, judge_beams
from actors.reporter.levels import Level, at_least, at_most, worst
from actors.settings import ReportSettings
from messages.interpretation import BeamAmount, LayerDeviation

RULES = ReportSettings()


def level(*layers: LayerDeviation, rules: ReportSettings = RULES, **changes: object) -> Level:
    return judge_beams(manifest(*layers, **changes), rules)[0].level  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Level.PASS),
        ({"mean_mm": 0.6}, Level.REVIEW),
        ({"mean_mm": 1.1}, Level.FAIL),
        ({"p95_mm": 1.2}, Level.REVIEW),
        ({"p95_mm": 1.6}, Level.FAIL),
        ({"max_mm": 1.9}, Level.PASS),
        ({"max_mm": 2.1}, Level.FAIL),
        ({"shift_x_mm": 5.0}, Level.FAIL),
        ({"shift_x_mm": 0.4, "shift_y_mm": 0.4}, Level.REVIEW),
        ({"missing": 1}, Level.REVIEW),
        ({"mean_mm": float("nan")}, Level.FAIL),
    ],
)
def test_positions(changes: dict[str, float], expected: Level) -> None:
    assert level(replace(GOOD, **changes)) is expected


@pytest.mark.parametrize(
    ("factor", "layers", "beam"),
    [
        (1.004, Level.PASS, Level.PASS),
        (1.008, Level.PASS, Level.REVIEW),
        (1.015, Level.REVIEW, Level.FAIL),
        (0.975, Level.FAIL, Level.FAIL),
    ],
)
def test_monitor_units_of_layer_and_beam(factor: float, layers: Level, beam: Level) -> None:
    judged = judge_beams(manifest(replace(GOOD, delivered_mu=10.0 * factor)), RULES)[0]
    assert (judged.layers[0].mu, judged.level) == (layers, beam)
    assert judged.figures[0].level is beam


def test_a_difference_below_the_floor_is_none() -> None:
    small = replace(GOOD, layer=2, planned_mu=0.1, delivered_mu=0.11)
    judged = judge_beams(manifest(GOOD, small), RULES)[0]
    assert judged.layers[1].mu is Level.PASS
    assert judged.layers[1].mu_percent == pytest.approx(10.0)


def test_sizes_are_judged_by_the_gantrys_baseline_only() -> None:
    assert judge_beams(manifest(GOOD), RULES)[0].baseline is False
    rules = ReportSettings.model_validate({"spot_sizes_mm": {"G2": [[140.0, 3.6], [160.0, 3.4]]}})
    judged = judge_beams(manifest(GOOD), rules)[0]
    assert judged.layers[0].size_percent == pytest.approx(100.0 * (4.1 / 3.5 - 1.0))
    assert judged.level is Level.FAIL
    assert any("size" in figure.name and figure.level is Level.FAIL for figure in judged.figures)
    other = ReportSettings.model_validate({"spot_sizes_mm": {"G1": [[140.0, 3.6]]}})
    assert judge_beams(manifest(GOOD), other)[0].level is Level.PASS


def test_the_baseline_is_interpolated_and_ends_flat() -> None:
    known = ((160.0, 3.0), (140.0, 4.0))
    assert [baseline_mm(mev, known) for mev in (100, 150, 200)] == [4.0, 3.5, 3.0]
    assert baseline_mm(100.0, ()) is None


def test_what_a_partial_treatment_left_is_no_deviation() -> None:
    left = BeamAmount(3, "beam", 20.0, 14.0, 2, layers_left=(2,))
    stopped = replace(GOOD, layer=2, delivered_mu=4.0)
    judged = judge_beams(manifest(GOOD, stopped, partial=True, amounts=(left,)), RULES)[0]
    assert (judged.layers[1].mu, judged.level) == (None, Level.PASS)
    assert "PARTIAL" in judged.figures[0].name
    assert judged.figures[0].level is None


def test_levels() -> None:
    assert [at_most(x, (1.0, 2.0)) for x in (1.0, 1.5, 2.5)] == list(Level)
    assert [at_least(x, (95.0, 90.0)) for x in (95.0, 92.0, 89.0)] == list(Level)
    assert at_least(float("nan"), (95.0, 90.0)) is Level.FAIL
    assert worst(()) is Level.PASS
    assert worst((None, Level.REVIEW)) is Level.REVIEW
