"""What stands around a report's findings: reviews, versions, the plan's course; the findings stay what they were."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from published_cases import CASE, PublishedCase, in_ct, in_water, publish

from actors.demo.recipe import CaseRecipe
from actors.reporter.make import make_report
from actors.reporter.order import MadeReport, MakeReport
from actors.reporter.standing import Standing
from actors.results import verify_published
from actors.settings import ReportSettings
from messages.ledger import FractionRow, ReviewRow, VersionRow
from messages.states import CaseState, ReviewState

pytestmark = pytest.mark.xdist_group("reviewed reports")  # one fixture for all of them

RULES = ReportSettings(gamma_points=2000)
SMALL = CaseRecipe(seed=5, beams=1, layers=2, spots=8, ct=True, planning_dose=True)
NOW = datetime(2026, 3, 3, 9, tzinfo=UTC)
REVIEWED = ReviewRow(1, CASE, ReviewState.REVIEWED, "kim", NOW, "", "r", "p")
APPROVED = ReviewRow(2, CASE, ReviewState.APPROVED, "lee", NOW, "film <agrees>", "r", "p")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> PublishedCase:
    folder = tmp_path_factory.mktemp("case")
    return publish(SMALL, folder, in_ct(folder))


@pytest.fixture
def case(published: PublishedCase, tmp_path: Path) -> Iterator[PublishedCase]:
    """A result without a report, and its case folder, to do with what a test will."""
    shutil.copytree(published.folder, tmp_path / "results" / CASE, ignore=shutil.ignore_patterns("report*"))
    shutil.copytree(published.written.path, tmp_path / "share")
    yield replace(published, folder=tmp_path / "results" / CASE)


def order(case: PublishedCase, **standing: Any) -> MakeReport:
    return MakeReport(str(case.folder), str(case.folder.parents[1] / "share"), RULES, standing=Standing(**standing))


def fraction(case: PublishedCase, name: str = CASE, **changes: Any) -> FractionRow:
    manifest = (case.folder / "manifest.json").read_bytes()
    told = json.loads(manifest)
    row = FractionRow(
        case=name,
        state=CaseState.DONE,
        partial=False,
        supersedes="",
        review=ReviewState.COMPUTED,
        reviewer="",
        review_reason="",
        verdict=told["verdict"],
        report="",
        path=str(case.folder),
        result_sha256=hashlib.sha256(manifest).hexdigest(),
        treatment=True,
        planned_fractions=told["plan"]["planned_fractions"],
        amounts=json.dumps(told["amounts"]),
    )
    return replace(row, **changes)


def document(made: MadeReport) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(made.path) / "report.json").read_text())
    return found


def test_a_review_stands_on_the_report_and_changes_none_of_its_findings(case: PublishedCase) -> None:
    first = make_report(order(case))
    before = document(first)
    assert before["review"] == {"state": "computed", "steps": []}
    shutil.rmtree(case.folder.parents[1] / "share")  # what was compared is gone by now
    made = make_report(order(case, reviews=(REVIEWED, APPROVED)))
    after = document(made)
    assert made.manifest_sha256 != first.manifest_sha256
    assert after["review"]["state"] == "approved"
    assert [(one["user"], one["reason"]) for one in after["review"]["steps"]] == [
        ("kim", ""),
        ("lee", "film <agrees>"),
    ]
    around = {"review", "course", "superseded_by"}
    assert {key: after[key] for key in after if key not in around} == {
        key: before[key] for key in before if key not in around
    }
    assert before["comparison"]["compared"]
    page = (case.folder / "report" / "report.html").read_text()
    assert "APPROVED by lee" in page
    assert "film &lt;agrees&gt;" in page
    assert (made.verdict, made.sentence, made.figures) == (first.verdict, first.sentence, first.figures)


@pytest.mark.promise("P25")
def test_the_report_before_is_kept_and_the_result_untouched(case: PublishedCase) -> None:
    first = make_report(order(case))
    old = (case.folder / "report" / "report.pdf").read_bytes()
    second = make_report(order(case, reviews=(REVIEWED,)))
    assert (case.folder / "report.earlier-1" / "report.pdf").read_bytes() == old
    assert verify_published(case.folder) == ()
    assert make_report(order(case, reviews=(REVIEWED,))) == second, "said again: nothing is written"
    assert not (case.folder / "report.earlier-2").exists()
    assert first != second


@pytest.mark.promise("P15")
def test_cut_between_two_names_the_findings_are_those_of_the_report_before(case: PublishedCase) -> None:
    first = document(make_report(order(case)))
    (case.folder / "report").rename(case.folder / "report.earlier-1")  # killed here; the new one never got its name
    shutil.rmtree(case.folder.parents[1] / "share")
    after = document(make_report(order(case, reviews=(REVIEWED,))))
    assert after["figures"] == first["figures"]
    assert after["review"]["state"] == "reviewed"


def test_findings_that_were_changed_are_found_anew(case: PublishedCase) -> None:
    made = make_report(order(case))
    kept = Path(made.path) / "content.json"
    kept.write_text(kept.read_text().replace('"pass"', '"fail"'))
    after = document(make_report(order(case, reviews=(REVIEWED,))))
    assert after["verdict"] == made.verdict


def test_a_later_version_is_named(case: PublishedCase) -> None:
    newer = VersionRow(f"{CASE}-v2", CaseState.DONE, CASE, partial=False, why="new calibration")
    made = make_report(order(case, newer=newer))
    assert document(made)["superseded_by"] == f"{CASE}-v2"
    assert f"{CASE}-v2 (new calibration), done" in (Path(made.path) / "report.html").read_text()


# -- the course of the plan


def test_the_doses_of_the_sessions_that_count_are_added(case: PublishedCase) -> None:
    one = document(make_report(order(case, fractions=(fraction(case),))))["course"]
    rows = (
        fraction(case, "20260301-090000-00000001"),
        fraction(case, "20260301-100000-00000002", review=ReviewState.REJECTED, reviewer="kim", review_reason="no"),
        fraction(case),
        fraction(case, "20270101-090000-00000003"),
    )
    two = document(make_report(order(case, fractions=rows)))["course"]
    assert (one["whole"], two["whole"], two["partial"]) == (1, 2, 0)
    assert two["counted"] == ["20260301-090000-00000001", CASE], "not the rejected one, and not what came later"
    assert two["not_counted"] == [{"case": "20260301-100000-00000002", "why": "rejected by kim: no"}]
    assert two["dose"]["maximum"] == pytest.approx(2 * one["dose"]["maximum"], rel=1e-6)
    assert two["dose"]["units"] == "Gy"
    assert one["dose"]["structures"]
    for single, double in zip(one["dose"]["structures"], two["dose"]["structures"], strict=True):
        assert double["mean"] == pytest.approx(2 * single["mean"], rel=2e-3, abs=1e-3)
    assert two["beams"][0]["delivered_mu"] == pytest.approx(2 * one["beams"][0]["delivered_mu"])
    page = (case.folder / "report" / "report.html").read_text()
    assert "2 whole fractions of" in page
    assert "rejected by kim: no" in page


def test_doses_that_do_not_lie_alike_are_not_added(case: PublishedCase, tmp_path: Path) -> None:
    water = publish(CaseRecipe(seed=6, beams=1, layers=2, spots=8), tmp_path / "water", in_water())
    other = fraction(water, "20260301-090000-00000001")
    course = document(make_report(order(case, fractions=(other, fraction(case)))))["course"]
    assert course["whole"] == 2
    assert course["dose"]["reason"]
    assert CASE in course["dose"]["reason"]
    assert not course["dose"]["structures"]


def test_a_result_that_is_gone_or_changed_is_not_added(case: PublishedCase, tmp_path: Path) -> None:
    gone = fraction(case, "20260301-090000-00000001", path=str(tmp_path / "nowhere"))
    told = document(make_report(order(case, fractions=(gone, fraction(case)))))["course"]["dose"]
    assert told["reason"] == "the result of 20260301-090000-00000001 cannot be read (FileNotFoundError)"
    changed = fraction(case, "20260301-090000-00000001", result_sha256="ab" * 32)
    told = document(make_report(order(case, fractions=(changed, fraction(case)))))["course"]["dose"]
    assert told["reason"] == "the result of 20260301-090000-00000001 is not what was published"
