"""The measured beam of one layer: .ptn rows of eight big-endian 16-bit words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from actors.errors import CaseError
from actors.formats.reading import MIB, read_bounded, shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROW_BYTES = 16
LIMIT = 256 * MIB
ROW = np.dtype(
    [
        ("x", ">u2"),
        ("y", ">u2"),
        ("x_size", ">u2"),
        ("y_size", ">u2"),
        ("dose1", ">u2"),
        ("dose2", ">u2"),
        ("layer", ">u2"),
        ("flags", ">u2"),
    ]
)
# 0x0001, 0x4001, 0x8001 and 0xC001 are rows with the beam on; a row without a measured size saw no beam all the same.
BEAM_ON = 0x0001


@dataclass(frozen=True, slots=True, eq=False)
class PtnRows:
    """Rows of one .ptn file, one per TIMEGAIN milliseconds, in the machine's own words."""

    where: str
    rows: NDArray[np.void]
    """(n,) of ``ROW``; read-only."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def beam_on(self) -> NDArray[np.bool_]:
        """(n,) True where the flags say on and both sizes were measured; positions do not tell."""
        rows = self.rows
        on: NDArray[np.bool_] = ((rows["flags"] & BEAM_ON) != 0) & (rows["x_size"] > 0) & (rows["y_size"] > 0)
        return on


def read_ptn(path: str | Path, layer: int, subject: str) -> PtnRows:
    """Reads a .ptn file that must hold rows of ``layer`` alone; ``subject`` names beam and layer in errors."""
    return parse_ptn(read_bounded(path, LIMIT, f"The measured file of {subject}"), layer, subject, shown(path))


def parse_ptn(data: bytes, layer: int, subject: str, where: str) -> PtnRows:
    """Rows of the file's bytes. CaseError ``layer-truncated`` (no whole rows), ``layer-mixed`` (another layer's)."""
    if not data or len(data) % ROW_BYTES:
        what = f"ends in the middle of a row ({len(data)} bytes)" if data else "is empty"
        raise CaseError(f"The measured file of {subject} {what}.", where, "Send the file again.", "layer-truncated")
    rows = np.frombuffer(data, dtype=ROW)
    others = np.unique(rows["layer"])
    if others.size != 1 or int(others[0]) != layer:
        found = ", ".join(str(int(other)) for other in others[:5])
        raise CaseError(
            f"The measured file of {subject} holds rows of layer {found}.",
            where,
            "Send the delivery again.",
            "layer-mixed",
        )
    return PtnRows(where, rows)
