"""The log RT Ion Plan (dialect moqui): the clinical plan with the delivered spots in place of the planned ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from actors.errors import CaseError, MqiError
from actors.formats.delivered import DeliveredLayer
from actors.formats.plan import Plan, PlanBeam
from actors.formats.spots import PRIVATE_GROUP, private_base
from actors.interpreter.path_bins import PathBins, path_bins, truncation_loss
from actors.interpreter.run_plan import decimal, put, run_plan, shallow
from messages.faults import Blame, Fault

# Positions are FL with a 16-bit length in explicit VR: 8000 pairs of float32 are 64000 bytes.
MAX_SPOTS = 8000
MU_TOLERANCE = 1e-6
LOSS_TOLERANCE = 1e-3


def log_plan(
    source: Dataset,
    plan: Plan,
    beam: PlanBeam,
    case: str,
    *,
    layers: Sequence[DeliveredLayer],
    histories_per_mu: float,
) -> Dataset:
    """The run's plan of one beam: FinalCumulativeMetersetWeight = BeamMeterset = delivered MU, so that weights are MU.

    Each layer becomes path bins of at most 1 mm, at most 8000 to a control point. Raises MqiError ``truncation-loss``
    when cutting to whole histories would lose over 0.1 %.
    """
    bins = [path_bins(layer.positions_mm, layer.count.astype(np.float64) * layer.mu_per_count) for layer in layers]
    total = sum(one.total_mu for one in bins)
    _check_total(beam, total, sum(layer.mu for layer in layers), plan)
    _check_loss(beam, bins, histories_per_mu)
    dataset = run_plan(source, plan, beam, case, total)
    item = dataset.IonBeamSequence[0]
    templates = _complete(source.IonBeamSequence[beam.index].IonControlPointSequence)
    points: list[Dataset] = []
    cumulative = 0.0
    for layer, one in zip(layers, bins, strict=True):
        planned = beam.layers[layer.layer - 1]
        for start in range(0, len(one.mu), MAX_SPOTS):
            mu = one.mu[start : start + MAX_SPOTS]
            places = one.positions_mm[start : start + MAX_SPOTS]
            template = templates[planned.control_point]
            points.append(
                _point(template, len(points), planned.energy_mev, cumulative=cumulative, places=places, mu=mu)
            )
            cumulative += float(mu.sum(dtype=np.float64))
            nothing = np.zeros_like(mu)
            points.append(
                _point(template, len(points), planned.energy_mev, cumulative=cumulative, places=places, mu=nothing)
            )
    put(points[-1], CumulativeMetersetWeight=decimal(total))
    put(
        item,
        IonControlPointSequence=points,
        NumberOfControlPoints=len(points),
        FinalCumulativeMetersetWeight=decimal(total),
        ScanMode="MODULATED",
    )
    if "ModulatedScanModeType" in item:
        del item.ModulatedScanModeType
    return dataset


def _point(
    template: Dataset,
    index: int,
    energy_mev: float,
    *,
    cumulative: float,
    places: NDArray[np.float32],
    mu: NDArray[np.float32],
) -> Dataset:
    """A control point that says everything itself, spot size and geometry included: the engine inherits nothing."""
    point = shallow(template)
    _drop_private(point)
    put(
        point,
        ControlPointIndex=index,
        NominalBeamEnergy=decimal(energy_mev),
        CumulativeMetersetWeight=decimal(cumulative),
        NumberOfPaintings=1,
        NumberOfScanSpotPositions=len(mu),
        # Values of FL are Python numbers; float32 and back is exact.
        ScanSpotPositionMap=places.ravel().tolist(),
        ScanSpotMetersetWeights=mu.tolist(),
    )
    return point


def _drop_private(point: Dataset) -> None:
    """The private spots are the planned ones: an engine that preferred them would simulate the plan."""
    base = private_base(point)
    if base is not None:
        for tag in [tag for tag in point.keys() if tag.group == PRIVATE_GROUP]:  # noqa: SIM118 - iterating decodes
            del point[tag]


def _complete(points: Sequence[Dataset]) -> list[Dataset]:
    """The plan's control points with what they leave out: it holds as given before (PS3.3 C.8.8.25), spots excepted."""
    held = Dataset()
    complete = []
    for point in points:
        own = shallow(point)
        for tag in [*own.keys()]:
            if tag.group != PRIVATE_GROUP:
                held[tag] = own.get_item(tag)
        for tag in [*held.keys()]:
            if tag not in own:
                own[tag] = held.get_item(tag)
        complete.append(own)
    return complete


def _check_total(beam: PlanBeam, written: float, delivered: float, plan: Plan) -> None:
    if abs(written - delivered) > MU_TOLERANCE * delivered:
        raise CaseError(
            f"Beam {beam.number}: the log plan holds {written:.9g} MU, {delivered:.9g} were delivered.",
            plan.path,
            "Report this: the writer lost meterset.",
            "meterset-lost",
        )


def _check_loss(beam: PlanBeam, bins: Sequence[PathBins], histories_per_mu: float) -> None:
    loss = truncation_loss(np.concatenate([one.mu for one in bins]), histories_per_mu)
    if loss > LOSS_TOLERANCE:
        raise MqiError(
            Fault(
                what=f"Beam {beam.number}: cutting its spots to whole histories would lose {loss:.2%} of the dose.",
                where="engine profile",
                remedy="Lower ParticlesPerHistory and raise histories_per_mu accordingly.",
                blame=Blame.OURS,
                kind="truncation-loss",
            )
        )
