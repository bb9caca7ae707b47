"""accepted, review or suspect, with the sentences why; and whether commissioned parts made it. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from messages.engine import EngineProfile
from messages.interpretation import BeamInput
from messages.results import BeamResult, PublishCase

_SHA256 = re.compile(r"\b[0-9a-f]{64}\b")

NOT_VERIFIED = (
    "Not verified by this result: gantry and couch angle, snout, range shifter, patient setup, anatomy and spot size "
    "are taken as planned; the MU rest on the machine's own monitor."
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a reader must know before using the dose."""

    verdict: str
    """``accepted`` | ``review`` | ``suspect``."""
    suspect: tuple[str, ...]
    review: tuple[str, ...]
    uncommissioned: tuple[str, ...]
    """Why it counts as uncommissioned; empty: exactly what was commissioned made it."""

    @property
    def sentences(self) -> tuple[str, ...]:
        """All reasons, the gravest first."""
        return (*self.suspect, *self.review)


def judge(case: PublishCase, profile: EngineProfile, doubts: tuple[str, ...] = ()) -> Judgement:
    """The verdict of a whole case. Thresholds were applied by the interpreter; here its sentences are weighed.

    doubts: what else makes it suspect.
    """
    interpretation = case.interpretation
    partial = (("PARTIAL: what was delivered, not the whole fraction. " + " ".join(case.missing)).strip(),)
    review = (
        *(partial if interpretation.partial else ()),
        *interpretation.review,
        *(note for beam in case.beams for note in beam.dose.notes),
    )
    suspect = (*interpretation.suspect, *doubts, *_implausible(case, profile))
    used = {proof.sha256 for beam in interpretation.beams for proof in beam.files}
    return Judgement(
        verdict="suspect" if suspect else "review" if review else "accepted",
        suspect=suspect,
        review=review,
        uncommissioned=_uncommissioned(profile, case.engine_version, used),
    )


def dose_per_mu(beam: BeamInput, result: BeamResult) -> float | None:
    """Gy·cm³ of the whole grid per delivered MU: it follows from the energies, whatever the field. None without MU."""
    if beam.delivered_mu <= 0:
        return None
    voxel_cm3 = math.prod(beam.grid.spacing_mm) * 1e-3
    return result.dose.total * beam.dose_scale * voxel_cm3 / beam.delivered_mu


def _implausible(case: PublishCase, profile: EngineProfile) -> Iterator[str]:
    """What makes a dose suspect: its noise, and how much of it one MU gives."""
    results = {result.number: result for result in case.beams}
    for beam in case.interpretation.beams:
        result = results[beam.number]
        if result.dose.noise is not None and result.dose.noise > profile.noise_limit:
            noise = f"{result.dose.noise:.2%}, over {100.0 * profile.noise_limit:g} %"
            yield f"Beam {beam.number}: the statistical uncertainty of the dose is {noise}."
        amount = dose_per_mu(beam, result)
        if profile.dose_per_mu is None or amount is None:
            continue
        least, most = profile.dose_per_mu
        if not least <= amount <= most:
            yield f"Beam {beam.number}: {amount:.4g} Gy·cm³ per MU, where {profile.name} gives {least:g} to {most:g}."


def is_gray(profile: EngineProfile, judgement: Judgement) -> bool:
    """May the dose be given in gray? Only with an approved calibration, and only from what was commissioned with it."""
    return profile.calibrated and not judgement.uncommissioned


def engine_sha256(engine_version: str) -> str:
    """The SHA-256 of the engine's binary where its version states one; empty otherwise."""
    found = _SHA256.search(engine_version.lower())
    return found[0] if found else ""


def _uncommissioned(profile: EngineProfile, engine_version: str, staged: Iterable[str]) -> tuple[str, ...]:
    """Everything that was commissioned must be what was used, the engine's binary first of all."""
    if not profile.commissioned:
        return (f"Profile {profile.name} lists nothing as commissioned.",)
    engine = engine_sha256(engine_version)
    reasons = []
    if engine not in profile.commissioned:
        reasons.append(f"The engine ({engine_version or 'version unknown'}) is not the commissioned binary.")
    absent = set(profile.commissioned) - {engine} - set(staged)
    if absent and engine in profile.commissioned:
        reasons.append(f"Commissioned but not used in this run: SHA-256 {', '.join(sorted(absent))}.")
    return tuple(reasons)
