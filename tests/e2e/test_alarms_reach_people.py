"""The real daemon tells a real server of alarms: once each, over kills and reloads; and no secret is written down."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from actors.demo.site import make_site
from tests.kit.daemon import Daemon, run_cli, until
from tests.kit.profiles import quick_profile
from tests.kit.receiver import TOKEN, Receiver

ALARM = "disk:results"


@pytest.mark.promise("P15")
@pytest.mark.promise("P32")
def test_alarms_reach_people_once_each_over_kills_and_the_address_stays_secret(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    receiver = Receiver()
    more = f'[alarms]\nwebhook = "{receiver.address}"\ngroup_s = 0.0\ntimeout_s = 10.0\n'
    site = make_site(folder, gpus=1, profile=quick_profile(folder), interval_s=0.3, quiet_s=0.2, more=more)
    roomy = site.conf.read_text()
    site.conf.write_text(roomy.replace("\nmin_free_gb = 0.1", "\nmin_free_gb = 9e8"))

    def told() -> list[str]:
        return [entry["state"] for sent in receiver.documents for entry in sent["alarms"] if entry["id"] == ALARM]

    try:
        with Daemon(site) as daemon:
            until(lambda: told() == ["raised"], 30, "the alarm is told")
            # written down before the kill: a try that the kill itself cuts off comes once more, and says so
            until(lambda: "alarms told: push 1" in site.log.read_text(), 20, "and that it was told is written down")
            daemon.kill()
            daemon.start()
            listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
            check = run_cli("check", "--conf", str(site.conf)).stdout
            status = run_cli("status", "--conf", str(site.conf)).stdout
            assert "told to 127.0.0.1" in check
            assert "less than" in status
            site.conf.write_text(roomy)
            assert "results.min_free_gb" in daemon.cli("reload")["changed"]
            until(lambda: told()[-1] == "cleared", 30, "its end is told")
            until(lambda: "alarms told: push 2" in site.log.read_text(), 20, "and written down")
        assert told() == ["raised", "cleared"]
        assert [sent["push"] for sent in receiver.documents] == [1, 2]
        written = [path for path in folder.rglob("*") if path.is_file() and path != site.conf]
        assert site.log in written
        assert [str(path) for path in written if TOKEN.encode() in path.read_bytes()] == []
        assert TOKEN not in status + check + listed + daemon.output()
    finally:
        receiver.close()
