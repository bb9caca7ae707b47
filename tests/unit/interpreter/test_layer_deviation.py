"""Delivered against planned of one layer, by scan mode."""

from __future__ import annotations

import numpy as np
import pytest
from layer_maker import MU_PER_COUNT, along, delivered, planned

from actors.formats.plan import PlanLayer, ScanMode
from actors.formats.planned_path import planned_path
from actors.interpreter.deviation import deviation_of
from messages.interpretation import LayerDeviation

ZIGZAG = planned([[0, 0], [10, 0], [10, 5], [0, 5], [0, 10], [10, 10]], [0, 0.5, 0, 0.5, 0, 0.5])


def judged(plan: PlanLayer, layer: object, mode: ScanMode = ScanMode.LINE, *, whole: bool = True) -> LayerDeviation:
    return deviation_of(plan, planned_path(plan, mode), mode, layer, whole=whole)  # type: ignore[arg-type]


def test_a_perfect_delivery_deviates_by_nothing() -> None:
    found = judged(ZIGZAG, along(ZIGZAG))
    assert (found.mean_mm, found.max_mm) == (pytest.approx(0, abs=1e-9), pytest.approx(0, abs=1e-9))
    assert found.missing == 0
    assert found.worst_stretch_mu < 1e-6
    assert found.delivered_mu == pytest.approx(found.planned_mu, rel=1e-6)


@pytest.mark.parametrize("shift", [(0.0, 2.0), (2.0, 0.0), (5.0, 0.0)])
def test_a_shift_is_seen_across_and_along_the_lines(shift: tuple[float, float]) -> None:
    found = judged(ZIGZAG, along(ZIGZAG, shift=shift))
    assert found.max_mm == pytest.approx(float(np.hypot(*shift)), abs=0.5)
    # Along the line only what overshoots its end is off it.
    assert found.mean_mm > (0.15 if shift[0] else 1.9)


def test_a_line_that_was_left_out_is_missing() -> None:
    layer = along(ZIGZAG)
    kept = np.r_[0:20, 40:60]
    found = judged(ZIGZAG, delivered(layer.positions_mm[kept], layer.count[kept]))
    assert found.missing == 1
    assert found.worst_stretch_mu == pytest.approx(0.5, rel=1e-3)


def test_moves_with_the_beam_off_are_no_segments() -> None:
    path = planned_path(ZIGZAG, ScanMode.LINE)
    assert len(path) == 3
    assert path.begin_mm.tolist() == [[0, 0], [10, 5], [0, 10]]
    assert path.edges.tolist() == [0, pytest.approx(1 / 3), pytest.approx(2 / 3), 1]


def test_spots_are_measured_to_the_nearest() -> None:
    plan = planned([[0, 0], [5, 0], [10, 0]], [0.2, 0.2, 0.2])
    places = [[0.3, 0], [0, 0.3], [5, 0.4], [5, -0.4]]
    found = judged(plan, delivered(places, np.full(4, 0.1 / MU_PER_COUNT)), ScanMode.SPOT)
    assert found.mean_mm == pytest.approx(0.35)
    assert found.max_mm == pytest.approx(0.4)
    assert found.missing == 1


def test_every_painting_goes_the_whole_way() -> None:
    plan = planned([[0, 0], [10, 0]], [0, 1.0], paintings=2)
    path = planned_path(plan, ScanMode.LINE)
    assert path.mu.tolist() == [0.5, 0.5]
    way = np.linspace(0.25, 9.75, 20)
    places = np.stack((np.concatenate((way, way)), np.zeros(40)), axis=1)
    found = judged(plan, delivered(places, np.full(40, 0.025 / MU_PER_COUNT)))
    assert found.max_mm < 1e-9
    assert found.missing == 0


def test_a_layer_that_stopped_is_compared_as_far_as_it_went() -> None:
    layer = along(ZIGZAG)
    half = delivered(layer.positions_mm[:30], layer.count[:30])
    found = judged(ZIGZAG, half, whole=False)
    assert found.max_mm == pytest.approx(0, abs=1e-9)
    assert found.missing == 0
    assert found.delivered_mu == pytest.approx(0.75, rel=1e-3)


def test_the_rest_of_a_layer_is_compared_with_the_rest_of_its_way() -> None:
    layer = along(ZIGZAG)
    rest = delivered(layer.positions_mm[30:], layer.count[30:])
    path = planned_path(ZIGZAG, ScanMode.LINE)
    found = deviation_of(ZIGZAG, path, ScanMode.LINE, rest, whole=False, rest=True)
    assert (found.max_mm, found.missing) == (pytest.approx(0, abs=1e-9), 0)
    assert found.worst_stretch_mu < 1e-6
    assert judged(ZIGZAG, rest, whole=False).max_mm > 4


@pytest.mark.promise("P4")
def test_the_share_of_beam_off_counts_is_reported() -> None:
    layer = along(ZIGZAG)
    off = delivered(layer.positions_mm, layer.count, off_count=layer.counts // 99)
    assert judged(ZIGZAG, off).off_share == pytest.approx(0.01, rel=1e-3)
