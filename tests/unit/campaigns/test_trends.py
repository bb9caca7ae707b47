"""A figure that grows is told from one that only shakes."""

from __future__ import annotations

import random

import pytest

from tests.campaigns.trend import trend


def shaking(slope: float, *, noise: float, seed: int, samples: int = 400) -> list[tuple[float, float]]:
    chance = random.Random(seed)
    return [(float(n), 60.0 + slope * n + chance.gauss(0, noise)) for n in range(samples)]


@pytest.mark.parametrize("seed", range(5))
def test_what_shakes_is_flat(seed: int) -> None:
    found = trend("memory", "MB", shaking(0.0, noise=3.0, seed=seed), tolerance=0.004)
    assert not found.rises
    assert abs(found.slope) < found.margin + 0.004


@pytest.mark.parametrize("seed", range(5))
def test_what_grows_is_found_through_the_noise(seed: int) -> None:
    found = trend("memory", "MB", shaking(0.05, noise=3.0, seed=seed), tolerance=0.004)
    assert found.rises
    assert found.slope == pytest.approx(0.05, abs=0.01)
    assert "RISES" in str(found)


def test_growth_within_the_tolerance_is_none() -> None:
    assert not trend("memory", "MB", shaking(0.002, noise=0.0, seed=1), tolerance=0.004).rises


def test_a_step_that_falls_and_spikes_are_no_rise() -> None:
    samples = [(float(n), 100.0 if n < 50 else 60.0) for n in range(400)]
    samples[200] = (200.0, 500.0)
    assert not trend("descriptors", "", samples, tolerance=0.0).rises


@pytest.mark.parametrize("samples", [[], [(1.0, 2.0)], [(1.0, 2.0), (1.0, 3.0), (1.0, 4.0), (1.0, 5.0)]])
def test_of_too_little_nothing_is_said(samples: list[tuple[float, float]]) -> None:
    assert not trend("threads", "", samples, tolerance=0.0).rises
