"""What of a report is followed over time: by case, beam and band of energy, as the report judges it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from manifest_making import GOOD, manifest

from actors.documents import band_of, gamma_figure
from actors.reporter.comparison import Comparison, Criterion, Difference, GammaResult
from actors.reporter.delivery import judge_beams
from actors.reporter.evidence import BeamDepth
from actors.reporter.findings import Findings
from actors.reporter.pairs import BeamRange, Pair, PairName
from actors.reporter.published import Manifest
from actors.reporter.ranges import RangeDifference
from actors.reporter.trend import trend_document, trend_in, trend_of
from actors.settings import ReportSettings
from messages.interpretation import BeamAmount, LayerDeviation

LOW = replace(GOOD, layer=1, energy_mev=100.0, planned_mu=10.0, delivered_mu=10.1, mean_mm=0.2, p95_mm=0.5)
HIGH = replace(GOOD, layer=2, energy_mev=180.0, planned_mu=30.0, delivered_mu=30.0, mean_mm=0.4, p95_mm=0.4, max_mm=0.9)
COMPARED = Comparison(
    2.0,
    (
        GammaResult(Criterion(3.0, 2.0), 97.123456789, 0.3, 0.9, 1.2, 1000, 0),
        GammaResult(Criterion(2.0, 2.0), 91.0, 0.4, 1.2, 1.5, 1000, 0),
    ),
    1,
    Difference(0.5, 1.0, -2.0, 2.0, 0.7, 1000),
)
PAIRS = (
    Pair(PairName.DELIVERY, "", COMPARED, (BeamRange(3, RangeDifference(0.25, 0.5, 9, 0)),)),
    Pair(PairName.MODEL, "no planning dose"),
    Pair(PairName.TOTAL, "", COMPARED, (BeamRange(3, RangeDifference(0.8, 1.2, 50, 0)),)),
)
DEPTH = BeamDepth(3, SimpleNamespace(r80_mm=120.0), None, RangeDifference(0.8, 1.2, 50, 0))  # type: ignore[arg-type]


def made(of: Manifest, *, comparison: Comparison | None = COMPARED, **rules: Any) -> Findings:
    engine = {"name": "moqui", "version": "1.0", "sha256": "cd" * 32}
    profile = {"name": "moqui", "version": "2", "sha256": "ef" * 32, "content": {"geometry": "ct"}}
    whole = replace(of, engine=engine, profile=profile, made_by={"program": "p", "version": "9"}, sum={"maximum": 2.0})
    evidence = SimpleNamespace(
        comparison=comparison, reason="" if comparison else "no planning dose", depths=(DEPTH,), pairs=PAIRS
    )
    levels = ReportSettings(**rules)
    found: Any = SimpleNamespace(
        published=SimpleNamespace(manifest=whole),
        evidence=evidence,
        rules=levels,
        judged=judge_beams(whole, levels),
        statement="pass",
    )
    return cast(Findings, found)


def values(findings: Findings, beam: int, band: int = 0) -> dict[str, Any]:
    return next(json.loads(one.values) for one in trend_of(findings) if (one.beam, one.band) == (beam, band))


def test_bands_are_40_mev_wide() -> None:
    assert [band_of(energy) for energy in (69.9, 70.0, 109.99, 110.0, 230.0, 10.0)] == [30, 70, 70, 110, 230, 30]


def test_a_case_tells_gamma_and_what_made_it() -> None:
    found = values(made(manifest(LOW, HIGH)), 0)
    assert found["gamma_judged"] == "3 %/2 mm"
    assert found["gamma_judged_passed_percent"] == found[gamma_figure(3.0, 2.0)] == 97.1235
    assert found[gamma_figure(2.0, 2.0)] == 91.0
    assert found["engine_version"] == "1.0"
    assert (found["profile"], found["calibration_sha256"], found["program_version"]) == ("moqui/2", "00", "9")
    assert (found["planned_mu"], found["delivered_mu"], found["noise_percent"]) == (40.0, 40.1, None)
    without = values(made(manifest(LOW), comparison=None), 0)
    assert (without["not_compared_because"], gamma_figure(3.0, 2.0) in without) == ("no planning dose", False)


def test_a_beam_tells_the_worst_of_its_layers_as_the_report_judges_them() -> None:
    found = values(made(manifest(LOW, HIGH)), 3)
    assert found["mu_percent"] == pytest.approx(0.25)
    assert found["layer_mu_percent"] == pytest.approx(1.0)
    assert (found["position_mean_worst_mm"], found["position_p95_mm"], found["position_max_mm"]) == (0.4, 0.5, 0.9)
    assert found["position_mean_mm"] == pytest.approx((0.2 * 10.1 + 0.4 * 30.0) / 40.1, rel=1e-5)
    assert found["energy_mev"] == pytest.approx(160.0)
    assert (found["energy_lowest_mev"], found["energy_highest_mev"], found["layers"]) == (100.0, 180.0, 2)
    assert (found["r80_difference_mm"], found["engine_s"]) == (0.8, 1.0)


def test_a_band_tells_its_own_layers_and_the_highest_the_range() -> None:
    findings = made(manifest(LOW, HIGH))
    low, high = values(findings, 3, 70), values(findings, 3, 150)
    assert (low["layers"], low["mu_percent"], low["position_p95_mm"]) == (1, pytest.approx(1.0), 0.5)
    assert (high["position_max_mm"], high["r80_difference_mm"]) == (0.9, 0.8)
    assert "r80_difference_mm" not in low


def test_sizes_are_told_against_the_baseline_of_the_gantry() -> None:
    layer = replace(GOOD, size_x_mm=4.4, size_y_mm=3.9)
    found = values(made(manifest(layer), spot_sizes_mm={"G2": ((150.0, 4.0),)}), 3)
    assert found["size_percent"] == pytest.approx(10.0)
    assert found["size_mm"] == pytest.approx(4.15)
    assert values(made(manifest(layer)), 3)["size_percent"] is None


def partial(*left: int) -> Manifest:
    amount = BeamAmount(3, "beam", 50.0, 10.1, 3, left)
    return replace(manifest(LOW, HIGH), partial=True, amounts=(amount,))


def test_pairs_that_tell_errors_apart_are_followed_apart() -> None:
    findings = made(manifest(LOW, HIGH))
    case, beam = values(findings, 0), values(findings, 3)
    assert case["delivery_gamma_3pct_2mm_passed_percent"] == 97.1235
    assert "model_gamma_3pct_2mm_passed_percent" not in case
    assert (beam["delivery_r80_difference_mm"], beam["r80_difference_mm"]) == (0.25, 0.8)
    assert values(findings, 3, 150)["delivery_r80_difference_mm"] == 0.25
    assert not [name for name in {**case, **beam} if name.startswith("total_")]


def test_what_was_delivered_in_part_is_no_deviation_of_mu() -> None:
    findings = made(partial(2, 3))
    assert values(findings, 3)["mu_percent"] is None
    assert "mu_percent" not in values(findings, 3, 70)
    assert values(made(partial()), 3)["mu_percent"] is not None


def test_numbers_that_json_has_not_are_null() -> None:
    odd: LayerDeviation = replace(LOW, mean_mm=math.nan, planned_mu=0.0)
    found = values(made(manifest(odd)), 3)
    assert (found["position_mean_mm"], found["mu_percent"]) == (None, None)
    assert "NaN" not in json.dumps(found)


def test_what_stands_in_the_report_is_read_back_as_it_was() -> None:
    figures = trend_of(made(manifest(LOW, HIGH)))
    document = json.dumps({"trend": trend_document("G2", figures)}).encode()
    assert trend_in(document) == ("G2", figures)
    assert trend_in(b"{}") == ("", ())
    for damaged in (b"[]", b"{", b'{"trend": {"gantry": "G1"}}', b'{"trend": {"gantry": "G1", "rows": [{}]}}'):
        with pytest.raises(ValueError):
            trend_in(damaged)
