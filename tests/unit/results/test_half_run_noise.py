"""The statistical uncertainty from two half-runs."""

from __future__ import annotations

import numpy as np
import pytest

from actors.demo.engine.noise import half_runs
from actors.results.noise import is_mean, relative_sigma

SHAPE = (30, 30, 30)


@pytest.mark.parametrize("sigma", [0.003, 0.02])
def test_sigma_is_that_of_the_mean_of_both_halves(sigma: float) -> None:
    random = np.random.default_rng(5)
    first, second = (2.0 * (1.0 + sigma * np.sqrt(2.0) * random.standard_normal(SHAPE)) for _ in range(2))
    assert relative_sigma(first, second) == pytest.approx(sigma, rel=0.02)


def test_only_the_high_dose_counts() -> None:
    random = np.random.default_rng(6)
    dose = np.where(np.arange(30) < 15, 1.0, 0.2) * np.ones(SHAPE)
    noisy = [dose + np.where(dose > 0.5, 0.0, 0.1) * random.standard_normal(SHAPE) for _ in range(2)]
    with pytest.raises(ValueError, match="the same"):  # only the low dose differs
        relative_sigma(*noisy)


def test_halves_that_are_no_two_runs() -> None:
    dose = np.ones(SHAPE)
    with pytest.raises(ValueError, match="the same"):
        relative_sigma(dose, dose.copy())
    with pytest.raises(ValueError, match="no dose"):
        relative_sigma(np.zeros(SHAPE), np.zeros(SHAPE))


def test_the_dose_is_the_mean_of_its_halves() -> None:
    first, second = half_runs(np.ones(SHAPE), 1e8, 7)
    assert is_mean(0.5 * (first + second), first, second)
    assert not is_mean(first, first, second)


def test_the_engines_noise_halves_with_four_times_the_histories() -> None:
    dose = np.ones(SHAPE)
    few = relative_sigma(*half_runs(dose, 1e8, 7))
    many = relative_sigma(*half_runs(dose, 4e8, 7))
    assert few == pytest.approx(0.01, rel=0.05)
    assert many / few == pytest.approx(0.5, rel=0.1)
    again = half_runs(dose, 1e8, 7)
    assert np.array_equal(again[0], half_runs(dose, 1e8, 7)[0])
    assert not np.array_equal(again[0], half_runs(dose, 1e8, 8)[0])
