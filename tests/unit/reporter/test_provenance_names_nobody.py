"""The report is passed around: a patient's number in the machine's file names is none of its readers' concern."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from actors.reporter.provenance import _files
from actors.reporter.published import FileRecord


def test_a_files_name_is_told_without_the_patients_number() -> None:
    layer = FileRecord("2026030209301500/02_88213_001_002_001.ptn", 10, "ab" * 32)
    dose = FileRecord("beam_3.dcm", 10, "cd" * 32)
    published: Any = SimpleNamespace(manifest=SimpleNamespace(inputs=(layer,), files=(dose,)))
    assert [row[1] for row in _files(published).rows] == ["2026030209301500/02_…_001_002_001.ptn", "beam_3.dcm"]
