"""One machine that stands twice in the configuration: its GPU is one GPU, whatever the hosts are called."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from actors.demo.factory import write_demo_case
from actors.demo.site import local_host, make_site
from actors.ledger import Reader
from messages.states import CaseState
from tests.kit.daemon import Daemon, until
from tests.kit.nvml import Driver, build
from tests.kit.profiles import quick_profile


@pytest.mark.promise("P28")
def test_no_two_beams_are_on_it_at_once_and_the_operator_is_told(tmp_path: Path) -> None:
    """The driver tells of no process here, so nothing but the UUID says that the GPU is taken."""
    more = local_host(tmp_path / "by-another-name", 1, "another")
    site = make_site(tmp_path, gpus=1, profile=quick_profile(tmp_path, 0.4), interval_s=0.3, quiet_s=0.1, more=more)
    site.conf.write_text(site.conf.read_text().replace("gpus = 1", 'gpus = "auto"'))
    driver = Driver(build(tmp_path), tmp_path / "driver.txt")
    driver.gpu(0)
    environment = {"LD_LIBRARY_PATH": str(driver.library.parent), "NVML_STANDIN": str(driver.script)}
    with Daemon(site, environment) as daemon:
        until(lambda: len(daemon.cli("status")["hosts"]) == 2, 20, "both hosts are seen")
        for seed in range(1, 5):
            write_demo_case(site.incoming / f"p{seed}", beams=2, layers=2, spots=4, seed=seed)
        rows = daemon.until_ended(4)
        alarms = {alarm["id"]: alarm["text"] for alarm in daemon.cli("status")["alarms"]}
    assert {row.state for row in rows.values()} == {CaseState.DONE}
    runs = sorted((run.launched, run.ended) for case in rows for run in Reader(site.ledger).attempts(case))
    assert len(runs) == 8
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(runs)), runs
    (text,) = (text for id_, text in alarms.items() if id_.startswith("gpu-twice:GPU-00000000"))
    assert "this/0" in text
    assert "another/0" in text
