"""A results folder that appears whole or not at all, and stays as it is once it is there."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from actors.crash_points import effect
from actors.errors import MqiError
from actors.mounts import check_mounted
from actors.unfinished import abandoned, unfinished
from messages.faults import Blame, Fault
from messages.files import FileProof

_BLOCK = 1024 * 1024
REPORT = "report"
"""A folder that joins a published result later, whole by a manifest of its own."""


@dataclass(slots=True)
class NewFolder:
    """A folder being written under a hidden name beside its final one."""

    final: Path
    partial: Path
    proofs: list[FileProof] = field(default_factory=list)

    def write(self, name: str, blocks: Iterable[bytes]) -> FileProof:
        """Write one file and note its proof; durable only with :meth:`publish`."""
        digest, size = hashlib.sha256(), 0
        with (self.partial / name).open("xb", buffering=0) as handle:
            for block in blocks:
                digest.update(block)
                size += len(block)
                _write_all(handle.fileno(), block)
        proof = FileProof(path=name, size=size, sha256=digest.hexdigest())
        self.proofs.append(proof)
        return proof

    def publish(self) -> None:
        """fsync everything, then rename. An identical folder that is there already is accepted; another is refused."""
        for proof in self.proofs:
            _sync(self.partial / proof.path)
        _sync(self.partial)
        try:
            with effect("publish.rename"):
                self.partial.rename(self.final)
        except OSError:
            if not self.final.is_dir():
                if os.path.lexists(self.final):
                    raise self._taken(
                        "Something that is no folder stands in the place of this case's result."
                    ) from None
                raise
            self._accept_existing()
        _sync(self.final.parent)

    def discard(self) -> None:
        """Remove what was not published."""
        with effect("publish.clear"):
            shutil.rmtree(self.partial, ignore_errors=True)

    def _accept_existing(self) -> None:
        differing = [proof.path for proof in self.proofs if differs(self.final / proof.path, proof)]
        known = {proof.path for proof in self.proofs}
        names = (entry.name for entry in self.final.iterdir())
        differing += sorted(name for name in names if name not in known and not is_report(name))
        if differing:
            raise self._taken(f"Another result of this case is published already; {', '.join(differing)} differ.")

    def _taken(self, what: str) -> MqiError:
        remedy = "Nothing was overwritten. Move that away, then retry the case."
        return MqiError(Fault(what, str(self.final), remedy, Blame.OURS, "result-exists"))


def is_report(name: str) -> bool:
    """The report's folder, or one in whose place a later report stepped: whole then, or damaged."""
    return name == REPORT or name.startswith((f"{REPORT}.earlier-", f"{REPORT}.damaged-"))


def new_folder(results_dir: Path, case: str, mount: str = "") -> NewFolder:
    """Begin the folder of a case; what an earlier try left half-made is removed.

    Raises MqiError for an unfit name, and where the share is not mounted at ``mount`` (empty: not known).
    """
    if not case or case.startswith(".") or Path(case).name != case:
        raise MqiError(Fault(what=f"{case!r} cannot name a results folder.", blame=Blame.OURS, kind="case-name"))
    check_mounted(results_dir, mount)
    results_dir.mkdir(parents=True, exist_ok=True)
    for leftover in abandoned(results_dir, case):
        with effect("publish.clear"):
            shutil.rmtree(leftover, ignore_errors=True)
    partial = unfinished(results_dir, case)
    with effect("publish.make"):
        partial.mkdir()
    return NewFolder(final=results_dir / case, partial=partial)


def differs(path: Path, proof: FileProof) -> bool:
    """True when the file is absent, no regular file, or not the one that the proof is of."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size != proof.size:
        return True
    return file_sha256(path) != proof.sha256


def file_sha256(path: Path) -> str:
    """SHA-256 of a file in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _write_all(handle: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(handle, view) :]


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
