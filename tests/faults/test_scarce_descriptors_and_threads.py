"""No descriptors, no threads: the daemon says so, loses nothing, and goes on when there are some again (P35)."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from actors.demo.factory import write_demo_case
from actors.demo.site import DemoSite, make_site
from actors.results import verify_published
from messages.states import CaseState
from tests.kit.daemon import Daemon, until
from tests.kit.limits import NOBODY_ELSE, as_another_user, descriptors, limited, threads_of_user
from tests.kit.profiles import quick_profile


def running(daemon: Daemon) -> int:
    return sum(beam.state == "running" for row in daemon.rows().values() for beam in row.beams)


def arrive(site: DemoSite, *seeds: int) -> None:
    for seed in seeds:
        write_demo_case(site.incoming / f"p{seed}", beams=1, layers=2, spots=8, seed=seed)


def all_done(daemon: Daemon, site: DemoSite, count: int) -> None:
    rows = daemon.until_ended(count)
    assert {row.state for row in rows.values()} == {CaseState.DONE}, daemon.output()[-3000:]
    assert all(verify_published(site.results / case) == () for case in rows)
    started = sorted((site.folder / "starts").read_text().split())
    assert len(started) == len(set(started)) == count, "every attempt once, and none more than needed"


def counted(folder: Path) -> DemoSite:
    """A site whose engine notes every start."""
    starts = folder / "starts"
    starts.touch(0o666)
    profile = quick_profile(folder, seconds=1.0)
    text = profile.read_text()
    wrapped = f"""command = ["sh", "-c", 'echo "$MQI_ATTEMPT" >>"$1"; exec sh "$2" "$3"', "counted", "{starts}", \\
"{{root}}/actors/demo/quick_engine.sh", "{{input}}"]"""
    lines = [wrapped.replace("\\\n", "") if line.startswith("command = ") else line for line in text.splitlines()]
    profile.write_text("\n".join(lines) + "\n")
    return make_site(folder, gpus=1, profile=profile, interval_s=0.3, quiet_s=0.1)


@pytest.mark.promise("P35")
def test_a_daemon_without_descriptors_keeps_what_runs_and_goes_on(tmp_path: Path) -> None:
    site = counted(tmp_path)
    with Daemon(site) as daemon:
        arrive(site, 1, 2)
        until(lambda: running(daemon), 20)
        assert daemon.process is not None
        pid = daemon.process.pid
        with limited(pid, "nofile", descriptors(pid)):
            arrive(site, 3)
            until(lambda: "oo many open files" in daemon.output(), 30, "it says what it lacks")
            assert daemon.process.poll() is None, daemon.output()[-3000:]
        all_done(daemon, site, 3)


@pytest.mark.promise("P35")
def test_a_daemon_without_threads_keeps_what_runs_and_goes_on(tmp_path: Path) -> None:
    site = counted(tmp_path)
    daemon = Daemon(site)
    daemon.before = as_another_user()
    with daemon:
        arrive(site, 1, 2)
        until(lambda: running(daemon), 20)
        assert daemon.process is not None
        pid = daemon.process.pid
        assert psutil.Process(pid).uids().real == NOBODY_ELSE
        with limited(pid, "nproc", threads_of_user(NOBODY_ELSE), daemon.before):
            arrive(site, 3)
            until(
                lambda: "can't start new thread" in daemon.output() or "temporarily unavailable" in daemon.output(), 30
            )
            assert daemon.process.poll() is None, daemon.output()[-3000:]
        all_done(daemon, site, 3)
