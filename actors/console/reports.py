"""The physicist's report, handed to a browser: the files that the ledger knows of, as they were made, and no others."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from actors.console.api import case_named
from actors.console.asking import NotFoundError
from actors.console.books import LedgerReader

REPORT_FILES: Mapping[str, str] = MappingProxyType({"report.html": "text/html", "report.pdf": "application/pdf"})
MANIFEST = "manifest.json"
MOST_BYTES = 64 * 2**20
_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
HEADERS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        # Its pictures and styles lie in the page itself; in a sandbox it has no origin: nothing that it might hold
        # could read our pages or give an order.
        "report.html": {"content-security-policy": f"{_POLICY}img-src data:; style-src 'unsafe-inline'; sandbox"},
        # Browsers show no paper in a sandbox: it is saved, and opened by whatever opens paper.
        "report.pdf": {"content-security-policy": _POLICY.rstrip("; ")},
    }
)


def served(reader: LedgerReader, results: Path, case: str, name: str) -> Response:
    """One file of a case's report. NotFoundError: there is none, or it is not the one that was made."""
    if name not in REPORT_FILES:
        raise NotFoundError("There is no such file.", kind="no-file")
    row = case_named(reader, case)
    report = reader.report(row.case)
    if report is None or not report.manifest_sha256:
        raise NotFoundError(f"There is no report of case {row.case} yet.", kind="no-report")
    content = _content(results, report.path, name, report.manifest_sha256)
    headers = {**HEADERS[name], "cache-control": "private, no-cache"}
    if name == "report.pdf":
        headers["content-disposition"] = f'attachment; filename="{row.case}.pdf"'
    return Response(content, media_type=REPORT_FILES[name], headers=headers)


def report_document(reader: LedgerReader, case: str) -> dict[str, str] | None:
    """What a case's page says of its report; None: the case is not done."""
    row = reader.report(case)
    if row is None:
        return None
    url = f"/cases/{quote(case)}/report/" if row.manifest_sha256 else ""
    return {"state": row.state, "verdict": row.verdict, "reason": row.reason, "url": url}


def _content(results: Path, folder: str, name: str, manifest_sha256: str) -> bytes:
    try:
        with _folder(results, Path(folder)) as opened:
            manifest = _read(opened, MANIFEST)
            content = _read(opened, name)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise NotFoundError(f"The report cannot be read: {reason}.", "Look into its folder.", "no-report") from error
    if hashlib.sha256(manifest).hexdigest() != manifest_sha256 or _proof(manifest, name) != _sha256(content):
        raise NotFoundError(
            "The report was changed after it was made.", "Compare its folder with a copy.", "report-changed"
        )
    return content


def _proof(manifest: bytes, name: str) -> str:
    document: Any = json.loads(manifest)
    return str(document["files"].get(name, ""))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextmanager
def _folder(results: Path, folder: Path) -> Iterator[int]:
    """A folder below the results', opened step by step: no link is followed on the way."""
    parts = folder.relative_to(results).parts
    if not parts or ".." in parts:
        raise ValueError("it does not lie below the folder of results")
    here = os.open(results, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts:
            deeper = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
            os.close(here)
            here = deeper
        yield here
    finally:
        os.close(here)


def _read(folder: int, name: str) -> bytes:
    """A plain file; a pipe does not make us wait."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(name, flags, dir_fd=folder), "rb") as handle:
        content = handle.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"{name} is larger than any report")
    return content
