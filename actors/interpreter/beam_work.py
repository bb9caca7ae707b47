"""One beam of a case: its deliveries become a table of spots, judged against the plan and written for the engine."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from actors.errors import CaseError
from actors.formats.calibration import Calibration
from actors.formats.ct import CtVolume
from actors.formats.delivered import DeliveredLayer, delivered_layer
from actors.formats.matching import POSITION_TOLERANCE_MM, scan_rms
from actors.formats.plan import Plan, PlanBeam, ScanMode
from actors.formats.plan_checks import refuse_beam
from actors.formats.planned_path import planned_path, progress_of
from actors.interpreter import axis_fit, engine_input, log_csv, log_plan, run_plan
from actors.interpreter.collect import Delivery, InputLog, LayerPart, read_layer
from actors.interpreter.coverage import LayerParts, Span, check_amount, cover
from actors.interpreter.deviation import deviation_of
from actors.interpreter.planned_spots import planned_layers
from actors.interpreter.staging import Staging
from actors.interpreter.verdict import Findings, judge_beam
from messages.engine import EngineProfile, Grid
from messages.interpretation import AxisFit, BeamAmount, BeamInput, LayerDeviation

ROOT = Path(__file__).resolve().parents[2]
_SEEDS = 2**31
"""Engines read a seed as a C int."""
_PLANNED_SEED = 100_000
"""Runs of planned and of delivered spots have seeds of their own: the noise of their difference is that of both."""


@dataclass(frozen=True, slots=True)
class CaseWork:
    """What all beams of a case share."""

    case: str
    target: str
    partial: bool
    plan: Plan
    dataset: Dataset
    """The plan as it was read."""
    profile: EngineProfile
    calibration: Calibration
    inputs: InputLog
    staging: Staging
    volume: CtVolume | None
    """The CT, where the profile scores in it."""
    python: str = ""
    root: str = ""
    """As in InterpretCase."""


@dataclass(frozen=True, slots=True)
class BeamOutcome:
    """One beam's input with what a physicist should read about it."""

    beam: BeamInput
    findings: Findings
    amount: BeamAmount


@dataclass(frozen=True, slots=True)
class _Measured:
    layers: tuple[DeliveredLayer, ...]
    deviations: tuple[LayerDeviation, ...]
    pairs: tuple[axis_fit.Pairs, ...]
    stopped: frozenset[int]
    """Layers that a partial treatment left before their end."""


def interpret_beam(work: CaseWork, beam: PlanBeam, deliveries: Sequence[Delivery]) -> BeamOutcome:
    """Reads, checks and writes one beam below ``<target>/<beam number>/``.

    ``deliveries``: those of this beam, by layers. CaseError names beam and layer.
    """
    refuse_beam(work.plan, beam, work.profile)
    measured = _measure(work, beam, deliveries)
    fit, told_apart = axis_fit.fit_axes(measured.pairs)
    axis_fit.check_fit(beam.number, fit, deliveries[0].source.path)
    counts = sum(layer.counts for layer in measured.layers)
    off = sum(layer.off_count for layer in measured.layers)
    whole = len(measured.layers) == len(beam.layers) and not work.partial
    findings = judge_beam(
        beam.number,
        measured.deviations,
        off / max(counts + off, 1),
        fit,
        told_apart=told_apart,
        whole=whole,
        stopped=measured.stopped,
    )
    amount = amount_of(beam, measured.layers, measured.stopped)
    return BeamOutcome(_written(work, beam, measured, fit), findings, amount)


def simulate_beam(work: CaseWork, beam: PlanBeam) -> BeamOutcome:
    """Writes one beam as it was planned. Its samples are judged as a measured beam's are: a plan that was sampled wrong
    becomes no dose that passes for right."""
    refuse_beam(work.plan, beam, work.profile)
    mode = beam.scan_mode or ScanMode.SPOT
    layers = planned_layers(beam.number, beam.layers, mode, work.calibration)
    deviations, pairs = [], []
    for planned, layer in zip(beam.layers, layers, strict=True):
        path = planned_path(planned, mode)
        share = progress_of(layer, planned.mu, whole=True)
        deviations.append(deviation_of(planned, path, mode, layer, whole=True))
        pairs.append(axis_fit.pairs_of(path, share, layer.positions_mm, layer.count))
    fit, _ = axis_fit.fit_axes(pairs)
    axis_fit.check_fit(beam.number, fit, work.plan.path)
    findings = judge_beam(beam.number, deviations, 0.0, fit, told_apart=True, whole=True)
    measured = _Measured(layers, tuple(deviations), tuple(pairs), frozenset())
    return BeamOutcome(_written(work, beam, measured, fit, _PLANNED_SEED), findings, amount_of(beam, layers))


def amount_of(beam: PlanBeam, layers: Sequence[DeliveredLayer], stopped: frozenset[int] = frozenset()) -> BeamAmount:
    """What of a planned beam was delivered; ``stopped``: layers that were left before their end."""
    done = {layer.layer for layer in layers} - stopped
    return BeamAmount(
        number=beam.number,
        name=beam.name,
        planned_mu=beam.meterset_mu,
        delivered_mu=sum(layer.mu for layer in layers),
        layers=len(beam.layers),
        layers_left=tuple(layer.number for layer in beam.layers if layer.number not in done),
    )


