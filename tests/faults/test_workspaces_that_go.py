"""The disk of a host's workspace is not mounted for a while: no run counts as lost, the mount point gets nothing."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.demo.factory import write_demo_case
from actors.demo.loopback import Loopback
from actors.demo.site import DemoSite, make_site
from actors.ledger import Reader
from actors.results import verify_published
from messages.states import AttemptState, CaseState
from tests.kit.daemon import Daemon, engine_processes, run_cli, until
from tests.kit.profiles import quick_profile
from tests.kit.sshd import Sshd


class Disk:
    """A folder elsewhere that is mounted at the workspace, and keeps what it holds when it is not."""

    def __init__(self, kept: Path, place: Path) -> None:
        self.kept, self._place, self._mounted = kept, place, False

    def mount(self) -> None:
        order = ["mount", "--bind", str(self.kept), str(self._place)]
        if subprocess.run(order, capture_output=True, check=False).returncode != 0:
            pytest.skip("only root may mount a disk to take it away")
        self._mounted = True

    def unmount(self) -> None:
        if self._mounted:
            subprocess.run(["umount", "-l", str(self._place)], check=True)
            self._mounted = False


@contextmanager
def disk_at(kept: Path, place: Path) -> Iterator[Disk]:
    for folder in (kept, place):
        folder.mkdir(parents=True, exist_ok=True)
    disk = Disk(kept, place)
    disk.mount()
    try:
        yield disk
    finally:
        disk.unmount()


@pytest.fixture(params=["local", "ssh"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DemoSite]:
    with ExitStack() as stack:
        door = None
        if request.param == "ssh":
            server = stack.enter_context(Sshd(tmp_path / "sshd"))
            door = Loopback(server.port, server.user, server.client_key, server.known_hosts)
        folder = tmp_path / "site"
        folder.mkdir()
        profile = quick_profile(tmp_path, 1.5)
        yield make_site(folder, gpus=1, profile=profile, door=door, interval_s=0.3, quiet_s=0.1)


def host(daemon: Daemon) -> dict[str, Any]:
    found: dict[str, Any] = daemon.cli("status")["hosts"][0]
    return found


@pytest.mark.promise("P15")
@pytest.mark.promise("P21")
def test_a_run_whose_workspace_is_not_mounted_after_a_reboot_is_waited_for(site: DemoSite, tmp_path: Path) -> None:
    """A server comes up before its disks do. An empty mount point must not say that no run was ever launched."""
    with disk_at(tmp_path / "disk", site.workspace) as disk, Daemon(site) as daemon:
        write_demo_case(site.incoming / "p1", beams=1, layers=2, spots=8, seed=1)
        until(lambda: any(beam.state == "running" for row in daemon.rows().values() for beam in row.beams), 20)
        daemon.kill()
        until(lambda: list(disk.kept.glob("*/*/*/exit.json")), 20, "the engine ended meanwhile")
        until(lambda: not engine_processes(site), 10, "and is gone")
        disk.unmount()
        daemon.start()
        write_demo_case(site.incoming / "p2", beams=1, layers=2, spots=8, seed=2)
        until(lambda: host(daemon)["state"] == "suspended", 15, "the host is not used")
        assert "is not mounted" in host(daemon)["reason"]
        until(lambda: len(daemon.rows()) == 2, 10, "the second case waits")
        assert list(site.workspace.iterdir()) == [], "nothing is made in the mount point"
        disk.mount()
        rows = daemon.until_ended(2, 60)
        assert {row.state for row in rows.values()} == {CaseState.DONE}
        for case in rows:
            assert [one.state for one in Reader(site.ledger).attempts(case)] == [AttemptState.VERIFIED], "run once"
            assert verify_published(site.results / case) == ()
        until(lambda: [path.name for path in disk.kept.iterdir()] == [".wrappers"], 20, "its runs are removed")


@pytest.mark.promise("P17")
@pytest.mark.promise("P33")
def test_a_run_in_a_workspace_that_is_configured_no_more_says_so_and_waits_for_it(tmp_path: Path) -> None:
    site = make_site(tmp_path, gpus=1, profile=quick_profile(tmp_path, 1.0), interval_s=0.3, quiet_s=0.1)
    with Daemon(site) as daemon:
        write_demo_case(site.incoming / "p1", beams=1, layers=2, spots=8, seed=1)
        until(lambda: any(beam.state == "running" for row in daemon.rows().values() for beam in row.beams), 20)
        daemon.kill()
        as_it_was = site.conf.read_text()
        site.conf.write_text(as_it_was.replace(str(site.workspace), f"{site.workspace}-2"))
        assert site.conf.read_text() != as_it_was
        daemon.start()
        (case,) = daemon.rows()
        until(lambda: "Configure that one until it has ended" in why(site, case), 30, "why it waits is told")
        assert daemon.stop() == 0
        site.conf.write_text(as_it_was)
        daemon.start()
        rows = daemon.until_ended(1, 30)
        assert rows[case].state is CaseState.DONE
        assert [one.state for one in Reader(site.ledger).attempts(case)] == [AttemptState.VERIFIED]


def why(site: DemoSite, case: str) -> str:
    return run_cli("why", case, "--conf", str(site.conf)).stdout
