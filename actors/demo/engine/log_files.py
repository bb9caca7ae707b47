"""The clinical dialect's delivery logs, read by the engine's own rules.

The beam's folder is chosen by its alphabetical position, not by its name. Every ``.csv`` in it is a layer, in
alphabetical order, whose energy is cut out of the file's name. Values end at commas only, never at a line's end:
without a comma at the end of every row the columns drift apart, and nothing complains.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from actors.demo.engine.input_file import EngineAbortError, c_integer, c_number

_COLUMNS = 4
_LARGEST = 2**31 - 1
_NUMERALS = "+-.0123456789"


@dataclass(frozen=True, slots=True)
class LogLayer:
    """What the reader made of one file."""

    energy_mev: float
    x_mm: NDArray[np.float64]
    y_mm: NDArray[np.float64]
    counts: NDArray[np.int64]


def read_beam_logs(directory: Path, position: int) -> tuple[LogLayer, ...]:
    """Layers of the beam at this alphabetical position (from 0). No such folder: no layers, and no complaint."""
    if not directory.is_dir():
        return ()
    folders = sorted(directory.iterdir(), key=str)
    if not 0 <= position < len(folders) or not folders[position].is_dir():
        return ()
    files = sorted(folders[position].iterdir(), key=str)
    return tuple(_read_layer(path) for path in files if path.suffix == ".csv")


def energy_in_name(name: str) -> float:
    """``NN_EEE.EEMeV.csv`` is cut before the first ``v`` and after the first ``_``; text that is no number aborts."""
    head = name[: max(name.find("v") - 1, 0)] if "v" in name else name
    start = head.find("_") + 1
    length = head.find("M") - 2
    return _stof(head[start : start + length] if length >= 0 else head[start:])


def _read_layer(path: Path) -> LogLayer:
    energy = energy_in_name(path.name)
    tokens = path.read_text(encoding="utf-8", errors="replace").split(",")
    if tokens and not tokens[-1]:
        tokens.pop()
    x = _floats(tokens[1::_COLUMNS])
    y = _floats(tokens[2::_COLUMNS])
    counts = _integers(tokens[3::_COLUMNS])
    spots = min(len(x), len(y), len(counts))
    return LogLayer(energy, x[:spots], y[:spots], counts[:spots])


def _floats(tokens: list[str]) -> NDArray[np.float64]:
    try:
        return np.array(tokens, dtype=np.float64)
    except ValueError:
        return np.array([_stof(token) for token in tokens], dtype=np.float64)


def _integers(tokens: list[str]) -> NDArray[np.int64]:
    try:
        found = np.array(tokens, dtype=np.int64)
    except ValueError:
        found = np.array([_stoi(token) for token in tokens], dtype=np.int64)
    if len(found) and np.abs(found).max() > _LARGEST:
        raise EngineAbortError("std::out_of_range", "stoi")
    return found


def _stof(text: str) -> float:
    if not text.lstrip()[:1] or text.lstrip()[0] not in _NUMERALS:
        raise EngineAbortError("std::invalid_argument", "stof")
    return c_number(text)


def _stoi(text: str) -> int:
    if not text.lstrip()[:1] or text.lstrip()[0] not in "+-0123456789":
        raise EngineAbortError("std::invalid_argument", "stoi")
    return c_integer(text)
