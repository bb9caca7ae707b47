"""A whole case: its plan, calibration and deliveries; one beam after the other; all of it on disk or nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset

from actors.errors import CaseError
from actors.formats.calibration import Calibration, choose_calibration, gantry_of, parse_calibration
from actors.formats.plan import Plan, PlanBeam
from actors.formats.plan_checks import plan_notes
from actors.formats.plan_files import plan_content
from actors.formats.plan_reader import LIMIT, parse_dataset, plan_of
from actors.formats.plan_values import items, text
from actors.formats.reading import KIB, read_bounded, shown
from actors.interpreter.beam_work import BeamOutcome, CaseWork, amount_of, interpret_beam, simulate_beam
from actors.interpreter.collect import Delivery, InputLog, open_delivery
from actors.interpreter.images import Images, read_images
from actors.interpreter.staging import Staging
from messages.cases import CaseSource
from messages.interpretation import BeamAmount, Interpretation, InterpretCase


@dataclass(frozen=True, slots=True)
class _Case:
    plan: Plan
    dataset: Dataset
    beams: tuple[PlanBeam, ...]
    """Those that were delivered, in the plan's order."""
    deliveries: tuple[Delivery, ...]
    gantry: str
    calibration: Calibration
    calibration_sha256: str


def interpret(request: InterpretCase) -> Interpretation:
    """Interprets the case into ``request.target`` (one folder per beam), which appears whole or not at all."""
    inputs = InputLog(request.source.path)
    case = _opened(request, inputs)
    with Staging(request.target) as staging:
        parts = [str(beam.number) for beam in case.beams]
        images = read_images(request, case.plan.frame_of_reference, inputs, staging, parts)
        work = CaseWork(
            case=request.source.case,
            target=request.target,
            partial=request.source.partial,
            plan=case.plan,
            dataset=case.dataset,
            profile=request.profile,
            calibration=case.calibration,
            inputs=inputs,
            staging=staging,
            volume=images.volume,
            python=request.python,
            root=request.root,
        )
        if request.source.planned:
            _check_content(request.source, inputs)
            outcomes = [simulate_beam(work, beam) for beam in case.beams]
        else:
            outcomes = [interpret_beam(work, beam, _of_beam(case.deliveries, beam)) for beam in case.beams]
        staging.commit()
    return _interpretation(request, case, outcomes, inputs, images)


def _opened(request: InterpretCase, inputs: InputLog) -> _Case:
    source = request.source
    where = shown(source.plan_path)
    dataset = parse_dataset(inputs.read(source.plan_path, LIMIT, "The RT Ion Plan"), where)
    plan = plan_of(dataset, where)
    if plan.sop_instance_uid != source.plan_uid:
        raise CaseError(
            "The plan's file is another plan than when the case was found.",
            where,
            "Wait for the next scan.",
            "plan-changed",
        )
    deliveries = tuple(
        open_delivery(one, inputs) for one in sorted(source.deliveries, key=lambda one: (one.irradiated, one.path))
    )
    if not deliveries and not source.planned:
        raise CaseError("The case has no delivery.", shown(source.path), "Send a delivery.", "beam-missing")
    for delivery in deliveries:
        _check_origin(plan, delivery)
    beams = _one_group(plan, plan.treatment_beams if source.planned else _delivered(plan, deliveries, source))
    gantry = _gantry(plan, beams)
    calibration, digest = _calibration(request, gantry)
    return _Case(plan, dataset, beams, deliveries, gantry, calibration, digest)


def _check_origin(plan: Plan, delivery: Delivery) -> None:
    """The delivery names the plan's patient and study; which patient is not said: messages reach logs."""
    info = delivery.info
    for same, what in ((info.patient_id == plan.patient_id, "patient"), (info.study_uid == plan.study_uid, "study")):
        if not same:
            raise CaseError(
                f"The delivery of beam {info.beam_number} is of another {what} than the plan.",
                shown(delivery.source.path),
                "Check which plan was delivered.",
                "plan-mismatch",
            )


def _check_content(source: CaseSource, inputs: InputLog) -> None:
    """What is computed is what the run was named after; others take its dose for that of their own plan."""
    if plan_content(inputs.proofs) != source.content:
        raise CaseError(
            "The plan, its images or its structure set are others than those of the delivery that wants this run.",
            shown(source.path),
            "Nothing is to be done: the next delivery of the plan brings its files.",
            "plan-changed",
        )


def _delivered(plan: Plan, deliveries: Sequence[Delivery], source: CaseSource) -> tuple[PlanBeam, ...]:
    delivered = {plan.beam(delivery.info.beam_number).number for delivery in deliveries}
    missing = [beam.number for beam in plan.treatment_beams if beam.number not in delivered]
    if missing and not source.partial:
        raise CaseError(
            f"Beam {missing[0]} was not delivered.",
            plan.path,
            "Send its delivery, or compute the case as partial.",
            "beam-missing",
        )
    return tuple(beam for beam in plan.treatment_beams if beam.number in delivered)


