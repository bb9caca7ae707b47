"""The machine's binary files, row by row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from actors.errors import CaseError
from actors.formats.calibration import parse_calibration
from actors.formats.mgn import parse_mgn
from actors.formats.ptn import parse_ptn

CONF = Path(__file__).resolve().parents[3] / "conf" / "calibrations"
G2 = parse_calibration("G2", (CONF / "g2.txt").read_bytes(), "g2")


def ptn_row(*, layer: int = 3, flags: int = 0xC001, size: int = 500) -> bytes:
    return np.array([24680, 32672, size, size, 4200, 4190, layer, flags], dtype=">u2").tobytes()


def test_words_are_big_endian() -> None:
    rows = parse_ptn(ptn_row() * 2, 3, "beam 1, layer 3", "a.ptn").rows
    assert len(rows) == 2
    assert [int(rows[0][name]) for name in ("x", "y", "dose1", "dose2", "layer")] == [24680, 32672, 4200, 4190, 3]


@pytest.mark.promise("P4")
@pytest.mark.parametrize(
    ("flags", "size", "on"),
    [
        (0x0001, 5, True),
        (0x4001, 5, True),
        (0x8001, 5, True),
        (0xC001, 5, True),
        (0xC001, 0, False),
        (0x0000, 5, False),
        (0x4000, 5, False),
        (0x8000, 0, False),
    ],
)
def test_the_beam_is_off_by_flag_or_without_size(flags: int, size: int, on: bool) -> None:
    assert parse_ptn(ptn_row(flags=flags, size=size), 3, "s", "w").beam_on.tolist() == [on]


@pytest.mark.promise("P2")
@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "layer-truncated"),
        (ptn_row()[:-7], "layer-truncated"),
        (ptn_row() + b"\x00", "layer-truncated"),
        (ptn_row() + ptn_row(layer=4), "layer-mixed"),
        (ptn_row(layer=4), "layer-mixed"),
    ],
)
def test_rows_that_are_not_this_layer_s_are_an_error(data: bytes, kind: str) -> None:
    with pytest.raises(CaseError) as caught:
        parse_ptn(data, 3, "beam 1, layer 3", "/share/a.ptn")
    assert caught.value.fault.kind == kind
    assert "beam 1, layer 3" in caught.value.fault.what
    assert caught.value.fault.where == "/share/a.ptn"


def test_magnet_records_become_millimetres() -> None:
    record = np.zeros(1, dtype=[("t", ">u4"), ("a", ">u2"), ("b", ">u2"), ("x", ">u2"), ("y", ">u2"), ("on", ">u2")])
    record["t"], record["x"], record["y"], record["on"] = 70000, 32768 + 1000, 32768 - 1000, 1
    scan = parse_mgn(record.tobytes(), "beam 1, layer 3", "a.mgn")
    assert scan.positions_mm(G2).tolist() == [[pytest.approx(5.445), pytest.approx(-7.1411)]]
    assert int(scan.records["time_us"][0]) == 70000


@pytest.mark.promise("P2")
@pytest.mark.parametrize("data", [b"", b"\x00" * 13, b"\x00" * 15])
def test_records_that_are_not_whole_are_an_error(data: bytes) -> None:
    with pytest.raises(CaseError, match="beam 1, layer 3") as caught:
        parse_mgn(data, "beam 1, layer 3", "a.mgn")
    assert caught.value.fault.kind == "scan-truncated"
