"""The table of delivered spots: one layer's beam-on samples in milliseconds, millimetres and monitor counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from actors.formats.calibration import Calibration
from actors.formats.ptn import PtnRows


@dataclass(frozen=True, slots=True, eq=False)
class DeliveredLayer:
    """Rows of (beam, layer, energy, t_ms, x_mm, y_mm, count); all arrays (n,), n beam-on samples in order of time."""

    beam: int
    layer: int
    energy_mev: float
    t_ms: NDArray[np.float64]
    x_mm: NDArray[np.float64]
    y_mm: NDArray[np.float64]
    count: NDArray[np.int64]
    """Monitor counts: round(dose1 x range factor)."""
    off_count: int
    """Counts that beam-off rows carried: accounted for, never spots."""
    mu_per_count: float
    size_mm: tuple[float, float] = (0.0, 0.0)
    """Beam size along x and y, mean over the counts; 0: not known."""
    time_gain_ms: float = 0.0
    """Duration of a sample."""

    @property
    def counts(self) -> int:
        """Counts of all beam-on samples."""
        return int(self.count.sum())

    @property
    def mu(self) -> float:
        """Meterset of the beam-on samples: what is simulated."""
        return self.counts * self.mu_per_count

    @property
    def off_share(self) -> float:
        """Share of all counts that beam-off rows carried, 0 to 1."""
        total = self.counts + self.off_count
        return self.off_count / total if total else 0.0

    @property
    def positions_mm(self) -> NDArray[np.float64]:
        """(n, 2) x, y."""
        return np.stack((self.x_mm, self.y_mm), axis=1)


def delivered_layer(
    beam: int,
    layer: int,
    energy_mev: float,
    parts: Sequence[tuple[PtnRows, float]],
    calibration: Calibration,
) -> DeliveredLayer:
    """One layer of its parts: (rows, range factor) of each delivery in order of time; counts add."""
    times, xs, ys, counts = [], [], [], []
    sizes = np.zeros(2)
    off_count = 0
    rows_before = 0
    for ptn, factor in parts:
        rows = ptn.rows
        on = ptn.beam_on
        count = np.rint(rows["dose1"] * factor).astype(np.int64)
        off_count += int(count[~on].sum())
        times.append((np.flatnonzero(on) + rows_before) * calibration.time_gain_ms)
        xs.append((rows["x"][on].astype(np.float64) - calibration.x_offset) * calibration.x_gain_mm)
        ys.append((rows["y"][on].astype(np.float64) - calibration.y_offset) * calibration.y_gain_mm)
        counts.append(count[on])
        sizes += count[on] @ _sizes(rows[on], calibration)
        rows_before += len(rows)
    every = np.concatenate(counts)
    x_size, y_size = sizes / max(int(every.sum()), 1)
    return DeliveredLayer(
        beam=beam,
        layer=layer,
        energy_mev=energy_mev,
        t_ms=np.concatenate(times),
        x_mm=np.concatenate(xs),
        y_mm=np.concatenate(ys),
        count=every,
        off_count=off_count,
        mu_per_count=calibration.mu_per_count,
        size_mm=(float(x_size), float(y_size)),
        time_gain_ms=calibration.time_gain_ms,
    )


def _sizes(rows: NDArray[np.void], calibration: Calibration) -> NDArray[np.float64]:
    """(n, 2) beam size in mm."""
    return np.column_stack((rows["x_size"] * calibration.x_size_gain_mm, rows["y_size"] * calibration.y_size_gain_mm))


def shortened(count: NDArray[np.int64], divisor: int) -> NDArray[np.int64]:
    """Counts divided by ``divisor`` with cumulative rounding: every partial sum is right to half a count."""
    if divisor == 1:
        return count
    # Whole numbers throughout: (2 c + K) // 2 K is c / K rounded half up, without a float's rounding.
    edges = (2 * np.cumsum(count) + divisor) // (2 * divisor)
    return np.diff(edges, prepend=0)