def _measure(work: CaseWork, beam: PlanBeam, deliveries: Sequence[Delivery]) -> _Measured:
    spans = [Span(one.source.path, one.info.start_layer, one.info.stop_layer) for one in deliveries]
    mode = beam.scan_mode or ScanMode.SPOT
    layers, deviations, pairs, stopped = [], [], [], set()
    for part in cover(beam.number, spans, len(beam.layers), partial=work.partial):
        planned = beam.layers[part.layer - 1]
        read = [read_layer(deliveries[index], beam, part.layer, work.inputs) for index in part.spans]
        for one in read:
            _check_scan(work, beam, part, one)
        layer = delivered_layer(
            beam.number, part.layer, planned.energy_mev, [(one.rows, one.factor) for one in read], work.calibration
        )
        where = read[-1].rows.where
        whole = check_amount(beam.number, part, planned.mu, layer.mu, partial=work.partial, where=where)
        if not layer.counts:
            raise CaseError(
                f"Beam {beam.number}, layer {part.layer} has no sample with the beam on.",
                where,
                "Check the delivery on the machine.",
                "layer-truncated",
            )
        if not whole:
            stopped.add(part.layer)
        path = planned_path(planned, mode)
        share = progress_of(layer, planned.mu, whole=whole, rest=part.resumed)
        layers.append(layer)
        deviations.append(deviation_of(planned, path, mode, layer, whole=whole, rest=part.resumed))
        pairs.append(axis_fit.pairs_of(path, share, layer.positions_mm, layer.count))
    return _Measured(tuple(layers), tuple(deviations), tuple(pairs), frozenset(stopped))


def _in_part(work: CaseWork, part: LayerParts) -> bool:
    """May the delivery's planned scan be only a part of the layer's?"""
    return len(part.spans) > 1 or (work.partial and (part.last or part.resumed))


def _check_scan(work: CaseWork, beam: PlanBeam, part: LayerParts, read: LayerPart) -> None:
    """The planned scan beside the log must be this plan's: another plan of the same study may fit in all else."""
    planned = beam.layers[part.layer - 1]
    rms = scan_rms(read.scan, planned, work.calibration, part=_in_part(work, part))
    if rms is None:
        raise CaseError(
            f"The planned scan of beam {beam.number}, layer {part.layer} has {len(read.scan.records)} records,"
            f" the plan {len(planned.positions_mm)} spots.",
            read.scan.where,
            "Send the file again, and check which plan was delivered.",
            "scan-mismatch",
        )
    if rms > POSITION_TOLERANCE_MM:
        raise CaseError(
            f"The planned scan of beam {beam.number}, layer {part.layer} lies {rms:.2f} mm (RMS) beside the plan.",
            read.scan.where,
            "Send the plan that was delivered.",
            "plan-mismatch",
        )


def _written(work: CaseWork, beam: PlanBeam, measured: _Measured, fit: AxisFit, seeds: int = 0) -> BeamInput:
    profile = work.profile
    part = str(beam.number)
    seed = (profile.seed + beam.number + seeds) % _SEEDS
    grid = _grid(work, beam)
    known = engine_input.variables(profile, work.calibration.gantry, grid, seed)
    counts = _spots(work, beam, measured, part)
    work.staging.write(part, profile.input_name, engine_input.input_text(profile, known))
    started = known | {
        "input": f"{engine_input.INPUT_DIR}/{profile.input_name}",
        "python": work.python or sys.executable,
        "root": work.root or str(ROOT),
    }
    return BeamInput(
        number=beam.number,
        name=beam.name,
        directory=str(Path(work.target) / part),
        files=work.staging.files(part),
        command=engine_input.command_of(profile, started),
        environment=engine_input.environment_of(profile, started),
        expected=(*profile.outputs, *profile.halves),
        grid=grid,
        dose_scale=profile.dose_factor * profile.shorten,
        memory_mb=profile.memory_mb,
        wall_limit_s=profile.wall_limit_s,
        seed=seed,
        gantry_deg=beam.angles.gantry,
        couch_deg=beam.angles.couch,
        isocentre_mm=beam.isocentre_mm or (0.0, 0.0, 0.0),
        planned_mu=beam.meterset_mu,
        delivered_mu=sum(layer.mu for layer in measured.layers),
        counts=counts,
        layers=measured.deviations,
        fit=fit,
        halves=profile.halves,
    )


def _spots(work: CaseWork, beam: PlanBeam, measured: _Measured, part: str) -> int:
    """Writes the run's plan and the spots in the engine's dialect; the counts that were written."""
    layers = measured.layers
    name = f"{engine_input.DICOM_DIR}/RP.{part}.dcm"
    if work.profile.dialect == "moqui":
        dataset = log_plan.log_plan(
            work.dataset,
            work.plan,
            beam,
            work.case,
            layers=layers,
            histories_per_mu=work.profile.histories_per_mu,
        )
        work.staging.write(part, name, run_plan.plan_bytes(dataset))
        return sum(layer.counts for layer in layers)
    delivered = sum(layer.mu for layer in layers)
    dataset = run_plan.run_plan(work.dataset, work.plan, beam, work.case, delivered)
    work.staging.write(part, name, run_plan.plan_bytes(dataset))
    counts = 0
    for file, data, written in log_csv.csv_files(layers, work.profile.shorten):
        work.staging.write(part, f"{engine_input.LOG_DIR}/{run_plan.BEAM_NAME}/{file}", data)
        counts += written
    return counts


def _grid(work: CaseWork, beam: PlanBeam) -> Grid:
    if work.volume is not None and beam.isocentre_mm is not None:
        return work.volume.grid(beam.isocentre_mm)
    if work.profile.grid is None:
        raise CaseError("The engine profile has no grid.", work.profile.name, "Add a [grid].", "profile-invalid")
    return work.profile.grid
