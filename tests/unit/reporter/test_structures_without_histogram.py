"""A structure that the report leaves out is named: nobody takes those shown for all there are."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from actors.reporter import evidence
from actors.reporter.dvh import Dvh, Structure
from actors.reporter.evidence import Histograms
from actors.reporter.sections import dvh_section
from actors.reporter.sources import CaseFiles

NAMES = tuple(Structure(number, f"organ {number}", "ORGAN") for number in range(1, 12))
GRAY: Any = SimpleNamespace(gray=True, sum={"file": "sum.dcm"})


def histogram(structure: Structure) -> Dvh:
    return Dvh(structure, 10.0, np.linspace(0.0, 2.0, 20), np.linspace(100.0, 0.0, 20), 1.0, 0.0, 2.0, "")


def test_what_is_out_of_the_grid_or_too_much_is_kept_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "_MAX_STRUCTURES", 10)
    monkeypatch.setattr(evidence, "dcmread", lambda _: None)
    monkeypatch.setattr(evidence, "structures_of", lambda _: NAMES)
    monkeypatch.setattr(evidence, "histograms", lambda _, __, chosen: [histogram(one) for one in chosen[1:]])
    published: Any = SimpleNamespace(folder=Path(), manifest=GRAY)
    found = evidence._histograms(published, CaseFiles((), (Path("RS.dcm"),), ()), None)
    assert found.without == ("organ 1", "organ 11")
    assert (len(found.delivered), found.reason) == (9, "")


def test_the_report_says_which_it_does_not_show() -> None:
    some: Any = SimpleNamespace(dvh=Histograms(tuple(map(histogram, NAMES[:9])), (), ("organ 10", "organ 11")))
    section = dvh_section(some, GRAY)
    assert "Without a histogram: organ 10, organ 11." in section.tables[0].note
    assert "The first 8 structures." in section.pictures[0].caption
    every: Any = SimpleNamespace(dvh=Histograms(tuple(map(histogram, NAMES[:2]))))
    section = dvh_section(every, GRAY)
    assert "Without" not in section.tables[0].note
    assert "first" not in section.pictures[0].caption
