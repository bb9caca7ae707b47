"""Axes: where a spot lies in the patient at every gantry and couch angle."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.formats.axes import beam_axes, patient_offset, phantom_offset

A, B = 7.0, -3.0


@pytest.mark.promise("P40")
@pytest.mark.parametrize(
    ("gantry", "couch", "offset"),
    [
        (0, 0, (A, 0, B)),
        (90, 0, (0, A, B)),
        (180, 0, (-A, 0, B)),
        (270, 0, (0, -A, B)),
        (0, 90, (B, 0, -A)),
    ],
)
def test_spots_lie_where_the_standard_has_them(gantry: float, couch: float, offset: tuple[float, float, float]) -> None:
    assert patient_offset((A, B), gantry, couch) == pytest.approx(offset, abs=1e-12)


@pytest.mark.promise("P40")
@pytest.mark.parametrize(("gantry", "source"), [(0, (0, -1, 0)), (90, (1, 0, 0)), (180, (0, 1, 0)), (270, (-1, 0, 0))])
def test_the_source_stands_where_the_gantry_is(gantry: float, source: tuple[float, float, float]) -> None:
    assert patient_offset((0, 0), gantry, 0, toward_mm=1.0) == pytest.approx(source, abs=1e-12)


def test_phantom_axes_are_the_beam_s() -> None:
    assert phantom_offset((A, B), 5.0) == (A, B, 5.0)


angles = st.floats(-720, 720, allow_nan=False)


@given(angles, angles)
@example(0.0025, 0.0)
@example(0.0, 90.0025)
def test_axes_are_right_handed_and_orthogonal(gantry: float, couch: float) -> None:
    a, b, c = beam_axes(gantry, couch)
    for one, two, expected in ((a, a, 1), (b, b, 1), (c, c, 1), (a, b, 0), (b, c, 0), (c, a, 0)):
        assert sum(x * y for x, y in zip(one, two, strict=True)) == pytest.approx(expected, abs=1e-9)
    cross = (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])
    assert cross == pytest.approx(c, abs=1e-9)
