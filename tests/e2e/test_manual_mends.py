"""Who has only the manual can mend: its lines, run by a shell against the real daemon with the real fault."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from actors.demo.factory import write_demo_case
from actors.demo.loopback import Loopback
from actors.demo.site import local_host, make_site
from messages.states import CaseState
from tests.kit.daemon import Daemon, until
from tests.kit.disks import fill, small_disk
from tests.kit.manual import follow
from tests.kit.nvml import Driver, build
from tests.kit.profiles import profile, quick_profile
from tests.kit.sshd import Sshd

ROOT = Path(__file__).resolve().parents[2]


def site_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


def alarms(daemon: Daemon) -> dict[str, str]:
    return {alarm["id"]: alarm["text"] for alarm in daemon.cli("status")["alarms"]}


def gpus(daemon: Daemon) -> dict[str, dict[str, Any]]:
    """``HOST/INDEX`` → the GPU as `status` tells it."""
    return {f"{host['name']}/{gpu['index']}": gpu for host in daemon.cli("status")["hosts"] for gpu in host["gpus"]}


@pytest.mark.promise("P20")
def test_a_full_disk_is_mended_by_the_manual(tmp_path: Path) -> None:
    folder = site_folder(tmp_path)
    site = make_site(folder, gpus=1, profile=quick_profile(folder), interval_s=0.3, quiet_s=0.2)
    with small_disk(site.results, 130 * 1024):
        ballast = fill(site.results)
        with Daemon(site) as daemon:
            write_demo_case(site.incoming / "p1", beams=1, layers=2, spots=4, seed=1)
            until(lambda: "disk:results" in alarms(daemon), 30, "the alarm")
            given: dict[str, object] = {"folder": site.results, "file": ballast}
            looked = follow(tmp_path, site.conf, "full disk", "look", given)
            assert f"The results folder {site.results} has" in looked
            assert "100%" in looked
            assert str(ballast) in looked
            assert not any(row.state == CaseState.DONE for row in daemon.rows().values())
            follow(tmp_path, site.conf, "full disk", "mend", given)
            daemon.until_ended(1)
            until(lambda: not alarms(daemon), 30, "the alarm is over")
            assert "ALARM" not in follow(tmp_path, site.conf, "full disk", "see", given)
            assert {row.state for row in daemon.rows().values()} == {CaseState.DONE}


@pytest.mark.promise("P31")
@pytest.mark.promise("P32")
def test_a_changed_host_key_is_mended_by_the_manual(tmp_path: Path) -> None:
    if shutil.which("ssh-keyscan") is None:
        pytest.skip("ssh-keyscan is not installed (Debian: openssh-client)")
    folder = site_folder(tmp_path)
    with Sshd(folder / "sshd") as server:
        door = Loopback(server.port, server.user, server.client_key, server.known_hosts)
        site = make_site(folder, gpus=1, profile=quick_profile(folder), door=door, interval_s=0.3, quiet_s=0.2)
        with Daemon(site) as daemon:
            until(lambda: gpus(daemon).get("loopback/0", {}).get("state") == "idle", 30, "the host is up")
            server.stop()
            server.change_host_key()
            server.start()

            def reason() -> str:
                return str(daemon.cli("status")["hosts"][0]["reason"])

            until(lambda: "has CHANGED" in reason(), 60, "the changed key is refused")
            assert f"ssh-keygen -R '[127.0.0.1]:{server.port}'" in reason(), "the reason names the same command"
            write_demo_case(site.incoming / "p1", beams=1, layers=2, spots=4, seed=1)
            given = {"address": "127.0.0.1", "port": server.port, "known_hosts": server.known_hosts}
            follow(tmp_path, site.conf, "changed host key", "mend", given)
            rows = daemon.until_ended(1, 110)
            assert {row.state for row in rows.values()} == {CaseState.DONE}
            until(lambda: not alarms(daemon), 30, "the alarm is over")
            assert "has CHANGED" not in follow(tmp_path, site.conf, "changed host key", "see", given)


@pytest.mark.promise("P30")
def test_a_quarantined_gpu_is_mended_by_the_manual(tmp_path: Path) -> None:
    """Its engine fails on one host and succeeds on the other: that GPU is held to be sick until a person says else."""
    folder = site_folder(tmp_path)
    sick = folder / "sick-host" / "broken"
    sick.parent.mkdir()
    sick.touch()
    engine = profile(
        folder,
        name="broken-here",
        command='["sh", "-c", \'if [ -e "$PWD/../../../broken" ]; then exit 3; fi; exec sh "$1" "$2"\', "broken", '
        '"{root}/actors/demo/quick_engine.sh", "{input}"]',
        grid=(20, 20, 30),
    )
    more = local_host(folder / "well-host", 1, "well")
    site = make_site(folder, gpus=1, profile=engine, interval_s=0.3, quiet_s=0.2, more=more)
    text = site.conf.read_text().replace(f'"{site.workspace}"', f'"{sick.parent}"')
    site.conf.write_text(text.replace("gpus = 1", 'gpus = "auto"', 1))
    driver = Driver(build(folder), folder / "driver.txt")
    driver.gpu(0)
    environment = {"LD_LIBRARY_PATH": str(driver.library.parent), "NVML_STANDIN": str(driver.script)}
    with Daemon(site, environment) as daemon:
        for seed in range(1, 5):
            write_demo_case(site.incoming / f"p{seed}", beams=1, layers=2, spots=4, seed=seed)

        def quarantined() -> bool:
            return gpus(daemon)["this/0"]["state"] == "quarantined"

        until(lambda: daemon.ended(4), 60, "all cases ended, on the other GPU if need be")
        seed = 5
        while not quarantined() and seed < 9:
            write_demo_case(site.incoming / f"p{seed}", beams=1, layers=2, spots=4, seed=seed)
            until(lambda n=seed: daemon.ended(n), 60, "one more")
            seed += 1
        until(quarantined, 20, "the GPU is quarantined")
        until(lambda: "gpu:this/gpu-0" in alarms(daemon), 20, "the alarm")
        assert {row.state for row in daemon.rows().values()} == {CaseState.DONE}, "no case failed for it"
        sick.unlink()  # the cause is mended
        said = follow(tmp_path, site.conf, "quarantined GPU", "mend", {"gpu": "this/0"})
        assert "succeeded elsewhere" in said
        until(lambda: gpus(daemon)["this/0"]["state"] in ("idle", "busy"), 20, "it takes work again")
        until(lambda: not alarms(daemon), 20, "the alarm is over")
        assert "ALARM" not in follow(tmp_path, site.conf, "quarantined GPU", "see", {"gpu": "this/0"})


@pytest.mark.promise("P23")
def test_a_damaged_ledger_is_mended_by_the_manual(tmp_path: Path) -> None:
    folder = site_folder(tmp_path)
    site = make_site(folder, gpus=1, profile=quick_profile(folder), interval_s=0.3, quiet_s=0.2)
    with Daemon(site) as daemon:
        write_demo_case(site.incoming / "p1", beams=1, layers=2, spots=4, seed=1)
        daemon.until_ended(1)
        daemon.cli("backup")
        daemon.stop()
    damage(site.ledger)
    order = [sys.executable, "-m", "actors.cli", "start", "--conf", str(site.conf)]
    refused = subprocess.run(order, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 2
    assert "The ledger is damaged" in refused.stderr
    named = re.search(r"mqi-actors restore (\S+\.sqlite)", refused.stderr)
    assert named is not None, refused.stderr
    said = follow(tmp_path, site.conf, "damaged ledger", "mend", {"backup": named[1]})
    assert "restored:" in said
    with Daemon(site) as daemon:
        write_demo_case(site.incoming / "p2", beams=1, layers=2, spots=4, seed=2)
        rows = daemon.until_ended(2)
        assert {row.state for row in rows.values()} == {CaseState.DONE}
        seen = follow(tmp_path, site.conf, "damaged ledger", "see", {})
        assert all(case in seen for case in rows)
    assert list(site.state.glob("ledger-replaced-*.sqlite")), "the damaged file is kept"


def damage(ledger: Path) -> None:
    """As a bad disk does: the middle of the file is something else."""
    for beside in ("-wal", "-shm"):
        ledger.with_name(ledger.name + beside).unlink(missing_ok=True)
    size = ledger.stat().st_size
    with ledger.open("rb+") as file:
        file.seek(size // 4)
        file.write(os.urandom(size // 2))
