"""The whole daemon with a real Slurm: beams as jobs, and what becomes of them when something breaks."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.demo.factory import write_demo_case
from actors.demo.site import DemoSite, make_site
from actors.ledger import Reader
from actors.results import verify_published
from messages.ledger import AttemptRow
from messages.states import AttemptState, CaseState
from tests.kit.daemon import Daemon, until
from tests.kit.profiles import profile
from tests.kit.slurm import Slurm


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Slurm]:
    """A cluster of the test's own, whose controller it may kill; jobs end and begin quickly."""
    with Slurm(tmp_path / "cluster") as cluster:
        yield cluster


def cluster_site(folder: Path, *, seconds: float, max_queued: int, extra: str = "") -> DemoSite:
    """A site whose one host is the cluster; its engine notes every start in ``<folder>/starts``."""
    folder.mkdir()
    (folder / "starts").touch()
    counted = profile(
        folder,
        command=f"""["sh", "-c", 'echo "$MQI_ATTEMPT" >>"$1"; exec sh "$2" "$3"', \
"counted", "{folder / "starts"}", "{{root}}/actors/demo/quick_engine.sh", "{{input}}"]""",
        environment={"MQI_ENGINE_SECONDS": str(seconds)},
        grid=(20, 20, 30),
    )
    table = f"""\
launcher = "slurm"
[hosts.slurm]
partition = "gpu"
max_queued = {max_queued}
interval_s = 0.2
extra = [{extra}]
"""
    return make_site(folder, gpus=1, profile=counted, interval_s=0.3, quiet_s=0.2, more=table)


def starts(site: DemoSite) -> Counter[str]:
    """Attempt keys, as the engines themselves noted them."""
    return Counter((site.folder / "starts").read_text().split())


def attempts(site: DemoSite, state: AttemptState | None = None) -> list[AttemptRow]:
    reader = Reader(site.ledger)
    rows = [row for case in reader.cases() for row in reader.attempts(case.case)]
    return [row for row in rows if state is None or row.state is state]


def job_of(cluster: Slurm, row: AttemptRow) -> str:
    """Number of the attempt's job."""
    lines = cluster.command("squeue", "-h", "-t", "all", "-O", "JobID:|,Comment:200").splitlines()
    return next(number for number, key in (line.split("|") for line in lines) if key.strip() == row.key)


def lossy(cluster: Slurm, folder: Path, command: str) -> None:
    """From now on the first answer of ``command`` is lost after Slurm has accepted what was asked."""
    folder.mkdir()
    script = folder / command
    script.write_text(f"""#!/bin/sh
if mkdir {folder}/lost 2>/dev/null; then
    /usr/bin/{command} "$@" >/dev/null
    echo "{command}: error: Socket timed out on send/recv operation" >&2
    exit 1
fi
exec /usr/bin/{command} "$@"
""")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)


@pytest.mark.timeout(400)
@pytest.mark.promise("P15")
@pytest.mark.promise("P17")
def test_sixty_beams_while_everything_breaks_are_each_done_once(cluster: Slurm, tmp_path: Path) -> None:
    """The daemon killed, the controller killed, an answer lost, a job requeued, one cancelled by an administrator."""
    site = cluster_site(tmp_path / "site", seconds=0.5, max_queued=10, extra='"--requeue"')
    for n in range(20):
        write_demo_case(site.incoming / f"p{n}", beams=3, layers=1, spots=6, seed=n + 1)
    lossy(cluster, tmp_path / "lossy", "sbatch")
    environment = {**cluster.environment, "PATH": f"{tmp_path / 'lossy'}:{os.environ['PATH']}"}
    with Daemon(site, environment) as daemon:
        until(lambda: len(starts(site)) >= 6, 60, "engines run")
        running = until(lambda: [row for row in attempts(site, AttemptState.RUNNING) if starts(site)[row.key]], 20)
        requeued = running[-1].key
        cluster.command("scontrol", "requeue", job_of(cluster, running[-1]))
        until(lambda: len(starts(site)) >= 12, 60)
        daemon.kill()
        daemon.start()
        until(lambda: len(starts(site)) >= 20, 60)
        waiting = until(lambda: [job for job in cluster.jobs() if job[2] == "PENDING"], 20, "a job waits")
        cluster.command("scancel", waiting[-1][0])
        cluster.kill_controller()
        until(lambda: any(host["state"] == "suspended" for host in daemon.cli("status")["hosts"]), 30, "it is told")
        cluster.start_controller()
        rows = daemon.until_ended(20, 150)
        until(lambda: all(row.cleaned for row in daemon.rows().values()), 60, "run directories are cleaned")
    assert {row.state for row in rows.values()} == {CaseState.DONE}
    for row in rows.values():
        assert not verify_published(site.results / row.case)
    assert set(starts(site).values()) == {1}, "no attempt was started twice"
    verified = Counter(row.key.rpartition("/")[0] for row in attempts(site, AttemptState.VERIFIED))
    assert len(verified) == 60
    assert set(verified.values()) == {1}, "every beam was done once"
    assert (tmp_path / "lossy" / "lost").exists(), "the answer was lost"
    assert not list(site.workspace.glob("[!.]*/*")), "run directories are cleaned"
    failed = {row.key: row.evidence for row in attempts(site, AttemptState.FAILED)}
    assert "Slurm started it again (restart 1)" in failed[requeued]
    assert any("it was cancelled, and left no exit.json" in evidence for evidence in failed.values())
