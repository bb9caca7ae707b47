"""The engine's input file, read by the engine's own rules.

A line is split at its first space, so a TAB after the key hides it; keys match without regard to case; the first line
that matches wins; ``#`` begins a comment wherever it stands; unknown keys are ignored without a word; a line of blanks
alone ends the program. Numbers are read as C reads them: as far as they go, 0 where there is none.
"""

from __future__ import annotations

import re
from pathlib import Path

_INTEGER = re.compile(r"\s*([+-]?\d+)")
_FLOAT = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)")


class EngineAbortError(Exception):
    """What ends the real engine by an uncaught C++ exception: text on stderr, SIGABRT."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text


class InputFile:
    """Lines of an input file, and the questions that the engine asks of them."""

    def __init__(self, text: str) -> None:
        self._lines = [line for line in map(_meaningful, text.split("\n")) if line]

    @classmethod
    def read(cls, path: Path) -> InputFile:
        try:
            return cls(path.read_text(encoding="utf-8", errors="surrogateescape"))
        except OSError as error:
            raise EngineAbortError("std::runtime_error", "Cannot open input parameter file.") from error

    def text(self, key: str, default: str = "") -> str:
        for line in self._lines:
            name, space, value = line.partition(" ")
            if space and name.strip().lower() == key.lower():
                return value.strip()
        return default

    def integer(self, key: str, default: int) -> int:
        return c_integer(self.text(key, str(default)))

    def number(self, key: str, default: float) -> float:
        return c_number(self.text(key, str(default)))

    def flag(self, key: str, default: bool = False) -> bool:
        value = self.text(key, str(int(default)))
        return value.lower() == "true" or c_integer(value) != 0

    def integers(self, key: str) -> tuple[int, ...]:
        parts = (part.strip() for part in self.text(key).split(","))
        return tuple(c_integer(part) for part in parts if part)

    def has(self, key: str) -> bool:
        return bool(self.text(key))


def _meaningful(line: str) -> str:
    if not line:
        return ""
    trimmed = line.strip()
    if not trimmed:
        raise EngineAbortError("std::out_of_range", "basic_string::at: __n (which is 0) >= this->size() (which is 0)")
    return trimmed.partition("#")[0]


def c_integer(text: str) -> int:
    """``atoi``."""
    found = _INTEGER.match(text)
    return int(found[1]) if found else 0


def c_number(text: str) -> float:
    """``atof``."""
    found = _FLOAT.match(text)
    return float(found[1]) if found else 0.0
