"""What each of the three comparisons must show of a named error, and what it must not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from published_cases import PublishedCase, in_ct, in_water, publish, publish_planned

from actors.demo.recipe import CaseFault, CaseRecipe
from actors.reporter.document import document
from actors.reporter.evidence import gather
from actors.reporter.findings import Findings, findings_of
from actors.reporter.make import make_report
from actors.reporter.order import MakeReport, PlannedRun
from actors.reporter.pairs import Pair, PairName
from actors.reporter.published import read_published
from actors.settings import ReportSettings

SMALL = CaseRecipe(beams=1, layers=3, spots=16, energy_step_mev=8.0, seed=3, planning_dose=True)
UNDISTURBED = replace(SMALL, mu_noise=0.0, position_noise_mm=0.0)
HISTORIES = 1e9
RULES = ReportSettings(gamma_points=5000)


def compared(recipe: CaseRecipe, folder: Path, *, noise: float = 0.0) -> tuple[Findings, dict[PairName, Pair]]:
    profile = in_ct(folder, noise_histories=noise)
    case = publish(recipe, folder / "case", profile)
    found = found_of(case, run_of(publish_planned(case, folder / "plan", profile)))
    return found, {pair.name: pair for pair in found.evidence.pairs}


def run_of(planned: PublishedCase) -> PlannedRun:
    return PlannedRun(str(planned.folder))


def found_of(case: PublishedCase, run: PlannedRun, rules: ReportSettings = RULES) -> Findings:
    published = read_published(case.folder)
    return findings_of(published, gather(published, case.written.path, rules, run), rules)


def high(pair: Pair) -> float:
    """Mean difference in the high dose, % of the normalisation."""
    assert pair.comparison is not None, pair.reason
    return pair.comparison.difference.high_mean_percent


def more(pair: Pair) -> float:
    """How much more the evaluated dose is in all, %."""
    assert pair.doses is not None
    reference, evaluated = (float(one.dose.sum()) for one in pair.doses)
    return 100.0 * (evaluated / reference - 1.0)


def passed(pair: Pair) -> float:
    assert pair.comparison is not None
    return next(one.passed_percent for one in pair.comparison.gammas if str(one.criterion) == "3 %/2 mm")


def range_mm(pair: Pair) -> float:
    ((one),) = pair.ranges
    assert one.difference.mean_mm is not None
    return one.difference.mean_mm


@pytest.mark.promise("P41")
def test_a_delivery_without_error_is_its_plan_within_the_noise(tmp_path: Path) -> None:
    found, pairs = compared(UNDISTURBED, tmp_path, noise=HISTORIES)
    delivery = pairs[PairName.DELIVERY]
    assert delivery.comparison is not None and delivery.noise is not None
    assert passed(delivery) > 99.5
    assert abs(delivery.comparison.difference.mean_percent) < 0.1
    assert abs(range_mm(delivery)) < 0.1
    one, other, together = delivery.noise.evaluated, delivery.noise.reference, delivery.noise.together
    assert one is not None and other is not None and together is not None
    assert one != other, "two runs with seeds of their own"
    assert 0 < max(one, other) < together < 0.01
    assert together == pytest.approx((one**2 + other**2) ** 0.5)
    assert [pair for pair, level in found.pair_verdicts if level is None or level.word != "pass"] == []
    assert found.statement == "pass"


def test_more_monitor_units_are_the_delivery_s_and_not_the_model_s(tmp_path: Path) -> None:
    """2.5 % of the dose everywhere: of what is at or above 80 % of the maximum, 2 to 2.5 % of the maximum."""
    _, pairs = compared(replace(UNDISTURBED, fault=CaseFault.MU_2_5), tmp_path)
    assert more(pairs[PairName.DELIVERY]) == pytest.approx(2.5, abs=0.02)
    assert more(pairs[PairName.TOTAL]) == pytest.approx(2.5, abs=0.02)
    assert more(pairs[PairName.MODEL]) == pytest.approx(0.0, abs=0.02)
    assert 2.0 <= high(pairs[PairName.DELIVERY]) == pytest.approx(high(pairs[PairName.TOTAL]), abs=0.05)
    assert high(pairs[PairName.MODEL]) == pytest.approx(0.0, abs=0.05)
    assert passed(pairs[PairName.MODEL]) == 100.0
    assert max(abs(range_mm(pair)) for pair in pairs.values()) < 0.1


def test_two_millimetres_of_the_planning_dose_are_the_model_s_and_not_the_delivery_s(tmp_path: Path) -> None:
    found, pairs = compared(replace(UNDISTURBED, fault=CaseFault.RANGE_2_MM), tmp_path)
    assert range_mm(pairs[PairName.MODEL]) == pytest.approx(2.0, abs=0.2)
    assert range_mm(pairs[PairName.TOTAL]) == pytest.approx(2.0, abs=0.2)
    assert range_mm(pairs[PairName.DELIVERY]) == pytest.approx(0.0, abs=0.05)
    assert passed(pairs[PairName.DELIVERY]) == 100.0
    verdicts = {pair.name: level.word for pair, level in found.pair_verdicts if level is not None}
    assert verdicts[PairName.DELIVERY] == "pass"
    assert verdicts[PairName.MODEL] == verdicts[PairName.TOTAL] != "pass"
    assert found.verdict.word != "pass"
    assert any(text.startswith("Model, beam") for _, text in found.reasons)
    told = {one["pair"]: one for one in json.loads(document(found))["pairs"]}
    assert told["model"]["range"][0]["mean_mm"] == pytest.approx(2.0, abs=0.2)
    assert told["delivery"]["verdict"] == "pass"
    only = found_of_rules(found, ReportSettings(gamma_points=5000, judged_pairs=("delivery",)))
    assert only.verdict.word == "pass"
    assert {pair.name: level for pair, level in only.pair_verdicts}[PairName.MODEL] is None


def found_of_rules(found: Findings, rules: ReportSettings) -> Findings:
    return findings_of(found.published, found.evidence, rules)


def test_in_a_phantom_the_delivery_alone_is_compared(tmp_path: Path) -> None:
    recipe = CaseRecipe(beams=2, layers=2, spots=12, energy_step_mev=8.0)
    case = publish(recipe, tmp_path / "case", in_water())
    found = found_of(case, run_of(publish_planned(case, tmp_path / "plan", in_water())))
    pairs = {pair.name: pair for pair in found.evidence.pairs}
    assert passed(pairs[PairName.DELIVERY]) == 100.0
    assert [one.number for one in pairs[PairName.DELIVERY].ranges] == [beam.number for beam in case.written.beams]
    assert {name for name, pair in pairs.items() if pair.reason} == {PairName.MODEL, PairName.TOTAL}
    assert "delivery only: dose delivered not compared with the planning system's" in found.statement


def test_a_part_of_a_fraction_is_not_compared_with_the_whole_plan_but_the_model_is(tmp_path: Path) -> None:
    profile = in_ct(tmp_path)
    case = publish(replace(SMALL, layers_left=1), tmp_path / "case", profile, partial=True)
    found = found_of(case, run_of(publish_planned(case, tmp_path / "plan", profile)))
    pairs = {pair.name: pair for pair in found.evidence.pairs}
    assert "PARTIAL" in pairs[PairName.DELIVERY].reason
    assert "PARTIAL" in pairs[PairName.TOTAL].reason
    assert abs(high(pairs[PairName.MODEL])) < 0.1
    assert found.evidence.comparison is None


@pytest.mark.parametrize("other", ["engine", "profile", "plan", "delivery", "changed", "gone"])
def test_only_what_the_same_engine_made_of_the_same_plan_is_set_beside_a_delivery(tmp_path: Path, other: str) -> None:
    profile = in_water()
    recipe = CaseRecipe(beams=1, layers=1, spots=8)
    case = publish(recipe, tmp_path / "case", profile)
    plan = {
        "engine": lambda: publish_planned(case, tmp_path / "plan", profile, version="another 2"),
        "profile": lambda: publish_planned(case, tmp_path / "plan", profile.model_copy(update={"seed": 5})),
        "plan": lambda: publish_planned(
            publish(replace(recipe, plan=2), tmp_path / "other", profile), tmp_path / "plan", profile
        ),
        "delivery": lambda: publish(recipe, tmp_path / "again", profile),
        "changed": lambda: publish_planned(case, tmp_path / "plan", profile),
        "gone": lambda: publish_planned(case, tmp_path / "plan", profile),
    }[other]()
    run = run_of(plan)
    if other == "changed":
        (plan.folder / "sum.dcm").write_bytes(b"")
    if other == "gone":
        run = PlannedRun(str(tmp_path / "nowhere"))
    delivery = found_of(case, run).evidence.pairs[0]
    words = {
        "engine": "another engine",
        "profile": "another profile",
        "plan": "another plan",
        "delivery": "no dose of planned spots",
        "changed": "sum.dcm is not the file that was published",
        "gone": "cannot be read",
    }
    assert delivery.comparison is None
    assert words[other] in delivery.reason


def test_a_report_without_its_run_is_made_anew_with_it_and_the_earlier_one_is_kept(tmp_path: Path) -> None:
    profile = in_water()
    case = publish(CaseRecipe(beams=1, layers=1, spots=8), tmp_path / "case", profile)
    order = MakeReport(
        str(case.folder), str(case.written.path), RULES, planned=PlannedRun(reason="it is not there yet")
    )
    first = make_report(order)
    told = json.loads((case.folder / "report" / "report.json").read_bytes())
    assert told["pairs"][0]["reason"] == "it is not there yet"
    assert any("it is not there yet" in line for line in told["not_verified"])
    assert make_report(order) == first, "nothing new: the same report"
    plan = publish_planned(case, tmp_path / "plan", profile)
    second = make_report(replace(order, planned=run_of(plan)))
    told = json.loads((case.folder / "report" / "report.json").read_bytes())
    assert told["pairs"][0]["compared"]
    assert second.manifest_sha256 != first.manifest_sha256
    assert (case.folder / "report.earlier-1" / "report.pdf").is_file()
    page = (case.folder / "report" / "report.html").read_text()
    assert "Delivery: gamma" in page
