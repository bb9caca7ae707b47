"""Names under which figures are kept over time, and the bands of energy in which they are followed. Pure."""

from __future__ import annotations

import math

BAND_MEV = 40
FIRST_MEV = 70
"""Bands of energy are so wide and begin here: 70–110, 110–150, 150–190, 190–230 MeV for usual machines."""


def band_of(energy_mev: float) -> int:
    """Lowest energy of the band (MeV), above 0: what is below the first band counts to the one before it."""
    steps = math.floor((energy_mev - FIRST_MEV) / BAND_MEV)
    return FIRST_MEV + BAND_MEV * max(steps, -1)


def gamma_figure(percent: float, mm: float) -> str:
    """The share of points that pass a gamma criterion."""
    return f"gamma_{percent:g}pct_{mm:g}mm_passed_percent"


def pair_gamma(pair: str, percent: float, mm: float) -> str:
    """The same of one of the pairs of doses that tell errors apart: ``delivery`` or ``model``."""
    return f"{pair}_{gamma_figure(percent, mm)}"
