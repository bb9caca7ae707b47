"""The files of published results, read only where they are what the ledger says that they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from messages.ledger import OutcomeRow
from messages.states import CaseState

MOST_BYTES = 256 * 2**20
"""A file of ours is never larger."""


class GapError(Exception):
    """Something of a case cannot be told; its words say what, and why."""


@dataclass(frozen=True, slots=True)
class Result:
    """What the ledger says of a published result."""

    folder: Path
    sha256: str
    """Of its manifest; empty: the ledger does not say."""
    verdict: str
    reasons: tuple[str, ...]


def result_of(row: OutcomeRow, results: Path) -> Result:
    """By the ledger's row. GapError where there is none yet."""
    if row.state is not CaseState.DONE:
        raise GapError(f"no result: the case is {row.state}" + (f" ({row.reason})" if row.reason else ""))
    try:
        told: dict[str, Any] = json.loads(row.verdict)
        reasons = tuple(map(str, told.get("reasons", ())))
        folder = Path(str(told.get("path") or results / row.case))
        return Result(folder, str(told.get("manifest_sha256", "")), str(told.get("verdict", "")), reasons)
    except (ValueError, AttributeError, TypeError):
        raise GapError("the ledger holds no verdict that can be read") from None


def gaps_of(row: OutcomeRow, result: Result) -> Iterator[str]:
    """What of a case's files is missing or not what was made; nothing is parsed."""
    yield from _gap(result.folder / "manifest.json", result.sha256, "the result's manifest.json")
    if row.report is None or (row.report.state == "due" and not row.report.manifest_sha256):
        yield "its report is not made yet"
    elif not row.report.manifest_sha256:
        yield f"no report could be made ({row.report.reason})"
    else:
        manifest = Path(row.report.path) / "manifest.json"
        yield from _gap(manifest, row.report.manifest_sha256, "the report's manifest.json")


def report_json(row: OutcomeRow) -> dict[str, Any]:
    """report.json of a case, proven by the ledger's hash of the report's manifest. GapError."""
    if row.report is None or not row.report.manifest_sha256:
        raise GapError("there is no report")
    folder = Path(row.report.path)
    manifest = _proven(folder / "manifest.json", row.report.manifest_sha256, "the report's manifest.json")
    try:
        wanted = str(json.loads(manifest)["files"]["report.json"])
        found: dict[str, Any] = json.loads(_proven(folder / "report.json", wanted, "report.json"))
    except (ValueError, KeyError, TypeError) as error:
        raise GapError(f"the report cannot be read: {type(error).__name__}") from None
    return found


def _gap(path: Path, sha256: str, name: str) -> Iterator[str]:
    try:
        _proven(path, sha256, name)
    except GapError as error:
        yield str(error)


def _proven(path: Path, sha256: str, name: str) -> bytes:
    try:
        with path.open("rb") as handle:
            content = handle.read(MOST_BYTES)
    except OSError as error:
        raise GapError(f"{name} cannot be read: {error.strerror or error}") from None
    if sha256 and hashlib.sha256(content).hexdigest() != sha256:
        raise GapError(f"{name} is not the file that was made")
    return content
