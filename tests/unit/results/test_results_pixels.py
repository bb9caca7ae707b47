"""Numbers as DICOM can say them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.results.pixels import LEVELS, decimal_string, grid_scaling, pixel_blocks
from actors.results.rtdose import case_time, text
from actors.results.uids import uid


@given(st.floats(-1e300, 1e300))
def test_a_decimal_string_fits_and_keeps_nine_digits(value: float) -> None:
    written = decimal_string(value)
    assert len(written) <= 16
    assert float(written) == pytest.approx(value, rel=1e-8, abs=1e-307)


@given(st.floats(1e-12, 1e12))
def test_the_maximum_always_fits_and_loses_nothing(maximum: float) -> None:
    scaling = grid_scaling(maximum)
    assert len(scaling) <= 16
    dose = np.array([[[0.0, maximum / 3, maximum]]])
    levels = np.frombuffer(b"".join(pixel_blocks(dose, scaling)), "<u4")
    assert levels[0] == 0
    assert levels[2] > LEVELS * (1 - 1e-8), "all of the 32 bits are used"
    back = levels * float(scaling)
    assert np.abs(back - dose.ravel()).max() <= float(scaling) * 0.7500001


def test_pixels_run_through_the_array_in_its_order() -> None:
    dose = np.arange(24.0).reshape(2, 3, 4)
    levels = np.frombuffer(b"".join(pixel_blocks(dose, "1.0")), "<u4")
    assert levels.tolist() == list(range(24))


def test_uids_are_reproducible_and_short() -> None:
    assert uid("dose", "c", 1) == uid("dose", "c", 1) != uid("dose", "c", 2)
    assert len(uid("x")) <= 44
    assert uid("x").startswith("2.25.")


@pytest.mark.promise("P14")
def test_texts_fit_a_long_string() -> None:
    assert text("a\\b\nc\udcff") == "a_b_c_"
    assert len(text("김" * 100)) == 64


@pytest.mark.parametrize(("case", "expected"), [("20240229-101530-ab", ("20240229", "101530")), ("odd", ("", ""))])
def test_the_time_of_a_case(case: str, expected: tuple[str, str]) -> None:
    assert case_time(case) == expected
