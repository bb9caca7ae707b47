"""R80 along the beam, of doses whose distal edge is known."""

from __future__ import annotations

import numpy as np
import pytest
from dose_making import dose_of

from actors.formats.axes import beam_axes
from actors.reporter.dose_grid import DoseGrid
from actors.reporter.ranges import (
    PHANTOM_LINE,
    BeamLine,
    depth_dose,
    distal,
    in_field,
    range_difference,
    rays_of,
    sampled,
)


def edge(place: float, *, level: float = 1.0) -> DoseGrid:
    """A field of 20 x 20 mm that falls from full to nothing over 8 mm along -z; 80 % lies at ``place``."""
    return dose_of(
        lambda x, y, z: level * np.clip((z - place) / 8.0 + 0.8, 0.0, 1.0) * (np.abs(x) <= 10.0) * (np.abs(y) <= 10.0),
        size=(31, 31, 61),
        origin_mm=(-15.0, -15.0, -30.0),
    )


def test_the_distal_end_of_a_depth_dose() -> None:
    rays = rays_of(edge(-7.0), PHANTOM_LINE)
    mean = depth_dose(rays, in_field(rays))
    assert mean.r80_mm == pytest.approx(7.0, abs=0.05)  # depth grows against z


@pytest.mark.parametrize("level", [1.0, 1.05])
def test_a_range_difference_is_one_of_depth_not_of_dose(level: float) -> None:
    planned, delivered = edge(-7.0), edge(-9.0, level=level)
    wanted = rays_of(planned, PHANTOM_LINE)
    found = range_difference(wanted, sampled(delivered, PHANTOM_LINE, wanted.along_mm, wanted.across_mm))
    assert found is not None
    assert (found.mean_mm, found.p95_mm) == pytest.approx((2.0, 2.0), abs=0.05)
    assert found.rays > 20


@pytest.mark.parametrize(("gantry", "deeper"), [(0.0, (0, 1, 0)), (90.0, (-1, 0, 0)), (180.0, (0, -1, 0))])
def test_depth_runs_along_the_beam_in_the_patient(gantry: float, deeper: tuple[int, int, int]) -> None:
    """Head first supine, gantry 0: the beam goes to the back, along +y."""
    way = np.array(deeper, dtype=float)

    def along(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        depth = x * way[0] + y * way[1] + z * way[2]
        return np.clip((6.0 - depth) / 8.0 + 0.8, 0.0, 1.0)

    dose = dose_of(along, size=(41, 41, 21), origin_mm=(-20.0, -20.0, -10.0))
    rays = rays_of(dose, BeamLine(*beam_axes(gantry, 0.0), (0.0, 0.0, 0.0)))
    assert depth_dose(rays, in_field(rays)).r80_mm == pytest.approx(6.0, abs=0.3)


def test_no_distal_end() -> None:
    along = np.arange(10.0)
    assert distal(along, np.ones(10)) is None
    assert distal(along, np.zeros(10)) is None
    open_end = dose_of(lambda x, y, z: np.ones_like(x))
    rays = rays_of(open_end, PHANTOM_LINE)
    cut = sampled(open_end, PHANTOM_LINE, rays.along_mm[:5], rays.across_mm)
    assert range_difference(cut, cut) is None
