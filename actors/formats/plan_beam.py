"""One beam of an RT Ion Plan: its control points become layers; what they leave out is inherited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from pydicom.dataset import Dataset

from actors.formats import plan_values as values
from actors.formats.plan import Angles, FractionGroup, PlanBeam, PlanLayer, ScanMode
from actors.formats.plan_context import BeamContext
from actors.formats.plan_modifiers import read_modifiers
from actors.formats.spots import frozen, read_spots

_MAX_POINTS = 4000
# Spot weights are float32 and the cumulative weights decimal strings: their sums agree to rounding only.
_SUM_TOLERANCE = 1e-3

# Terms seen for the scan mode. Line: ScanMode LINE of the IMPAC maps, LINEAR of PS3.3 C.8.8.25.8 (meterset while the
# spot moves; a weight of zero at the next position switches the beam off). Spot: STATIONARY, and MODULATED, which says
# no more than that and is what planning systems write for spots. LEAPING and the retired MIXED are neither: refused.
_LINE_TERMS = {"LINE", "LINE_SCANNING", "LINESCANNING", "LINEAR"}
_SPOT_TERMS = {"MODULATED", "SPOT", "SPOT_SCANNING", "SPOTSCANNING", "STATIONARY", "DISCRETE"}


def read_beam(
    index: int,
    item: Dataset,
    groups: Sequence[FractionGroup],
    positions: Mapping[int, str],
    context: BeamContext,
) -> PlanBeam:
    """PlanBeam of an item of IonBeamSequence; a setup beam has no layers."""
    number = values.required_whole(item, "BeamNumber", context)
    context = BeamContext(context.where, beam=number)
    group, meterset = _meterset(number, groups, context)
    points = values.items(item, "IonControlPointSequence")
    if len(points) > _MAX_POINTS:
        raise context.error(f"has {len(points)} control points", "plan-damaged")
    setup = _is_setup(item)
    layers: tuple[PlanLayer, ...] = ()
    mode = None
    if not setup and meterset > 0:
        mode = _scan_mode(item, context)
        layers = _layers(item, points, meterset, context)
    first = points[0] if points else Dataset()
    return PlanBeam(
        index=index,
        number=number,
        name=values.text(item, "BeamName"),
        description=values.text(item, "BeamDescription"),
        machine=values.text(item, "TreatmentMachineName"),
        delivery_type=values.text(item, "TreatmentDeliveryType").upper(),
        radiation=values.text(item, "RadiationType").upper(),
        setup=setup,
        meterset_mu=meterset,
        fraction_group=group,
        scan_mode=mode,
        angles=_angles(points, context),
        isocentre_mm=_isocentre(first, context),
        snout_mm=values.number(first, "SnoutPosition", context),
        patient_position=_patient_position(item, positions, context),
        modifiers=read_modifiers(item, points, context),
        layers=layers,
    )


def _is_setup(item: Dataset) -> bool:
    return (
        values.text(item, "TreatmentDeliveryType").upper() == "SETUP"
        or values.text(item, "BeamDescription") == "Site Setup"
        or values.text(item, "BeamName") == "SETUP"
    )


def _meterset(number: int, groups: Sequence[FractionGroup], context: BeamContext) -> tuple[int, float]:
    """(fraction group number, BeamMeterset) of the one group that gives the beam a meterset; (0, 0.0): none."""
    found = [(group.number, mu) for group in groups for beam, mu in group.metersets if beam == number and mu > 0]
    if len(found) > 1:
        raise context.error(
            "is in several fraction groups", "fraction-group-ambiguous", "Deliver one fraction group per plan."
        )
    return found[0] if found else (0, 0.0)


def _scan_mode(item: Dataset, context: BeamContext) -> ScanMode:
    """LINE or SPOT from ScanMode, or ModulatedScanModeType where it refers to that; anything else is an error."""
    term = values.text(item, "ScanMode").upper().replace(" ", "_")
    detail = values.text(item, "ModulatedScanModeType").upper()
    if term == "MODULATED_SPEC":
        term = detail
    if term in _LINE_TERMS:
        return ScanMode.LINE
    if term in _SPOT_TERMS:
        return ScanMode.SPOT
    raise context.error(
        f"has the scan mode {term or 'none'}; line and spot are known",
        "scan-mode-unknown",
        "Ask the planning system's physicist how this beam is scanned.",
    )


@dataclass(slots=True)
class _Point:
    """Control point values that hold until they are given again."""

    energy_mev: float | None = None
    paintings: int = 1
    cumulative: float = 0.0

    def take(self, point: Dataset, context: BeamContext) -> None:
        energy = values.number(point, "NominalBeamEnergy", context)
        self.energy_mev = self.energy_mev if energy is None else energy
        self.paintings = values.whole(point, "NumberOfPaintings", context, default=self.paintings)


def _layers(item: Dataset, points: Sequence[Dataset], meterset: float, context: BeamContext) -> tuple[PlanLayer, ...]:
    """Layers by pairs of control points.

    The weights of a control point add up to the meterset difference to the next one (example in PS3.3 C.8.8.25.7),
    which counts all of its paintings: with NumberOfPaintings > 1 they are totals, and a plan that has them per painting
    fails the sum. Meterset = BeamMeterset x weight / FinalCumulativeMetersetWeight (PS3.3 C.8.8.13, note 4).
    """
    final = values.required(item, "FinalCumulativeMetersetWeight", context)
    if final <= 0:
        raise context.error(f"has FinalCumulativeMetersetWeight {final}", "plan-damaged")
    cumulative = _cumulative(points, final, context)
    held = _Point()
    spots = None
    layers: list[PlanLayer] = []
    for index, point in enumerate(points):
        here = context.at(index)
        held.take(point, here)
        spots = read_spots(point, here) or spots
        weight = cumulative[index + 1] - cumulative[index] if index + 1 < len(points) else 0.0
        if weight <= 0:
            continue
        if spots is None or held.energy_mev is None:
            raise here.error("has meterset but no spots or no energy", "spots-invalid")
        total = float(spots[1].sum())
        if abs(total - weight) > _SUM_TOLERANCE * max(weight, 1e-6):
            raise here.error(
                f"has spot weights that sum to {total:.6g}, not to the layer's {weight:.6g}", "weights-sum"
            )
        scale = meterset / final
        layers.append(
            PlanLayer(
                number=len(layers) + 1,
                control_point=index,
                energy_mev=held.energy_mev,
                mu=weight * scale,
                positions_mm=frozen(spots[0].copy()),
                spots_mu=frozen(spots[1] * scale),
                paintings=held.paintings,
            )
        )
    if not layers:
        raise context.error("has no layer", "plan-damaged")
    return tuple(layers)


def _cumulative(points: Sequence[Dataset], final: float, context: BeamContext) -> list[float]:
    """CumulativeMetersetWeight of each control point; falling, or not ending at the final weight, is an error."""
    weights: list[float] = []
    for index, point in enumerate(points):
        value = values.number(point, "CumulativeMetersetWeight", context.at(index))
        weights.append(value if value is not None else (weights[-1] if weights else 0.0))
    if not weights or abs(weights[0]) > _SUM_TOLERANCE * final:
        raise context.error("does not begin with the cumulative meterset weight 0", "plan-damaged")
    if any(two < one for one, two in pairwise(weights)):
        raise context.error("has a cumulative meterset weight that falls", "plan-damaged")
    if abs(weights[-1] - final) > _SUM_TOLERANCE * final:
        raise context.error(f"ends at the cumulative weight {weights[-1]:.6g}, not at {final:.6g}", "plan-damaged")
    return weights


_ANGLE_KEYWORDS = (
    "GantryAngle",
    "PatientSupportAngle",
    "BeamLimitingDeviceAngle",
    "TableTopPitchAngle",
    "TableTopRollAngle",
    "TableTopEccentricAngle",
    "GantryPitchAngle",
)


def _angles(points: Sequence[Dataset], context: BeamContext) -> Angles:
    constant = True
    first: list[float] = []
    for place, keyword in enumerate(_ANGLE_KEYWORDS):
        first.append(0.0)
        for index, point in enumerate(points):
            value = values.number(point, keyword, context.at(index))
            if index == 0:
                first[place] = value or 0.0
            elif value is not None and abs(value - first[place]) > 1e-3:
                constant = False
    constant = constant and _one_isocentre(points, context)
    gantry, couch, collimator, pitch, roll, eccentric, gantry_pitch = first
    return Angles(gantry, couch, collimator, pitch, roll, eccentric, gantry_pitch, constant=constant)


def _one_isocentre(points: Sequence[Dataset], context: BeamContext) -> bool:
    given = [values.numbers(point, "IsocenterPosition", context.at(index)) for index, point in enumerate(points)]
    places = np.array([place for place in given if len(place) == 3])
    return not len(places) or bool(np.ptp(places, axis=0).max() < 1e-3)


def _isocentre(point: Dataset, context: BeamContext) -> tuple[float, float, float] | None:
    place = values.numbers(point, "IsocenterPosition", context)
    if not place:
        return None
    if len(place) != 3:
        raise context.error(f"has an isocentre of {len(place)} numbers", "plan-damaged")
    return place[0], place[1], place[2]


def _patient_position(item: Dataset, positions: Mapping[int, str], context: BeamContext) -> str:
    number = values.whole(item, "ReferencedPatientSetupNumber", context, default=-1)
    if number in positions:
        return positions[number]
    return next(iter(positions.values())) if len(positions) == 1 else ""
