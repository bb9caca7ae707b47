"""Every error that the factory can make by name gets the verdict and the figures that it must, by what is published."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pymedphys
import pytest
from published_cases import PublishedCase, in_ct, in_water, publish

from actors.demo.recipe import CaseFault, CaseRecipe
from actors.errors import MqiError
from actors.reporter.evidence import Evidence, gather
from actors.reporter.findings import Findings, findings_of
from actors.reporter.published import read_published
from actors.settings import ReportSettings

pytestmark = pytest.mark.xdist_group("plain report")  # one fixture for all of them

RULES = ReportSettings(gamma_points=2000)
PLANNED = CaseRecipe(
    beams=1, layers=4, spots=30, energy_step_mev=4.0, planning_dose=True, mu_noise=0.0, position_noise_mm=0.01
)

PLATEAU = replace(PLANNED, layers=7, energy_step_mev=2.0, spots=80, field_mm=54.0)
"""Flat over some centimetres: its maximum is no peak."""


def findings(case: PublishedCase) -> Findings:
    published = read_published(case.folder)
    return findings_of(published, gather(published, case.written.path, RULES), RULES)


def of_fault(fault: CaseFault | None, folder: Path, recipe: CaseRecipe = PLANNED) -> Findings:
    partial = fault is CaseFault.PARTIAL
    return findings(publish(replace(recipe, fault=fault), folder, in_ct(folder), partial=partial))


def gammas(evidence: Evidence) -> dict[str, tuple[float, float]]:
    """(passed percent, maximum) by criterion."""
    assert evidence.comparison is not None, evidence.reason
    return {str(one.criterion): (one.passed_percent, one.maximum) for one in evidence.comparison.gammas}


def words(found: Findings) -> str:
    return " | ".join(f"{level.word}: {text}" for level, text in found.reasons)


def test_a_case_delivered_as_planned_passes(tmp_path: Path) -> None:
    found = of_fault(None, tmp_path)
    assert (found.verdict.word, found.reasons) == ("pass", ())
    assert found.statement == "pass (noise unknown)"
    assert all(passed == 100.0 and most < 0.15 for passed, most in gammas(found.evidence).values())
    (depth,) = found.evidence.depths
    assert depth.difference is not None
    assert depth.difference.mean_mm == pytest.approx(0.0, abs=0.05)
    assert {one.structure.name for one in found.evidence.dvh.delivered} == {"External", "Target"}
    assert [one.mean for one in found.evidence.dvh.delivered] == pytest.approx(
        [one.mean for one in found.evidence.dvh.planned], rel=0.005
    )


@pytest.mark.parametrize(("fault", "percent"), [(CaseFault.MU_2_5, 2.5), (CaseFault.MU_5, 5.0)])
def test_more_monitor_units_are_more_dose_everywhere(fault: CaseFault, percent: float, tmp_path: Path) -> None:
    """On a flat dose gamma is the difference over the criterion; a plateau with ripples has somewhat less. It is what
    pymedphys says of these doses when it is asked directly."""
    found = of_fault(fault, tmp_path, PLATEAU)
    assert found.verdict.word == "fail"
    assert "MU delivered" in words(found)
    evidence = found.evidence
    assert evidence.comparison is not None
    of_the_whole = 100.0 * evidence.total.dose.sum() / planned_sum(evidence)
    assert of_the_whole - 100.0 == pytest.approx(percent, abs=0.02)
    for criterion, (passed, most) in gammas(evidence).items():
        dose_percent, mm = (float(part.split()[0]) for part in criterion.split("/"))
        flat = percent / dose_percent
        assert 0.7 * flat < most < flat + 0.02
        assert passed == pytest.approx(by_hand(evidence, dose_percent, mm), abs=0.01)
    (depth,) = evidence.depths
    assert depth.difference is not None
    assert depth.difference.mean_mm == pytest.approx(0.0, abs=0.05)


def planned_sum(evidence: Evidence) -> float:
    assert evidence.planning is not None
    return float(evidence.planning.dose.sum())


def by_hand(evidence: Evidence, percent: float, mm: float) -> float:
    """Percent of points that pass, by pymedphys alone: every n-th point of the box that holds the dose over 10 %."""
    planned, delivered = evidence.planning, evidence.total
    assert planned is not None and evidence.comparison is not None
    at = np.argwhere(planned.dose >= 0.1 * planned.maximum)
    box = tuple(
        slice(low, high + 1, evidence.comparison.stride)
        for low, high in zip(at.min(axis=0), at.max(axis=0), strict=True)
    )
    gamma = pymedphys.gamma(
        tuple(axis[part] for axis, part in zip(planned.axes, box, strict=True)),
        planned.dose[box].astype(float),
        delivered.axes,
        delivered.dose.astype(float),
        percent,
        mm,
        lower_percent_dose_cutoff=10,
        global_normalisation=planned.maximum,
        max_gamma=1.1,
        interp_algo="scipy",
    )
    return 100.0 * float((gamma <= 1.0).sum() / np.isfinite(gamma).sum())


def test_a_layer_that_was_shifted(tmp_path: Path) -> None:
    found = of_fault(CaseFault.SHIFTED_LAYER, tmp_path)
    assert found.verdict.word == "fail"
    first, *others = found.judged[0].layers
    assert first.layer.shift_x_mm == pytest.approx(5.0, abs=0.05)
    assert first.level.word == "fail"
    assert all(one.level.word == "pass" for one in others)
    assert gammas(found.evidence)["3 %/2 mm"][0] < 90.0


def test_a_segment_that_was_not_delivered(tmp_path: Path) -> None:
    found = of_fault(CaseFault.MISSING_SEGMENT, tmp_path)
    assert found.verdict.word == "fail"
    first, *others = found.judged[0].layers
    assert first.mu_percent is not None
    assert first.mu_percent < -2.0
    assert all(one.level.word == "pass" for one in others)


def test_two_millimetres_of_range(tmp_path: Path) -> None:
    found = of_fault(CaseFault.RANGE_2_MM, tmp_path)
    (depth,) = found.evidence.depths
    assert depth.difference is not None
    assert depth.difference.mean_mm == pytest.approx(2.0, abs=0.25)  # of voxels of 3 mm
    assert "distal 80 %" in words(found)
    assert found.verdict.word in ("review", "fail")


def test_a_planning_dose_that_is_mirrored(tmp_path: Path) -> None:
    found = of_fault(CaseFault.MIRRORED_DOSE, tmp_path)
    assert found.verdict.word == "fail"
    assert gammas(found.evidence)["3 %/2 mm"][0] < 90.0


@pytest.mark.promise("P40")
def test_a_delivery_that_is_mirrored_is_never_computed(tmp_path: Path) -> None:
    with pytest.raises(MqiError, match="mirrored"):
        of_fault(CaseFault.MIRRORED, tmp_path, replace(PLANNED, planning_dose=False, ct=True))


def test_a_partial_session_is_not_compared_with_the_whole(tmp_path: Path) -> None:
    found = of_fault(CaseFault.PARTIAL, tmp_path)
    assert found.verdict.word == "review"
    assert found.evidence.comparison is None
    assert "PARTIAL" in found.evidence.reason
    assert "PARTIAL" in words(found)
    assert any("PARTIAL" in figure.name for figure in found.figures)


def test_noise_is_told_and_too_much_of_it_is_suspect(tmp_path: Path) -> None:
    recipe = replace(PLANNED, layers=2)
    quiet = publish(recipe, tmp_path / "quiet", in_ct(tmp_path / "quiet", noise_histories=4e9))
    loud = publish(recipe, tmp_path / "loud", in_ct(tmp_path / "loud", noise_histories=1e8))
    good, bad = findings(quiet), findings(loud)
    sigma = [found.published.manifest.beams[0].noise for found in (good, bad)]
    assert sigma[0] is not None and sigma[1] is not None
    assert sigma[0] < 0.005
    assert sigma[1] > 0.01
    assert (good.verdict.word, bad.verdict.word) == ("pass", "review")
    assert (good.statement, bad.statement) == ("pass", "review")
    assert "statistical uncertainty" in words(bad)
    assert bad.published.manifest.verdict == "suspect"


def test_a_dose_in_a_phantom_is_not_compared_and_says_so(tmp_path: Path) -> None:
    found = findings(publish(replace(PLANNED, planning_dose=False), tmp_path, in_water()))
    assert found.verdict.word == "pass"
    assert found.statement == "pass (delivery only: dose not compared; noise unknown)"
    assert "water phantom" in found.basis
    assert any("not compared" in sentence for sentence in found.unverified)
    (depth,) = found.evidence.depths
    assert depth.planned is None
    # R0 of 156 MeV in water is 167.7 mm; the surface lies 20 mm before the isocentre; layers further up pull R80 little
    assert depth.delivered.r80_mm == pytest.approx(147.7, abs=2.0)


def test_dose_per_mu_out_of_its_bounds_is_suspect(tmp_path: Path) -> None:
    profile = in_water().model_copy(update={"dose_per_mu": (100.0, 200.0)})
    case = publish(replace(PLANNED, planning_dose=False, layers=2), tmp_path, profile)
    manifest = read_published(case.folder).manifest
    assert manifest.verdict == "suspect"
    assert "Gy·cm³ per MU" in manifest.suspect[0]
    assert manifest.beams[0].dose_per_mu == pytest.approx(23.0, rel=0.15)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"DoseUnits": "RELATIVE"}, "not in gray"),
        ({"DoseSummationType": "CONTROL_POINT"}, "no RT Dose of the whole plan"),
        ({"ImageOrientationPatient": [0, 1, 0, 1, 0, 0]}, "not axial"),
        ({"PixelData": b"\x01"}, "cannot be read"),
    ],
)
def test_a_planning_dose_that_cannot_be_compared(change: dict[str, object], words: str, plain: PublishedCase) -> None:
    path = plain.written.path / "RD.plan.dcm"
    content = path.read_bytes()
    try:
        dataset = pydicom.dcmread(path)
        for name, value in change.items():
            setattr(dataset, name, value)
        dataset.save_as(path)
        found = findings(plain)
    finally:
        path.write_bytes(content)
    assert found.evidence.comparison is None
    assert re.search(words, found.evidence.reason)
    assert found.verdict.word == "pass"
    assert words.split(maxsplit=1)[0] in found.basis


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> PublishedCase:
    folder = tmp_path_factory.mktemp("plain")
    return publish(replace(PLANNED, layers=2), folder, in_ct(folder))
