"""Console → drawing (worker processes): a published dose becomes a picture for the page."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DrawDose:
    """Argument of ``actors.results.picture:draw_dose``; the value is a DrawnDose, or our error."""

    source: str
    """RT Dose file, absolute."""
    target: str
    """PNG file that appears whole; its folder is made."""


@dataclass(frozen=True, slots=True)
class DrawnDose:
    path: str
