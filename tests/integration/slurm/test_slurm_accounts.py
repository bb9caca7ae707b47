"""A cluster with accounts: what its controller has forgotten, slurmdbd still tells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.slurm import Patience, SlurmOptions, check_cluster, open_here
from actors.slurm.options import job_name
from messages.hosts import HostObserved, HostState
from messages.jobs import Observation
from tests.kit.hosts import slurm_host
from tests.kit.probe import Probe
from tests.kit.slurm import Slurm
from tests.kit.slurm_accounts import AccountedSlurm
from tests.kit.waiting import wait_until


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slurm]:
    with AccountedSlurm(tmp_path / "cluster") as cluster:
        for name, value in cluster.environment.items():
            monkeypatch.setenv(name, value)
        yield cluster


@pytest.mark.promise("P33")
def test_a_job_that_the_controller_has_forgotten_is_explained_by_the_accounts(cluster: Slurm, tmp_path: Path) -> None:
    """Nobody looks while it is cancelled and forgotten; without accounts that would only be "not known any more"."""
    workspace = tmp_path / "workspace"
    accounting = next(
        line for line in check_cluster(open_here, str(workspace), SlurmOptions()) if line.name == "accounting"
    )
    assert accounting.ok, accounting
    with slurm_host(workspace) as host:
        job = host.job("c/1/1", "sleep", "300")
        host.launch(job)
        name = job_name("c/1/1", str(workspace))
        wait_until(lambda: any(j[1:] == (name, "RUNNING") for j in cluster.jobs()), 30, "it runs")
    cluster.command("scancel", "--signal=KILL", f"--name={name}")
    cluster.command("scancel", f"--name={name}")
    wait_until(lambda: not cluster.jobs(), 90, "the controller has forgotten it")
    monitor = Probe("monitor")
    with slurm_host(workspace, monitor=monitor, patience=Patience(lag_s=0.5, forgotten_s=60.0)) as host:
        monitor.expect(HostObserved, 20, lambda seen: seen.state is HostState.UP)
        host.watch("c/1/1")
        last = host.last("c/1/1", timeout=40)
    assert last.observation is Observation.KILLED
    assert "it was cancelled" in last.evidence
