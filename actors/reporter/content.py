"""What a report says, before it has a shape: the same for the page, for paper and for programs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from actors.reporter.levels import Figure, Level

DIGEST = re.compile(r"[0-9a-f]{64}")
"""A SHA-256 that fills a cell of a table: it stays on one line."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text; a level marks a row that is out of its limits."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    levels: tuple[Level | None, ...]
    """One for each row."""
    note: str = ""
    widths: tuple[int, ...] = ()
    """Relative widths of the columns on paper; empty: equal."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG with what it shows."""

    png: bytes
    caption: str
    wide: bool = True
    """Over the whole width of the page."""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with what stands below it, in this order."""

    title: str
    paragraphs: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """One case."""

    case: str
    verdict: Level
    statement: str
    """The verdict in words, with what it does not cover."""
    basis: str
    """What the verdict rests on, and what it does not."""
    reasons: tuple[tuple[Level, str], ...]
    """Sentences, the gravest first."""
    identity: tuple[tuple[str, str], ...]
    """What the report is of: names and values."""
    sections: tuple[Section, ...]

    @property
    def headline(self) -> str:
        """The verdict on top: ``PASS (delivery only: dose not compared)``."""
        word = self.verdict.word
        return word.upper() + self.statement.removeprefix(word)


def figure_rows(figures: tuple[Figure, ...]) -> tuple[tuple[str, str, str, str], ...]:
    """(what, value, limits, level) of each figure."""
    return tuple(
        (
            f"{figure.subject}: {figure.name}" if figure.subject else figure.name,
            figure.value,
            figure.limits or "not judged",
            figure.level.word if figure.level is not None else "",
        )
        for figure in figures
    )
