"""Every delivered sample of a beam beside the plan: where it lay, how far off, how much it gave; layer by layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from actors.errors import CaseError
from actors.formats.calibration import Calibration
from actors.formats.delivered import delivered_layer
from actors.formats.off_plan import distances_to_plan
from actors.formats.plan import Plan, PlanBeam, ScanMode
from actors.formats.planned_path import PlannedPath, planned_path, progress_of
from actors.reporter.logs_again import (
    Delivery,
    LogFiles,
    deliveries_of,
    log_files,
    read_calibration_again,
    read_plan_again,
    rows_of,
)
from actors.reporter.published import Manifest


@dataclass(frozen=True, slots=True, eq=False)
class LayerSpots:
    """One delivered layer; n samples with the beam on, m planned stretches (segments, or spots)."""

    layer: int
    energy_mev: float
    path: PlannedPath
    xy_mm: NDArray[np.float32]
    """(n, 2) where the beam was."""
    off_mm: NDArray[np.float32]
    """(n,) distance to the planned segment under way (line), or to the nearest spot (spot)."""
    mu: NDArray[np.float32]
    """(n,)."""
    stretch_mu: NDArray[np.float64]
    """(m,) delivered to each planned stretch."""
    whole: bool
    """It was delivered to its end."""


@dataclass(frozen=True, slots=True, eq=False)
class BeamSpots:
    """One beam."""

    number: int
    mode: ScanMode
    layers: tuple[LayerSpots, ...]


@dataclass(frozen=True, slots=True)
class SpotTables:
    """Reads one beam at a time: the samples of a whole case need not fit the memory."""

    files: LogFiles
    plan: Plan | None
    calibration: Calibration | None
    deliveries: dict[int, tuple[Delivery, ...]]
    left: dict[int, frozenset[int]]
    """Layers of each beam that a partial session left, or left before their end."""
    reason: str = ""
    """Why there are none at all."""

    def beam(self, number: int) -> tuple[BeamSpots | None, str]:
        """The table, or the reason why there is none."""
        if self.plan is None or self.calibration is None:
            return None, self.reason
        try:
            beam = self.plan.beam(number)
            layers = tuple(self._layers(beam, self.deliveries.get(number, ()), self.calibration))
        except CaseError as error:
            return None, error.fault.what.rstrip(".")
        return (BeamSpots(number, _mode(beam), layers), "") if layers else (None, "no delivery of it is at hand")

    def _layers(self, beam: PlanBeam, deliveries: Sequence[Delivery], calibration: Calibration) -> Iterator[LayerSpots]:
        holding: dict[int, list[Delivery]] = {}
        for delivery in deliveries:
            for layer in range(delivery.info.start_layer, delivery.info.stop_layer + 1):
                holding.setdefault(layer, []).append(delivery)
        for number in sorted(holding):
            planned = beam.layers[number - 1]
            parts = [rows_of(self.files, delivery, number) for delivery in holding[number]]
            delivered = delivered_layer(beam.number, number, planned.energy_mev, parts, calibration)
            path = planned_path(planned, _mode(beam))
            whole = number not in self.left.get(beam.number, frozenset())
            rest = not whole and _resumed(number, deliveries)
            share = progress_of(delivered, planned.mu, whole=whole, rest=rest)
            off, stretch = distances_to_plan(path, _mode(beam), share, delivered.positions_mm)
            mu = (delivered.count * delivered.mu_per_count).astype(np.float64)
            yield LayerSpots(
                layer=number,
                energy_mev=planned.energy_mev,
                path=path,
                xy_mm=delivered.positions_mm.astype(np.float32),
                off_mm=off.astype(np.float32),
                mu=mu.astype(np.float32),
                stretch_mu=np.bincount(stretch, weights=mu, minlength=len(path)).astype(np.float64),
                whole=whole,
            )


def spot_tables(manifest: Manifest, case_folder: Path, calibrations: Sequence[tuple[str, str]]) -> SpotTables:
    """Of a published result. calibrations: (gantry, file) of all that are configured."""
    files = log_files(manifest, case_folder)
    left = {one.number: frozenset(one.layers_left) for one in manifest.amounts} if manifest.partial else {}
    try:
        plan = read_plan_again(files, manifest.plan.file)
        calibration = read_calibration_again(calibrations, manifest.calibration["sha256"])
        return SpotTables(files, plan, calibration, deliveries_of(files), left)
    except CaseError as error:
        return SpotTables(files, None, None, {}, left, error.fault.what.rstrip("."))


def _mode(beam: PlanBeam) -> ScanMode:
    return beam.scan_mode or ScanMode.SPOT


def _resumed(layer: int, deliveries: Sequence[Delivery]) -> bool:
    """A session's delivery begins with this layer, and none before it ends with it or the one above: what is there may
    be only its rest."""
    begins = any(one.info.start_layer == layer for one in deliveries)
    before = any(one.info.stop_layer in (layer, layer - 1) and one.info.start_layer < layer for one in deliveries)
    return layer > 1 and begins and not before
