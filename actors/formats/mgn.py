"""The planned scan of one layer: .mgn records of the magnets' presets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from actors.errors import CaseError
from actors.formats.calibration import Calibration
from actors.formats.reading import MIB, read_bounded, shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

RECORD_BYTES = 14
LIMIT = 16 * MIB
RECORD = np.dtype([("time_us", ">u4"), ("a", ">u2"), ("b", ">u2"), ("x", ">u2"), ("y", ">u2"), ("on", ">u2")])


@dataclass(frozen=True, slots=True, eq=False)
class MagnetScan:
    """Records of one .mgn file (spots + 2), in the machine's own words."""

    where: str
    records: NDArray[np.void]
    """(n,) of ``RECORD``; read-only."""

    def positions_mm(self, calibration: Calibration) -> NDArray[np.float64]:
        """(n, 2) planned x, y in mm, in the axes of ScanSpotPositionMap."""
        x = (self.records["x"].astype(np.float64) - calibration.x_preset_offset) * calibration.x_preset_gain_mm
        y = (self.records["y"].astype(np.float64) - calibration.y_preset_offset) * calibration.y_preset_gain_mm
        return np.stack((x, y), axis=1)

    def presets(self) -> NDArray[np.float64]:
        """(n, 2) x, y in preset counts."""
        return np.stack((self.records["x"], self.records["y"]), axis=1).astype(np.float64)


def read_mgn(path: str | Path, subject: str) -> MagnetScan:
    """Reads a .mgn file; ``subject`` names beam and layer in errors."""
    return parse_mgn(read_bounded(path, LIMIT, f"The planned scan of {subject}"), subject, shown(path))


def parse_mgn(data: bytes, subject: str, where: str) -> MagnetScan:
    """Records of the file's bytes. CaseError ``scan-truncated`` when they are no whole records, or none."""
    if not data or len(data) % RECORD_BYTES:
        what = f"ends in the middle of a record ({len(data)} bytes)" if data else "is empty"
        raise CaseError(f"The planned scan of {subject} {what}.", where, "Send the file again.", "scan-truncated")
    return MagnetScan(where, np.frombuffer(data, dtype=RECORD))
