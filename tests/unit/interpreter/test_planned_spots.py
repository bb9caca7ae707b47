"""The plan as a table of samples: on the planned way, evenly, with the planned meterset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from actors.formats.calibration import Calibration, parse_calibration
from actors.formats.delivered import DeliveredLayer
from actors.formats.plan import PlanLayer, ScanMode
from actors.formats.planned_path import distance_to, planned_path, progress_of, stretch_at
from actors.interpreter.path_bins import BIN_MM, path_bins
from actors.interpreter.planned_spots import STEP_MM, planned_layers, samples_of
from tests.unit.interpreter.layer_maker import planned

_CONF = Path(__file__).resolve().parents[3] / "conf" / "calibrations" / "g1.txt"
G1: Calibration = parse_calibration("G1", _CONF.read_bytes(), str(_CONF))


def one(layer: PlanLayer, mode: ScanMode) -> DeliveredLayer:
    (made,) = planned_layers(3, [layer], mode, G1)
    return made


@st.composite
def layers(draw: st.DrawFn) -> PlanLayer:
    count = draw(st.integers(2, 20))
    places = draw(hnp.arrays(np.float64, (count, 2), elements=st.floats(-100, 100)))
    mu = draw(hnp.arrays(np.float64, count, elements=st.one_of(st.just(0.0), st.floats(1e-4, 2.0))))
    mu[0], mu[-1] = 0.0, mu[-1] + 0.1
    return planned(places, mu, paintings=draw(st.integers(1, 3)))


@pytest.mark.promise("P41")
@given(layers(), st.sampled_from(ScanMode))
def test_the_meterset_is_the_plan_s_and_lies_on_its_way(layer: PlanLayer, mode: ScanMode) -> None:
    made = one(layer, mode)
    assert made.mu == pytest.approx(layer.mu, abs=0.5 * G1.mu_per_count * (1 + 1e-9))
    assert made.mu == pytest.approx(layer.mu, rel=1e-6)
    path = planned_path(layer, mode)
    under_way = stretch_at(path, progress_of(made, layer.mu, whole=True))
    some = made.count > 0
    assert distance_to(path, under_way, made.positions_mm)[some].max() < 1e-6
    per_stretch = np.bincount(under_way, weights=made.count, minlength=len(path)) * made.mu_per_count
    assert per_stretch == pytest.approx(path.mu, abs=2 * G1.mu_per_count)


def test_a_segment_is_sampled_evenly_and_weight_i_goes_from_i_minus_1_to_i() -> None:
    layer = planned([(0, 0), (10, 0), (10, 4), (30, 4)], [0.0, 1.0, 0.0, 3.0])
    positions, share = samples_of(planned_path(layer, ScanMode.LINE))
    first = positions[:, 0] < 10
    assert positions[first][:, 1] == pytest.approx(0)
    assert share[first].sum() == pytest.approx(0.25)
    assert np.diff(positions[first][:, 0]) == pytest.approx(STEP_MM)
    assert not np.any((positions[:, 1] > 0.1) & (positions[:, 1] < 3.9)), "the beam is off on the way of weight 0"
    assert positions[~first][:, 0].min() == pytest.approx(10 + STEP_MM / 2)
    assert np.average(positions, axis=0, weights=share) == pytest.approx((0.25 * 5 + 0.75 * 20, 0.75 * 4))


def test_a_spot_stays_a_spot() -> None:
    layer = planned([(0, 0), (5, 0), (10, 3)], [1.0, 0.0, 3.0])
    made = one(layer, ScanMode.SPOT)
    assert made.positions_mm.tolist() == [[0, 0], [10, 3]]
    assert made.count[1] / made.count[0] == pytest.approx(3)


def test_paintings_go_the_whole_way_each() -> None:
    layer = planned([(0, 0), (10, 0)], [0.0, 2.0], paintings=2)
    made = one(layer, ScanMode.LINE)
    assert np.count_nonzero(np.diff(made.x_mm) < 0) == 1
    assert made.mu == pytest.approx(2.0)


@pytest.mark.promise("P41")
def test_no_rounding_adds_up_over_the_layers() -> None:
    """A thousand layers of a third of a count over a whole number: their sum is right, not each of them alone."""
    mu = 1000.34 * G1.mu_per_count
    layer = planned([(0, 0), (0.1, 0)], [0.0, mu])
    counts = [made.counts for made in planned_layers(3, [layer] * 1000, ScanMode.LINE, G1)]
    assert abs(sum(counts) - 1000 * 1000.34) <= 0.5 + 1e-6
    assert set(counts) == {1000, 1001}


def test_they_become_bins_as_short_as_those_of_a_log() -> None:
    layer = planned([(0, 0), (37.3, 11.9)], [0.0, 1.0])
    made = one(layer, ScanMode.LINE)
    bins = path_bins(made.positions_mm, made.count * made.mu_per_count)
    gaps = np.hypot(*np.diff(bins.positions_mm, axis=0).T)
    assert gaps.max() <= BIN_MM + STEP_MM + 1e-3
    assert bins.total_mu == pytest.approx(1.0, rel=1e-6)
