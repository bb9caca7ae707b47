"""Rows of the machine become the table of delivered spots; counts are kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.formats.calibration import parse_calibration
from actors.formats.delivered import delivered_layer, shortened
from actors.formats.ptn import ROW, PtnRows

CONF = Path(__file__).resolve().parents[3] / "conf" / "calibrations"
G1, G2 = (parse_calibration(name, (CONF / f"{name.lower()}.txt").read_bytes(), name) for name in ("G1", "G2"))


def rows(*words: tuple[int, int, int, int, int]) -> PtnRows:
    """(x, y, size, dose1, flags) each."""
    table = np.zeros(len(words), dtype=ROW)
    for number, (x, y, size, dose1, flags) in enumerate(words):
        table[number] = (x, y, size, size, dose1, dose1, 1, flags)
    return PtnRows("w", table)


def test_words_become_millimetres_milliseconds_and_counts() -> None:
    part = rows((16384, 16384, 9, 100, 0xC001), (16384 + 1000, 16384 - 1000, 9, 47, 0xC001))
    layer = delivered_layer(3, 1, 150.0, [(part, 140 / 47)], G1)
    assert layer.t_ms.tolist() == [0.0, pytest.approx(0.0600745)]
    assert layer.x_mm.tolist() == [0.0, pytest.approx(10.959)]
    assert layer.y_mm.tolist() == [0.0, pytest.approx(-11.6412)]
    assert layer.count.tolist() == [298, 140]
    assert layer.mu == pytest.approx(438 * 2.1125e-8)


@pytest.mark.promise("P4")
def test_beam_off_rows_are_no_spots_but_their_counts_are_known() -> None:
    part = rows((65000, 65000, 0, 3, 0x8000), (24580, 32772, 500, 997, 0xC001), (65000, 100, 0, 2, 0xC001))
    layer = delivered_layer(3, 1, 150.0, [(part, 1.0)], G2)
    assert layer.x_mm.tolist() == [0.0]
    assert layer.t_ms.tolist() == [pytest.approx(0.06)]
    assert (layer.counts, layer.off_count) == (997, 5)
    assert layer.off_share == pytest.approx(5 / 1002)


@pytest.mark.promise("P3")
def test_parts_follow_one_another_in_time_with_their_own_factor() -> None:
    first, second = rows((24580, 32772, 9, 10, 1), (0, 0, 0, 1, 0)), rows((24580, 32772, 9, 10, 1))
    layer = delivered_layer(3, 1, 150.0, [(first, 1.0), (second, 140 / 47)], G2)
    assert layer.t_ms.tolist() == [0.0, pytest.approx(2 * 0.06)]
    assert layer.count.tolist() == [10, 30]
    assert layer.off_count == 1


counts = st.lists(st.integers(0, 1_757_000), min_size=1, max_size=200)


@pytest.mark.promise("P41")
@given(counts, st.integers(1, 1000))
def test_shortening_never_drifts(values: list[int], divisor: int) -> None:
    count = np.array(values, dtype=np.int64)
    short = shortened(count, divisor)
    assert (short >= 0).all()
    drift = np.cumsum(short) * divisor - np.cumsum(count)
    assert np.abs(drift).max() <= divisor / 2


@given(counts)
def test_undivided_counts_stay_as_they_are(values: list[int]) -> None:
    assert shortened(np.array(values), 1).tolist() == values


@given(st.integers(0, 30), st.integers(1, 30), st.integers(2, 5))
def test_on_and_off_counts_add_up_to_all(off: int, on: int, code: int) -> None:
    factor = {2: 1.0, 3: 140 / 47, 4: 420 / 47, 5: 1260 / 47}[code]
    part = rows(*[(1, 1, 0, number + 1, 0) for number in range(off)], *[(1, 1, 5, number, 1) for number in range(on)])
    layer = delivered_layer(3, 1, 150.0, [(part, factor)], G1)
    assert layer.counts + layer.off_count == int(np.rint(part.rows["dose1"] * factor).sum())
