"""accepted, review or suspect, with the sentences why; and whether commissioned parts made it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from messages.engine import EngineProfile
from messages.results import PublishCase

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


def judge(case: PublishCase, profile: EngineProfile) -> Judgement:
    """The verdict of a whole case. Thresholds were applied by the interpreter; here its sentences are weighed."""
    interpretation = case.interpretation
    partial = (("PARTIAL: what was delivered, not the whole fraction. " + " ".join(case.missing)).strip(),)
    review = (
        *(partial if interpretation.partial else ()),
        *interpretation.review,
        *(note for beam in case.beams for note in beam.dose.notes),
    )
    suspect = interpretation.suspect
    used = {proof.sha256 for beam in interpretation.beams for proof in beam.files}
    return Judgement(
        verdict="suspect" if suspect else "review" if review else "accepted",
        suspect=suspect,
        review=review,
        uncommissioned=_uncommissioned(profile, case.engine_version, used),
    )


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
