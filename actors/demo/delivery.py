"""What the machine measured: every delivered layer as rows of a .ptn and records of a .mgn."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from actors.demo.machine import OFF_FLAGS, ON_FLAGS, RANGE_FACTORS, Machine
from actors.demo.planned import PlannedBeam, PlannedLayer
from actors.demo.recipe import CaseFault, CaseRecipe

_TARGET_DOSE1 = 24000
"""Where the machine's choice of range code puts a row's dose1."""
_LEAST_ROWS_PER_SPOT = 8
_OFF_LEAD_ROWS = 12
_OFF_MOVE_ROWS = 3
_SIGMA_MM = 4.0
_SPEED_MM_PER_US = 0.005
_FAULT_OFF_SHARE = {CaseFault.HIGH_OFF_COUNTS: 0.003, CaseFault.SUSPECT_OFF_COUNTS: 0.008}


@dataclass(slots=True)
class LayerLog:
    """One layer as it will be written. Faults change it before it becomes bytes."""

    layer: PlannedLayer
    energy_mev: float
    range_code: int
    rows: NDArray[np.uint16]
    """(n, 8): x, y, x size, y size, dose1, dose2, layer, flags."""
    records: NDArray[np.void]
    stem: str
    """Name of both files without suffix."""

    def counts(self) -> tuple[int, int]:
        """Monitor counts of beam-on and beam-off rows: Σ round(dose1·F)."""
        counts = np.rint(self.rows[:, 4] * RANGE_FACTORS[self.range_code]).astype(np.int64)
        on = (self.rows[:, 7] & 1).astype(bool)
        return int(counts[on].sum()), int(counts[~on].sum())


@dataclass(slots=True)
class Delivery:
    """One delivery folder before it becomes bytes."""

    beam: PlannedBeam
    irradiated: datetime
    layers: list[LayerLog]
    info: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """YYYYMMDDhhmmssff on the machine's clock."""
        return self.irradiated.strftime("%Y%m%d%H%M%S") + f"{self.irradiated.microsecond // 10000:02d}"


MGN_RECORD = np.dtype([("time", ">u4"), ("a", ">u2"), ("b", ">u2"), ("x", ">u2"), ("y", ">u2"), ("on", ">u2")])


def deliveries_of(
    recipe: CaseRecipe, machine: Machine, beams: tuple[PlannedBeam, ...], machine_patient: str
) -> list[Delivery]:
    """Every delivery folder of the recipe, in order of irradiation."""
    found: list[Delivery] = []
    for beam in beams:
        started = _later(recipe.irradiated, recipe.beam_interval_s * beam.index)
        logs = [_layer_log(recipe, machine, beam, layer, machine_patient) for layer in beam.layers]
        if recipe.undelivered_layers and beam.index == recipe.beams - 1:
            logs = logs[: max(len(logs) - recipe.undelivered_layers, 0)]
        stop = recipe.interruption
        if stop is not None and stop.beam == beam.index:
            first, second = _interrupted(logs, stop.layer, stop.share)
            found.append(Delivery(beam, started, first))
            found.append(Delivery(beam, _later(started, stop.pause_s), second))
        elif logs:
            found.append(Delivery(beam, started, logs))
    return sorted(found, key=lambda delivery: delivery.irradiated.astimezone(UTC))


def _later(moment: datetime, seconds: float) -> datetime:
    """So many seconds later on the same clock, across a change of daylight saving."""
    return (moment.astimezone(UTC) + timedelta(seconds=seconds)).astimezone(moment.tzinfo)


def _interrupted(logs: list[LayerLog], layer: int, share: float) -> tuple[list[LayerLog], list[LayerLog]]:
    if share >= 1.0:
        return logs[:layer], logs[layer:]
    broken = logs[layer - 1]
    cut = int(len(broken.rows) * share)
    head = replace(broken, rows=broken.rows[:cut])
    tail = replace(broken, rows=broken.rows[cut:])
    return [*logs[: layer - 1], head], [tail, *logs[layer:]]


