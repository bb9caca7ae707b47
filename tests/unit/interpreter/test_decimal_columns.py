"""Columns of numbers as text: exactly what printing one by one would give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layer_maker import delivered

from actors.interpreter.decimals import comma_lines
from actors.interpreter.log_csv import csv_files, csv_text, layer_name

whole = st.integers(-(10**9), 10**9)


@pytest.mark.promise("P7")
@given(st.lists(st.tuples(whole, whole, st.integers(0, 2**40)), min_size=1, max_size=50), st.integers(1, 6))
def test_text_says_the_same_numbers(rows: list[tuple[int, int, int]], decimals: int) -> None:
    columns = [np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)]
    text = comma_lines(((columns[0], decimals), (columns[1], 0), (columns[2], 0))).decode("ascii")
    expected = "".join(
        f"{'-' if a < 0 else ''}{abs(a) // 10**decimals}.{abs(a) % 10**decimals:0{decimals}d},{b},{c},\n"
        for a, b, c in rows
    )
    assert text == expected


def test_no_rows_are_no_text() -> None:
    assert comma_lines(((np.zeros(0, dtype=np.int64), 2),)) == b""


@pytest.mark.promise("P7")
def test_rows_end_with_a_comma_and_have_no_header() -> None:
    layer = delivered([[1.25, -0.00004], [-12.34567, 3.0]], [5, 7])
    assert csv_text(layer, layer.count) == b"0.0000,1.2500,0.0000,5,\n0.0600,-12.3457,3.0000,7,\n"


def test_rows_without_a_count_are_left_out() -> None:
    layer = delivered([[0, 0], [1, 1], [2, 2]], [1, 1, 1])
    files = list(csv_files([layer], 3))
    assert files == [("01_150.00MeV.csv", b"0.0600,1.0000,1.0000,1,\n", 1)]
    assert list(csv_files([delivered([[0, 0]], [1])], 3)) == []


def test_a_count_that_the_engine_cannot_hold_is_refused() -> None:
    layer = delivered([[0, 0]], [2**31])
    with pytest.raises(ValueError, match="larger than"):
        csv_text(layer, layer.count)


def test_names_sort_by_layer_and_hold_the_energy() -> None:
    assert layer_name(3, 70.2, 42) == "03_070.20MeV.csv"
    assert layer_name(3, 228.125, 120) == "003_228.12MeV.csv"
    names = [layer_name(number, 150.0, 120) for number in range(1, 121)]
    assert names == sorted(names)
