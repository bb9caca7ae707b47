"""A published result as it is sent: every file checked against its proof, and what each dose file says of itself."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass as checked
from pydicom import dcmread
from pydicom.uid import UID, RTDoseStorage

from actors.documents.sending import Standing
from actors.errors import MqiError
from messages.faults import Blame, Fault
from messages.files import FileProof

MANIFEST = "manifest.json"
_LENIENT = ConfigDict(extra="ignore")
_HEADER = ("SOPClassUID", "SOPInstanceUID", "PatientID", "DoseUnits")
_PHANTOM = "PHANTOM-"
"""How the PatientID of a phantom's dose begins."""


@checked(config=_LENIENT, frozen=True)
class _DoseFile:
    file: str


@checked(config=_LENIENT, frozen=True)
class _Proof:
    path: str
    size: int
    sha256: str


@checked(config=_LENIENT, frozen=True)
class _Manifest:
    """What sending takes from ``manifest.json``."""

    case: str
    verdict: str
    partial: bool
    uncommissioned: bool
    profile: dict[str, Any]
    dose: dict[str, Any]
    sum: _DoseFile
    beams: tuple[_DoseFile, ...]
    files: tuple[_Proof, ...]


_MANIFEST: TypeAdapter[_Manifest] = TypeAdapter(_Manifest)


@dataclass(frozen=True, slots=True)
class DoseFile:
    """One RT Dose of the result."""

    path: Path
    size: int
    instance_uid: UID
    syntax: UID
    """Transfer syntax."""


@dataclass(frozen=True, slots=True)
class Result:
    """The folder of a case's result, found as it was published."""

    folder: Path
    files: tuple[FileProof, ...]
    """All but the manifest."""
    manifest: FileProof
    dose_names: tuple[str, ...]
    """Of the beams, and of the sum."""
    verdict: str
    partial: bool
    uncommissioned: bool
    gray: bool
    phantom: bool

    def standing(self, known: Standing) -> Standing:
        """What the ledger told, with what the manifest says."""
        return replace(
            known,
            verdict=self.verdict,
            partial=self.partial or known.partial,
            uncommissioned=self.uncommissioned or known.uncommissioned,
            gray=self.gray,
            phantom=self.phantom,
        )


def read_result(folder: Path, case: str, sha256: str = "") -> Result:
    """The manifest, and proof that every file is the one that was published. MqiError; OSError.

    sha256: of the manifest itself, as the ledger has it; empty: it does not say.
    """
    content = (folder / MANIFEST).read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if sha256 not in ("", found):
        raise _changed(f"{MANIFEST} is not the file that was published.", folder)
    try:
        manifest = _MANIFEST.validate_json(content)
        geometry = manifest.profile["content"]["geometry"]
    except (ValueError, KeyError, TypeError) as error:
        raise _changed(f"The manifest cannot be read: {error}.", folder) from None
    if manifest.case != case:
        raise _changed(f"The folder holds the result of case {manifest.case}.", folder)
    for proof in manifest.files:
        if Path(proof.path).name != proof.path or not _is(folder / proof.path, proof):
            raise _changed(f"{proof.path} is not the file that was published.", folder)
    return Result(
        folder=folder,
        files=tuple(FileProof(one.path, one.size, one.sha256) for one in manifest.files),
        manifest=FileProof(MANIFEST, len(content), found),
        dose_names=tuple(one.file for one in (*manifest.beams, manifest.sum)),
        verdict=manifest.verdict,
        partial=manifest.partial,
        uncommissioned=manifest.uncommissioned,
        gray=manifest.dose.get("units") == "GY",
        phantom=geometry != "ct",
    )


def dose_files(result: Result) -> tuple[DoseFile, ...]:
    """The RT Dose files of the result. MqiError where one does not say of itself what the manifest says of it."""
    sizes = {proof.path: proof.size for proof in result.files}
    found = []
    for name in result.dose_names:
        if name not in sizes:
            raise _changed(f"The manifest has no proof of {name}.", result.folder)
        path = result.folder / name
        header = dcmread(path, stop_before_pixels=True, specific_tags=list(_HEADER))
        of_phantom = str(header.get("PatientID", "")).startswith(_PHANTOM)
        if header.get("SOPClassUID") != RTDoseStorage or header.get("DoseUnits") != "GY":
            raise _changed(f"{name} is no RT Dose in gray.", result.folder)
        if of_phantom != result.phantom:
            whose = "a patient's" if result.phantom else "a phantom's"
            raise _changed(f"{name} is labelled as {whose} dose, against the manifest.", result.folder)
        found.append(DoseFile(path, sizes[name], header.SOPInstanceUID, header.file_meta.TransferSyntaxUID))
    return tuple(found)


def sha256_of(path: Path) -> str:
    """Of a file, as hexadecimal digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _is(path: Path, proof: _Proof) -> bool:
    try:
        return path.stat().st_size == proof.size and sha256_of(path) == proof.sha256
    except FileNotFoundError:
        return False


def _changed(what: str, folder: Path) -> MqiError:
    remedy = "Put the published files back from a copy; nothing is sent of a result that was changed."
    return MqiError(Fault(what=what, where=str(folder), remedy=remedy, blame=Blame.OURS, kind="result-changed"))
