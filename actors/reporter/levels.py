"""Figures and what they are worth: within tolerance, between tolerance and action level, beyond it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """The gravest level of a report's figures is its verdict."""

    PASS = 0
    """Within tolerance."""
    REVIEW = 1
    """Beyond tolerance: a physicist decides."""
    FAIL = 2
    """Beyond the action level."""

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of the report."""

    name: str
    value: str
    """With its unit."""
    limits: str
    """Tolerance and action level with their unit; empty: not judged."""
    level: Level | None
    """None: not judged."""
    subject: str = ""
    """Beam, layer or criterion that it is of; empty: the case."""

    @property
    def sentence(self) -> str:
        """For the verdict: what is out of its limits."""
        subject = f"{self.subject}: " if self.subject else ""
        limits = "tolerance / action" if "/" in self.limits else "tolerance"
        return f"{subject}{self.name}: {self.value} ({limits}: {self.limits})"


def at_most(amount: float, limits: tuple[float, float]) -> Level:
    """Level of an amount that should be small. Not a number is beyond every limit."""
    if not amount <= limits[1]:
        return Level.FAIL
    return Level.PASS if amount <= limits[0] else Level.REVIEW


def at_least(amount: float, limits: tuple[float, float]) -> Level:
    """Level of an amount that should be large. Not a number is beyond every limit."""
    if not amount >= limits[1]:
        return Level.FAIL
    return Level.PASS if amount >= limits[0] else Level.REVIEW


def signed(amount: float, digits: int = 2) -> str:
    """As ``+0.59`` or ``−0.59``; what rounds to nothing has no sign."""
    text = f"{abs(amount):.{digits}f}"
    if float(text) == 0.0:
        return text
    return ("−" if amount < 0 else "+") + text


def limits_text(limits: tuple[float, float], unit: str, sign: str = "±") -> str:
    """As ``± 0.5 / 1 %``."""
    return f"{sign} {limits[0]:g} / {limits[1]:g} {unit}"


def worst(levels: Iterable[Level | None]) -> Level:
    """The gravest; PASS where there is none."""
    return max((level for level in levels if level is not None), default=Level.PASS)
