"""R80 along the beam, of doses whose distal edge is known."""

from __future__ import annotations

import numpy as np
import pytest
from dose_making import dose_of

from actors.formats.axes import beam_axes
from actors.reporter.dose_grid import DoseGrid
from actors.reporter.figures import pair_figures
from actors.reporter.levels import Level
from actors.reporter.pairs import BeamRange, Pair, PairName
from actors.reporter.ranges import (
    PHANTOM_LINE,
    BeamLine,
    RangeDifference,
    Rays,
    depth_dose,
    distal,
    in_field,
    range_difference,
    rays_of,
    sampled,
)
from actors.settings import ReportSettings


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
    assert found.lost == 0


LINE = np.arange(10.0)
WHOLE = np.clip(6.0 - LINE, 0.0, 1.0)
OPEN = np.ones(10)
"""Without a distal end."""


def over(*doses: np.ndarray) -> Rays:
    return Rays(LINE, np.zeros((len(doses), 2)), np.array(doses))


@pytest.mark.promise("P41")
@pytest.mark.parametrize(
    ("lost", "level", "told"),
    [(0, "pass", "0 of 100 (0.0 %)"), (2, "pass", "2 of 100 (2.0 %)"), (3, "review", "3 of 100 (3.0 %)")],
)
def test_rays_that_lost_their_distal_end_are_told_and_few(lost: int, level: str, told: str) -> None:
    """The range of the others is as planned: only the count says that something is missing."""
    some = over(*[OPEN] * (lost // 2), *[0.0 * OPEN] * (lost - lost // 2), *[WHOLE] * (100 - lost))
    difference = range_difference(over(*[WHOLE] * 100), some)
    assert difference is not None
    assert (difference.mean_mm, difference.rays, difference.lost) == (0.0, 100 - lost, lost)
    mean, rays = pair_figures(Pair(PairName.TOTAL, "", ranges=(BeamRange(3, difference),)), ReportSettings())
    assert mean.level is Level.PASS
    assert (rays.level, rays.value, rays.subject) == (Level[level.upper()], told, "Total, beam 3")


def test_a_field_that_lost_every_distal_end_is_no_field_that_was_not_compared() -> None:
    difference = range_difference(over(WHOLE, WHOLE, OPEN), over(OPEN, OPEN, WHOLE))
    assert difference == RangeDifference(None, None, 0, 2)
    (rays,) = pair_figures(Pair(PairName.TOTAL, "", ranges=(BeamRange(1, difference),)), ReportSettings())
    assert (rays.level, rays.value) == (Level.REVIEW, "2 of 2 (100.0 %)")


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
