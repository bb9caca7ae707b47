"""The report's folder: it appears inside the published result's whole or not at all, with a manifest of its own."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from actors.crash_points import effect
from actors.unfinished import abandoned, unfinished

FOLDER = "report"
NAME = "manifest.json"
RESULT_NAME = "manifest.json"
"""Of the result's own manifest, beside the report's folder."""
EARLIER = "earlier"
"""Of a whole report in whose place another one stepped: ``report.earlier-1``."""
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Existing:
    """A report that is there, whole, and of the result that it lies in."""

    verdict: str
    sentence: str
    manifest_sha256: str


def existing_report(
    result: Path, result_sha256: str = "", rests_on: Mapping[str, str] | None = None
) -> Existing | None:
    """The report of a result, if every file of it is what its manifest says and it is of this very result.

    None otherwise, or where there is none. result_sha256: of the result's manifest, known from elsewhere; empty:
    nothing is known. rests_on: what else it must rest on, exactly; None: on whatever.
    """
    folder = result / FOLDER
    try:
        content = (folder / NAME).read_bytes()
        manifest = json.loads(content)
        own = hashlib.sha256((result / RESULT_NAME).read_bytes()).hexdigest()
        if manifest["result_manifest_sha256"] != own or result_sha256 not in ("", own):
            return None
        if rests_on is not None and manifest.get("rests_on", {}) != rests_on:
            return None
        for name, sha256 in manifest["files"].items():
            if hashlib.sha256((folder / name).read_bytes()).hexdigest() != sha256:
                return None
        return Existing(str(manifest["verdict"]), str(manifest["sentence"]), hashlib.sha256(content).hexdigest())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_report(
    result: Path,
    files: Mapping[str, bytes],
    case: str,
    *,
    verdict: str,
    sentence: str,
    result_sha256: str,
    rests_on: Mapping[str, str] | None = None,
) -> str:
    """Write all files and the manifest, fsync, rename; the manifest's SHA-256. OSError; then nothing has appeared.

    rests_on: hashes by name of what it rests on besides the result. A report that is there is put aside under a name of
    its own, never overwritten: ``earlier`` if it is whole and of this result, else ``damaged``.
    """
    manifest = {
        "format": FORMAT,
        "case": case,
        "verdict": verdict,
        "sentence": sentence,
        "result_manifest_sha256": result_sha256,
        "rests_on": dict(rests_on or {}),
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    body = (json.dumps(manifest, indent=1) + "\n").encode("ascii")
    name = f"{result.name}.{FOLDER}"
    for leftover in abandoned(result.parent, name):
        with effect("report.clear"):
            shutil.rmtree(leftover, ignore_errors=True)
    partial = unfinished(result.parent, name)
    with effect("report.make"):
        partial.mkdir()
    try:
        for name, content in (*files.items(), (NAME, body)):
            _write(partial / name, content)
        _sync(partial)
        _put_aside(result / FOLDER, EARLIER if existing_report(result) else "damaged")
        with effect("report.rename"):
            partial.rename(result / FOLDER)
        _sync(result)
    finally:
        with effect("report.clear"):
            shutil.rmtree(partial, ignore_errors=True)
    return hashlib.sha256(body).hexdigest()


def _put_aside(folder: Path, what: str) -> None:
    if folder.exists():
        number = 1
        while (aside := folder.with_name(f"{folder.name}.{what}-{number}")).exists():
            number += 1
        with effect("report.aside"):
            folder.rename(aside)


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
