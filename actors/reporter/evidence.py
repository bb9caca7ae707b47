"""Everything that a report rests on, computed: doses, comparison, ranges, histograms, or the reason why not."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from actors.errors import MqiError
from actors.reporter.comparison import Comparison, Criterion, GammaRules
from actors.reporter.dose_grid import DoseGrid, read_dose
from actors.reporter.dvh import Dvh, Structure, histograms, structures_of
from actors.reporter.order import NO_RUN, PlannedRun
from actors.reporter.pairs import BeamRange, Pair, Sides, line_of, near_maximum, three_pairs
from actors.reporter.planned_result import Simulated, simulated
from actors.reporter.planning import Choice, Fractions, PlanningDose, choose
from actors.reporter.published import BeamRecord, Manifest, Published
from actors.reporter.ranges import (
    BeamLine,
    DepthDose,
    RangeDifference,
    Rays,
    depth_dose,
    in_field,
    range_difference,
    rays_of,
    sampled,
)
from actors.reporter.sources import CaseFiles, Ct, case_files, read_ct
from actors.settings import ReportSettings

_MAX_STRUCTURES = 24


@dataclass(frozen=True, slots=True, eq=False)
class BeamDepth:
    """One beam's depth dose, and its planned one where the case brings a dose of this beam alone."""

    number: int
    delivered: DepthDose
    planned: DepthDose | None
    difference: RangeDifference | None
    simulated: DepthDose | None = None
    """Of the planned spots by the engine."""


@dataclass(frozen=True, slots=True, eq=False)
class Histograms:
    delivered: tuple[Dvh, ...] = ()
    planned: tuple[Dvh, ...] = ()
    """Of the planning system."""
    without: tuple[str, ...] = ()
    """Structures that have none: out of the dose grid, or more than are computed."""
    reason: str = ""
    """Why there are none; empty: there are."""
    simulated: tuple[Dvh, ...] = ()
    """Of the planned spots by the engine."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What was found."""

    total: DoseGrid
    normalisation: float
    """100 % of pictures and percentages, in the units of ``total``."""
    normalised_to: str
    ct: Ct | None
    planning: DoseGrid | None
    """In physical gray of one fraction, on its own grid."""
    planning_statement: str
    comparison: Comparison | None
    reason: str
    """Why the dose was not compared; empty: it was."""
    depths: tuple[BeamDepth, ...]
    dvh: Histograms = field(default_factory=Histograms)
    pairs: tuple[Pair, ...] = ()
    """Delivery, model, total; ``comparison`` and ``reason`` are those of the total."""
    simulated: Simulated | None = None
    """What the engine made of the planned spots."""


def gather(published: Published, case_folder: Path, rules: ReportSettings, run: PlannedRun = NO_RUN) -> Evidence:
    """Read and compute everything. MqiError and OSError where the published result itself cannot be read.

    run: of the planned spots, if there is one.
    """
    manifest = published.manifest
    total = read_dose(published.folder / str(manifest.sum["file"]))
    files = _files(manifest, case_folder, total.frame_of_reference)
    choice, reason = _choice(manifest, files, total.frame_of_reference)
    whole = None
    if choice.plan is not None and not reason:
        whole, reason = _read_planning(choice.plan)
    planning = None if manifest.partial else whole
    by_engine, no_run = simulated(run, manifest, total)
    depths = tuple(_depths(published, total, choice, planning, by_engine))
    pairs = three_pairs(
        Sides(published, total, by_engine, no_run, whole, reason, lambda beam: _planning_beam(choice, beam)),
        GammaRules(criteria(rules), rules.gamma_threshold_percent, rules.gamma_points),
        tuple(BeamRange(one.number, one.difference) for one in depths if one.difference is not None),
    )
    to = (
        "the planning dose's maximum"
        if planning is not None
        else "near-maximum of this dose (2 % of its high dose is above)"
    )
    normalisation = planning.maximum if planning is not None else near_maximum(total)
    return Evidence(
        total=total,
        normalisation=normalisation,
        normalised_to=to,
        ct=read_ct(files.ct),
        planning=planning,
        planning_statement=choice.plan.statement if choice.plan else "",
        comparison=pairs[-1].comparison,
        reason=pairs[-1].reason,
        depths=depths,
        dvh=_histograms(published, files, choice.plan if planning is not None else None, by_engine),
        pairs=pairs,
        simulated=by_engine,
    )


def criteria(rules: ReportSettings) -> tuple[Criterion, ...]:
    """All that are computed, the judged one among them."""
    wanted = dict.fromkeys((*rules.gamma, rules.gamma_judged))
    return tuple(Criterion(percent, mm) for percent, mm in wanted)


def _files(manifest: Manifest, folder: Path, frame_of_reference: str) -> CaseFiles:
    if manifest.phantom:
        return CaseFiles((), (), (), "the dose is that of a water phantom along each beam's axes, not in the patient")
    return case_files(folder, frame_of_reference)


