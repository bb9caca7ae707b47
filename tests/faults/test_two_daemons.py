"""Two daemons: on one state folder there is never more than one; with one results folder neither harms the other's."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from actors.demo.factory import write_demo_case
from actors.demo.site import DemoSite, make_site
from actors.results import verify_published
from messages.states import CaseState
from tests.kit.daemon import ENDED, Daemon, until
from tests.kit.profiles import quick_profile

LOCKED = 5


def quick_site(folder: Path) -> DemoSite:
    folder.mkdir(parents=True)
    return make_site(folder, gpus=2, profile=quick_profile(folder), interval_s=0.3, quiet_s=0.2)


@pytest.mark.promise("P22")
def test_of_many_that_start_at_once_on_one_state_folder_one_lives(tmp_path: Path) -> None:
    site = quick_site(tmp_path / "site")
    order = [sys.executable, "-m", "actors.cli", "start", "--conf", str(site.conf)]
    daemon = Daemon(site)
    started = []
    for number in range(4):
        with (tmp_path / f"said-{number}.txt").open("wb") as sink:
            started.append(subprocess.Popen(order, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink))
    try:
        until(lambda: sum(process.poll() is None for process in started) == 1, 60, "one is left")
        (holder,) = [process for process in started if process.poll() is None]
        write_demo_case(site.incoming / "p1", beams=1, layers=2, spots=10, seed=1)
        until(lambda: daemon.ended(1), 60, "it works")
        for number, process in enumerate(started):
            if process is not holder:
                assert process.returncode == LOCKED
                assert f"pid {holder.pid}" in (tmp_path / f"said-{number}.txt").read_text()
        holder.kill()
        holder.wait()
        with daemon:
            assert daemon.cli("status")["daemon"]["pid"] != holder.pid
    finally:
        for process in started:
            process.kill()
            process.wait()


@pytest.mark.promise("P13")
@pytest.mark.promise("P25")
def test_two_daemons_with_one_results_folder_and_the_same_cases_overwrite_nothing(tmp_path: Path) -> None:
    sites = [quick_site(tmp_path / name) for name in ("one", "two")]
    shutil.rmtree(sites[1].results)
    sites[1].results.symlink_to(sites[0].results)
    with Daemon(sites[0]) as one, Daemon(sites[1]) as two:
        for seed in range(1, 7):
            made = write_demo_case(tmp_path / "made", beams=1, layers=2, spots=10, seed=seed)
            for site in sites:
                shutil.copytree(made.path.parent, site.incoming / made.path.parent.name)
        rows = [until(lambda d=daemon: d.ended(6), 90, "six cases end") for daemon in (one, two)]
    published = sorted(path.name for path in sites[0].results.iterdir())
    assert published == sorted(rows[0]) == sorted(rows[1]), "each once, and nothing half-made"
    assert all(verify_published(sites[0].results / case) == () for case in published)
    for case in published:
        both = [found[case] for found in rows]
        assert CaseState.DONE in {row.state for row in both}
        for row in both:
            assert row.state in ENDED
            assert row.state is CaseState.DONE or "published already" in row.reason
