"""What years of finished cases cost a daemon: a ledger of many, beside the same one with a single case in it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from actors.demo.factory import write_demo_case
from actors.demo.site import DemoSite, make_site
from actors.ledger import Reader
from messages.states import CaseState
from tests.kit.daemon import Daemon, until
from tests.kit.profiles import quick_profile
from tests.kit.years import multiply

CASES = 100_000
MEASURED = 5
"""Small cases of which the processor time is taken: one alone is a few ticks of the clock."""
pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a daemon took."""

    start_s: float
    start_cpu_s: float
    """With all that follows until it rests: the history is counted once."""
    idle: float
    """Share of one core."""
    rss_mb: float
    case_s: float
    case_cpu_s: float
    """Of the daemon's own process, per small case, with a few seconds of what follows."""

    def __str__(self) -> str:
        return (
            f"answers after {self.start_s:.1f} s ({self.start_cpu_s:.1f} s of processor), "
            f"idle {self.idle:.2%} of a core, {self.rss_mb:.0f} MB, "
            f"a small case {self.case_s:.2f} s ({self.case_cpu_s * 1000:.0f} ms of processor)"
        )


def test_a_hundred_thousand_finished_cases_in_the_ledger(tmp_path: Path) -> None:
    site = make_site(
        tmp_path,
        gpus=2,
        profile=quick_profile(tmp_path, 0.0),
        interval_s=1.0,
        quiet_s=0.2,
        more="[backup]\nevery_h = 720\n",  # none while it is measured: it is a copy of the file
    )
    write_demo_case(site.incoming / "first", beams=1, layers=2, spots=10, seed=1)
    with Daemon(site) as daemon:
        (row,) = daemon.until_ended(1).values()
        until(lambda: daemon.rows()[row.case].cleaned, 30)
    few = measured(site, "few", 1)
    multiply(site.ledger, row.case, CASES, years=5)
    many = measured(site, "many", 1 + MEASURED + CASES)
    size = site.ledger.stat().st_size / 1e9
    print(f"\n1 case in the ledger: {few}\n{CASES:,} ({size:.1f} GB): {many}")
    assert many.case_cpu_s < 2 * few.case_cpu_s, "what a case costs grows with those that ever were"


def measured(site: DemoSite, name: str, there: int) -> Cost:
    """``there``: cases in the ledger, which have all ended."""
    waiting = site.folder / name
    for number in range(1, MEASURED + 1):  # the seeds of deliveries that are not there yet
        write_demo_case(waiting / f"{name}-{number}", beams=1, layers=2, spots=10, seed=there + number)
    daemon = Daemon(site)
    began = time.perf_counter()
    daemon.launch()
    try:
        until(daemon.answers, 120, "the daemon answers")
        start_s = time.perf_counter() - began
        assert daemon.process is not None
        process = psutil.Process(daemon.process.pid)
        settle(process)
        start_cpu_s = used(process)
        idle, since = used(process), time.perf_counter()
        time.sleep(20)
        idle = (used(process) - idle) / (time.perf_counter() - since)
        rss_mb, before, walls = process.memory_info().rss / 1e6, used(process), list[float]()
        for number, case in enumerate(sorted(waiting.iterdir()), 1):
            begun = time.perf_counter()
            case.rename(site.incoming / case.name)
            until(lambda wanted=there + number: ended(site.ledger) >= wanted, 60, "a small case is done")
            walls.append(time.perf_counter() - begun)
        time.sleep(3)  # cleaned, published, told
        return Cost(
            start_s, start_cpu_s, idle, rss_mb, sorted(walls)[len(walls) // 2], (used(process) - before) / MEASURED
        )
    finally:
        daemon.__exit__()


def settle(process: psutil.Process) -> None:
    """Until it rests; not for ever, for it may be that it never does, which is what is measured then."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        before = used(process)
        time.sleep(4)
        if used(process) - before < 0.08:
            return


def used(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def ended(ledger: Path) -> int:
    """How many cases are done, by the ledger's own count."""
    return Reader(ledger).counts()[CaseState.DONE]
