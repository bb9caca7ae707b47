"""What we refuse by name: everything in a plan that the engine would silently get wrong."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

import numpy as np

from actors.errors import CaseError
from actors.formats.plan import Modifiers, Opening, Plan, PlanBeam, RangeShifter
from messages.engine import EngineProfile

# A scanned beam is some 5 mm wide (sigma): what stays this far from every planned position touches no dose of note.
FIELD_MARGIN_MM = 15.0


def refuse_beam(plan: Plan, beam: PlanBeam, profile: EngineProfile) -> None:
    """Raises CaseError for the first thing in the beam that the profile does not declare; kinds as ``_refusals``."""
    for kind, what in _refusals(beam, profile):
        raise CaseError(
            f"Beam {beam.number}: {what}; the engine {profile.name} would silently get it wrong.",
            plan.path,
            "Compute this plan with an engine that handles it, or declare it in the engine profile once it is proven.",
            kind,
        )


def plan_notes(plan: Plan, beams: tuple[PlanBeam, ...]) -> tuple[list[str], list[str]]:
    """(sentences to review, sentences that make the result suspect) about the plan and the beams that are computed."""
    review = []
    suspect = []
    if plan.approval != "APPROVED":
        review.append(f"The plan's approval status is {plan.approval or 'missing'}, not APPROVED.")
    if not plan.is_treatment:
        review.append(f"The plan's intent is {plan.intent}: a QA session, not a treatment fraction.")
    for beam in beams:
        if beam.modifiers.boli:
            suspect.append(f"Beam {beam.number} has a bolus, which the engine does not know.")
    return review, suspect


def _refusals(beam: PlanBeam, profile: EngineProfile) -> Iterator[tuple[str, str]]:
    if beam.radiation != "PROTON":
        yield "radiation-refused", f"its radiation is {beam.radiation or 'not stated'}, not PROTON"
    yield from _devices(beam.modifiers)
    yield from _collimation(beam)
    for shifter in beam.modifiers.range_shifters:
        yield from _range_shifter(shifter, profile)
    yield from _energies(beam, profile)
    yield from _geometry(beam, profile)


def _devices(modifiers: Modifiers) -> Iterator[tuple[str, str]]:
    if modifiers.blocks:
        yield "block-refused", "it has a block (aperture)"
    if modifiers.compensators:
        yield "compensator-refused", "it has a range compensator"
    if modifiers.modulators:
        yield "modulator-refused", "it has a range modulator"
    if modifiers.wedges:
        yield "wedge-refused", "it has a wedge"
    for spreader in modifiers.spreaders:
        if spreader != "MAGNET":
            yield "spreader-refused", f"it has a lateral spreading device {spreader or 'of no type'}"


def _collimation(beam: PlanBeam) -> Iterator[tuple[str, str]]:
    spots = np.concatenate([layer.positions_mm for layer in beam.layers])
    low, high = spots.min(axis=0) - FIELD_MARGIN_MM, spots.max(axis=0) + FIELD_MARGIN_MM
    for opening in beam.modifiers.openings:
        if _intrudes(opening, (low[0], low[1]), (high[0], high[1])):
            yield "mlc-refused", f"its collimator {opening.kind or 'of no type'} reaches into the field"


def _intrudes(opening: Opening, low: tuple[float, float], high: tuple[float, float]) -> bool:
    """Does a leaf or jaw lie inside the field? A device that cannot be understood counts as inside."""
    axis = {"X": 0, "Y": 1}.get(opening.kind[-1:], -1)
    pairs, odd = divmod(len(opening.positions_mm), 2)
    if axis < 0 or odd or not pairs:
        return True
    bounds = opening.bounds_mm if opening.kind.startswith("MLC") else (-inf, inf)
    if len(bounds) != pairs + 1:
        return True
    across = 1 - axis
    for pair in range(pairs):
        in_field = bounds[pair] < high[across] and bounds[pair + 1] > low[across]
        opens = opening.positions_mm[pair] <= low[axis] and opening.positions_mm[pairs + pair] >= high[axis]
        if in_field and not opens:
            return True
    return False


def _range_shifter(shifter: RangeShifter, profile: EngineProfile) -> Iterator[tuple[str, str]]:
    if shifter.id not in profile.range_shifters:
        yield "range-shifter-refused", f"it has the range shifter {shifter.id}, which the profile does not list"
    elif not shifter.settings or set(shifter.settings) != {"IN"}:
        yield "range-shifter-moves", f"its range shifter {shifter.id} is not IN throughout"


def _energies(beam: PlanBeam, profile: EngineProfile) -> Iterator[tuple[str, str]]:
    lowest, highest = profile.energies_mev
    for layer in beam.layers:
        if not lowest <= layer.energy_mev <= highest:
            yield (
                "energy-refused",
                f"layer {layer.number} has {layer.energy_mev:.2f} MeV; the beam model has {lowest:g} to {highest:g}",
            )


def _geometry(beam: PlanBeam, profile: EngineProfile) -> Iterator[tuple[str, str]]:
    position = beam.patient_position
    phantom = profile.geometry != "ct"
    if phantom and profile.dialect == "moqui-smc" and beam.snout_mm is None:
        # The engine's air in front of the phantom ends at the snout; without it, wherever the memory says.
        yield "snout-missing", "its first control point has no SnoutPosition"
    # In a phantom the axes are the beam's: a plan that does not say how the patient lies is no obstacle there.
    if position not in profile.patient_positions and not (phantom and not position):
        yield "patient-position-refused", f"the patient position is {position or 'not stated'}"
    if not beam.angles.constant:
        yield "angles-move", "its angles or isocentre change while it is delivered"
    if phantom:
        return
    for name, angle in (
        ("couch pitch", beam.angles.couch_pitch),
        ("couch roll", beam.angles.couch_roll),
        ("collimator angle", beam.angles.collimator),
        ("table-top eccentric angle", beam.angles.couch_eccentric),
        ("gantry pitch", beam.angles.gantry_pitch),
    ):
        if abs(angle) > 1e-3:
            yield "angle-refused", f"its {name} is {angle:g} degrees"
    if beam.isocentre_mm is None:
        yield "isocentre-missing", "it has no isocentre"
