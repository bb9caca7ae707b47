"""What operators order of a case reaches the queue of a cluster, wherever the daemon was killed as it said so."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from actors.demo.factory import write_demo_case
from actors.demo.site import make_site
from actors.ledger import Reader
from messages.states import AttemptState, CaseState
from tests.kit.daemon import Daemon, run_cli, until
from tests.kit.profiles import quick_profile
from tests.kit.slurm import Slurm

TABLE = 'launcher = "slurm"\n[hosts.slurm]\npartition = "gpu"\nmax_queued = 2\ninterval_s = 0.2\n'


@pytest.mark.promise("P16")
@pytest.mark.promise("P17")
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_case_is_held_and_released_in_the_queue(slurm_cluster: Slurm, tmp_path: Path, when: str) -> None:
    """A release that is lost would leave the job held, and the case waiting, for ever."""
    site = make_site(tmp_path, gpus=1, profile=quick_profile(tmp_path), interval_s=0.3, quiet_s=0.1, more=TABLE)
    slurm_cluster.command("sbatch", "--job-name=occupied", "--gres=gpu:4", "--output=/dev/null", "--wrap=sleep 300")

    def waiting() -> list[str]:
        return [job[0] for job in slurm_cluster.jobs() if job[1] != "occupied" and job[2] == "PENDING"]

    def reason() -> str:
        (number,) = waiting()
        return slurm_cluster.command("squeue", "-h", "-j", number, "-O", "Reason:40").strip()

    def struck(daemon: Daemon, order: str, passing: int) -> None:
        """The daemon is killed as it says this order to Slurm, and started again."""
        assert daemon.process is not None
        if daemon.process.poll() is None:
            daemon.stop()
        daemon.environment = {"MQI_CRASH_AT": f"slurm.steer:{when}#{passing}"}
        daemon.start()
        run_cli(order, *daemon.rows(), "--conf", str(site.conf))
        until(lambda: daemon.process is not None and daemon.process.poll() == -signal.SIGKILL, 30, "the blow")
        daemon.environment = {}
        daemon.start()

    try:
        until(lambda: ("occupied", "RUNNING") in {job[1:] for job in slurm_cluster.jobs()}, 20, "the GPUs are taken")
        with Daemon(site) as daemon:
            write_demo_case(site.incoming / "p1", beams=1, layers=2, spots=4, seed=1)
            until(waiting, 30, "its job waits")
            struck(daemon, "hold", 1)
            until(lambda: reason().startswith("JobHeld"), 30, "it is held")
            struck(daemon, "release", 2)  # that it is held is said again at the start
            until(lambda: not reason().startswith("JobHeld"), 30, "it is released")
            slurm_cluster.command("scancel", "--name=occupied")
            (row,) = daemon.until_ended(1, 60).values()
    finally:
        slurm_cluster.command("scancel", "--name=occupied")
    assert row.state is CaseState.DONE
    assert [run.state for run in Reader(site.ledger).attempts(row.case)] == [AttemptState.VERIFIED]
