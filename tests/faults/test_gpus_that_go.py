"""A GPU that is gone after a start: what was begun on it is brought to its end, and nothing new goes there."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.demo.factory import write_demo_case
from actors.demo.site import make_site
from actors.ledger import Reader
from messages.states import AttemptState, CaseState
from tests.kit.daemon import Daemon, until
from tests.kit.profiles import quick_profile


@pytest.mark.promise("P15")
@pytest.mark.promise("P21")
def test_a_run_on_a_slot_that_was_taken_away_is_picked_up(tmp_path: Path) -> None:
    site = make_site(tmp_path, gpus=2, profile=quick_profile(tmp_path, 1.5), interval_s=0.3, quiet_s=0.1)
    with Daemon(site) as daemon:
        write_demo_case(site.incoming / "p1", beams=2, layers=2, spots=8, seed=1)
        until(lambda: sum(beam.state == "running" for row in daemon.rows().values() for beam in row.beams) == 2, 20)
        daemon.kill()
        fewer = site.conf.read_text().replace("gpus = 2", "gpus = 1")
        assert fewer != site.conf.read_text()
        site.conf.write_text(fewer)
        daemon.start()
        write_demo_case(site.incoming / "p2", beams=2, layers=2, spots=8, seed=2)
        rows = daemon.until_ended(2, 40)
        assert {row.state for row in rows.values()} == {CaseState.DONE}
        runs = {case: Reader(site.ledger).attempts(case) for case in rows}
        assert all(run.state is AttemptState.VERIFIED for found in runs.values() for run in found), "each beam run once"
        begun, later = sorted(runs.values(), key=lambda found: found[0].launched)
        assert sorted(run.gpu for run in begun) == ["slot-0", "slot-1"]
        assert {run.gpu for run in later} == {"slot-0"}
