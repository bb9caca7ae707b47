"""The same pipeline with hosts behind real SSH servers: work spreads, doses are the same, cuts cost nothing."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pydicom
import pytest

from actors.demo.factory import write_demo_case
from actors.demo.loopback import Loopback
from actors.demo.site import DemoSite, local_host, make_site, ssh_host
from messages.states import CaseState
from tests.kit.daemon import Daemon, engine_processes, until
from tests.kit.profiles import profile
from tests.kit.sshd import Sshd

CASES = 12


def door(server: Sshd) -> Loopback:
    return Loopback(server.port, server.user, server.client_key, server.known_hosts)


def counted(folder: Path, seconds: float = 0.0) -> Path:
    """The reference engine, noting each start in ``<folder>/starts``."""
    starts = folder / "starts"
    starts.touch()
    return profile(
        folder,
        command=f"""["sh", "-c", 'echo "$MQI_ATTEMPT" >>"$1"; exec "$2" -m actors.demo.engine "$3"', \
"counted", "{starts}", "{{python}}", "{{input}}"]""",
        environment={"MQI_ENGINE_SECONDS": str(seconds)} if seconds else None,
        grid=(60, 60, 70),
    )


def starts(site: DemoSite) -> list[str]:
    return (site.folder / "starts").read_text().split()


def pixels(site: DemoSite, case: str) -> list[tuple[str, bytes]]:
    files = sorted((site.results / case).glob("*.dcm"))
    return [(file.name, pydicom.dcmread(file).PixelData) for file in files]


def run_all(site: DemoSite) -> dict[str, list[tuple[str, bytes]]]:
    for n in range(CASES):
        write_demo_case(site.incoming / f"p{n}", beams=1, layers=2, spots=20, seed=n + 1)
    with Daemon(site) as daemon:
        rows = daemon.until_ended(CASES)
    assert {row.state for row in rows.values()} == {CaseState.DONE}
    return {case: pixels(site, case) for case in rows}


@pytest.mark.promise("P25")
def test_three_hosts_share_twelve_cases_and_the_doses_are_those_of_a_local_run(tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    alone = run_all(make_site(here, gpus=3, profile=counted(here), interval_s=0.5, quiet_s=0.2))
    folder = tmp_path / "three"
    folder.mkdir()
    with ExitStack() as servers:
        one, two = (servers.enter_context(Sshd(folder / f"sshd-{n}")) for n in (1, 2))
        more = ssh_host(door(two), folder / "workspace-2", 1, "gpu2") + local_host(folder / "workspace-3", 1, "here")
        site = make_site(
            folder, gpus=1, profile=counted(folder), door=door(one), interval_s=0.5, quiet_s=0.2, more=more
        )
        together = run_all(site)
    assert together == alone
    ran = Counter(key.split("/")[0] for key in starts(site))
    assert set(ran.values()) == {1}, "every beam was run once"
    assert len(ran) == CASES
    places = {event.split()[-2] for event in site.log.read_text().splitlines() if " goes to " in event}
    assert {place.split("/")[0] for place in places} == {"loopback", "gpu2", "here"}, "work is spread over all hosts"


def far_engines(site: DemoSite) -> set[int]:
    found = set()
    for pid in engine_processes(site):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if b"actors.demo.engine" in command and b"counted" not in command:
            found.add(pid)
    return found


def running(daemon: Daemon, at_least: float = 0.0) -> int:
    rows = daemon.rows().values()
    return sum(beam.state == "running" and beam.progress >= at_least for row in rows for beam in row.beams)


@pytest.mark.promise("P16")
@pytest.mark.promise("P17")
@pytest.mark.promise("P31")
def test_a_server_that_dies_and_comes_back_finds_the_same_engines(tmp_path: Path) -> None:
    """Its work is suspended, told so, and picked up; the other host goes on meanwhile; nothing runs twice."""
    folder = tmp_path / "site"
    folder.mkdir()
    with Sshd(folder / "sshd") as server:
        site = make_site(
            folder,
            gpus=2,
            profile=counted(folder, seconds=5.0),
            door=door(server),
            interval_s=0.5,
            quiet_s=0.2,
            more=local_host(folder / "workspace", 1, "here"),
        )
        write_demo_case(site.incoming / "far", beams=3, layers=2, spots=20, seed=1)
        with Daemon(site) as daemon:
            until(lambda: running(daemon, 0.05) == 3, 40, "two beams run far away and one here")
            before = far_engines(site)
            server.stop()
            assert far_engines(site) == before, "engines outlive their server"
            until(lambda: host_state(daemon, "loopback") == "suspended", 40, "status tells the truth")
            assert host_state(daemon, "here") == "up"
            daemon.kill()
            server.start()
            daemon.start()
            (row,) = daemon.until_ended(1).values()
            assert row.state == CaseState.DONE
            assert host_state(daemon, "loopback") == "up"
    assert sorted(key.split("/")[1] for key in starts(site)) == sorted({key.split("/")[1] for key in starts(site)})
    assert len(starts(site)) == 3


def host_state(daemon: Daemon, name: str) -> str:
    hosts = daemon.cli("status")["hosts"]
    return next(host["state"] for host in hosts if host["name"] == name)


@pytest.mark.promise("P16")
def test_connections_cut_time_and_again_cost_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    with Sshd(folder / "sshd") as server:
        site = make_site(
            folder, gpus=2, profile=counted(folder, 0.5), door=door(server), interval_s=0.5, quiet_s=0.2, attempts=1
        )
        for n in range(3):
            write_demo_case(site.incoming / f"p{n}", beams=2, layers=2, spots=20, seed=n + 1)
        with Daemon(site) as daemon:
            until(lambda: starts(site), 40, "the first engine runs")
            for _ in range(4):
                server.cut()
                count = len(starts(site))
                deadline = time.monotonic() + 15
                while len(starts(site)) == count and not daemon.ended(3) and time.monotonic() < deadline:
                    time.sleep(0.02)
            rows = daemon.until_ended(3)
        assert {row.state for row in rows.values()} == {CaseState.DONE}
    assert len(starts(site)) == 6
    assert len({tuple(key.split("/")[:2]) for key in starts(site)}) == 6
