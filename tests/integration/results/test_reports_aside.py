"""Reports in whose place a later one stepped belong to a published result; nothing else that lies there does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from actors.results import verify_published
from actors.results.manifest import FORMAT, NAME


@pytest.fixture
def result(tmp_path: Path) -> Path:
    """A published folder, with nothing in it but its manifest."""
    folder = tmp_path / "c"
    folder.mkdir()
    (folder / NAME).write_text(json.dumps({"format": FORMAT, "case": "c", "files": []}))
    return folder


@pytest.mark.parametrize("name", ["report.earlier-1", "report.damaged-1"])
def test_a_report_that_was_put_aside_is_no_stranger(result: Path, name: str) -> None:
    (result / name).mkdir()
    assert verify_published(result) == ()


@pytest.mark.parametrize("name", ["report.pdf", "report.damaged", "notes"])
def test_what_nobody_published_is_named(result: Path, name: str) -> None:
    (result / name).mkdir()
    assert verify_published(result) == (f"{result / name} was not published.",)
