"""Is a published folder still what was published? Every file is hashed again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from actors.results.folder import REPORT, differs, file_sha256, is_report
from actors.results.manifest import FORMAT, NAME
from messages.files import FileProof


def verify_published(folder: Path | str) -> tuple[str, ...]:
    """Sentences about everything that is not as its manifest says; empty: the folder is whole."""
    place = Path(folder)
    try:
        manifest: Any = json.loads((place / NAME).read_bytes())
        proofs = [FileProof(str(item["path"]), int(item["size"]), str(item["sha256"])) for item in manifest["files"]]
        named = manifest["case"]
        known = manifest["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        return (f"{place / NAME} cannot be read: {error}.",)
    findings = [] if known else [f"{place / NAME} is of format {manifest['format']}, not {FORMAT}."]
    if named != place.name:
        findings.append(f"{place} holds the result of case {named}.")
    findings += [f"{place / proof.path} is not the file that was published." for proof in proofs if _bad(place, proof)]
    extra = sorted({entry.name for entry in place.iterdir()} - {NAME} - {proof.path for proof in proofs})
    return (
        *findings,
        *(f"{place / name} was not published." for name in extra if not is_report(name)),
        *_of_report(place / REPORT),
    )


def _of_report(folder: Path) -> tuple[str, ...]:
    """The report that joins a result later is whole by a manifest of its own; nothing, where there is none."""
    if not folder.exists():
        return ()
    try:
        files: Any = json.loads((folder / NAME).read_bytes())["files"]
        wrong = [name for name, sha256 in files.items() if file_sha256(folder / Path(name).name) != sha256]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return (f"{folder / NAME} cannot be read: {error}.",)
    return tuple(f"{folder / name} is not the file that was written." for name in wrong)


def _bad(place: Path, proof: FileProof) -> bool:
    """A proof's path must be a plain name: a manifest never points out of its folder."""
    return Path(proof.path).name != proof.path or differs(place / proof.path, proof)
