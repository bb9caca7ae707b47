"""Folders that go while the daemon works, or cannot be written: told, nothing lost, and on it goes (P20)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from actors.demo.factory import write_demo_case
from actors.demo.site import DemoSite, make_site
from actors.ledger import Reader
from actors.results import verify_published
from messages.states import CaseState
from tests.kit.daemon import Daemon, run_cli, until
from tests.kit.disks import read_only, small_disk
from tests.kit.profiles import quick_profile


def a_site(folder: Path, seconds: float = 0.0) -> DemoSite:
    return make_site(folder, gpus=1, profile=quick_profile(folder, seconds), interval_s=0.3, quiet_s=0.1)


def arrive(site: DemoSite, seed: int) -> None:
    write_demo_case(site.incoming / f"p{seed}", beams=1, layers=2, spots=8, seed=seed)


@pytest.mark.promise("P20")
def test_a_results_folder_that_is_removed_while_an_engine_runs_costs_no_result(tmp_path: Path) -> None:
    site = a_site(tmp_path, seconds=1.0)
    with Daemon(site) as daemon:
        arrive(site, 1)
        until(lambda: any(beam.state == "running" for row in daemon.rows().values() for beam in row.beams), 20)
        shutil.rmtree(site.results)
        rows = daemon.until_ended(1)
        assert {row.state for row in rows.values()} == {CaseState.DONE}
        assert all(verify_published(site.results / case) == () for case in rows)


@pytest.mark.promise("P20")
def test_a_results_share_that_is_unmounted_is_waited_for_and_its_empty_mount_point_gets_nothing(tmp_path: Path) -> None:
    """Also after a restart: that is when shares are not mounted."""
    site = a_site(tmp_path, seconds=1.0)
    with small_disk(site.results, 200_000), Daemon(site) as daemon:
        arrive(site, 1)
        until(lambda: any(beam.state == "running" for row in daemon.rows().values() for beam in row.beams), 20)
        subprocess.run(["umount", "-l", str(site.results)], check=True)

        def waits() -> bool:
            return any("is not mounted" in alarm.text for alarm in Reader(site.ledger).alarms())

        until(waits, 30, "an alarm stands")
        until(lambda: any(beam.state == "done" for row in daemon.rows().values() for beam in row.beams), 30, "it ran")
        assert daemon.stop() == 0
        daemon.start()
        until(waits, 30, "an alarm stands")
        assert list(site.results.iterdir()) == []
        assert {row.state for row in daemon.rows().values()} == {CaseState.RUNNING}
        with small_disk(site.results, 200_000):
            rows = daemon.until_ended(1, 90)
            assert {row.state for row in rows.values()} == {CaseState.DONE}
            assert all(verify_published(site.results / case) == () for case in rows)
            until(lambda: not waits(), 30, "the alarm is over")
            assert daemon.stop() == 0
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(site.results)], check=True)  # for the end of the outer one


@pytest.mark.promise("P37")
def test_a_log_folder_that_is_removed_is_made_again(tmp_path: Path) -> None:
    site = a_site(tmp_path)
    with Daemon(site) as daemon:
        shutil.rmtree(site.log.parent)
        arrive(site, 1)
        rows = daemon.until_ended(1)
        assert {row.state for row in rows.values()} == {CaseState.DONE}
        (case,) = rows
        until(lambda: site.log.exists() and case in site.log.read_text(), 10, "the log goes on")
        assert (site.log.parent / "cases" / f"{case}.log").exists()
        assert case in (site.log.parent / "events.jsonl").read_text()


@pytest.mark.parametrize("name", ["state", "log"])
def test_a_start_on_a_folder_that_cannot_be_written_names_it(tmp_path: Path, name: str) -> None:
    site = a_site(tmp_path)
    folder = {"state": site.state, "log": site.log.parent}[name]
    folder.mkdir(exist_ok=True)
    with read_only(folder):
        done = run_cli("start", "--conf", str(site.conf))
    assert done.returncode == 2, done.stderr
    said = done.stderr.strip().splitlines()
    assert len(said) <= 3, done.stderr
    assert "is not writable" in said[0]
    assert str(folder) in done.stderr
    assert f"daemon.{name}_dir" in done.stderr
