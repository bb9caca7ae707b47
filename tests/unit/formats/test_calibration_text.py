"""Calibration files: which one serves a delivery, and what it must hold."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from actors.errors import CaseError
from actors.formats import choose_calibration, gantry_of
from actors.formats.calibration import parse_calibration

CONF = Path(__file__).resolve().parents[3] / "conf" / "calibrations"
G1, G2 = ((CONF / name).read_bytes() for name in ("g1.txt", "g2.txt"))


def with_lines(data: bytes, **changes: str | None) -> bytes:
    lines = [line for line in data.decode().splitlines() if line.split()[:1] and line.split()[0] not in changes]
    return "\n".join(lines + [f"{key}\t{value}" for key, value in changes.items() if value is not None]).encode()


def test_shipped_files_hold_the_machine_s_values() -> None:
    one, two = parse_calibration("G1", G1, "g1"), parse_calibration("G2", G2, "g2")
    assert (one.time_gain_ms, two.time_gain_ms) == (0.0600745, 0.06)
    assert (one.x_offset, one.y_offset, two.x_offset, two.y_offset) == (16384, 16384, 24580, 32772)
    assert (one.x_gain_mm, one.y_gain_mm, two.x_gain_mm, two.y_gain_mm) == (0.010959, 0.0116412, 0.00726, 0.0071411)
    assert (one.x_preset_offset, one.y_preset_offset, two.x_preset_offset, two.y_preset_offset) == (
        32767,
        32767,
        32768,
        32768,
    )
    assert (one.x_preset_gain_mm, one.y_preset_gain_mm) == (0.0054705, 0.0058206)
    assert (two.x_preset_gain_mm, two.y_preset_gain_mm) == (0.005445, 0.0071411)
    assert (one.mu_per_count, two.mu_per_count) == (2.1125e-8, 2.12e-8)


def test_without_gains_for_sizes_the_positions_gain_serves() -> None:
    two = parse_calibration("G2", G2, "g2")
    assert (two.x_size_gain_mm, two.y_size_gain_mm) == (two.x_gain_mm, two.y_gain_mm)


def test_tabs_separate_as_well_as_blanks() -> None:
    changed = parse_calibration("G1", with_lines(G1, TIMEGAIN="0.07", VALID_TO="2026-01-31"), "g1")
    assert changed.time_gain_ms == 0.07
    assert changed.valid_to == date(2026, 1, 31)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"MUPERCOUNT": None}, "MUPERCOUNT"),
        ({"VALID_FROM": None}, "VALID_FROM"),
        ({"VALID_FROM": "01.02.2026"}, "VALID_FROM"),
        ({"XPOSGAIN": "nan"}, "XPOSGAIN"),
        ({"XPOSGAIN": "-0.01"}, "XPOSGAIN"),
        ({"YPRESETGAIN": "0"}, "YPRESETGAIN"),
        ({"XPOSOFFSET": "many"}, "XPOSOFFSET"),
        ({"YPOSOFFSET": ""}, "YPOSOFFSET"),
    ],
)
def test_a_wrong_key_is_named(changes: dict[str, str | None], key: str) -> None:
    with pytest.raises(CaseError) as caught:
        parse_calibration("G1", with_lines(G1, **changes), "g1.txt")
    assert caught.value.fault.kind == "calibration-invalid"
    assert key in caught.value.fault.what
    assert caught.value.fault.where == "g1.txt"


def test_a_doubled_key_is_an_error() -> None:
    with pytest.raises(CaseError, match="TIMEGAIN: it is there twice"):
        parse_calibration("G1", G1 + b"\nTIMEGAIN 0.06\n", "g1.txt")


@pytest.mark.parametrize(
    ("machine", "gantry"), [("G1", "G1"), ("G2", "G2"), ("GTR1", "G1"), ("gtr2 ", "G2"), ("GTR 1", "G1"), ("G02", "G2")]
)
def test_machine_names_name_a_gantry(machine: str, gantry: str) -> None:
    assert gantry_of(machine) == gantry


@pytest.mark.promise("P6")
@pytest.mark.parametrize("machine", ["G7", "", "G", "G12", "TR1", "G1 old", "LINAC2", "1"])
def test_an_unknown_machine_is_an_error(machine: str) -> None:
    with pytest.raises(CaseError) as caught:
        gantry_of(machine)
    assert caught.value.fault.kind == "gantry-unknown"


class TestChoice:
    OLD = parse_calibration("G1", with_lines(G1, VALID_TO="2026-03-01"), "old")
    NEW = parse_calibration("G1", with_lines(G1, VALID_FROM="2026-03-02", TIMEGAIN="0.0601"), "new")
    OTHER = parse_calibration("G2", G2, "other")

    def choose(self, moment: datetime, *known: object) -> str:
        return choose_calibration(known or (self.OLD, self.NEW, self.OTHER), "G1", moment, "Asia/Seoul").path  # type: ignore[arg-type]

    def test_by_the_day_on_the_machine_s_clock(self) -> None:
        assert self.choose(datetime(2026, 3, 1, 14, 59, tzinfo=UTC)) == "old"
        assert self.choose(datetime(2026, 3, 1, 15, 1, tzinfo=UTC)) == "new"

    @pytest.mark.promise("P6")
    def test_none_or_several_is_an_error(self) -> None:
        moment = datetime(2026, 3, 2, tzinfo=UTC)
        for known, kind in (
            ((self.OTHER,), "calibration-missing"),
            ((self.OLD,), "calibration-expired"),
            ((self.NEW, self.NEW), "calibration-ambiguous"),
        ):
            with pytest.raises(CaseError) as caught:
                self.choose(moment, *known)
            assert caught.value.fault.kind == kind
