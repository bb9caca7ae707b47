"""Nobody takes the pass of a delivery for that of a dose: what the verdict does not cover stands in its own words."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from manifest_making import GOOD, manifest

from actors.reporter.comparison import Comparison, Difference
from actors.reporter.content import Report
from actors.reporter.document import document
from actors.reporter.evidence import Evidence, Histograms
from actors.reporter.findings import Findings, findings_of
from actors.reporter.html_page import page
from actors.reporter.pairs import Pair, PairName
from actors.reporter.pdf_pages import _Paper
from actors.reporter.published import Published
from actors.settings import ReportSettings

REASON = "the case brings no RT Dose of its plan"


def found(*, compared: bool = False, noise: float | None = None) -> Findings:
    made = manifest(GOOD, sum={"maximum": 2.0})
    made = replace(made, beams=tuple(replace(beam, noise=noise) for beam in made.beams))
    nothing: Any = None
    difference = Difference(0.0, 0.1, -0.2, 0.2, 0.0, 10)
    comparison: Any = Comparison(1.0, (), 1, difference) if compared else None
    reason = "" if compared else REASON
    total = Pair(PairName.TOTAL, reason)
    evidence = Evidence(nothing, 1.0, "", None, None, "", comparison, reason, (), Histograms(), (total,))
    published = Published(nothing, made, "ab" * 32)
    judged = findings_of(published, replace(evidence, comparison=None), ReportSettings())
    return replace(judged, evidence=replace(evidence, pairs=(replace(total, comparison=comparison),)))


def report(findings: Findings) -> Report:
    return Report("c", findings.verdict, findings.statement, findings.basis, findings.reasons, (), ())


@pytest.mark.promise("P41")
@pytest.mark.parametrize(
    ("compared", "noise", "statement"),
    [
        (True, 0.002, "pass"),
        (True, None, "pass (noise unknown)"),
        (False, 0.002, "pass (delivery only: dose not compared)"),
        (False, None, "pass (delivery only: dose not compared; noise unknown)"),
        (False, 0.02, "review (delivery only: dose not compared)"),
    ],
)
def test_the_verdict_says_what_it_does_not_cover(compared: bool, noise: float | None, statement: str) -> None:
    findings = found(compared=compared, noise=noise)
    assert findings.statement == statement
    assert (REASON in findings.basis, "uncertainty of the dose is not known" in findings.basis) == (
        not compared,
        noise is None,
    )


def test_it_stands_on_top_of_page_and_paper_and_programs_keep_their_word() -> None:
    findings = found()
    headline = "PASS (delivery only: dose not compared; noise unknown)"
    top = re.search("<strong>. (.*?)</strong>", page(report(findings)).decode())
    assert top is not None
    assert top[1] == headline
    assert report(findings).headline == headline
    assert headline in _Paper("c", report(findings).headline)._foot
    told = json.loads(document(findings))
    assert (told["verdict"], told["statement"]) == ("pass", findings.statement)
    assert "not known (no half-runs of beam " in told["basis"]
