"""Which plan a delivery belongs to: it must match exactly one of the RT Ion Plans at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from actors.errors import CaseError
from actors.formats.calibration import Calibration, gantry_of
from actors.formats.mgn import MagnetScan
from actors.formats.plan import Plan, PlanBeam, PlanLayer
from actors.formats.plan_info import PlanInfo
from actors.formats.plan_range import PlanRange

if TYPE_CHECKING:
    from numpy.typing import NDArray

ENERGY_TOLERANCE_MEV = 0.01
POSITION_TOLERANCE_MM = 0.05
# A .mgn file has two records more than the layer has spots: one before, one after.
EXTRA_RECORDS = 2
# Where the presets of every known gantry have their zero, and between which limits their gains lie (mm per count).
PRESET_ZERO = 32767.5
PRESET_GAINS_MM = (0.005, 0.008)


@dataclass(frozen=True, slots=True)
class DeliveryFacts:
    """What one delivery folder says about the plan it was made from."""

    path: str
    info: PlanInfo
    range: PlanRange
    scans: Mapping[int, MagnetScan]
    """Planned scans by layer; those that have not arrived are simply not compared."""


def match_plan(
    delivery: DeliveryFacts, plans: Sequence[Plan], calibrations: Mapping[str, Calibration] | None = None
) -> Plan:
    """The one plan that the delivery was made from.

    By study, patient, beam number, machine, layer count, layer energies (0.01 MeV) and planned positions (0.05 mm RMS).
    ``calibrations`` by gantry turn .mgn presets into mm; without them the presets' gain is fitted, so that a scan is
    compared by its shape and its place, and the interpreter compares again with the calibration.
    Raises CaseError ``plan-missing`` (with each plan's reason) or ``plan-ambiguous``.
    """
    reasons = [(plan, mismatch(delivery, plan, calibrations)) for plan in plans]
    matching = {plan.sop_instance_uid: plan for plan, reason in reasons if not reason}
    if len(matching) == 1:
        return next(iter(matching.values()))
    beam = delivery.info.beam_number
    if matching:
        uids = ", ".join(sorted(matching))
        raise CaseError(
            f"The delivery of beam {beam} matches {len(matching)} plans: {uids}.",
            delivery.path,
            "Leave only the plan that was delivered in the case folder.",
            "plan-ambiguous",
        )
    why = "; ".join(f"{plan.label or plan.sop_instance_uid}: {reason}" for plan, reason in reasons)
    raise CaseError(
        f"The delivery of beam {beam} matches no plan ({why or 'there is no RT Ion Plan'}).",
        delivery.path,
        "Send the plan that was delivered.",
        "plan-missing",
    )


def mismatch(delivery: DeliveryFacts, plan: Plan, calibrations: Mapping[str, Calibration] | None = None) -> str:
    """Why the delivery was not made from this plan, in a few words; empty: it fits."""
    info = delivery.info
    if plan.study_uid != info.study_uid:
        return "another study"
    if plan.patient_id != info.patient_id:
        return "another patient"
    beam = next((beam for beam in plan.treatment_beams if beam.number == info.beam_number), None)
    if beam is None:
        return f"it has no treatment beam {info.beam_number}"
    return _machine(beam, calibrations) or _layers(delivery, beam) or _positions(delivery, beam, calibrations)


def _machine(beam: PlanBeam, calibrations: Mapping[str, Calibration] | None) -> str:
    try:
        gantry = gantry_of(beam.machine)
    except CaseError as error:
        return error.fault.what
    return f"there is no calibration of {gantry}" if calibrations is not None and gantry not in calibrations else ""


def _layers(delivery: DeliveryFacts, beam: PlanBeam) -> str:
    rows = delivery.range.rows
    last = max(delivery.info.stop_layer, rows[-1].layer)
    if last > len(beam.layers):
        return f"its beam {beam.number} has {len(beam.layers)} layers, the delivery layer {last}"
    for row in rows:
        planned = beam.layers[row.layer - 1].energy_mev
        # The tolerance is a limit to the last digit written: 150.01 against 150.00 still agrees.
        if abs(row.energy_mev - planned) > ENERGY_TOLERANCE_MEV + 1e-9:
            return f"layer {row.layer} of beam {beam.number} has {planned:.2f} MeV, not {row.energy_mev:.2f}"
    return ""


def _positions(delivery: DeliveryFacts, beam: PlanBeam, calibrations: Mapping[str, Calibration] | None) -> str:
    calibration = calibrations[gantry_of(beam.machine)] if calibrations is not None else None
    for number, scan in sorted(delivery.scans.items()):
        layer = beam.layers[number - 1]
        part = number in {delivery.info.start_layer, delivery.info.stop_layer}
        rms = scan_rms(scan, layer, calibration, part=part)
        if rms is None:
            return (
                f"layer {number} of beam {beam.number} has {len(layer.positions_mm)} spots,"
                f" its planned scan {len(scan.records)} records"
            )
        if rms > POSITION_TOLERANCE_MM:
            return f"layer {number} of beam {beam.number} is scanned {rms:.2f} mm (RMS) beside this plan"
    return ""


def scan_rms(
    scan: MagnetScan, layer: PlanLayer, calibration: Calibration | None, *, part: bool = False
) -> float | None:
    """RMS distance in mm of the planned scan's positions to the layer's; None when their numbers cannot be matched.

    ``part``: the scan may cover only the layer's first or last spots (a delivery that was stopped or resumed in it).
    """
    spots = layer.positions_mm
    records = scan.presets() if calibration is None else scan.positions_mm(calibration)
    if len(records) == len(spots) + EXTRA_RECORDS:
        windows = [(records[start : start + len(spots)], spots) for start in (1, 0, 2)]
    elif part and EXTRA_RECORDS < len(records) < len(spots) + EXTRA_RECORDS:
        inner = records[1:-1]
        windows = [(inner, spots[: len(inner)]), (inner, spots[-len(inner) :])]
    else:
        return None
    distance = _rms if calibration is not None else _fitted_rms
    return min(distance(measured, planned) for measured, planned in windows)


def _rms(one: NDArray[np.float64], two: NDArray[np.float64]) -> float:
    return float(np.sqrt(((one - two) ** 2).sum(axis=1).mean()))


def _fitted_rms(presets: NDArray[np.float64], planned: NDArray[np.float64]) -> float:
    """RMS with the gain that fits best on each axis; the magnets' zero is the middle of their range on every gantry."""
    residual = np.zeros_like(planned)
    for axis in (0, 1):
        raw = presets[:, axis] - PRESET_ZERO
        square = float(raw @ raw)
        gain = float(raw @ planned[:, axis]) / square if square > 0 else PRESET_GAINS_MM[0]
        residual[:, axis] = planned[:, axis] - np.clip(gain, *PRESET_GAINS_MM) * raw
    return float(np.sqrt((residual**2).sum(axis=1).mean()))
