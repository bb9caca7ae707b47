"""Axes are proven: the plan as it is fits best, at its own scale and place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layer_maker import along, planned

from actors.errors import CaseError
from actors.formats.plan import ScanMode
from actors.formats.planned_path import planned_path, progress_of
from actors.interpreter.axis_fit import ORIENTATIONS, Pairs, check_fit, fit_axes, pairs_of

L_SHAPE = np.array([[-20, 30], [-20, 10], [-20, -10], [-20, -30], [0, -30], [12, -30]], dtype=float)
NOISE = np.random.default_rng(1).normal(0, 0.05, L_SHAPE.shape)


def pairs(measured: np.ndarray, plan: np.ndarray = L_SHAPE) -> Pairs:
    return Pairs(plan, measured)


def kind(*layers: Pairs) -> str:
    fit, _ = fit_axes(layers)
    try:
        check_fit(3, fit, "/d")
    except CaseError as error:
        assert "Beam 3 was delivered" in error.fault.what
        return error.fault.kind
    return ""


@pytest.mark.promise("P40")
@pytest.mark.parametrize("name", list(ORIENTATIONS))
def test_every_turn_and_mirror_is_told_apart(name: str) -> None:
    measured = L_SHAPE @ np.array(ORIENTATIONS[name]).T + NOISE
    fit, told_apart = fit_axes([pairs(measured)])
    assert fit.best == name
    assert told_apart
    assert fit.runner_up != name
    assert fit.runner_up_rms_mm > fit.rms_mm + 5
    assert kind(pairs(measured)) == ("" if name == "identity" else "axes-wrong")


@pytest.mark.promise("P40")
@pytest.mark.parametrize(
    ("scale", "expected"), [(1.0, ""), (1.009, ""), (0.991, ""), (1.011, "axes-scale"), (0.98, "axes-scale")]
)
def test_scale_holds_to_a_percent(scale: float, expected: str) -> None:
    centre = L_SHAPE.mean(axis=0)
    assert kind(pairs((L_SHAPE - centre) * scale + centre)) == expected


@pytest.mark.promise("P40")
def test_one_axis_alone_out_of_scale_is_seen() -> None:
    measured = L_SHAPE * (1.0, 1.03)
    fit, _ = fit_axes([pairs(measured)])
    assert fit.scale == pytest.approx(1.03)


@pytest.mark.promise("P40")
@pytest.mark.parametrize(
    ("shift", "expected"), [((0.9, 0.0), ""), ((0.0, -0.9), ""), ((1.1, 0.0), "axes-shift"), ((0.8, 0.8), "axes-shift")]
)
def test_shift_holds_to_a_millimetre(shift: tuple[float, float], expected: str) -> None:
    assert kind(pairs(L_SHAPE + shift)) == expected


def test_one_layer_gone_astray_is_a_finding_not_an_axis() -> None:
    assert kind(pairs(L_SHAPE + np.array((5.0, 0.0))), pairs(L_SHAPE), pairs(L_SHAPE)) == ""


@pytest.mark.promise("P40")
@pytest.mark.parametrize(
    "plan",
    [np.zeros((5, 2)), np.array([[0.0, y] for y in range(-20, 21, 5)]), np.array([[0.05 * x, 0.0] for x in range(5)])],
)
def test_a_pattern_that_cannot_tell_says_so_and_passes(plan: np.ndarray) -> None:
    noise = np.random.default_rng(2).normal(0, 0.05, plan.shape)
    fit, told_apart = fit_axes([pairs(plan + noise, plan)])
    assert fit.best == "identity"
    assert not told_apart
    assert kind(pairs(plan + noise, plan)) == ""


@pytest.mark.promise("P40")
def test_a_single_spot_off_the_axis_still_tells_signs() -> None:
    plan = np.full((4, 2), (20.0, 8.0))
    assert kind(pairs(plan * (-1, 1), plan)) == "axes-wrong"
    assert kind(pairs(plan, plan)) == ""


@pytest.mark.promise("P40")
def test_pairs_go_by_order_and_counts_whatever_the_axes() -> None:
    plan = planned(L_SHAPE, [0, 1, 1, 2, 1, 1])
    layer = along(plan)
    path = planned_path(plan, ScanMode.LINE)
    mirrored = layer.positions_mm * (-1, 1)
    found = pairs_of(path, progress_of(layer, plan.mu, whole=True), mirrored, layer.count)
    assert found.measured_mm == pytest.approx(found.planned_mm * (-1, 1), abs=0.02)


@given(st.integers(10, 40), st.integers(0, 2**32 - 1))
def test_the_fit_of_a_true_delivery_never_stops_a_case(count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    plan = random.uniform(-100, 100, (count, 2))
    assert kind(pairs(plan + random.normal(0, 0.1, plan.shape), plan)) == ""
