"""The three comparisons that tell errors apart: of delivery, of model, and of both together.

MC(log) with MC(plan), the same engine on delivered and on planned spots: what the delivery did. MC(plan) with the
planning system's dose: what the two dose models differ by. MC(log) with the planning system: the total.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from actors.formats.axes import beam_axes
from actors.reporter.comparison import Comparison, GammaRules, compare
from actors.reporter.dose_grid import DoseGrid, read_dose
from actors.reporter.planned_result import Simulated
from actors.reporter.published import BeamRecord, Manifest, Published
from actors.reporter.ranges import PHANTOM_LINE, BeamLine, RangeDifference, range_difference, rays_of, sampled

_PARTIAL = "PARTIAL: a part of the fraction was delivered"

Doses = Callable[[int], DoseGrid | None]
"""Beam number → the dose of this beam alone; None where there is none."""


class PairName(StrEnum):
    """What a comparison tells."""

    DELIVERY = "delivery"
    MODEL = "model"
    TOTAL = "total"


EVALUATED = {
    PairName.DELIVERY: "engine (delivered)",
    PairName.MODEL: "engine (planned spots)",
    PairName.TOTAL: "engine (delivered)",
}
REFERENCE = {
    PairName.DELIVERY: "engine (planned spots)",
    PairName.MODEL: "planning system",
    PairName.TOTAL: "planning system",
}


@dataclass(frozen=True, slots=True)
class BeamRange:
    """Range difference of one beam."""

    number: int
    difference: RangeDifference


@dataclass(frozen=True, slots=True)
class Noise:
    """Relative statistical uncertainty of both doses of a pair, each the worst of its beams; None: not known."""

    evaluated: float | None
    reference: float | None
    statistical: bool
    """Whether the reference is a Monte Carlo dose at all; a planning dose is taken for one without noise."""

    @property
    def together(self) -> float | None:
        """Of their difference: the two runs have seeds of their own."""
        if self.evaluated is None or (self.statistical and self.reference is None):
            return None
        return math.hypot(self.evaluated, self.reference or 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """One of the three."""

    name: PairName
    reason: str
    """Why it was not compared; empty: it was. Single beams may have been, and then there are ranges."""
    comparison: Comparison | None = None
    ranges: tuple[BeamRange, ...] = ()
    noise: Noise | None = None
    doses: tuple[DoseGrid, DoseGrid] | None = None
    """(reference, evaluated), where it was compared."""

    @property
    def evaluated(self) -> str:
        return EVALUATED[self.name]

    @property
    def reference(self) -> str:
        return REFERENCE[self.name]


@dataclass(frozen=True, slots=True, eq=False)
class Sides:
    """All doses that there are to compare."""

    published: Published
    delivered: DoseGrid
    spots: Simulated | None
    """Of the planned spots by the engine; ``no_spots``: why there is none."""
    no_spots: str
    planning: DoseGrid | None
    """Of the planning system, of one whole fraction; ``no_planning``: why there is none."""
    no_planning: str
    planning_beam: Doses
    """The planning system's dose of one beam alone."""


def three_pairs(sides: Sides, rules: GammaRules, total_ranges: tuple[BeamRange, ...]) -> tuple[Pair, ...]:
    """Delivery, model and total, each compared or with its reason. total_ranges: of the delivered dose's beams."""
    partial = sides.published.manifest.partial
    total = _total(sides, rules, total_ranges, partial=partial)
    return (_delivery(sides, rules, partial=partial), _model(sides, rules), total)


def _delivery(sides: Sides, rules: GammaRules, *, partial: bool) -> Pair:
    spots = sides.spots
    if spots is None or partial:
        return Pair(PairName.DELIVERY, sides.no_spots or f"{_PARTIAL}, and the planned run is that of the whole")
    manifest, single = sides.published.manifest, len(sides.published.manifest.beams) == 1
    files = {beam.number: sides.published.folder / beam.file for beam in manifest.beams}

    def beam(number: int) -> DoseGrid:
        return sides.delivered if single else read_dose(files[number])

    to = sides.planning.maximum if sides.planning is not None else near_maximum(spots.total)
    pair = _compared(PairName.DELIVERY, spots.total, sides.delivered, to, rules)
    noise = Noise(worst_noise(manifest), worst_noise(spots.manifest), statistical=True)
    return replace(pair, ranges=tuple(_ranges(manifest, spots.beam, beam)), noise=noise)


def _model(sides: Sides, rules: GammaRules) -> Pair:
    spots, planning = sides.spots, sides.planning
    if spots is None or planning is None:
        return Pair(PairName.MODEL, sides.no_spots or sides.no_planning)
    single = len(spots.manifest.beams) == 1

    def beam(number: int) -> DoseGrid | None:
        return sides.planning_beam(number) or (planning if single else None)

    pair = _compared(PairName.MODEL, planning, spots.total, planning.maximum, rules)
    noise = Noise(worst_noise(spots.manifest), None, statistical=False)
    return replace(pair, ranges=tuple(_ranges(spots.manifest, beam, spots.beam)), noise=noise)


def _total(sides: Sides, rules: GammaRules, ranges: tuple[BeamRange, ...], *, partial: bool) -> Pair:
    if sides.planning is None or partial:
        reason = sides.no_planning or f"{_PARTIAL}, and the planning dose is that of the whole"
        return Pair(PairName.TOTAL, reason, ranges=ranges)
    pair = _compared(PairName.TOTAL, sides.planning, sides.delivered, sides.planning.maximum, rules)
    return replace(pair, ranges=ranges, noise=Noise(worst_noise(sides.published.manifest), None, statistical=False))


def _compared(name: PairName, reference: DoseGrid, evaluated: DoseGrid, to: float, rules: GammaRules) -> Pair:
    """Gamma and difference of two doses; where they cannot be compared, the reason."""
    try:
        return Pair(name, "", compare(reference, evaluated, to, rules), doses=(reference, evaluated))
    except ValueError as error:
        return Pair(name, f"the doses cannot be compared: {error}")


def _ranges(manifest: Manifest, reference: Doses, evaluated: Doses) -> Iterator[BeamRange]:
    """Of every beam that has a dose of its own in both."""
    for record in manifest.beams:
        line = line_of(record, phantom=manifest.phantom)
        wanted, got = reference(record.number), evaluated(record.number)
        if wanted is None or got is None:
            continue
        rays = rays_of(wanted, line)
        edges = [sampled(one, line, rays.along_mm, rays.across_mm, smooth=True) for one in (wanted, got)]
        difference = range_difference(*edges)
        if difference is not None:
            yield BeamRange(record.number, difference)


def line_of(beam: BeamRecord, *, phantom: bool) -> BeamLine:
    """Where the beam comes from, in the dose's frame."""
    return PHANTOM_LINE if phantom else BeamLine(*beam_axes(beam.gantry_deg, beam.couch_deg), beam.isocentre_mm)


def worst_noise(manifest: Manifest) -> float | None:
    """Of all beams; None unless it is known of each."""
    known = [beam.noise for beam in manifest.beams if beam.noise is not None]
    return max(known) if known and len(known) == len(manifest.beams) else None


def near_maximum(dose: DoseGrid) -> float:
    """Dose that 2 % of the voxels above half of the maximum exceed: it does not follow the noise as a maximum does."""
    high = dose.dose[dose.dose > 0.5 * dose.maximum]
    return float(np.percentile(high, 98)) if high.size else 1.0
