"""On which line of a TOML text a key stands: tomllib does not say, and an error without a line is half an error."""

from __future__ import annotations

import re
from collections.abc import Mapping

Location = tuple[str | int, ...]

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")


def key_lines(text: str) -> Mapping[Location, int]:
    """Line (from 1) of every table header and key, by location such as ``("hosts", 0, "gpus")``."""
    found: dict[Location, int] = {}
    counts: dict[Location, int] = {}
    table: Location = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = _table(header[1] == "[[", _parts(header[2]), counts)
            found.setdefault(table, number)
        elif key := _KEY.match(line):
            found.setdefault(table + _parts(key[1]), number)
    return found


def line_of(location: Location, lines: Mapping[Location, int]) -> int | None:
    """The line of the location, or of the nearest table that holds it."""
    while location:
        if location in lines:
            return lines[location]
        location = location[:-1]
    return None


def _parts(dotted: str) -> Location:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def _table(is_array: bool, parts: Location, counts: dict[Location, int]) -> Location:
    """Location of a header; ``[[hosts]]`` counts up, and ``[hosts.slurm]`` belongs to the last host."""
    location: Location = ()
    for index, part in enumerate(parts):
        location += (part,)
        last = index == len(parts) - 1
        if last and is_array:
            counts[location] = counts.get(location, -1) + 1
        if location in counts:
            location += (counts[location],)
    return location
