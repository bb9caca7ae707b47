"""How long a GPU idles between two runs, and what a run costs beside its engine."""

from __future__ import annotations

import statistics
import time
from itertools import pairwise
from pathlib import Path

import pytest

from actors.ssh_connection import Target
from messages.states import CaseState
from tests.integration.case.case_house import WELL, Physics, house
from tests.kit.sshd import Sshd

BEAMS = 20
pytestmark = [pytest.mark.bench, pytest.mark.timeout(120)]


@pytest.mark.parametrize("seconds", [0.0, 0.3])
def test_bench_gpu_idle_between_two_runs(tmp_path: Path, seconds: float) -> None:
    """From the last act of one engine to the first of the next, on one GPU; the next beam is staged meanwhile."""
    measure("this machine", tmp_path, seconds, None, 1000)


@pytest.mark.parametrize("seconds", [0.0, 0.3, 1.0])
def test_bench_gpu_idle_between_two_runs_on_a_host_over_ssh(tmp_path: Path, seconds: float) -> None:
    """The same, the GPU behind a real server on loopback. Engines of no time leave none to stage the next in."""
    with Sshd(tmp_path / "sshd") as server:
        measure("an SSH host", tmp_path, seconds, server.target(), 500 if seconds else 1000)


def measure(where: str, tmp_path: Path, seconds: float, door: Target | None, limit_ms: float) -> None:
    times = tmp_path / "times"
    engine = f"date +%s%N >>'{times}'; sleep {seconds}; {WELL}; date +%s%N >>'{times}'"
    physics = Physics(lambda _beam: engine, beams=tuple(range(1, BEAMS + 1)))
    with house(tmp_path, slots=1, physics=physics, door=door) as built:
        began = time.perf_counter()
        built.admit("case-a")
        built.until("case-a", CaseState.DONE, 60)
        whole = time.perf_counter() - began
    stamps = [int(line) / 1e6 for line in times.read_text().split()]
    runs = list(zip(stamps[::2], stamps[1::2], strict=True))
    idle_ms = [after[0] - before[1] for before, after in pairwise(runs)]
    engine_s = sum(end - start for start, end in runs) / 1000
    print(
        f"\nGPU idle on {where} between runs of {seconds:g} s: median {statistics.median(idle_ms):.0f} ms, "
        f"max {max(idle_ms):.0f} ms; beside the engine {(whole - engine_s) * 1000 / BEAMS:.0f} ms a beam"
    )
    assert statistics.median(idle_ms) < limit_ms
