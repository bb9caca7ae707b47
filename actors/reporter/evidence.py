"""Everything that a report rests on, computed: doses, comparison, ranges, histograms, or the reason why not."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from actors.errors import MqiError
from actors.formats.axes import beam_axes
from actors.reporter.comparison import Comparison, Criterion, GammaRules, compare
from actors.reporter.dose_grid import DoseGrid, read_dose
from actors.reporter.dvh import Dvh, Structure, histograms, structures_of
from actors.reporter.planning import Choice, Fractions, PlanningDose, choose
from actors.reporter.published import BeamRecord, Manifest, Published
from actors.reporter.ranges import (
    PHANTOM_LINE,
    BeamLine,
    DepthDose,
    RangeDifference,
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


@dataclass(frozen=True, slots=True, eq=False)
class Histograms:
    delivered: tuple[Dvh, ...] = ()
    planned: tuple[Dvh, ...] = ()
    without: tuple[str, ...] = ()
    """Structures that have none: out of the dose grid, or more than are computed."""
    reason: str = ""
    """Why there are none; empty: there are."""


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


def gather(published: Published, case_folder: Path, rules: ReportSettings) -> Evidence:
    """Read and compute everything. MqiError and OSError where the published result itself cannot be read."""
    manifest = published.manifest
    total = read_dose(published.folder / str(manifest.sum["file"]))
    files = _files(manifest, case_folder, total.frame_of_reference)
    choice, reason = _choice(manifest, files, total.frame_of_reference)
    planning = None
    if choice.plan is not None and not reason:
        planning, reason = _read_planning(choice.plan)
    comparison = None
    if planning is not None:
        comparison, reason = _compared(planning, total, rules)
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
        comparison=comparison,
        reason=reason,
        depths=tuple(_depths(published, total, choice, planning)),
        dvh=_histograms(published, files, choice.plan if planning is not None else None),
    )


def near_maximum(dose: DoseGrid) -> float:
    """Dose that 2 % of the voxels above half of the maximum exceed: it does not follow the noise as a maximum does."""
    high = dose.dose[dose.dose > 0.5 * dose.maximum]
    return float(np.percentile(high, 98)) if high.size else 1.0


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
        (manifest.partial, "PARTIAL: a part of the fraction was delivered, and the planning dose is that of the whole"),
        (bool(choice.reason), choice.reason),
    )
    return choice, next((reason for wrong, reason in reasons if wrong), "")


def _read_planning(planning: PlanningDose) -> tuple[DoseGrid | None, str]:
    try:
        dose = read_dose(planning.path)
    except (OSError, InvalidDicomError, MqiError, AttributeError, ValueError) as error:
        return None, f"the planning dose cannot be read: {error}"
    return replace(dose, dose=dose.dose * np.float32(planning.factor)), ""


def _compared(planning: DoseGrid, total: DoseGrid, rules: ReportSettings) -> tuple[Comparison | None, str]:
    try:
        wanted = GammaRules(criteria(rules), rules.gamma_threshold_percent, rules.gamma_points)
        return compare(planning, total, planning.maximum, wanted), ""
    except ValueError as error:
        return None, f"the doses cannot be compared: {error}"


def _depths(published: Published, total: DoseGrid, choice: Choice, planning: DoseGrid | None) -> list[BeamDepth]:
    manifest = published.manifest
    single = len(manifest.beams) == 1
    found = []
    for beam in manifest.beams:
        dose = total if single else read_dose(published.folder / beam.file)
        planned = planning if single else None
        of_beam = next((one for one in choice.beams if one.beam == beam.number), None)
        if of_beam is not None and manifest.gray and not manifest.partial:
            planned = _read_planning(of_beam)[0] or planned
        found.append(_depth(beam, dose, planned, phantom=manifest.phantom))
    return found


def _depth(beam: BeamRecord, dose: DoseGrid, planned: DoseGrid | None, *, phantom: bool) -> BeamDepth:
    line = PHANTOM_LINE if phantom else BeamLine(*beam_axes(beam.gantry_deg, beam.couch_deg), beam.isocentre_mm)
    if planned is None:
        rays = rays_of(dose, line)
        return BeamDepth(beam.number, depth_dose(rays, in_field(rays)), None, None)
    wanted = rays_of(planned, line)
    rays = sampled(dose, line, wanted.along_mm, wanted.across_mm)
    edges = [sampled(one, line, wanted.along_mm, wanted.across_mm, smooth=True) for one in (planned, dose)]
    chosen = in_field(wanted)
    difference = range_difference(*edges)
    return BeamDepth(beam.number, depth_dose(rays, chosen), depth_dose(wanted, chosen), difference)


def _histograms(published: Published, files: CaseFiles, planning: PlanningDose | None) -> Histograms:
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
    except (OSError, InvalidDicomError, AttributeError, KeyError, ValueError) as error:
        return Histograms(reason=f"the histograms cannot be computed: {type(error).__name__}: {error}")
    shown = {one.structure.number for one in delivered}
    without = tuple(one.name for one in every if one.number not in shown)
    return Histograms(delivered, planned, without, "" if delivered else "no structure lies in the dose grid")
