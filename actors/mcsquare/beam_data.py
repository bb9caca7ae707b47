"""The beam data library: the machine as MCsquare knows it, energy by energy.

The binary compares the file's headings with their line ends: one written with CR LF (as the package's own are) it takes
for another format and computes from nonsense, with exit status 0. So it gets a copy of its own with LF, after every
number was understood here.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from actors.mcsquare.errors import DriverError

_HEADINGS = ("--UPenn beam model (double gaussian)--", "--Lookup table BDL format--")
_NOZZLE = "Nozzle exit to Isocenter distance"
_TABLE = "Beam parameters"
_COLUMNS = 18


@dataclass(frozen=True, slots=True)
class BeamData:
    """What the driver needs to know of a library, and the text that the binary reads."""

    text: str
    """With LF line ends."""
    nozzle_mm: float
    """From the isocentre to where the protons start; the air from there costs them energy."""
    nominal_mev: tuple[float, ...]
    mean_mev: tuple[float, ...]
    protons_per_mu: tuple[float, ...]

    def protons(self, energy_mev: float) -> float:
        """Protons of one MU: linear between the table's energies, as the binary weighs spots. DriverError outside."""
        return self._between(energy_mev, self.protons_per_mu)

    def mean(self, energy_mev: float) -> float:
        """Mean energy of the protons (MeV) where they start, of a layer of this nominal energy."""
        return self._between(energy_mev, self.mean_mev)

    def _between(self, energy_mev: float, values: tuple[float, ...]) -> float:
        energies = self.nominal_mev
        if not energies[0] <= energy_mev <= energies[-1]:
            raise DriverError(
                f"{energy_mev:g} MeV is outside of the beam model ({energies[0]:g} to {energies[-1]:g} MeV)."
            )
        right = min(bisect_right(energies, energy_mev), len(energies) - 1)
        low, high = energies[right - 1], energies[right]
        return values[right - 1] + (values[right] - values[right - 1]) * (energy_mev - low) / (high - low)


def read_beam_data(path: Path) -> BeamData:
    """A library in the UPenn (lookup table) format; DriverError says what is wrong with it."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return _parsed(lines)
    except OSError as error:
        raise DriverError(f"The beam model {path} cannot be read: {error.strerror or error}.") from None
    except (ValueError, IndexError) as error:
        raise DriverError(f"The beam model {path} is none that MCsquare reads: {error}.") from None


def _parsed(lines: list[str]) -> BeamData:
    lines = [line.rstrip() for line in lines]
    if not lines or lines[0] not in _HEADINGS:
        raise ValueError(f"its first line must be one of: {'; '.join(_HEADINGS)}")
    start = lines.index(_TABLE)
    count = int(lines[start + 1].split()[0])
    table = [[float(value) for value in row.split()] for row in lines[start + 4 : start + 4 + count]]
    if count < 2 or len(table) != count or not all(map(_is_row, table)):
        raise ValueError(f"its table must have {count} rows (2 or more) of {_COLUMNS} numbers")
    nominal, mean, _, protons = (tuple(column) for column in list(zip(*table, strict=True))[:4])
    if any(high <= low for low, high in pairwise(nominal)) or min(protons) <= 0:
        raise ValueError("its energies must rise, and its protons per MU be positive")
    return BeamData("\n".join(lines) + "\n", float(lines[lines.index(_NOZZLE) + 1]), nominal, mean, protons)


def _is_row(row: list[float]) -> bool:
    return len(row) == _COLUMNS and all(map(math.isfinite, row))