def _one_group(plan: Plan, beams: tuple[PlanBeam, ...]) -> tuple[PlanBeam, ...]:
    if len({beam.fraction_group for beam in beams}) > 1:
        raise CaseError(
            "The beams are of several fraction groups.",
            plan.path,
            "Check the plan.",
            "fraction-group-ambiguous",
        )
    return beams


def _gantry(plan: Plan, beams: Sequence[PlanBeam]) -> str:
    try:
        gantries = {gantry_of(beam.machine) for beam in beams}
    except CaseError as error:
        raise CaseError(error.fault.what, plan.path, error.fault.remedy, error.fault.kind) from None
    if len(gantries) > 1:
        raise CaseError("The plan's beams are of several gantries.", plan.path, "Check the plan.", "gantry-mixed")
    return gantries.pop()


def _calibration(request: InterpretCase, gantry: str) -> tuple[Calibration, str]:
    """The calibration that was in force at every delivery, with its file's SHA-256; of a planned run, at its time."""
    source = request.source
    times = [source.planned_at] if source.planned_at else [delivery.irradiated for delivery in source.deliveries]
    read = {}
    for name, path in request.calibrations:
        if gantry_of(name) == gantry:
            data = read_bounded(path, 64 * KIB, f"The calibration of {gantry}")
            read[path] = (parse_calibration(gantry, data, path), hashlib.sha256(data).hexdigest())
    known = [calibration for calibration, _ in read.values()]
    chosen = {choose_calibration(known, gantry, time, request.zone).path for time in times}
    if len(chosen) > 1:
        raise CaseError(
            f"The calibration of {gantry} changed between the deliveries of this case.",
            sorted(chosen)[0],
            "Let VALID_TO end before or after the fraction.",
            "calibration-ambiguous",
        )
    return read[chosen.pop()]


def _of_beam(deliveries: Sequence[Delivery], beam: PlanBeam) -> list[Delivery]:
    """By layers, then by time: in the hour that autumn has twice the machine's clock does not tell what came first."""
    found = [delivery for delivery in deliveries if delivery.info.beam_number == beam.number]
    return sorted(found, key=lambda one: (one.info.start_layer, one.info.stop_layer, one.source.irradiated))


def _interpretation(
    request: InterpretCase,
    case: _Case,
    outcomes: Sequence[BeamOutcome],
    inputs: InputLog,
    images: Images,
) -> Interpretation:
    source = request.source
    review, suspect = plan_notes(case.plan, case.beams)
    if source.partial:
        review.append("PARTIAL: not everything that was planned was delivered. " + " ".join(source.missing))
    suspect += [f"The structure set {what}, which the engine does not know." for what in images.unseen]
    for outcome in outcomes:
        review += outcome.findings.review
        suspect += outcome.findings.suspect
    group = next(group for group in case.plan.fraction_groups if group.number == case.beams[0].fraction_group)
    return Interpretation(
        case=source.case,
        plan_uid=case.plan.sop_instance_uid,
        plan_label=case.plan.label,
        study_uid=case.plan.study_uid,
        frame_of_reference=case.plan.frame_of_reference,
        machine=case.beams[0].machine,
        gantry=case.gantry,
        scan_mode="+".join(sorted({str(beam.scan_mode) for beam in case.beams})),
        profile=f"{request.profile.name}/{request.profile.version}",
        calibration_sha256=case.calibration_sha256,
        fraction_group=group.number,
        planned_fractions=group.planned_fractions,
        fraction_groups=len(case.plan.fraction_groups),
        references=images.references(_structure_sets(case.dataset)),
        partial=source.partial,
        beams=tuple(outcome.beam for outcome in outcomes),
        inputs=inputs.proofs,
        review=tuple(review),
        suspect=tuple(suspect),
        intent=case.plan.intent,
        treatment=case.plan.is_treatment,
        amounts=_amounts(case.plan, outcomes),
        planned=source.planned,
    )


def _structure_sets(dataset: Dataset) -> list[str]:
    """SOPInstanceUIDs that the plan names as those it was made on (PS3.3 C.8.8.9)."""
    return [text(one, "ReferencedSOPInstanceUID") for one in items(dataset, "ReferencedStructureSetSequence")]


def _amounts(plan: Plan, outcomes: Sequence[BeamOutcome]) -> tuple[BeamAmount, ...]:
    """Of every treatment beam of the plan, also of those of which nothing was delivered."""
    delivered = {outcome.amount.number: outcome.amount for outcome in outcomes}
    return tuple(delivered.get(beam.number) or amount_of(beam, ()) for beam in plan.treatment_beams)
