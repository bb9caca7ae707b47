"""manifest.json: everything that made a result (P9), and a proof of every file beside it. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePath

from actors.results.verdict import NOT_VERIFIED, Judgement, dose_per_mu, engine_sha256, is_gray
from messages.engine import EngineProfile
from messages.files import FileProof
from messages.interpretation import BeamInput, Interpretation
from messages.results import BeamResult, PublishCase

FORMAT = 1
NAME = "manifest.json"

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class PublishedDose:
    """A dose file and what is in it, in the units that it states."""

    file: str
    maximum: float
    """In gray, or relative."""
    scaling: str
    """DoseGridScaling."""


def manifest_bytes(
    case: PublishCase,
    profile: EngineProfile,
    judgement: Judgement,
    *,
    doses: Mapping[int, PublishedDose],
    total: PublishedDose,
    files: Sequence[FileProof],
) -> bytes:
    """The manifest; the same arguments give the same bytes. doses: of each beam by number."""
    interpretation = case.interpretation
    content: Json = {
        "format": FORMAT,
        "case": interpretation.case,
        "verdict": judgement.verdict,
        "suspect": judgement.suspect,
        "review": judgement.review,
        "not_verified": NOT_VERIFIED,
        "session": session_words(interpretation),
        "planned": interpretation.planned,
        "partial": interpretation.partial,
        "missing": case.missing,
        "amounts": [asdict(amount) for amount in interpretation.amounts],
        "supersedes": case.supersedes,
        "recalculation": {"of": case.supersedes, "because": case.recalculated_because, "by": case.recalculated_by}
        if case.recalculated_because
        else None,
        "uncommissioned": bool(judgement.uncommissioned),
        "uncommissioned_because": judgement.uncommissioned,
        "plan": _plan(case),
        "calibration": {"gantry": interpretation.gantry, "sha256": interpretation.calibration_sha256},
        "scan_mode": interpretation.scan_mode,
        "profile": _profile(case, profile),
        "engine": {
            "name": profile.name,
            "dialect": profile.dialect,
            "command": profile.command,
            "version": case.engine_version,
            "sha256": engine_sha256(case.engine_version),
        },
        "dose": _dose(profile, interpretation, gray=is_gray(profile, judgement)),
        "sum": {
            **_file(total),
            "dose_summation_type": "FRACTION_SESSION",
            "beams": [beam.number for beam in interpretation.beams],
            "axes": _sum_axes(profile, interpretation.beams),
        },
        "beams": [
            _beam(beam, result, doses[beam.number])
            for beam, result in zip(interpretation.beams, _in_order(case), strict=True)
        ],
        "inputs": [asdict(proof) for proof in interpretation.inputs],
        "made_by": {"program": "mqi-communicator", "version": case.daemon_version},
        "files": [asdict(proof) for proof in files],
    }
    return (json.dumps(content, indent=1) + "\n").encode("ascii")


def _in_order(case: PublishCase) -> list[BeamResult]:
    of_beam = {result.number: result for result in case.beams}
    return [of_beam[beam.number] for beam in case.interpretation.beams]


def _plan(case: PublishCase) -> Json:
    interpretation = case.interpretation
    return {
        "sop_instance_uid": interpretation.plan_uid,
        "label": interpretation.plan_label,
        "intent": interpretation.intent,
        "study_instance_uid": interpretation.study_uid,
        "machine": interpretation.machine,
        "fraction_group": interpretation.fraction_group,
        "fraction_groups": interpretation.fraction_groups,
        "planned_fractions": interpretation.planned_fractions,
        "file": PurePath(case.plan_path).name,
    }


def _profile(case: PublishCase, profile: EngineProfile) -> Json:
    return {
        "name": profile.name,
        "version": profile.version,
        "sha256": hashlib.sha256(case.profile_json.encode("utf-8", "surrogatepass")).hexdigest(),
        "commissioned": profile.commissioned,
        "content": profile.model_dump(mode="json"),
    }


def session_words(interpretation: Interpretation) -> str:
    """What the doses are of: ``one fraction`` or ``one QA session``, or ``part of`` it; or what is only planned."""
    if interpretation.planned:
        return f"one planned {'fraction' if interpretation.treatment else 'QA session'} (not delivered)"
    session = "one fraction" if interpretation.treatment else "one QA session"
    return f"part of {session}" if interpretation.partial else session


def _dose(profile: EngineProfile, interpretation: Interpretation, *, gray: bool) -> Json:
    return {
        "units": "GY" if gray else "RELATIVE",
        "type": "PHYSICAL",
        "rbe": {"factor": profile.rbe, "applied": False},
        "fractions": {"computed": 1, "planned": interpretation.planned_fractions},
        "factors": {"dose_factor": profile.dose_factor, "shorten": profile.shorten},
        "statement": (
            f"Physical dose of {session_words(interpretation)}: engine output × dose_scale of its beam, applied once "
            "(dose_scale = dose_factor × shorten where the profile weighs in counts); no RBE, no fraction count."
        ),
    }


def _sum_axes(profile: EngineProfile, beams: Sequence[BeamInput]) -> str:
    if profile.geometry == "ct":
        return "patient axes of the CT"
    angles = ", ".join(f"{beam.number}: {beam.gantry_deg:g}°" for beam in beams)
    return (
        "PHANTOM: each beam is computed along its own axes, and the sum is their superposition in beam axes, "
        f"not a dose in a patient (gantry angle of beam {angles})"
    )


def _beam(beam: BeamInput, result: BeamResult, dose: PublishedDose) -> Json:
    """One beam: its run, its dose, and delivered against planned."""
    return {
        "number": beam.number,
        "name": beam.name,
        **_file(dose),
        "dose_summation_type": "BEAM_SESSION",
        "dose_scale": beam.dose_scale,
        "attempt": result.attempt,
        "key": result.dose.key,
        "host": result.host,
        "gpu": result.gpu,
        "seed": beam.seed,
        "counts": beam.counts,
        "command": beam.command,
        "environment": dict(beam.environment),
        "exit_code": result.dose.exit_code,
        "started": result.dose.started,
        "ended": result.dose.ended,
        "engine_output": {
            "sha256": result.dose.sha256,
            "maximum": result.dose.maximum,
            "total": result.dose.total,
        },
        "notes": result.dose.notes,
        "noise": result.dose.noise,
        "dose_per_mu": dose_per_mu(beam, result),
        "grid": beam.grid.model_dump(mode="json"),
        "gantry_deg": beam.gantry_deg,
        "couch_deg": beam.couch_deg,
        "isocentre_mm": beam.isocentre_mm,
        "planned_mu": beam.planned_mu,
        "delivered_mu": beam.delivered_mu,
        "fit": asdict(beam.fit),
        "layers": [asdict(layer) for layer in beam.layers],
        "run_inputs": [asdict(proof) for proof in beam.files],
    }


def _file(dose: PublishedDose) -> Json:
    return {"file": dose.file, "maximum": dose.maximum, "dose_grid_scaling": dose.scaling}