def _choice(manifest: Manifest, files: CaseFiles, frame_of_reference: str) -> tuple[Choice, str]:
    """The planning doses, and why the whole plan's is not compared."""
    if files.reason:
        return Choice(None, (), files.reason), files.reason
    choice = choose(
        files.doses,
        plan_uid=manifest.plan.sop_instance_uid,
        frame_of_reference=frame_of_reference,
        fractions=Fractions(
            manifest.plan.planned_fractions, manifest.plan.fraction_group, manifest.plan.fraction_groups
        ),
        rbe=float(manifest.dose["rbe"]["factor"]),
    )
    reasons = (
        (not manifest.gray, "this dose is RELATIVE: no approved calibration of what was commissioned makes it gray"),
        (bool(choice.reason), choice.reason),
    )
    return choice, next((reason for wrong, reason in reasons if wrong), "")


def _read_planning(planning: PlanningDose) -> tuple[DoseGrid | None, str]:
    try:
        dose = read_dose(planning.path)
    except (OSError, InvalidDicomError, MqiError, AttributeError, ValueError) as error:
        return None, f"the planning dose cannot be read: {error}"
    return replace(dose, dose=dose.dose * np.float32(planning.factor)), ""


def _planning_beam(choice: Choice, beam: int) -> DoseGrid | None:
    """The planning system's dose of one beam alone."""
    of_beam = next((one for one in choice.beams if one.beam == beam), None)
    return _read_planning(of_beam)[0] if of_beam is not None else None


def _depths(
    published: Published, total: DoseGrid, choice: Choice, planning: DoseGrid | None, by_engine: Simulated | None
) -> list[BeamDepth]:
    manifest = published.manifest
    single = len(manifest.beams) == 1
    found = []
    for beam in manifest.beams:
        dose = total if single else read_dose(published.folder / beam.file)
        planned = planning if single else None
        if manifest.gray and not manifest.partial:
            planned = _planning_beam(choice, beam.number) or planned
        spots = by_engine.beam(beam.number) if by_engine is not None else None
        found.append(_depth(beam, dose, planned, line_of(beam, phantom=manifest.phantom), spots))
    return found


def _depth(
    beam: BeamRecord, dose: DoseGrid, planned: DoseGrid | None, line: BeamLine, spots: DoseGrid | None
) -> BeamDepth:
    if planned is None:
        rays = rays_of(dose, line)
        chosen = in_field(rays)
        return BeamDepth(beam.number, depth_dose(rays, chosen), None, None, _along(spots, line, rays, chosen))
    wanted = rays_of(planned, line)
    rays = sampled(dose, line, wanted.along_mm, wanted.across_mm)
    edges = [sampled(one, line, wanted.along_mm, wanted.across_mm, smooth=True) for one in (planned, dose)]
    chosen = in_field(wanted)
    difference = range_difference(*edges)
    along = _along(spots, line, wanted, chosen)
    return BeamDepth(beam.number, depth_dose(rays, chosen), depth_dose(wanted, chosen), difference, along)


def _along(dose: DoseGrid | None, line: BeamLine, rays: Rays, chosen: np.ndarray) -> DepthDose | None:
    """Depth dose along the same rays; None where there is no dose."""
    return None if dose is None else depth_dose(sampled(dose, line, rays.along_mm, rays.across_mm), chosen)


def _histograms(
    published: Published, files: CaseFiles, planning: PlanningDose | None, by_engine: Simulated | None = None
) -> Histograms:
    if files.reason:
        return Histograms(reason=files.reason)
    if len(files.structure_sets) != 1:
        what = "several structure sets" if files.structure_sets else "no structure set"
        return Histograms(reason=f"the case brings {what} of the plan's frame of reference")
    try:
        structure_set = dcmread(files.structure_sets[0])
        every: tuple[Structure, ...] = structures_of(structure_set)
        structures = every[:_MAX_STRUCTURES]
        own = dcmread(published.folder / str(published.manifest.sum["file"]))
        delivered = tuple(histograms(structure_set, own, structures))
        planned: tuple[Dvh, ...] = ()
        if planning is not None:
            planned = tuple(histograms(structure_set, dcmread(planning.path), structures, planning.factor))
        spots: tuple[Dvh, ...] = ()
        if by_engine is not None:
            spots = tuple(histograms(structure_set, dcmread(by_engine.sum_file), structures))
    except (OSError, InvalidDicomError, AttributeError, KeyError, ValueError) as error:
        return Histograms(reason=f"the histograms cannot be computed: {type(error).__name__}: {error}")
    shown = {one.structure.number for one in delivered}
    without = tuple(one.name for one in every if one.number not in shown)
    reason = "" if delivered else "no structure lies in the dose grid"
    return Histograms(delivered, planned, without, reason, spots)
