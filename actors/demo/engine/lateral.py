"""How a spot widens in water.

At the end of range the multiple-scattering width is that of L. Hong et al., "A pencil beam algorithm for proton dose
calculations", Phys. Med. Biol. 41 (1996) 1305-1330: 0.0294·R0^0.896 cm. On the way there it grows as Fermi and Eyges
have it with a scattering power that goes as 1/E² along a Bragg-Kleeman range-energy relation (a closed form).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from actors.demo.engine.bragg import P, range_cm

_Q = 2.0 / P


def scatter_mm(energy_mev: float) -> float:
    """Standard deviation by multiple scattering at R0."""
    return float(10.0 * 0.0294 * range_cm(energy_mev) ** 0.896)


def growth(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """σ²(depth)/σ²(R0) with ``share`` = depth/R0; beyond R0 it stays 1."""
    left = 1.0 - np.clip(share, 0.0, 1.0)
    at_end = 1.0 / (3.0 - _Q) - 2.0 * left / (2.0 - _Q) + left**2 / (1.0 - _Q)
    at_depth = left ** (3.0 - _Q) * (1.0 / (3.0 - _Q) - 2.0 / (2.0 - _Q) + 1.0 / (1.0 - _Q))
    found: NDArray[np.float64] = np.clip((3.0 - _Q) * (at_end - at_depth), 0.0, 1.0)
    return found


def variance_mm2(depth_mm: NDArray[np.float64], energy_mev: float, sigma_air_mm: float) -> NDArray[np.float64]:
    """σ² of a spot at each depth in water: its width in air and multiple scattering, in quadrature."""
    widened: NDArray[np.float64] = sigma_air_mm**2 + scatter_mm(energy_mev) ** 2 * growth(
        depth_mm / (10.0 * range_cm(energy_mev))
    )
    return widened
