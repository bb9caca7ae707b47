"""Case → verification and publication (worker processes): a run's output becomes a verified, published dose."""

from __future__ import annotations

from dataclasses import dataclass

from messages.files import FileProof
from messages.interpretation import BeamInput, Interpretation


@dataclass(frozen=True, slots=True)
class VerifyRun:
    """Argument of ``actors.results:verify_run``; the value is a VerifiedDose, or our error with blame ENGINE or GPU."""

    key: str
    epoch: int
    beam: BeamInput
    directory: str
    """Holds ``out/``, ``engine.log`` and ``exit.json`` as collected."""
    collected: tuple[FileProof, ...]


@dataclass(frozen=True, slots=True)
class VerifiedDose:
    """A dose that may be published."""

    key: str
    path: str
    """The raw dose, absolute."""
    sha256: str
    maximum: float
    """Engine's units."""
    total: float
    exit_code: int
    started: str
    ended: str
    notes: tuple[str, ...] = ()
    """Sentences for a physicist: implausible, but no failure."""
    noise: float | None = None
    """Relative statistical uncertainty in the high dose, from two half-runs; None: the engine gives none."""


@dataclass(frozen=True, slots=True)
class BeamResult:
    """One verified beam with what made it."""

    number: int
    attempt: int
    host: str
    gpu: str
    dose: VerifiedDose
    directory: str


@dataclass(frozen=True, slots=True)
class PublishCase:
    """Argument of ``actors.results:publish_case``; the value is a PublishedCase. Repeating it gives the same bytes."""

    interpretation: Interpretation
    plan_path: str
    beams: tuple[BeamResult, ...]
    results_dir: str
    engine_version: str
    daemon_version: str
    profile_json: str
    missing: tuple[str, ...]
    """For a partial case: what is left."""
    supersedes: str
    recalculated_because: str = ""
    """Of a recalculation of the case that it supersedes: why."""
    recalculated_by: str = ""
    """… and by whose order."""
    results_mount: str = ""
    """Where the share of ``results_dir`` is mounted: without it nothing is written. Empty: not known."""


@dataclass(frozen=True, slots=True)
class PublishedCase:
    """``<results_dir>/<case>/`` is whole."""

    path: str
    manifest_sha256: str
    files: tuple[FileProof, ...]
    """All but the manifest itself, which names them."""
    verdict: str = ""
    """``accepted`` | ``review`` | ``suspect``."""
    sentences: tuple[str, ...] = ()
    """Why it is not ``accepted``."""
    uncommissioned: bool = False
    """Not made by exactly what the profile lists as commissioned."""
    gray: bool | None = None
    """The dose is in gray; otherwise relative. None: not told."""
    phantom: bool | None = None
    """The dose is in a phantom; otherwise in the patient's CT. None: not told."""
