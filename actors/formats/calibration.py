"""A gantry's calibration file: from the words of .ptn and .mgn to milliseconds, millimetres and monitor units."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from math import isfinite
from pathlib import Path
from zoneinfo import ZoneInfo

from actors.errors import CaseError
from actors.formats.reading import KIB, read_bounded, shown, text_of

_LIMIT = 64 * KIB
# No counts, millimetres or monitor units of a gantry are beyond these; a slip of the keyboard is.
_LARGEST = 1e6
_SMALLEST_GAIN = 1e-12
_MACHINE = re.compile(r"G(?:TR)?[ _-]?0?([12])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Calibration:
    """One gantry's constants over one span of time."""

    gantry: str
    """``G1`` or ``G2``."""
    valid_from: date
    """First day, in the machine's zone."""
    valid_to: date | None
    """Last day; None: until replaced."""
    time_gain_ms: float
    x_offset: float
    y_offset: float
    x_gain_mm: float
    y_gain_mm: float
    x_size_gain_mm: float
    y_size_gain_mm: float
    x_preset_offset: float
    y_preset_offset: float
    x_preset_gain_mm: float
    y_preset_gain_mm: float
    mu_per_count: float
    """Monitor units of one count (after the range factor); not particles."""
    path: str = ""

    def covers(self, when: datetime) -> bool:
        """Was this calibration in force at an aware time (the day is that of the time's own zone)?"""
        day = when.date()
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)


def gantry_of(machine: str) -> str:
    """Gantry of a TreatmentMachineName (``G1``, ``GTR2`` …); an unknown name is a CaseError, never a default."""
    match = _MACHINE.fullmatch(machine.strip())
    if match is None:
        raise CaseError(
            f"The treatment machine {machine!r} is not a known gantry (G1, G2, GTR1, GTR2).",
            "",
            "Add the machine's name and calibration, or check the plan.",
            "gantry-unknown",
        )
    return f"G{match.group(1)}"


def choose_calibration(calibrations: Iterable[Calibration], gantry: str, when: datetime, zone: str) -> Calibration:
    """The one calibration of a gantry that was in force at the delivery; none or several is a CaseError."""
    local = when.astimezone(ZoneInfo(zone))
    of_gantry = [one for one in calibrations if one.gantry == gantry]
    if not of_gantry:
        raise CaseError(
            f"There is no calibration of gantry {gantry}.",
            "",
            "Add its file to the configuration.",
            "calibration-missing",
        )
    valid = [one for one in of_gantry if one.covers(local)]
    if not valid:
        raise CaseError(
            f"No calibration of gantry {gantry} was valid on {local.date().isoformat()}.",
            of_gantry[0].path,
            "Add the calibration of that time, or mend VALID_FROM and VALID_TO.",
            "calibration-expired",
        )
    if len(valid) > 1:
        raise CaseError(
            f"{len(valid)} calibrations of gantry {gantry} are valid on {local.date().isoformat()}.",
            valid[1].path,
            "Let VALID_TO of the older one end before the newer one begins.",
            "calibration-ambiguous",
        )
    return valid[0]


def read_calibration(gantry: str, path: str | Path) -> Calibration:
    """Reads a calibration file; CaseError names the file and the key."""
    return parse_calibration(gantry, read_bounded(path, _LIMIT, f"The calibration of {gantry}"), shown(path))


def parse_calibration(gantry: str, data: bytes, where: str) -> Calibration:
    """``KEY value`` per line, separated by blanks or TABs, ``#`` starts a comment; a doubled key is a CaseError."""
    values = _values(text_of(data, f"The calibration of {gantry}", where), where)
    return Calibration(
        gantry=gantry_of(gantry),
        valid_from=_day(values, "VALID_FROM", where),
        valid_to=_day(values, "VALID_TO", where) if "VALID_TO" in values else None,
        time_gain_ms=_gain(values, "TIMEGAIN", where),
        x_offset=_number(values, "XPOSOFFSET", where),
        y_offset=_number(values, "YPOSOFFSET", where),
        x_gain_mm=_gain(values, "XPOSGAIN", where),
        y_gain_mm=_gain(values, "YPOSGAIN", where),
        # G2's file has no gain of its own for sizes: the positions' gain serves.
        x_size_gain_mm=_gain(values, "XSIZEGAIN" if "XSIZEGAIN" in values else "XPOSGAIN", where),
        y_size_gain_mm=_gain(values, "YSIZEGAIN" if "YSIZEGAIN" in values else "YPOSGAIN", where),
        x_preset_offset=_number(values, "XPRESETOFFSET", where),
        y_preset_offset=_number(values, "YPRESETOFFSET", where),
        x_preset_gain_mm=_gain(values, "XPRESETGAIN", where),
        y_preset_gain_mm=_gain(values, "YPRESETGAIN", where),
        mu_per_count=_gain(values, "MUPERCOUNT", where),
        path=where,
    )


def _values(text: str, where: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for line in text.splitlines():
        parts = line.partition("#")[0].split()
        if not parts:
            continue
        key = parts[0].upper()
        if key in values:
            raise _bad(key, "it is there twice", where)
        values[key] = parts[1] if len(parts) > 1 else ""
    return values


def _number(values: dict[str, str], key: str, where: str) -> float:
    if key not in values:
        raise _bad(key, "it is missing", where)
    try:
        number = float(values[key])
    except ValueError:
        raise _bad(key, f"{values[key]!r} is not a number", where) from None
    if not (isfinite(number) and abs(number) <= _LARGEST):
        raise _bad(key, f"{values[key]!r} is not a number up to {_LARGEST:g}", where)
    return number


def _gain(values: dict[str, str], key: str, where: str) -> float:
    number = _number(values, key, where)
    if number <= 0:
        # Signs of the axes are the machine's, not the file's: a negative gain would mirror the beam unseen.
        raise _bad(key, f"{number} is not positive", where)
    if number < _SMALLEST_GAIN:
        raise _bad(key, f"{number} is too small for a gain", where)
    return number


def _day(values: dict[str, str], key: str, where: str) -> date:
    if key not in values:
        raise _bad(key, "it is missing", where)
    try:
        return date.fromisoformat(values[key])
    except ValueError:
        raise _bad(key, f"{values[key]!r} is not a day (YYYY-MM-DD)", where) from None


def _bad(key: str, why: str, where: str) -> CaseError:
    return CaseError(f"Calibration, {key}: {why}.", where, "Mend the calibration file.", "calibration-invalid")
