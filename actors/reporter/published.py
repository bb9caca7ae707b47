"""A published result as the report needs it: read from its manifest, every file checked against its proof."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as checked

from actors.errors import MqiError
from messages.faults import Blame, Fault
from messages.interpretation import AxisFit, BeamAmount, LayerDeviation

_LENIENT = ConfigDict(extra="ignore")


@checked(config=_LENIENT, frozen=True)
class BeamRecord:
    """One beam of the manifest."""

    number: int
    name: str
    file: str
    maximum: float
    gantry_deg: float
    couch_deg: float
    isocentre_mm: tuple[float, float, float]
    planned_mu: float
    delivered_mu: float
    layers: tuple[LayerDeviation, ...]
    fit: AxisFit
    attempt: int
    host: str
    gpu: str
    seed: int
    started: str
    ended: str
    command: tuple[str, ...] = ()
    noise: float | None = None
    """Relative standard deviation of the dose from two half-runs; None: the engine gave none."""
    dose_per_mu: float | None = None
    """Gy·cm³ of the whole grid per delivered MU."""


@checked(config=_LENIENT, frozen=True)
class PlanRecord:
    sop_instance_uid: str
    label: str
    intent: str
    machine: str
    fraction_group: int
    planned_fractions: int
    fraction_groups: int = 0
    """How many the plan has; 0: the result does not say."""
    file: str = ""
    """Its name in the case folder."""


@checked(config=_LENIENT, frozen=True)
class FileRecord:
    path: str
    size: int
    sha256: str


@checked(config=_LENIENT, frozen=True)
class Manifest:
    """What the report takes from ``manifest.json``."""

    case: str
    verdict: str
    suspect: tuple[str, ...]
    review: tuple[str, ...]
    not_verified: str
    session: str
    partial: bool
    missing: tuple[str, ...]
    uncommissioned: bool
    uncommissioned_because: tuple[str, ...]
    plan: PlanRecord
    calibration: dict[str, str]
    scan_mode: str
    profile: dict[str, Any]
    engine: dict[str, Any]
    dose: dict[str, Any]
    beams: tuple[BeamRecord, ...]
    amounts: tuple[BeamAmount, ...]
    inputs: tuple[FileRecord, ...]
    files: tuple[FileRecord, ...]
    made_by: dict[str, str]
    planned: bool = False
    """The engine's dose of the planned spots: nothing was delivered."""
    sum: dict[str, Any] = field(default_factory=dict)
    supersedes: str = ""
    recalculation: dict[str, str] | None = None
    """Of the case that it supersedes (``of``): ``because`` and ``by`` whom; None: it is none."""

    @property
    def phantom(self) -> bool:
        """The dose is in a phantom, along each beam's axes; otherwise in the CT."""
        return bool(self.profile["content"]["geometry"] != "ct")

    @property
    def gray(self) -> bool:
        return bool(self.dose["units"] == "GY")

    @property
    def treatment(self) -> bool:
        return self.plan.intent not in ("VERIFICATION", "MACHINE_QA")


_MANIFEST: TypeAdapter[Manifest] = TypeAdapter(Manifest)


@dataclass(frozen=True, slots=True)
class Published:
    """The folder of a case's result."""

    folder: Path
    manifest: Manifest
    manifest_sha256: str


def read_published(folder: Path, sha256: str = "") -> Published:
    """The manifest, and proof that every file is the one that was published. MqiError ``result-changed``; OSError.

    sha256: of the manifest itself, known from elsewhere; empty: nothing is known.
    """
    manifest, found = read_manifest(folder, sha256)
    for proof in manifest.files:
        path = folder / proof.path
        if path.stat().st_size != proof.size or _sha256(path) != proof.sha256:
            raise _changed(f"{proof.path} is not the file that was published.", folder)
    return Published(folder, manifest, found)


def read_manifest(folder: Path, sha256: str = "") -> tuple[Manifest, str]:
    """The manifest alone, and its SHA-256; as ``read_published``."""
    content = (folder / "manifest.json").read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if sha256 not in ("", found):
        raise _changed("manifest.json is not the file that was published.", folder)
    try:
        return _MANIFEST.validate_json(content), found
    except ValueError as error:
        raise _changed(f"The manifest cannot be read: {error}.", folder) from None


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _changed(what: str, folder: Path) -> MqiError:
    remedy = "Compare it with a copy; no report is made of a result that was changed."
    return MqiError(Fault(what=what, where=str(folder), remedy=remedy, blame=Blame.OURS, kind="result-changed"))
