"""The two built-in beam models, and how monitor units become protons."""

from __future__ import annotations

from dataclasses import dataclass

REFERENCE_MEV = 150.0
PROTONS_PER_MU = 1.0e9
"""Protons per MU at 150 MeV: made up, round, and the same for both dialects."""
_MONITOR_EXPONENT = 0.77
"""A monitor chamber counts ionisation; stopping power falls about as E^-0.77 (Bragg and Kleeman with p = 1.77)."""


@dataclass(frozen=True, slots=True)
class BeamModel:
    """One gantry's beam."""

    gantry: int
    sigma_mm: float
    """Standard deviation of a spot in air at the isocentre."""
    energy_spread: float
    """σE over E."""
    mu_per_count: float


MODELS = {
    1: BeamModel(gantry=1, sigma_mm=4.4, energy_spread=0.006, mu_per_count=2.1125e-8),
    2: BeamModel(gantry=2, sigma_mm=4.0, energy_spread=0.006, mu_per_count=2.12e-8),
}


def model_of(gantry: int) -> BeamModel:
    """As the real engine: whatever is not 1 or 2 is silently 2."""
    return MODELS.get(gantry, MODELS[2])


def protons_per_mu(energy_mev: float) -> float:
    """How many protons one MU is at this energy."""
    return float(PROTONS_PER_MU * (energy_mev / REFERENCE_MEV) ** _MONITOR_EXPONENT)


def protons_per_count(model: BeamModel, energy_mev: float) -> float:
    """The clinical dialect's own factor: one monitor count of the log in protons."""
    return model.mu_per_count * protons_per_mu(energy_mev)
