"""Control limits of individuals and moving ranges, against values computed by hand."""

from __future__ import annotations

import math
import random

import pytest

from actors.console.trend.limits import LEAST, control_limits, moving_ranges

FLOWS = (49.6, 47.6, 49.9, 51.3, 47.8, 51.2, 52.6, 52.4, 53.6, 52.1)
"""Example of NIST/SEMATECH e-Handbook 6.3.2.2: sum 508.1; moving ranges 2.0, 2.3, 1.4, 3.5, 3.4, 1.4, 0.2, 1.2, 1.5,
sum 16.9; its limits, with 3/1.128, are 55.8041 and 45.8159."""


def test_the_handbooks_example() -> None:
    assert moving_ranges(FLOWS) == pytest.approx((2.0, 2.3, 1.4, 3.5, 3.4, 1.4, 0.2, 1.2, 1.5))
    limits = control_limits(FLOWS, least=10)
    assert limits is not None
    assert limits.centre == pytest.approx(50.81)
    assert limits.mean_range == pytest.approx(16.9 / 9)
    assert limits.upper == pytest.approx(50.81 + 2.66 * 16.9 / 9)
    assert (limits.upper, limits.lower) == pytest.approx((55.8041, 45.8159), abs=0.001)
    assert limits.range_upper == pytest.approx(3.267 * 16.9 / 9)
    assert not limits.holds(55.9)
    assert limits.holds(45.9)


def test_fewer_than_25_values_have_none() -> None:
    values = [float(number % 3) for number in range(LEAST)]
    assert control_limits(values[:-1]) is None
    # 0, 1, 2, 0, …, 0: the mean is 24/25, ranges are 1, 1, 2 in turn: 32/24.
    limits = control_limits(values)
    assert limits is not None
    assert (limits.centre, limits.mean_range) == pytest.approx((24 / 25, 32 / 24))


def test_values_that_never_change_are_within_their_own_limits() -> None:
    limits = control_limits([0.1] * LEAST)
    assert limits is not None
    assert limits.mean_range == 0.0
    assert limits.holds(0.1)
    assert limits.holds_range(0.0)
    assert not limits.holds(0.1001)


def test_a_step_widens_no_limits_as_it_would_a_standard_deviation() -> None:
    """A machine that changes in the middle of the window is out of its limits on both sides of the change."""
    values = [0.0, 0.1] * 20 + [2.0, 2.1] * 20
    limits = control_limits(values)
    assert limits is not None
    assert sum(not limits.holds(value) for value in values) == len(values)


def test_of_chance_alone_nearly_all_lies_within() -> None:
    rng = random.Random(1)
    values = [rng.gauss(0.0, 1.0) for _ in range(4000)]
    limits = control_limits(values)
    assert limits is not None
    assert math.isclose(limits.upper, 3.0, abs_tol=0.1)
    assert sum(not limits.holds(value) for value in values) / len(values) < 0.006
