"""One disk for everything, and it is full: new work waits and says so, nothing is lost, all goes on with room."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.demo.factory import write_demo_case
from actors.demo.site import make_site
from actors.results import verify_published
from messages.states import CaseState
from tests.kit.daemon import Daemon, until
from tests.kit.disks import fill, small_disk
from tests.kit.profiles import quick_profile


@pytest.mark.promise("P20")
@pytest.mark.promise("P33")
def test_a_disk_that_fills_while_beams_run_stops_new_work_and_loses_none(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 130 * 1024) as disk:
        folder = disk / "site"
        folder.mkdir()
        site = make_site(folder, gpus=2, profile=quick_profile(folder, seconds=0.5), interval_s=0.5, quiet_s=0.2)
        for seed in range(1, 5):
            write_demo_case(site.incoming / f"p{seed}", beams=2, layers=3, spots=20, seed=seed)
        with Daemon(site) as daemon:
            until(lambda: any(beam.state == "running" for row in daemon.rows().values() for beam in row.beams), 20)
            ballast = fill(disk)
            alarmed = {"ledger-write", "disk:state", "disk:results", "disk:workspace:this"}
            until(lambda: {alarm["id"] for alarm in daemon.cli("status")["alarms"]} == alarmed, 20, "alarms")
            waiting = [row for row in daemon.rows().values() if row.state != CaseState.DONE]
            assert waiting
            said = [daemon.cli("why", row.case)["why"] for row in waiting]
            assert any("ake room" in sentence for sentence in said), said
            assert not list(site.results.rglob("*.partial/manifest.json"))
            ballast.unlink()
            rows = daemon.until_ended(4)
            until(lambda: not daemon.cli("status")["alarms"], 20, "the alarms are over")
        assert {row.state for row in rows.values()} == {CaseState.DONE}
        assert all(verify_published(site.results / case) == () for case in rows)
        assert not list(site.results.glob(".*"))
