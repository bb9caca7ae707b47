"""One of the four disks is full, the others are not: new work waits and says for what, and goes on with room (P20)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from actors.demo.factory import write_demo_case
from actors.demo.site import DemoSite, make_site
from actors.results import verify_published
from messages.states import CaseState
from tests.kit.daemon import Daemon, until
from tests.kit.disks import fill, small_disk
from tests.kit.profiles import quick_profile

CASES = 3
FOLDERS: dict[str, Callable[[DemoSite], Path]] = {
    "state": lambda site: site.state,
    "results": lambda site: site.results,
    "workspace": lambda site: site.workspace,
    "log": lambda site: site.log.parent,
}
ALARM = {"state": "disk:state", "results": "disk:results", "workspace": "disk:workspace:this"}


@pytest.mark.promise("P20")
@pytest.mark.promise("P33")
@pytest.mark.parametrize("name", ["state", "results", "workspace"])
def test_one_full_disk_stops_new_work_names_itself_and_loses_nothing(tmp_path: Path, name: str) -> None:
    site = make_site(tmp_path, gpus=1, profile=quick_profile(tmp_path, seconds=0.4), interval_s=0.3, quiet_s=0.1)
    with small_disk(FOLDERS[name](site), 130 * 1024) as disk, Daemon(site) as daemon:
        for seed in range(1, CASES + 1):
            write_demo_case(site.incoming / f"p{seed}", beams=1, layers=2, spots=8, seed=seed)
        until(lambda: any(beam.state == "running" for row in daemon.rows().values() for beam in row.beams), 20)
        ballast = fill(disk)
        until(lambda: ALARM[name] in {alarm["id"] for alarm in daemon.cli("status")["alarms"]}, 20, "the alarm")
        (text,) = (alarm["text"] for alarm in daemon.cli("status")["alarms"] if alarm["id"] == ALARM[name])
        assert str(disk) in text
        assert "make room" in text
        waiting = [row.case for row in daemon.rows().values() if row.state != CaseState.DONE]
        assert waiting
        assert any("ake room" in daemon.cli("why", case)["why"] for case in waiting)
        ballast.unlink()
        rows = daemon.until_ended(CASES)
        until(lambda: not daemon.cli("status")["alarms"], 20, "the alarms are over")
        assert {row.state for row in rows.values()} == {CaseState.DONE}
        assert all(verify_published(site.results / case) == () for case in rows)
        assert not list(site.results.glob(".*"))


@pytest.mark.promise("P20")
@pytest.mark.promise("P37")
def test_a_full_disk_of_the_log_stops_no_work_and_is_told_when_there_is_room(tmp_path: Path) -> None:
    site = make_site(tmp_path, gpus=2, profile=quick_profile(tmp_path), interval_s=0.3, quiet_s=0.1)
    with small_disk(site.log.parent, 256) as disk, Daemon(site) as daemon:
        write_demo_case(site.incoming / "p1", beams=1, layers=2, spots=8, seed=1)
        daemon.until_ended(1)
        ballast = fill(disk)
        for seed in range(2, 8):  # more lines than the last page of the file has room for
            write_demo_case(site.incoming / f"p{seed}", beams=1, layers=2, spots=8, seed=seed)
        daemon.until_ended(7)
        ballast.unlink()
        write_demo_case(site.incoming / "p8", beams=1, layers=2, spots=8, seed=8)
        rows = daemon.until_ended(8)
        assert {row.state for row in rows.values()} == {CaseState.DONE}
        until(lambda: "could not be written" in site.log.read_text(), 10, "the log tells what it lost")
        lines = site.log.read_text().splitlines()
        assert all(line[:2] == "20" for line in lines), "whole lines only"
        last = max(rows.values(), key=lambda row: row.seen).case
        assert any(last in line for line in lines), "and goes on"
