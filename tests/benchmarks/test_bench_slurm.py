"""What we cost on a cluster: sixty beams through us, beside the same sixty jobs submitted by a plain sbatch loop."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from actors.demo.factory import write_demo_case
from actors.demo.site import make_site
from messages.states import CaseState
from tests.kit.daemon import Daemon, until
from tests.kit.profiles import quick_profile
from tests.kit.slurm import Slurm

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]

BEAMS, CASES, SECONDS = 60, 20, 2.0


def test_sixty_beams_cost_little_more_than_sixty_jobs(tmp_path: Path) -> None:
    with Slurm(tmp_path / "cluster") as cluster:
        cluster.command("sbatch", "--output=/dev/null", "--wrap=true")
        until(lambda: all(state == "COMPLETED" for *_, state in cluster.jobs()), 30, "the cluster is warm")
        plain = plain_loop(cluster)
        ours = through_us(cluster, tmp_path / "site")
    print(
        f"\n{BEAMS} beams of {SECONDS:g} s on 4 GPUs of a cluster: {ours:.1f} s, plain sbatch loop {plain:.1f} s:",
        end="",
    )
    print(f" ratio {ours / plain:.2f} (aim 1.1)")
    assert ours / plain < 2


def plain_loop(cluster: Slurm) -> float:
    """Seconds from the first sbatch to the last end."""
    began = time.monotonic()
    for _ in range(BEAMS):
        cluster.command("sbatch", "--gres=gpu:1", "--job-name=plain", "--output=/dev/null", f"--wrap=sleep {SECONDS}")
    until(lambda: [s for _, name, s in cluster.jobs() if name == "plain"].count("COMPLETED") == BEAMS, 300, "all ended")
    return time.monotonic() - began


def through_us(cluster: Slurm, folder: Path) -> float:
    """Seconds from the first case's admission to the last case's publication."""
    folder.mkdir()
    table = 'launcher = "slurm"\n[hosts.slurm]\npartition = "gpu"\nmax_queued = 16\ninterval_s = 1.0\n'
    profile = quick_profile(folder, SECONDS)
    site = make_site(folder, gpus=1, profile=profile, interval_s=0.2, quiet_s=0.1, more=table)
    for n in range(CASES):
        write_demo_case(site.incoming / f"p{n}", beams=BEAMS // CASES, layers=1, spots=6, seed=n + 1)
    with Daemon(site, cluster.environment) as daemon:
        rows = daemon.until_ended(CASES, 400)
    assert {row.state for row in rows.values()} == {CaseState.DONE}
    admitted = [row.admitted for row in rows.values() if row.admitted is not None]
    ended = [row.ended for row in rows.values() if row.ended is not None]
    return (max(ended) - min(admitted)).total_seconds()
