"""What the control of an SSH host costs, and how soon it knows: sixteen runs on one host behind a real sshd."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import pytest

from messages.jobs import JobObserved
from tests.kit.hosts import ssh_host
from tests.kit.waiting import wait_until

JOBS = 16
QUIET_S = 5.0
NOTICED_S = 0.3
CPU_SHARE = 0.02


@pytest.mark.bench
def test_an_end_is_noticed_soon_and_watching_costs_little(tmp_path: Path) -> None:
    script = f"i=0; while [ ! -e {tmp_path}/go.$1 ]; do echo batch $i; i=$((i+1)); sleep 1; done"
    with ssh_host(tmp_path / "ws", gpus=JOBS) as host:
        keys = [f"c/{number}/1" for number in range(JOBS)]
        launches = []
        for key in keys:
            begun = time.monotonic()
            host.launch(host.job(key, "sh", "-c", script, "sh", key.split("/")[1]))
            launches.append(time.monotonic() - begun)
        time.sleep(3.0)  # young runs are watched more closely
        begun, cpu = time.monotonic(), time.process_time()
        time.sleep(QUIET_S)
        share = (time.process_time() - cpu) / (time.monotonic() - begun)
        delays = []
        for key in keys:
            (tmp_path / f"go.{key.split('/')[1]}").touch()
            wait_until((host.run_dir(key) / "exit.json").exists, 5)
            ended = time.monotonic()
            wait_until(lambda key=key: [n for n in host.probe.all(JobObserved) if n.key == key and n.group_gone], 5)  # type: ignore[misc]
            delays.append(time.monotonic() - ended)
    print(
        f"\nlaunch: median {statistics.median(launches) * 1e3:.0f} ms, most {max(launches) * 1e3:.0f} ms; "
        f"end noticed: median {statistics.median(delays) * 1e3:.0f} ms, most {max(delays) * 1e3:.0f} ms; "
        f"CPU of the daemon with {JOBS} runs: {share * 100:.2f} %"
    )
    assert max(delays) < NOTICED_S
    assert share < CPU_SHARE
