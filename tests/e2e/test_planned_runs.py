"""The engine's run of the planned spots, by the whole daemon: once for a plan, whatever comes or crashes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pydicom
import pytest

from actors.demo.factory import write_case
from actors.demo.recipe import CaseRecipe
from actors.demo.site import DemoSite, make_site
from actors.ledger import Reader
from actors.results import verify_published
from messages.ledger import CaseRow, ReportRow
from messages.states import CaseState
from tests.kit.daemon import Daemon, claims, until
from tests.kit.profiles import ct_profile, quick_profile

WITH_RUNS = {"MQI_ENGINE__PLANNED_RUN": "true"}
FRACTION = CaseRecipe(beams=1, layers=3, spots=16, energy_step_mev=8.0, seed=3, planning_dose=True)
NEXT = replace(FRACTION, irradiated=FRACTION.irradiated + timedelta(days=1))


def a_site(tmp_path: Path, profile: Path, *, reports: bool = True) -> DemoSite:
    return make_site(tmp_path / "site", gpus=2, interval_s=0.5, quiet_s=0.3, profile=profile, reports=reports)


def split(rows: dict[str, CaseRow]) -> tuple[list[str], list[str]]:
    """(deliveries, planned runs)."""
    return (
        sorted(name for name, row in rows.items() if not row.planned),
        [name for name, row in rows.items() if row.planned],
    )


def settled(site: DemoSite, case: str, good: Callable[[ReportRow], bool]) -> ReportRow:
    def check() -> ReportRow | None:
        row = Reader(site.ledger).report(case)
        return row if row is not None and row.state in ("made", "failed") and good(row) else None

    found: ReportRow = until(check, 300.0, f"a report of {case}")
    return found


def pairs_of(site: DemoSite, case: str) -> dict[str, Any]:
    told = json.loads((site.results / case / "report" / "report.json").read_bytes())
    return {one["pair"]: one for one in told["pairs"]}


@pytest.mark.timeout(400)
@pytest.mark.promise("P13")
def test_two_fractions_of_a_plan_are_compared_with_one_planned_run(tmp_path: Path) -> None:
    site = a_site(tmp_path, ct_profile(tmp_path))
    with Daemon(site, WITH_RUNS) as daemon:
        write_case(FRACTION, site.incoming)
        write_case(NEXT, site.incoming)
        deliveries, (run,) = split(daemon.until_ended(3, 300.0))
        assert len(deliveries) == 2
        for case in deliveries:
            assert settled(site, case, lambda _: True).verdict == "pass"
        listed = {one["case"]: one for one in daemon.cli("cases")}
        status = daemon.cli("status")
    assert listed[run]["kind"] == "planned"
    assert {listed[case]["kind"] for case in deliveries} == {"delivery"}
    assert (status["cases"]["done"], status["planned_runs"]["done"]) == (2, 1)
    for case in deliveries:
        pairs = pairs_of(site, case)
        assert all(pair["compared"] and pair["verdict"] == "pass" for pair in pairs.values()), pairs
        assert abs(pairs["delivery"]["difference"]["mean_percent"]) < 0.1
    reader = Reader(site.ledger)
    assert [len(reader.attempts(case)) for case in (*deliveries, run)] == [1, 1, 1]
    assert reader.report(run) is None, "nothing was delivered: there is no report of it"
    folder = site.results / run
    assert verify_published(folder) == ()
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert (manifest["planned"], manifest["session"]) == (True, "one planned fraction (not delivered)")
    total = pydicom.dcmread(folder / "sum.dcm")
    assert str(total.SeriesDescription).startswith("PLANNED")
    assert total.DoseSummationType == "FRACTION_SESSION"
    delivered = pydicom.dcmread(site.results / deliveries[0] / "sum.dcm")
    assert "PLANNED" not in str(delivered.SeriesDescription)
    assert total.SOPInstanceUID != delivered.SOPInstanceUID


@pytest.mark.promise("P15")
def test_a_daemon_that_is_killed_in_the_middle_makes_the_run_once(tmp_path: Path) -> None:
    site = a_site(tmp_path, quick_profile(tmp_path, seconds=1.5), reports=False)
    with Daemon(site, WITH_RUNS) as daemon:
        write_case(replace(FRACTION, planning_dose=False), site.incoming)
        until(lambda: split(daemon.rows())[1], 60.0, "a planned run is wanted")
        daemon.kill()
        daemon.start()
        (run,) = split(daemon.rows())[1]
        until(lambda: [path for path in claims(site) if run in path.parts], 60.0, "its engine was launched")
        daemon.kill()
        daemon.start()
        write_case(replace(NEXT, planning_dose=False), site.incoming)
        rows = daemon.until_ended(3, 300.0)
    deliveries, runs = split(rows)
    assert runs == [run]
    assert {row.state for row in rows.values()} == {CaseState.DONE}
    reader = Reader(site.ledger)
    assert [len(reader.attempts(case)) for case in (*deliveries, run)] == [1, 1, 1]


def test_a_run_that_fails_is_named_in_the_report_and_a_retry_makes_it_whole(tmp_path: Path) -> None:
    """Its engine fails on the planned spots alone: what it may not do to a delivery, nor to its report."""
    site = a_site(tmp_path, ct_profile(tmp_path))
    with Daemon(site, WITH_RUNS) as daemon:
        daemon.cli("pause")
        write_case(FRACTION, site.incoming)
        until(lambda: [row for row in daemon.rows().values() if row.state is CaseState.QUEUED], 60.0, "it is there")
        daemon.cli("unpause")
        (run,) = until(lambda: split(daemon.rows())[1], 60.0, "a planned run is wanted")
        daemon.cli("cancel", run)
        (case,), _ = split(daemon.until_ended(2, 300.0))
        settled(site, case, lambda _: True)
        assert f"its planned run {run} is cancelled" in pairs_of(site, case)["delivery"]["reason"]
        assert pairs_of(site, case)["total"]["compared"]
        first = settled(site, case, lambda _: True).manifest_sha256
        daemon.cli("retry", run)
        settled(site, case, lambda row: row.manifest_sha256 not in ("", first))
    assert pairs_of(site, case)["delivery"]["compared"]
    assert (site.results / case / "report.earlier-1" / "report.json").is_file()
    assert verify_published(site.results / case) == ()
