"""The findings of a report as they were when it was made: kept beside it, so that it can be printed anew unchanged.

A review stands on the report that was reviewed. What changes around it (who reviewed it, newer versions, the plan's
course) is printed with the very findings that there were, whatever became of the case's folder, of the site's levels
or of this program since.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from actors.reporter.content import Picture, Report
from actors.reporter.folder import EARLIER, FOLDER, NAME, RESULT_NAME

CONTENT = "content.json"
STANDING = "standing"
"""Key of ``rests_on`` for what may change around the findings."""
_FORMAT = 1
_REPORT: TypeAdapter[Report] = TypeAdapter(Report)


@dataclass(frozen=True, slots=True)
class Kept:
    """What a report said."""

    report: Report
    document: dict[str, Any]
    """Of report.json."""


def content_bytes(kept: Kept) -> bytes:
    """``content.json``."""
    body = {"format": _FORMAT, "report": asdict(kept.report), "document": kept.document}
    return (json.dumps(body, default=_text) + "\n").encode("ascii")


def content_in(content: bytes) -> Kept:
    """Reverse of ``content_bytes``. ValueError, KeyError, TypeError."""
    body = json.loads(content)
    if body["format"] != _FORMAT:
        raise ValueError(f"format {body['format']}")
    report = _REPORT.validate_json(json.dumps(body["report"]))
    sections = tuple(replace(one, pictures=tuple(map(_picture, one.pictures))) for one in report.sections)
    return Kept(replace(report, sections=sections), dict(body["document"]))


def _text(png: bytes) -> str:
    return base64.b64encode(png).decode("ascii")


def _picture(written: Picture) -> Picture:
    """As it was before ``_text``."""
    return replace(written, png=base64.b64decode(written.png, validate=True))


def kept_findings(result: Path, rests_on: Mapping[str, str]) -> Kept | None:
    """Of the report that is there, or of the last one that it stepped in the place of, if that is of this result and
    rests on the same but for how it stands. None: they are found anew."""
    for folder in _folders(result):
        try:
            manifest = json.loads((folder / NAME).read_bytes())
            own = hashlib.sha256((result / RESULT_NAME).read_bytes()).hexdigest()
            before = {key: value for key, value in manifest.get("rests_on", {}).items() if key != STANDING}
            if manifest["result_manifest_sha256"] != own or before != rests_on:
                continue
            content = (folder / CONTENT).read_bytes()
            if hashlib.sha256(content).hexdigest() == manifest["files"][CONTENT]:
                return content_in(content)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return None


def _folders(result: Path) -> Iterator[Path]:
    yield result / FOLDER
    earlier = [path for path in result.glob(f"{FOLDER}.{EARLIER}-*") if path.suffix.rpartition("-")[2].isdigit()]
    yield from sorted(earlier, key=lambda path: int(path.suffix.rpartition("-")[2]), reverse=True)
