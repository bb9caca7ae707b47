"""The engine's input file, by the engine's own rules of reading.

One ``Key value`` per line, split at the first space; keys whatever their case; the first line of a key wins; ``#``
begins a comment anywhere; a line of blanks ends the run. So no value may hold what the engine would misread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from actors.errors import MqiError
from messages.engine import EngineProfile, Grid, InputLine
from messages.faults import Blame, Fault

INPUT_DIR = "in"
DICOM_DIR = "dicom"
LOG_DIR = "log"
OUT_DIR = "out"


def variables(profile: EngineProfile, gantry: str, grid: Grid, seed: int) -> dict[str, object]:
    """What an input template may name in braces; paths are relative to the run directory."""
    known: dict[str, object] = {
        "seed": seed,
        "gantry": gantry,
        "gantry_number": int(gantry[1:]),
        "beam_number": 1,
        "input_dir": INPUT_DIR,
        "parent_dir": INPUT_DIR,
        "dicom_dir": DICOM_DIR,
        "log_dir": LOG_DIR,
        "out_dir": OUT_DIR,
    }
    if profile.geometry != "ct":
        known |= _grid_variables(grid)
    return known


def _grid_variables(grid: Grid) -> dict[str, object]:
    """nx … voxels, dx … spacing, x0 … lower corner; whole numbers without a point, as the engine reads them."""
    known: dict[str, object] = {}
    for axis, size, spacing, origin in zip("xyz", grid.size, grid.spacing_mm, grid.origin_mm, strict=True):
        known |= {f"n{axis}": size, f"d{axis}": _plain(spacing), f"{axis}0": _plain(origin - spacing / 2)}
    return known


def _plain(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(round(value, 6))


def input_text(profile: EngineProfile, known: Mapping[str, object]) -> bytes:
    """The file's content; MqiError ``engine-input-invalid`` names the key of a line that the engine would misread."""
    seen: set[str] = set()
    lines = []
    for line in profile.input:
        value = filled(line, known, "input")
        reason = _misread(line.key, value, seen)
        if reason:
            raise _error(line.key, reason)
        seen.add(line.key.casefold())
        lines.append(f"{line.key} {value}\n")
    return "".join(lines).encode("utf-8")


def filled(line: InputLine, known: Mapping[str, object], table: str) -> str:
    """The line's value with its braces filled; an unknown name is an error that names the key."""
    return fill(line.value, known, f"{table}.{line.key}")


def fill(template: str, known: Mapping[str, object], key: str) -> str:
    """A template with its braces filled from ``known``."""
    try:
        return template.format_map(known)
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        names = ", ".join(sorted(known))
        raise _error(key, f"{template!r} cannot be filled ({error}); known are {names}") from None


def command_of(profile: EngineProfile, known: Mapping[str, object]) -> tuple[str, ...]:
    """The profile's command with its braces filled."""
    return tuple(fill(part, known, "command") for part in profile.command)


def environment_of(profile: EngineProfile, known: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """The profile's environment with its braces filled."""
    return tuple((line.key, filled(line, known, "environment")) for line in profile.environment)


def _misread(key: str, value: str, seen: set[str]) -> str:
    """Why the engine would not read this line as it is meant; empty: it would."""
    checks: Sequence[tuple[bool, str]] = (
        (not key or any(char.isspace() for char in key), "a key is one word"),
        (key.casefold() in seen, "the key is there twice; the engine takes the first"),
        ("#" in key + value, "# begins a comment in the engine's file"),
        (not value.strip(), "the value is empty"),
        (value != value.strip(), "the value begins or ends with a blank"),
        (not value.isprintable(), "the value holds a TAB, a newline or another control character"),
    )
    return next((why for is_so, why in checks if is_so), "")


def _error(key: str, why: str) -> MqiError:
    return MqiError(
        Fault(
            what=f"The engine profile's line {key} cannot be written: {why}.",
            where=key,
            remedy="Mend the engine profile.",
            blame=Blame.OURS,
            kind="engine-input-invalid",
        )
    )
