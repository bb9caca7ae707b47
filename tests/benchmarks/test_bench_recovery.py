"""How long it takes until all is as before: the whole daemon with twenty running beams, and each actor alone."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import pytest

from actors.demo.factory import write_demo_case
from actors.demo.site import make_site
from actors.ledger import Reader
from messages.states import CaseState
from tests.campaigns.fire import ACTORS, besiege, blow_for
from tests.kit.daemon import Daemon, until
from tests.kit.fire import Kind
from tests.kit.profiles import quick_profile

BEAMS = 20
pytestmark = [pytest.mark.bench, pytest.mark.timeout(300)]


def test_a_killed_daemon_with_twenty_running_beams(tmp_path: Path) -> None:
    site = make_site(tmp_path, gpus=BEAMS, profile=quick_profile(tmp_path, 15.0), interval_s=1.0, quiet_s=0.2)
    for n in range(BEAMS // 2):
        write_demo_case(tmp_path / "w" / f"p{n}", beams=2, layers=3, spots=20, seed=n + 1)
    with Daemon(site) as daemon:
        for case in (tmp_path / "w").iterdir():
            case.rename(site.incoming / case.name)

        def running() -> bool:
            beams = [beam for row in daemon.rows().values() for beam in row.beams]
            return sum(beam.state == "running" for beam in beams) == BEAMS

        until(running, 60, f"{BEAMS} beams run")
        bare_s = _bare_start_s()
        daemon.kill()
        killed, began = datetime.now(UTC), time.perf_counter()
        daemon.launch()

        def picked_up() -> bool:
            """Every worker has said anew, after the kill, that it has its run."""
            gpus = Reader(site.ledger).gpus()
            return sum(gpu.state == "busy" and gpu.at > killed for gpu in gpus) == BEAMS

        until(picked_up, 30, "all runs are picked up")
        took_s = time.perf_counter() - began
        rows = daemon.until_ended(BEAMS // 2)
    assert {row.state for row in rows.values()} == {CaseState.DONE}
    print(
        f"\nkilled daemon: start to all {BEAMS} runs picked up {took_s:.2f} s; a Python that only imports the same: "
        f"{bare_s:.2f} s, ratio {took_s / bare_s:.1f}"
    )


def _bare_start_s() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import actors.cli.daemon.run, actors.tree"], check=True)
    return time.perf_counter() - began


def test_each_actor_struck_by_an_exception(tmp_path: Path) -> None:
    chance = random.Random(1)
    siege = besiege(tmp_path / "siege", [blow_for(path, Kind.RAISE, chance) for path in ACTORS])
    assert not siege.wrong
    back = {one.path: (one.up_s - one.at_s) * 1000 for one in siege.struck if one.up_s is not None}
    print()
    for path, took_ms in sorted(back.items(), key=lambda item: item[1]):
        print(f"{path:45} {took_ms:6.1f} ms")
    print(f"{len(back)} actors: median {median(back.values()):.1f} ms, worst {max(back.values()):.1f} ms")
