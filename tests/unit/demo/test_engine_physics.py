"""The reference engine's own functions against analytic truths (range, fall-off, spread, energy, superposition)."""

from __future__ import annotations

import numpy as np
import pytest

from actors.demo.engine.beam_model import BeamModel, model_of, protons_per_count, protons_per_mu
from actors.demo.engine.bragg import absorbed_share, bragg_curve, depth_dose, range_cm
from actors.demo.engine.dose import JOULE_PER_MEV, BeamGrid, SpotLayer, beam_dose
from actors.demo.engine.lateral import growth, scatter_mm, variance_mm2

ENERGIES = (100.0, 150.0, 200.0)
RANGES_CM = {100.0: 7.628, 150.0: 15.635, 200.0: 26.016}
SCATTER_MM = {100.0: 1.82, 150.0: 3.45, 200.0: 5.45}
SHARES = {100.0: 0.978, 150.0: 0.959, 200.0: 0.939}
MODEL = model_of(2)


def distal_depth_mm(depth_cm: np.ndarray, dose: np.ndarray, level: float) -> float:
    """Depth behind the peak where the dose has fallen to ``level`` of its maximum."""
    peak = int(dose.argmax())
    return float(10.0 * np.interp(-level * dose.max(), -dose[peak:], depth_cm[peak:]))


def one_spot(energy_mev: float, protons: float = 1e9, x_mm: float = 0.0, y_mm: float = 0.0) -> SpotLayer:
    return SpotLayer(energy_mev, np.array([x_mm]), np.array([y_mm]), np.array([protons]))


def box(depth_mm: float, half_mm: float = 40.0, step_mm: float = 2.0) -> BeamGrid:
    centres = np.arange(-half_mm + step_mm / 2, half_mm, step_mm)
    return BeamGrid(centres, centres, np.arange(0.0, depth_mm + step_mm, step_mm))


@pytest.mark.parametrize("energy", ENERGIES)
def test_distal_r80_is_the_range(energy: float) -> None:
    depth = np.arange(0.0, 30.0, 0.002)
    dose = depth_dose(depth, energy, 0.006 * energy)
    assert range_cm(energy) == pytest.approx(RANGES_CM[energy], abs=0.0005)
    assert distal_depth_mm(depth, dose, 0.8) == pytest.approx(10 * RANGES_CM[energy], abs=0.2)


def test_distal_falloff_at_150_mev() -> None:
    depth = np.arange(0.0, 20.0, 0.002)
    dose = depth_dose(depth, 150.0, 0.9)
    falloff = distal_depth_mm(depth, dose, 0.2) - distal_depth_mm(depth, dose, 0.8)
    assert falloff == pytest.approx(3.0, abs=0.2)


@pytest.mark.parametrize("energy", ENERGIES)
def test_the_two_branches_of_the_curve_meet(energy: float) -> None:
    depth = np.arange(0.0, range_cm(energy) - 1.0, 0.01)
    steps = np.abs(np.diff(np.log(depth_dose(depth, energy, 0.006 * energy))))
    assert steps.max() < 0.01


@pytest.mark.parametrize("energy", ENERGIES)
def test_curve_holds_the_energy_that_stays_in_water(energy: float) -> None:
    curve = bragg_curve(energy, 0.006 * energy)
    assert absorbed_share(energy) == pytest.approx(SHARES[energy], abs=0.001)
    assert curve.integral_mev[-1] / energy == pytest.approx(SHARES[energy], rel=0.005)


@pytest.mark.parametrize("energy", ENERGIES)
def test_scatter_at_the_end_of_range(energy: float) -> None:
    assert scatter_mm(energy) == pytest.approx(SCATTER_MM[energy], abs=0.01)
    end = np.array([10.0 * range_cm(energy)])
    assert variance_mm2(end, energy, 4.0)[0] == pytest.approx(16.0 + SCATTER_MM[energy] ** 2, rel=0.01)


def test_spread_only_grows() -> None:
    shares = growth(np.linspace(0.0, 1.3, 400))
    assert shares[0] == pytest.approx(0.0, abs=1e-12)
    assert shares[-1] == pytest.approx(1.0)
    assert (np.diff(shares) >= 0.0).all()


