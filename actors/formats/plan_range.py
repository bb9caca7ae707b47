"""PlanRange.txt: energy, monitor ranges and file names of each layer of one delivery."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from pathlib import Path

from actors.errors import CaseError
from actors.formats.reading import MIB, read_bounded, shown, text_of

NAME = "PlanRange.txt"
_LIMIT = 4 * MIB
_MAX_LAYERS = 1000
_COLUMNS = (
    "LAYER_NO",
    "LAYER_ENERGY",
    "DOSE1_RANGE",
    "SCAN_OUT_FL_NM",
    "PLAN_SCAN_OUT_FL_NM",
)


@dataclass(frozen=True, slots=True)
class RangeRow:
    """One layer as the machine delivered it."""

    layer: int
    """1-based."""
    energy_mev: float
    dose1_range: int
    """Code of the monitor's range (see ``counts.range_factor``)."""
    ptn: str
    """Plain name of the measured file, beside PlanRange.txt."""
    mgn: str
    """Plain name of the planned scan's file."""


@dataclass(frozen=True, slots=True)
class PlanRange:
    """Rows by layer, ascending, each layer once."""

    rows: tuple[RangeRow, ...]

    def row(self, layer: int) -> RangeRow | None:
        """The row of a layer, or None."""
        return next((row for row in self.rows if row.layer == layer), None)

    def span(self, start: int, stop: int) -> tuple[RangeRow, ...]:
        """Rows of the layers from ``start`` to ``stop``, inclusive (those that are there)."""
        return tuple(row for row in self.rows if start <= row.layer <= stop)


def read_plan_range(path: str | Path) -> PlanRange:
    """Reads ``PlanRange.txt``; CaseError names the file and the line."""
    return parse_plan_range(read_bounded(path, _LIMIT, NAME), shown(path))


def parse_plan_range(data: bytes, where: str) -> PlanRange:
    """PlanRange of the file's bytes: CSV with header; columns go by name, further columns do not matter."""
    lines = csv.reader(text_of(data, NAME, where).splitlines())
    try:
        table = [[cell.strip() for cell in line] for line in lines if any(cell.strip() for cell in line)]
    except csv.Error as error:
        raise _bad(0, str(error), where) from None
    if not table:
        raise _bad(0, "it is empty", where)
    header = [name.upper() for name in table[0]]
    missing = [name for name in _COLUMNS if name not in header]
    if missing:
        raise _bad(1, f"column {missing[0]} is missing", where)
    places = [header.index(name) for name in _COLUMNS]
    rows = [_row(line, places, number, where) for number, line in enumerate(table[1:], start=2)]
    return PlanRange(_ordered(rows, where))


def _ordered(rows: list[RangeRow], where: str) -> tuple[RangeRow, ...]:
    if not 1 <= len(rows) <= _MAX_LAYERS:
        raise _bad(0, f"it has {len(rows)} layers", where)
    ordered = sorted(rows, key=lambda row: row.layer)
    for one, two in pairwise(ordered):
        if one.layer == two.layer:
            raise CaseError(
                f"PlanRange.txt names layer {one.layer} twice.", where, "Send the delivery again.", "layer-doubled"
            )
    for kind in ("ptn", "mgn"):
        names = [getattr(row, kind) for row in ordered]
        for row, name in zip(ordered, names, strict=True):
            if names.count(name) > 1:
                raise CaseError(
                    f"PlanRange.txt gives layer {row.layer} a .{kind} file that another layer has too.",
                    where,
                    "Send the delivery again.",
                    "layer-doubled",
                )
    return tuple(ordered)


def _row(line: list[str], places: list[int], number: int, where: str) -> RangeRow:
    if len(line) <= max(places):
        raise _bad(number, f"it has {len(line)} columns", where)
    layer, energy, dose1, ptn, mgn = (line[place] for place in places)
    for name in (ptn, mgn):
        if not _plain(name):
            raise _bad(number, f"{name!r} is not a plain file name", where)
    try:
        row = RangeRow(int(layer), float(energy), int(dose1), ptn, mgn)
    except ValueError:
        raise _bad(number, "layer, energy or range is not a number", where) from None
    if not 1 <= row.layer <= _MAX_LAYERS or not (isfinite(row.energy_mev) and row.energy_mev > 0):
        raise _bad(number, f"layer {layer} with {energy} MeV cannot be", where)
    return row


def _plain(name: str) -> bool:
    return 0 < len(name) <= 255 and name.isprintable() and not set(name) & set('/\\:*?"<>|') and name not in {".", ".."}


def _bad(line: int, why: str, where: str) -> CaseError:
    place = f", line {line}" if line else ""
    return CaseError(f"PlanRange.txt{place}: {why}.", where, "Send the delivery again.", "plan-range-invalid")
