"""Gamma and difference against what they are in closed form, and against pymedphys asked directly."""

from __future__ import annotations

import numpy as np
import pymedphys
import pytest
from dose_making import dose_of, flat

from actors.reporter.comparison import MAX_GAMMA, Comparison, Criterion, GammaRules, compare, gamma_map
from actors.reporter.dose_grid import DoseGrid

CRITERIA = (Criterion(3.0, 3.0), Criterion(3.0, 2.0), Criterion(2.0, 2.0))
RULES = GammaRules(CRITERIA, threshold_percent=10.0, points=20_000)


def mean_gamma(comparison: Comparison) -> dict[str, float]:
    return {str(one.criterion): one.mean for one in comparison.gammas}


@pytest.mark.parametrize(("scale", "three", "two"), [(1.025, 0.83, 1.25), (1.05, 1.67, 2.50)])
def test_a_flat_dose_that_is_too_high(scale: float, three: float, two: float) -> None:
    found = compare(flat(2.0), flat(2.0 * scale), 2.0, RULES)
    assert mean_gamma(found) == pytest.approx({"3 %/3 mm": three, "3 %/2 mm": three, "2 %/2 mm": two}, abs=0.02)
    passed = {one.criterion.percent: one.passed_percent for one in found.gammas}
    assert passed == {3.0: 100.0 * (three <= 1), 2.0: 0.0}
    assert found.difference.mean_percent == pytest.approx(100.0 * (scale - 1.0), abs=0.001)
    assert found.difference.deviation_percent < 0.001


def test_a_ramp_that_is_shifted() -> None:
    """g = 5 %/mm, s = 2 mm: g·s / √(ΔD² + g²·Δd²)."""
    planned = dose_of(lambda x, y, z: 0.05 * x, size=(21, 5, 5))
    delivered = dose_of(lambda x, y, z: 0.05 * (x - 2.0), size=(33, 13, 13), origin_mm=(-6.0, -4.0, -4.0))
    found = compare(planned, delivered, 1.0, RULES)
    assert mean_gamma(found) == pytest.approx({"3 %/3 mm": 0.654, "3 %/2 mm": 0.958, "2 %/2 mm": 0.981}, abs=0.05)


def test_gamma_is_that_of_pymedphys() -> None:
    planned = dose_of(lambda x, y, z: np.exp(-((x - 8) ** 2 + (y - 8) ** 2 + (z - 8) ** 2) / 40.0), size=(17, 17, 17))
    delivered = dose_of(
        lambda x, y, z: 1.02 * np.exp(-((x - 8.7) ** 2 + (y - 8) ** 2 + (z - 8) ** 2) / 40.0), size=(17, 17, 17)
    )
    found = compare(planned, delivered, planned.maximum, RULES)
    for one in found.gammas:
        by_hand = pymedphys.gamma(
            planned.axes,
            planned.dose.astype(float),
            delivered.axes,
            delivered.dose.astype(float),
            one.criterion.percent,
            one.criterion.mm,
            lower_percent_dose_cutoff=10,
            interp_algo="scipy",
            max_gamma=MAX_GAMMA,
        )
        values = by_hand[np.isfinite(by_hand)]
        assert one.points == values.size
        assert one.passed_percent == pytest.approx(100.0 * (values <= 1.0).mean(), abs=0.05)
        assert one.mean == pytest.approx(values.mean(), abs=0.02)
        assert one.maximum == pytest.approx(values.max(), abs=0.05)


def test_points_that_the_delivered_dose_does_not_reach_have_failed() -> None:
    planned = dose_of(lambda x, y, z: np.ones_like(x), size=(11, 5, 5))
    delivered = dose_of(lambda x, y, z: np.ones_like(x), size=(6, 5, 5))  # ends at x = 5
    found = compare(planned, delivered, 1.0, RULES)
    three_mm = found.gammas[0]
    assert three_mm.outside > 0
    assert three_mm.passed_percent < 100.0 * 9 / 11 + 0.01


def test_many_points_are_looked_at_on_a_lattice() -> None:
    found = compare(flat(1.0), flat(1.0), 1.0, GammaRules(CRITERIA, 10.0, points=200))
    assert found.stride == 2
    assert found.gammas[0].points == 125
    assert found.difference.points == 9**3


def test_doses_below_the_threshold_are_not_looked_at() -> None:
    planned = dose_of(lambda x, y, z: np.where(x < 5, 1.0, 0.05))
    wrong_where_low = dose_of(lambda x, y, z: np.where(x < 5, 1.0, 0.099))
    found = compare(planned, wrong_where_low, 1.0, RULES)
    assert found.gammas[0].points == 5 * 9 * 9
    assert found.gammas[0].passed_percent == 100.0
    with pytest.raises(ValueError, match="threshold"):
        compare(flat(0.0), flat(1.0), 1.0, RULES)


def test_a_dose_that_lies_elsewhere_fails_everywhere() -> None:
    far = dose_of(lambda x, y, z: np.ones_like(x), origin_mm=(500.0, 0.0, 0.0))
    found = compare(flat(1.0), far, 1.0, RULES)
    assert [(one.passed_percent, one.outside) for one in found.gammas] == [(0.0, 729)] * 3
    assert found.gammas[0].mean == MAX_GAMMA


def test_the_picture_of_a_plane_shows_the_same_gamma() -> None:
    planned, delivered = flat(1.0), flat(1.025)
    plane = DoseGrid(planned.dose[4:5], planned.z_mm[4:5], planned.y_mm, planned.x_mm, True, "")
    assert gamma_map(plane, delivered, RULES, 1.0) == pytest.approx(np.full((1, 9, 9), 0.833), abs=0.01)


def test_another_grid_is_interpolated_linearly() -> None:
    planned = dose_of(lambda x, y, z: 0.1 * x + 0.02 * y + 1.0, size=(9, 9, 9))
    delivered = dose_of(
        lambda x, y, z: 0.1 * x + 0.02 * y + 1.0, size=(8, 8, 8), spacing_mm=(1.5, 1.5, 1.5), origin_mm=(-1, -1, -1)
    )
    found = compare(planned, delivered, planned.maximum, RULES)
    assert abs(found.difference.mean_percent) < 1e-3
    assert found.gammas[2].maximum < 0.01
    points = np.array([[0.3, 0.4, 0.5], [99.0, 0.0, 0.0]])
    assert delivered.at(points) == pytest.approx([1.038, 0.0], abs=1e-6)


def test_the_picture_shows_what_the_delivered_dose_does_not_reach_as_failed() -> None:
    plane = dose_of(lambda x, y, z: np.where(x > 0.0, 1.0, 0.0), size=(40, 9, 1), origin_mm=(0.0, 0.0, 4.0))
    shown = gamma_map(plane, flat(1.0), RULES, 1.0)[0]
    assert np.isnan(shown[:, 0]).all()  # below the threshold: not looked at
    assert shown[:, 1:9] == pytest.approx(0.0, abs=0.01)
    assert (shown[:, 20:] == 2.0).all()