@pytest.mark.parametrize("energy", ENERGIES)
def test_lateral_spread_of_the_dose(energy: float) -> None:
    grid = box(10.0 * range_cm(energy) + 10.0, half_mm=60.0)
    dose = beam_dose([one_spot(energy, x_mm=1.3, y_mm=-2.2)], grid, MODEL)
    plane = dose[int(10.0 * range_cm(energy) / 2.0)]
    for axis, centre in ((0, 1.3), (1, -2.2)):
        profile = plane.sum(axis=axis)
        mean = (profile * grid.x_mm).sum() / profile.sum()
        sigma = np.sqrt((profile * (grid.x_mm - mean) ** 2).sum() / profile.sum())
        assert mean == pytest.approx(centre, abs=0.01)
        assert sigma == pytest.approx(np.hypot(MODEL.sigma_mm, SCATTER_MM[energy]), rel=0.02)


@pytest.mark.parametrize(("energy", "depth_mm"), [(100.0, 100.0), (150.0, 190.0), (200.0, 300.0)])
def test_energy_balance(energy: float, depth_mm: float) -> None:
    dose = beam_dose([one_spot(energy)], box(depth_mm), MODEL)
    joule = dose.sum() * 8e-6
    assert joule == pytest.approx(1e9 * energy * JOULE_PER_MEV * SHARES[energy], rel=0.005)


def test_a_billion_protons_of_150_mev() -> None:
    assert beam_dose([one_spot(150.0)], box(190.0), MODEL).sum() * 8e-6 == pytest.approx(2.305e-2, rel=0.005)


def test_twice_the_protons_twice_the_dose() -> None:
    once = beam_dose([one_spot(150.0, 3e7)], box(190.0), MODEL)
    twice = beam_dose([one_spot(150.0, 6e7)], box(190.0), MODEL)
    np.testing.assert_allclose(twice, 2.0 * once, rtol=1e-12)


def test_layers_superpose() -> None:
    layers = [
        one_spot(energy, 1e8, x, y) for energy, x, y in ((150.0, 3.0, 1.0), (140.0, -7.5, 2.0), (120.0, 0.0, 9.0))
    ]
    grid = box(190.0)
    together = beam_dose(layers, grid, MODEL)
    single = sum(beam_dose([layer], grid, MODEL) for layer in layers)
    np.testing.assert_allclose(together, single, rtol=1e-6, atol=1e-6 * together.max())


def test_spots_of_one_layer_superpose() -> None:
    grid = box(190.0)
    places = ((3.1, 1.0), (-7.5, 2.26), (0.0, 9.9))
    spots = SpotLayer(150.0, np.array([p[0] for p in places]), np.array([p[1] for p in places]), np.full(3, 1e8))
    single = sum(beam_dose([one_spot(150.0, 1e8, *place)], grid, MODEL) for place in places)
    np.testing.assert_allclose(beam_dose([spots], grid, MODEL), single, atol=2e-3 * np.max(single))


def test_a_layer_that_ends_before_the_grid_leaves_nothing() -> None:
    grid = BeamGrid(np.array([0.0, 2.0]), np.array([0.0, 2.0]), np.array([200.0, 202.0]))
    assert not beam_dose([one_spot(100.0)], grid, MODEL).any()


def test_no_spots_no_dose() -> None:
    nothing = SpotLayer(150.0, np.empty(0), np.empty(0), np.empty(0))
    assert not beam_dose([nothing], box(50.0), MODEL).any()


def test_monitor_units_become_protons() -> None:
    assert protons_per_mu(150.0) == pytest.approx(1e9)
    assert protons_per_mu(200.0) > protons_per_mu(150.0) > protons_per_mu(100.0)
    assert protons_per_count(model_of(1), 150.0) == pytest.approx(21.125)
    assert protons_per_count(model_of(2), 150.0) == pytest.approx(21.2)


def test_an_unknown_gantry_is_silently_the_second() -> None:
    assert model_of(7) == model_of(2) != model_of(1)
    assert isinstance(model_of(1), BeamModel)
