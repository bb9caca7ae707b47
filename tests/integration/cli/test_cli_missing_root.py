"""A share that is not mounted at the start: told as an alarm, never made as an empty folder, found when it is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.demo.site import make_site
from actors.ledger import Reader
from tests.kit.daemon import Daemon, until
from tests.kit.profiles import quick_profile


@pytest.mark.promise("P11")
def test_a_root_that_is_away_at_the_start(tmp_path: Path) -> None:
    site = make_site(tmp_path, gpus=1, profile=quick_profile(tmp_path))
    site.incoming.rmdir()
    reader = Reader(site.ledger)
    with Daemon(site) as daemon:
        alarms = lambda: [row.alarm for row in reader.alarms()]  # noqa: E731
        until(lambda: f"scan-root:{site.incoming}" in alarms(), 20, "it is told")
        assert not site.incoming.exists()
        site.incoming.mkdir()
        until(lambda: f"scan-root:{site.incoming}" not in alarms(), 20, "its return is told")
        assert daemon.stop() == 0