def _layer_log(
    recipe: CaseRecipe, machine: Machine, beam: PlannedBeam, layer: PlannedLayer, machine_patient: str
) -> LayerLog:
    day = recipe.irradiated.astimezone(UTC).toordinal()
    random = np.random.default_rng((recipe.seed, recipe.patient, recipe.plan, day, beam.number, layer.number))
    code = _range_code(recipe, machine, beam, layer)
    scale = recipe.mu_scale * (1.0 + random.normal(0.0, recipe.mu_noise))
    if recipe.fault is CaseFault.WRONG_MU and beam.index == 0 and layer.number == 1:
        scale *= 1.08
    return LayerLog(
        layer=layer,
        energy_mev=layer.energy_mev,
        range_code=code,
        rows=_rows(recipe, machine, beam, layer, scale=scale, factor=RANGE_FACTORS[code], random=random),
        records=_records(machine, layer, _planned_offset(recipe)),
        stem=f"02_{machine_patient}_{recipe.plan:03d}_{beam.index + 2:03d}_{layer.number:03d}",
    )


def _range_code(recipe: CaseRecipe, machine: Machine, beam: PlannedBeam, layer: PlannedLayer) -> int:
    """All codes take their turn, as far as a row's dose1 still fits."""
    counts = beam.layer_mu(layer) * recipe.mu_scale / machine.mu_per_count
    rows = recipe.rows_per_layer or counts / _TARGET_DOSE1
    fitting = [code for code, factor in RANGE_FACTORS.items() if counts / factor / rows <= _TARGET_DOSE1]
    return fitting[(layer.number + beam.index) % len(fitting)]


def _planned_offset(recipe: CaseRecipe) -> float:
    return 2.0 if recipe.fault is CaseFault.POSITIONS_OFF_PLAN else 0.0


def _delivered_offset(recipe: CaseRecipe, beam: PlannedBeam, layer: PlannedLayer) -> tuple[float, float]:
    shift = recipe.layer_shift
    if shift is not None and (shift.beam, shift.layer) == (beam.index, layer.number):
        return shift.x_mm, shift.y_mm
    if recipe.fault is CaseFault.SHIFTED_LAYER and (beam.index, layer.number) == (0, 1):
        return 5.0, 0.0
    return 0.0, 0.0


def _rows(
    recipe: CaseRecipe,
    machine: Machine,
    beam: PlannedBeam,
    layer: PlannedLayer,
    *,
    scale: float,
    factor: float,
    random: np.random.Generator,
) -> NDArray[np.uint16]:
    mu = layer.weights.astype(np.float64) * (beam.meterset_mu / beam.final_weight * scale)
    if recipe.fault is CaseFault.MISSING_SEGMENT and (beam.index, layer.number) == (0, 1):
        mu[int(mu.argmax())] = 0.0
    dose1 = mu / (machine.mu_per_count * factor)
    wanted = recipe.rows_per_layer or int(np.ceil(dose1.sum() / _TARGET_DOSE1))
    shares = _whole(dose1, max(wanted, _LEAST_ROWS_PER_SPOT * int((mu > 0).sum())))
    offset = np.asarray(_delivered_offset(recipe, beam, layer))
    pieces = [_off_rows(machine, _OFF_LEAD_ROWS, layer, random)]
    for spot, count in enumerate(shares):
        if count == 0 or (recipe.scan_mode == "spot" and spot > 0):
            pieces.append(_off_rows(machine, _OFF_MOVE_ROWS, layer, random))
        if count:
            way = _way(recipe, layer.xy_mm.astype(np.float64), spot, count) + offset
            pieces.append(_on_rows(recipe, machine, way, dose1=dose1[spot], layer=layer, random=random))
    pieces.append(_off_rows(machine, _OFF_LEAD_ROWS, layer, random))
    rows = np.vstack(pieces)
    share = (
        _FAULT_OFF_SHARE.get(recipe.fault, recipe.off_share) if recipe.fault and beam.index == 0 else recipe.off_share
    )
    _spread_off_counts(rows, share, random)
    return rows


