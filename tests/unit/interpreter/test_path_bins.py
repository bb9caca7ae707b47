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
def test_a_bin_lies_within_a_millimetre_of_its_samples(walk: tuple[np.ndarray, np.ndarray]) -> None:
    places, mu = walk
    bins = path_bins(places, np.maximum(mu, 1e-6))
    distance = np.linalg.norm(places[:, None] - bins.positions_mm[None], axis=2).min(axis=1)
    assert distance.max() <= BIN_MM + 1e-3
    length = np.linalg.norm(np.diff(places, axis=0), axis=1).sum()
    assert len(bins.mu) <= int(length / BIN_MM) + 1


def test_standing_still_is_one_spot() -> None:
    bins = path_bins(np.full((50, 2), 3.0), np.full(50, 0.01))
    assert bins.positions_mm.tolist() == [[3.0, 3.0]]
    assert bins.mu.tolist() == [pytest.approx(0.5)]


def test_truncation_loses_the_broken_histories() -> None:
    mu = np.array([1.5, 2.25], dtype=np.float32)
    assert truncation_loss(mu, 1.0) == pytest.approx(0.75 / 3.75)
    assert truncation_loss(mu, 4.0) == 0.0
