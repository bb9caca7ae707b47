"""What a physicist is told, and how loudly."""

from __future__ import annotations

from dataclasses import replace

import pytest

from actors.interpreter.verdict import Findings, judge_beam
from messages.interpretation import AxisFit, LayerDeviation

FIT = AxisFit("identity", 1.0, 0.0, 0.0, 0.02, "mirrored in x", 20.0)
GOOD = LayerDeviation(1, 150.0, 10.0, 10.0, 0.0, 0.1, 0.2, 0.3, 0)


def judged(*layers: LayerDeviation, off: float = 0.0, told_apart: bool = True, whole: bool = True) -> Findings:
    return judge_beam(3, layers, off, FIT, told_apart=told_apart, whole=whole)


def level(findings: Findings) -> str:
    return "suspect" if findings.suspect else "review" if findings.review else ""


def test_a_good_beam_needs_no_words() -> None:
    assert level(judged(GOOD)) == ""


@pytest.mark.promise("P4")
@pytest.mark.parametrize(("share", "expected"), [(0.0005, ""), (0.0011, "review"), (0.0051, "suspect")])
def test_beam_off_counts(share: float, expected: str) -> None:
    findings = judged(GOOD, off=share)
    assert level(findings) == expected
    assert not expected or "counts came with the beam off" in (findings.review + findings.suspect)[0]


@pytest.mark.parametrize(
    ("delivered", "expected"), [(10.05, ""), (10.11, "review"), (9.89, "review"), (10.21, "suspect"), (9.7, "suspect")]
)
def test_layer_meterset(delivered: float, expected: str) -> None:
    findings = judged(replace(GOOD, delivered_mu=delivered), whole=False)
    assert level(findings) == expected


def test_small_layers_have_a_floor() -> None:
    assert level(judged(replace(GOOD, planned_mu=0.1, delivered_mu=0.119), whole=False)) == ""
    assert level(judged(replace(GOOD, planned_mu=0.1, delivered_mu=0.121), whole=False)) == "suspect"


@pytest.mark.parametrize(("delivered", "expected"), [(10.04, ""), (10.06, "review"), (10.09, "review")])
def test_beam_meterset(delivered: float, expected: str) -> None:
    findings = judged(replace(GOOD, delivered_mu=delivered))
    assert level(findings) == expected


def test_a_partial_beam_s_sum_is_not_compared() -> None:
    assert level(judged(replace(GOOD, planned_mu=10.0, delivered_mu=9.99), whole=False)) == ""


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"mean_mm": 0.6}, "review"),
        ({"mean_mm": 1.1}, "suspect"),
        ({"p95_mm": 1.2}, "review"),
        ({"p95_mm": 1.6}, "suspect"),
        ({"max_mm": 2.1}, "suspect"),
        ({"max_mm": 1.9}, ""),
        ({"missing": 2}, "review"),
    ],
)
def test_positions(change: dict[str, float], expected: str) -> None:
    assert level(judged(replace(GOOD, **change))) == expected  # type: ignore[arg-type]


def test_sentences_name_beam_and_layers_but_not_forever() -> None:
    bad = [replace(GOOD, layer=number, max_mm=5.0) for number in range(1, 43)]
    (sentence,) = judged(*bad).suspect
    assert sentence.startswith("Beam 3: positions off plan: layer 1 by up to 5.0 mm")
    assert sentence.endswith("and 36 more layers.")


@pytest.mark.promise("P40")
def test_axes_that_are_not_proven_are_said_so() -> None:
    (sentence,) = judged(GOOD, told_apart=False).review
    assert "axes are not proven" in sentence
