"""The treatment machine's side of the numbers: counts, gains and codes with which it writes its logs.

Kept apart from the calibrations under ``conf/`` and from the readers on purpose: the factory and the interpreter check
one another only as long as they share nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RANGE_FACTORS = {2: 1.0, 3: 140 / 47, 4: 420 / 47, 5: 1260 / 47}
"""Monitor counts per unit of dose1, by DOSE1_RANGE code."""

ON_FLAGS = (0x0001, 0x4001, 0x8001, 0xC001)
OFF_FLAGS = (0x0000, 0x4000, 0x8000, 0xC000)


@dataclass(frozen=True, slots=True)
class Machine:
    """One gantry: how it turns millimetres, milliseconds and MU into what it writes."""

    gantry: str
    time_gain_ms: float
    offset: tuple[int, int]
    """Counts of x, y at the isocentre (measured)."""
    gain_mm: tuple[float, float]
    """Millimetres per count (measured)."""
    preset_offset: int
    preset_gain_mm: tuple[float, float]
    mu_per_count: float
    sentinel_mm: tuple[tuple[float, float], ...]
    """Where the monitor says the beam is while it is off."""

    def counts(self, xy_mm: NDArray[np.float64]) -> NDArray[np.uint16]:
        """Measured positions (n, 2) in mm as the uint16 that .ptn holds."""
        raw = np.rint(xy_mm / np.asarray(self.gain_mm)) + np.asarray(self.offset)
        return _uint16(raw)

    def preset(self, xy_mm: NDArray[np.float64]) -> NDArray[np.uint16]:
        """Planned positions (n, 2) in mm as the uint16 that .mgn holds."""
        raw = np.rint(xy_mm / np.asarray(self.preset_gain_mm)) + self.preset_offset
        return _uint16(raw)

    def position_mm(self, raw: NDArray[np.uint16]) -> NDArray[np.float64]:
        """Measured counts (n, 2) back in mm."""
        found: NDArray[np.float64] = (raw.astype(np.float64) - np.asarray(self.offset)) * np.asarray(self.gain_mm)
        return found


def _uint16(raw: NDArray[np.float64]) -> NDArray[np.uint16]:
    """What fits into 16 bits; the monitor's positions end there too."""
    found: NDArray[np.uint16] = np.clip(raw, 0, 65535).astype(np.uint16)
    return found


G1 = Machine(
    gantry="G1",
    time_gain_ms=0.0600745,
    offset=(16384, 16384),
    gain_mm=(0.010959, 0.0116412),
    preset_offset=32767,
    preset_gain_mm=(0.0054705, 0.0058206),
    mu_per_count=2.1125e-8,
    sentinel_mm=((295.0, 233.0),),
)
G2 = Machine(
    gantry="G2",
    time_gain_ms=0.06,
    offset=(24580, 32772),
    gain_mm=(0.0072600, 0.0071411),
    preset_offset=32768,
    preset_gain_mm=(0.0054450, 0.0071411),
    mu_per_count=2.12e-8,
    sentinel_mm=((295.0, 233.0), (295.0, -233.0)),
)


def machine_named(name: str) -> Machine:
    """The gantry that a TreatmentMachineName means; ValueError for a name that neither has."""
    for machine in (G1, G2):
        if name.endswith(machine.gantry[-1]):
            return machine
    raise ValueError(f"no such treatment machine in the demo: {name!r} (G1, G2, GTR1, GTR2)")
