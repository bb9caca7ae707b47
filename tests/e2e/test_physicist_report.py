"""A case that is done gets its report, beside the pipeline and whatever happens: the whole daemon."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from actors.demo.factory import write_case
from actors.demo.recipe import CaseFault, CaseRecipe
from actors.demo.site import DemoSite, make_site
from actors.ledger import Reader
from actors.results import verify_published
from messages.ledger import ReportRow
from tests.kit.daemon import Daemon, until
from tests.kit.profiles import ct_profile

PLANNED = CaseRecipe(beams=1, layers=3, spots=16, energy_step_mev=8.0, seed=3, planning_dose=True)


@pytest.fixture
def site(tmp_path: Path) -> DemoSite:
    profile = ct_profile(tmp_path)
    return make_site(tmp_path / "site", gpus=2, interval_s=0.5, quiet_s=0.3, profile=profile, reports=True)


def report_of(site: DemoSite, case: str, *states: str) -> ReportRow:
    def settled() -> ReportRow | None:
        row = Reader(site.ledger).report(case)
        return row if row is not None and row.state in (states or ("made", "failed")) else None

    found: ReportRow = until(settled, 90.0, f"a report of {case}")
    return found


@pytest.mark.promise("P9")
def test_a_done_case_gets_its_report_beside_the_published_result(site: DemoSite) -> None:
    with Daemon(site, {}) as daemon:
        write_case(PLANNED, site.incoming)
        (case,) = daemon.until_ended(1)
        row = report_of(site, case)
    assert (row.state, row.verdict, row.tries) == ("made", "pass", 1), row
    folder = site.results / case
    assert verify_published(folder) == ()
    assert sorted(path.name for path in (folder / "report").iterdir()) == [
        *("content.json", "manifest.json", "report.html", "report.json", "report.pdf")
    ]
    document = json.loads((folder / "report" / "report.json").read_text())
    assert document["comparison"]["compared"]
    assert document["result_manifest_sha256"]
    assert ("report: pass", row.reason) in [(event.what, event.detail) for event in Reader(site.ledger).events(case)]


@pytest.mark.promise("P15")
def test_a_report_under_way_when_the_daemon_is_killed_is_made_at_the_next_start(site: DemoSite) -> None:
    daemon = Daemon(site, {})
    with daemon:
        write_case(PLANNED, site.incoming)
        (case,) = daemon.until_ended(1)
        until(lambda: Reader(site.ledger).report(case).tries == 1, 60.0, "a report under way")  # type: ignore[union-attr]
        daemon.kill()
    assert Reader(site.ledger).report(case).state == "due"  # type: ignore[union-attr]
    with Daemon(site, {}):
        row = report_of(site, case)
    assert (row.state, row.verdict) == ("made", "pass")
    assert row.tries == 2
    assert verify_published(site.results / case) == ()
    assert sorted(path.name for path in site.results.iterdir()) == [case]


def test_five_percent_more_monitor_units_fail_and_the_case_is_published_all_the_same(site: DemoSite) -> None:
    with Daemon(site, {}) as daemon:
        write_case(replace(PLANNED, fault=CaseFault.MU_5), site.incoming)
        (case,) = daemon.until_ended(1)
        row = report_of(site, case)
        assert daemon.cli("cases")[0]["state"] == "done"
    assert (row.state, row.verdict) == ("made", "fail")
    assert "MU delivered" in row.reason
