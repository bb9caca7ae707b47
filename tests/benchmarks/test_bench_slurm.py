"""What we cost on a cluster: sixty beams through us, beside the same sixty jobs submitted by a plain sbatch loop.

The plain jobs run the very command of ours, on copies of its input that lie ready, for the same resources; what they
lack is all that we add: interpretation, staging, wrapper, observation, collection, verification, publication.
"""

from __future__ import annotations

import json
import shlex
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest

from actors.demo.factory import write_demo_case
from actors.demo.site import DemoSite, make_site
from messages.states import CaseState
from tests.kit.daemon import Daemon, until
from tests.kit.profiles import quick_profile
from tests.kit.slurm import Slurm

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1800)]

BEAMS, CASES = 60, 20
HOST = 'launcher = "slurm"\n[hosts.slurm]\npartition = "gpu"\ngres = "gpu:1"\nmax_queued = 16\ninterval_s = 1.0\n'


@dataclass(frozen=True, slots=True)
class Sample:
    """What a job of ours runs."""

    input: Path
    run_dir: str
    """In its words, and in its files, where it ran."""
    words: tuple[str, ...]


@pytest.mark.parametrize(("seconds", "rounds"), [(2.0, 3), (10.0, 1)])
def test_sixty_beams_cost_little_more_than_sixty_jobs(tmp_path: Path, seconds: float, rounds: int) -> None:
    with Slurm(tmp_path / "cluster") as cluster:
        sample = sample_of(cluster, tmp_path / "sample", seconds)
        plain, ours = list[float](), list[float]()
        for turn in range(rounds):
            plain.append(plain_loop(cluster, sample, tmp_path / f"plain{turn}"))
            ours.append(through_us(cluster, tmp_path / f"site{turn}", seconds))
    ratios = [mine / theirs for mine, theirs in zip(ours, plain, strict=True)]
    print(f"\n{BEAMS} beams of {seconds:g} s on 4 GPUs of a cluster, {rounds} times: {median(ours):.1f} s,", end="")
    print(f" plain sbatch loop {median(plain):.1f} s: ratio {median(ratios):.2f} (aim 1.1), each", end="")
    print("".join(f" {ratio:.2f}" for ratio in ratios))
    assert median(ratios) < 1.5


def sample_of(cluster: Slurm, folder: Path, seconds: float) -> Sample:
    """From a case through us, which also warms the cluster."""
    site = make_our_site(folder, seconds, cases=1)
    with Daemon(site, cluster.environment) as daemon:
        until(lambda: list(site.workspace.glob("*/*/*/job.json")), 60, "a job is submitted")
        found = next(site.workspace.glob("*/*/*/job.json"))
        job = json.loads(found.read_text("utf-8"))
        shutil.copytree(found.parent / "in", folder / "in")
        daemon.until_ended(1, 120)
    environment = job["environment"]
    words = ("env", *(f"{name}={value}" for name, value in environment.items()), *job["command"])
    return Sample(folder / "in", str(found.parent), words)


def plain_loop(cluster: Slurm, sample: Sample, folder: Path) -> float:
    """Seconds from the first sbatch to the last end."""
    runs = [prepared(sample, folder / str(number)) for number in range(BEAMS)]
    name = folder.name
    began = time.monotonic()
    for run, script in runs:
        options = ["--partition=gpu", "--gres=gpu:1", f"--job-name={name}", f"--chdir={run}"]
        cluster.command("sbatch", *options, f"--output={run}/engine.log", f"--wrap={script}")
    until(lambda: [s for _, named, s in cluster.jobs() if named == name].count("COMPLETED") == BEAMS, 600, "all ended")
    took_s = time.monotonic() - began
    assert sum(1 for run, _ in runs if list((run / "out").iterdir())) == BEAMS, "every job has written its dose"
    return took_s


def prepared(sample: Sample, run: Path) -> tuple[Path, str]:
    """A run directory with the sample's input, and the script that runs its command there."""
    shutil.copytree(sample.input, run / "in")
    (run / "out").mkdir()
    for path in (run / "in").rglob("*"):
        if path.is_file() and sample.run_dir.encode() in (content := path.read_bytes()):
            path.write_bytes(content.replace(sample.run_dir.encode(), str(run).encode()))
    return run, shlex.join(sample.words).replace(sample.run_dir, str(run))


def through_us(cluster: Slurm, folder: Path, seconds: float) -> float:
    """Seconds from the first case's admission to the last case's publication."""
    site = make_our_site(folder, seconds, cases=CASES)
    with Daemon(site, cluster.environment) as daemon:
        rows = daemon.until_ended(CASES, 900)
    assert {row.state for row in rows.values()} == {CaseState.DONE}
    admitted = [row.admitted for row in rows.values() if row.admitted is not None]
    ended = [row.ended for row in rows.values() if row.ended is not None]
    return (max(ended) - min(admitted)).total_seconds()


def make_our_site(folder: Path, seconds: float, *, cases: int) -> DemoSite:
    folder.mkdir()
    site = make_site(folder, gpus=1, profile=quick_profile(folder, seconds), interval_s=0.2, quiet_s=0.1, more=HOST)
    for n in range(cases):
        write_demo_case(site.incoming / f"p{n}", beams=BEAMS // CASES, layers=1, spots=6, seed=n + 1)
    return site
