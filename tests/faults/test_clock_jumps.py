"""The machine's clock is set back, or forward, by a day while beams run: nothing ends early or twice (P21)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from actors.demo.factory import write_demo_case
from actors.demo.site import make_site
from actors.ledger import Reader
from actors.results import verify_published
from messages.states import CaseState
from tests.kit.daemon import Daemon, claims, until
from tests.kit.profiles import quick_profile

DAY_S = 86_400


def library() -> str:
    """libfaketime, in the place where its own command finds it."""
    if shutil.which("faketime") is None:
        pytest.skip("no faketime here: apt-get install faketime")
    found = sorted(Path("/usr/lib").rglob("libfaketimeMT.so.1"))
    if not found:
        pytest.skip("faketime is here without its library")
    return str(found[0])


@pytest.mark.promise("P21")
@pytest.mark.parametrize("jump_s", [DAY_S, -DAY_S], ids=["forward", "back"])
def test_a_clock_that_jumps_by_a_day_changes_nothing(tmp_path: Path, jump_s: int) -> None:
    """Only the daemon's own clock, and only the one that can be set: what hosts and files say is as it was."""
    clock = tmp_path / "clock"
    clock.write_text("+0")
    environment = {
        "LD_PRELOAD": library(),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_ONLY_CMDS": "python",
    }
    site = make_site(tmp_path, gpus=1, profile=quick_profile(tmp_path, seconds=1.5), interval_s=0.3, quiet_s=0.1)
    with Daemon(site, environment) as daemon:
        write_demo_case(site.incoming / "p1", beams=2, layers=2, spots=8, seed=1)
        until(lambda: any(beam.state == "running" for row in daemon.rows().values() for beam in row.beams), 30)
        clock.write_text(f"{jump_s:+d}")
        write_demo_case(site.incoming / "p2", beams=1, layers=2, spots=8, seed=2)
        rows = daemon.until_ended(2)
        made = claims(site)
        assert daemon.stop() == 0
    assert {row.state for row in rows.values()} == {CaseState.DONE}
    attempts = [attempt for case in rows for attempt in Reader(site.ledger).attempts(case)]
    assert [attempt.state for attempt in attempts] == ["verified"] * 3, "no run ended early, none was made twice"
    assert len(made) <= 3
    assert all(verify_published(site.results / case) == () for case in rows)
    days = {line[:10] for line in site.log.read_text().splitlines()}
    assert len(days) == 2, "the clock did jump"
