"""Samples merged along the way: the meterset is kept, no bin is longer than a millimetre."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from actors.interpreter.path_bins import BIN_MM, path_bins, truncation_loss


@st.composite
def walks(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    count = draw(st.integers(1, 200))
    steps = draw(hnp.arrays(np.float64, (count, 2), elements=st.floats(-3, 3)))
    mu = draw(hnp.arrays(np.float64, count, elements=st.floats(0, 1e-2)))
    mu[0] += 1e-4
    return np.cumsum(steps, axis=0), mu


@pytest.mark.promise("P41")
@given(walks())
def test_meterset_and_centroid_are_kept(walk: tuple[np.ndarray, np.ndarray]) -> None:
    places, mu = walk
    bins = path_bins(places, mu)
    assert bins.total_mu == pytest.approx(mu.sum(), rel=1e-6)
    before = (places * mu[:, None]).sum(axis=0) / mu.sum()
    after = (bins.positions_mm * bins.mu[:, None]).sum(axis=0, dtype=np.float64) / bins.total_mu
    assert after == pytest.approx(before, abs=1e-3)
    assert (bins.mu > 0).all()


@given(walks())
def test_a_bin_is_no_longer_than_a_millimetre(walk: tuple[np.ndarray, np.ndarray]) -> None:
    places, mu = walk
    bins = path_bins(places, np.maximum(mu, 1e-6))
    # Greedily by hand: each bin begins with the first sample over 1 mm from the first of the bin before.
    firsts = [places[0]]
    for place in places:
        if np.linalg.norm(place - firsts[-1]) > BIN_MM:
            firsts.append(place)
    assert len(bins.mu) == len(firsts)
    distance = np.linalg.norm(bins.positions_mm - np.array(firsts), axis=1)
    assert distance.max() <= BIN_MM + 1e-3


def test_noise_does_not_multiply_the_bins() -> None:
    way = np.stack((np.linspace(0, 100, 5000), np.zeros(5000)), axis=1)
    noise = np.random.default_rng(3).normal(0, 0.05, way.shape)
    assert len(path_bins(way, np.ones(5000)).mu) == pytest.approx(100, abs=2)
    assert len(path_bins(way + noise, np.ones(5000)).mu) < 130


def test_standing_still_is_one_spot() -> None:
    bins = path_bins(np.full((50, 2), 3.0), np.full(50, 0.01))
    assert bins.positions_mm.tolist() == [[3.0, 3.0]]
    assert bins.mu.tolist() == [pytest.approx(0.5)]


def test_truncation_loses_the_broken_histories() -> None:
    mu = np.array([1.5, 2.25], dtype=np.float32)
    assert truncation_loss(mu, 1.0) == pytest.approx(0.75 / 3.75)
    assert truncation_loss(mu, 4.0) == 0.0
