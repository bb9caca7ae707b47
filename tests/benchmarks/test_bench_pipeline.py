"""What the whole pipeline costs beside plain `xargs`, on one machine, everything included."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from actors.demo.factory import write_demo_case
from actors.demo.site import DemoSite, make_site
from actors.ledger import Reader
from messages.states import CaseState
from tests.kit.daemon import Daemon, until
from tests.kit.profiles import quick_profile

ROOT = Path(__file__).resolve().parents[2]
ENGINE = ROOT / "actors" / "demo" / "quick_engine.sh"
CASES, BEAMS, SLOTS = 20, 3, 4
pytestmark = [pytest.mark.bench, pytest.mark.timeout(300)]


def site_with(folder: Path, seconds: float, slots: int = SLOTS) -> DemoSite:
    folder.mkdir(parents=True)
    return make_site(folder, gpus=slots, profile=quick_profile(folder, seconds), interval_s=1.0, quiet_s=0.2)


def by_xargs(folder: Path, seconds: float) -> float:
    """The same 60 engine runs by `xargs -P4`, each with an input file and an output folder of its own."""
    for n in range(CASES * BEAMS):
        run = folder / f"run-{n}"
        (run / "out").mkdir(parents=True)
        (run / "input.txt").write_text("PhantomDimX 20\nPhantomDimY 20\nPhantomDimZ 30\nOutputDir out\n")
    listing = "\0".join(str(folder / f"run-{n}") for n in range(CASES * BEAMS))
    began = time.perf_counter()
    subprocess.run(
        [
            "xargs",
            "-0",
            "-P",
            str(SLOTS),
            "-I",
            "{}",
            "sh",
            "-c",
            'cd "$1" && sh "$2" input.txt >/dev/null',
            "run",
            "{}",
            str(ENGINE),
        ],
        input=listing.encode(),
        env={**os.environ, "MQI_ENGINE_SECONDS": str(seconds) if seconds else ""},
        check=True,
    )
    return time.perf_counter() - began


def by_us(folder: Path, seconds: float) -> tuple[float, float]:
    """Makespan in s from the moment that the folders appear to the last `done`, and the daemon's peak RSS in MB."""
    site = site_with(folder, seconds)
    waiting = folder / "waiting"
    for n in range(CASES):
        write_demo_case(waiting / f"p{n}" / "study", beams=BEAMS, layers=3, spots=20, seed=n + 1)
    with Daemon(site) as daemon:
        assert daemon.process is not None
        process, peak = psutil.Process(daemon.process.pid), 0.0
        began = time.perf_counter()
        for case in waiting.iterdir():
            case.rename(site.incoming / case.name)
        while not (rows := daemon.ended(CASES)):
            peak = max(peak, process.memory_info().rss / 1e6)
            assert time.perf_counter() - began < 120, daemon.output()
            time.sleep(0.05)
        took = time.perf_counter() - began
    assert {row.state for row in rows.values()} == {CaseState.DONE}
    return took, peak


@pytest.mark.parametrize("seconds", [0.0, 0.5])
def test_sixty_beams_beside_xargs(tmp_path: Path, seconds: float) -> None:
    theirs = by_xargs(tmp_path / "xargs", seconds)
    ours, peak = by_us(tmp_path / "ours", seconds)
    print(
        f"\n60 runs of {seconds:g} s on 4 slots: xargs {theirs:.2f} s, whole pipeline {ours:.2f} s, "
        f"ratio {ours / theirs:.2f}; daemon's peak RSS {peak:.0f} MB"
    )


def test_one_small_case_from_complete_to_done(tmp_path: Path) -> None:
    site = site_with(tmp_path / "one", 0.0)
    times = []
    with Daemon(site) as daemon:
        for n in range(5):
            write_demo_case(tmp_path / "w" / f"p{n}", beams=1, layers=2, spots=20, seed=n + 1)
            (tmp_path / "w" / f"p{n}").rename(site.incoming / f"p{n}")
            rows = daemon.until_ended(n + 1)
            newest = max((row for row in rows.values()), key=lambda row: row.seen)
            assert newest.admitted is not None
            assert newest.ended is not None
            times.append((newest.ended - newest.admitted).total_seconds())
    print(f"\none small case, admitted to done: median {sorted(times)[2]:.3f} s, worst {max(times):.3f} s")


def test_an_idle_daemon(tmp_path: Path) -> None:
    site = site_with(tmp_path / "idle", 0.0)
    with Daemon(site) as daemon:
        assert daemon.process is not None
        process = psutil.Process(daemon.process.pid)
        time.sleep(3)
        before, began = process.cpu_times(), time.perf_counter()
        time.sleep(20)
        after, took = process.cpu_times(), time.perf_counter() - began
        used = (after.user + after.system - before.user - before.system) / took
        rss, threads = process.memory_info().rss / 1e6, process.num_threads()
        print(f"\nidle daemon: {used:.2%} CPU, RSS {rss:.0f} MB, {threads} threads")


def test_ten_beams_running(tmp_path: Path) -> None:
    site = site_with(tmp_path / "ten", 8.0, slots=10)
    for n in range(5):
        write_demo_case(tmp_path / "w" / f"p{n}", beams=2, layers=3, spots=20, seed=n + 1)
    with Daemon(site) as daemon:
        assert daemon.process is not None
        process = psutil.Process(daemon.process.pid)
        for case in (tmp_path / "w").iterdir():
            case.rename(site.incoming / case.name)

        def running() -> int:
            return sum(beam.state == "running" for row in daemon.rows().values() for beam in row.beams)

        until(lambda: running() == 10, 30, "ten beams run")
        rss = process.memory_info().rss / 1e6
        before, began = process.cpu_times(), time.perf_counter()
        time.sleep(3)
        after = process.cpu_times()
        used = (after.user + after.system - before.user - before.system) / (time.perf_counter() - began)
        print(f"\nten beams running: RSS {rss:.0f} MB, {used:.1%} CPU")
        daemon.until_ended(5)


def test_a_killed_daemon_picks_all_jobs_up(tmp_path: Path) -> None:
    site = site_with(tmp_path / "kill", 12.0, slots=10)
    for n in range(5):
        write_demo_case(tmp_path / "w" / f"p{n}", beams=2, layers=3, spots=20, seed=n + 1)
    with Daemon(site) as daemon:
        for case in (tmp_path / "w").iterdir():
            case.rename(site.incoming / case.name)

        def running() -> bool:
            return sum(beam.state == "running" for row in daemon.rows().values() for beam in row.beams) == 10

        until(running, 30, "ten beams run")
        daemon.kill()
        killed, began = datetime.now(UTC), time.perf_counter()
        daemon.process = subprocess.Popen(
            [sys.executable, "-m", "actors.cli", "start", "--conf", str(site.conf)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

        def picked_up() -> bool:
            """Every worker has said anew, after the kill, that it has its run."""
            gpus = Reader(site.ledger).gpus()
            return sum(gpu.state == "busy" and gpu.at > killed for gpu in gpus) == 10

        until(picked_up, 20, "ten runs picked up")
        print(f"\nkilled daemon: start to all ten runs picked up {time.perf_counter() - began:.2f} s")
        daemon.until_ended(5)