def _whole(amounts: NDArray[np.float64], rows: int) -> NDArray[np.int64]:
    """Rows for each amount, in proportion, at least one for each that is not zero."""
    edges = np.rint(np.cumsum(amounts) / amounts.sum() * rows).astype(np.int64)
    counts: NDArray[np.int64] = np.diff(edges, prepend=0)
    counts[(amounts > 0) & (counts == 0)] = 1
    return counts


def _way(recipe: CaseRecipe, xy_mm: NDArray[np.float64], spot: int, count: int) -> NDArray[np.float64]:
    """Where the beam is in each of ``count`` rows of one spot, or of the segment that ends there."""
    if recipe.scan_mode == "spot" or spot == 0:
        return np.repeat(xy_mm[spot : spot + 1], count, axis=0)
    along = (np.arange(count) + 0.5)[:, None] / count
    way: NDArray[np.float64] = xy_mm[spot - 1] * (1.0 - along) + xy_mm[spot] * along
    return way


def _on_rows(
    recipe: CaseRecipe,
    machine: Machine,
    way_mm: NDArray[np.float64],
    *,
    dose1: float,
    layer: PlannedLayer,
    random: np.random.Generator,
) -> NDArray[np.uint16]:
    count = len(way_mm)
    measured = way_mm + random.normal(0.0, recipe.position_noise_mm, (count, 2))
    share = 1.0 + random.normal(0.0, 0.01, count)
    exact = np.cumsum(share / share.sum() * dose1)
    rows = np.empty((count, 8), dtype=np.uint16)
    rows[:, 0:2] = machine.counts(measured)
    rows[:, 2:4] = np.rint(_SIGMA_MM / np.asarray(machine.gain_mm) * (1 + random.normal(0, 0.01, (count, 2))))
    rows[:, 4] = np.clip(np.diff(np.rint(exact), prepend=0.0), 0, 65535)
    rows[:, 5] = np.clip(np.rint(rows[:, 4] * 0.998), 0, 65535)
    rows[:, 6] = layer.number
    rows[:, 7] = random.choice(ON_FLAGS, count)
    return rows


def _off_rows(machine: Machine, count: int, layer: PlannedLayer, random: np.random.Generator) -> NDArray[np.uint16]:
    places = np.asarray(machine.sentinel_mm)[random.integers(0, len(machine.sentinel_mm), count)]
    rows = np.zeros((count, 8), dtype=np.uint16)
    rows[:, 0:2] = machine.counts(places)
    rows[:, 6] = layer.number
    rows[:, 7] = random.choice(OFF_FLAGS, count)
    return rows


def _spread_off_counts(rows: NDArray[np.uint16], share: float, random: np.random.Generator) -> None:
    """Give the beam-off rows ``share`` of all counts: the monitor still counts after the beam went off."""
    off = np.flatnonzero((rows[:, 7] & 1) == 0)
    on_total = int(rows[:, 4].sum(dtype=np.int64))
    amount = round(on_total * share / (1.0 - share))
    rows[off, 4] = np.clip(random.multinomial(amount, np.full(len(off), 1.0 / len(off))), 0, 65535)
    rows[off, 5] = rows[off, 4]


def _records(machine: Machine, layer: PlannedLayer, offset_mm: float) -> NDArray[np.void]:
    """Spots + 2 records: the beam parked at the first position, each position on arrival, the beam off at the last."""
    xy = layer.xy_mm.astype(np.float64) + np.array([offset_mm, 0.0])
    path = np.vstack([xy[:1], xy, xy[-1:]])
    steps = np.linalg.norm(np.diff(path, axis=0, prepend=path[:1]), axis=1)
    records = np.zeros(len(path), dtype=MGN_RECORD)
    records["time"] = np.cumsum(np.rint(steps / _SPEED_MM_PER_US) + 120)
    records["a"] = 1000
    records["b"] = 2000
    preset = machine.preset(path)
    records["x"], records["y"] = preset[:, 0], preset[:, 1]
    records["on"][1:-1] = layer.weights > 0
    return records
