"""GPUs asked through nvidia-smi on a real link: odd values, failures, hangs, and whose processes they are."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from actors.ssh_connection import nvidia_smi
from actors.ssh_connection.control import Pace
from actors.supervision import Spec, StartChild
from messages.hosts import GpusObserved
from tests.kit.hosts import Host, ssh_host
from tests.kit.nvidia_smi import HEALTHY, NvidiaSmi
from tests.kit.probe import Probe
from tests.kit.sshd import Sshd
from tests.kit.waiting import wait_until

ODD = """\
0, GPU-aaaa, Card, 81920, 0, 81920, [N/A], [Not Supported], [N/A]
1, GPU-bbbb, Card, [Unknown Error], 0, 1, 40, 0, 1
"""
PACE = Pace(gpus_s=0.2)


@dataclass
class Gpus:
    host: Host
    smi: NvidiaSmi
    monitor: Probe
    parent: Probe

    def observed(self, fault: str | None = None) -> GpusObserved:
        """The next answer; with this in its fault."""
        self.monitor.clear()
        return self.monitor.expect(GpusObserved, 15, lambda seen: fault is None or fault in seen.fault)


@pytest.fixture
def gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gpus]:
    monkeypatch.setattr(nvidia_smi, "LIMIT_S", 1)
    smi, monitor, parent = NvidiaSmi(tmp_path / "bin"), Probe("monitor"), Probe("parent")
    given = {"gpus": "auto", "monitor": monitor, "parent": parent, "pace": PACE}
    with (
        Sshd(tmp_path / "sshd", environment=smi.environment) as server,
        ssh_host(tmp_path / "ws", server, **given) as host,
    ):
        yield Gpus(host, smi, monitor, parent)
        for process in psutil.process_iter(["cmdline"]):
            if process.info["cmdline"] == ["sleep", "1000"]:
                process.kill()


def test_every_gpu_is_told_and_its_worker_started_once(gpus: Gpus) -> None:
    seen = gpus.observed()
    assert [(gpu.index, gpu.uuid, gpu.free_mb) for gpu in seen.gpus] == [(0, "GPU-aaaa", 80896), (1, "GPU-bbbb", 81920)]
    assert [gpu.uncorrectable_ecc for gpu in seen.gpus] == [0, None]
    assert [gpu.fault for gpu in seen.gpus] == ["", ""]
    gpus.observed()
    children = [child.spec for child in gpus.parent.all(StartChild)]
    assert [spec.id for spec in children] == ["gpu-0", "gpu-1"]
    assert all(isinstance(spec, Spec) for spec in children)


@pytest.mark.promise("P29")
def test_a_value_that_is_not_supported_is_none_and_an_error_is_a_fault(gpus: Gpus) -> None:
    gpus.smi.say(ODD)
    wait_until(lambda: len(gpus.observed().gpus) == 2 and gpus.observed().gpus[1].fault, 15)
    good, bad = gpus.observed().gpus
    assert (good.temperature_c, good.utilization_percent, good.clock_mhz, good.fault) == (None, None, None, "")
    assert "[Unknown Error]" in bad.fault
    assert "memory.total" in bad.fault


@pytest.mark.promise("P29")
def test_a_failure_a_hang_and_nonsense_are_cannot_tell_and_it_may_change_its_mind(gpus: Gpus) -> None:
    gpus.smi.say("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n", code=9)
    assert "code 9" in gpus.observed("couldn't communicate").fault
    gpus.smi.say("Segmentation faul\n")
    assert gpus.observed("said").gpus == ()
    gpus.smi.hang()
    assert gpus.observed("has not answered").gpus == ()
    gpus.smi.say(HEALTHY)
    wait_until(lambda: len(gpus.observed().gpus) == 2, 15)


@pytest.mark.promise("P29")
def test_a_hanging_question_disturbs_no_order(gpus: Gpus) -> None:
    gpus.smi.hang()
    for number in range(3):
        gpus.host.launch(gpus.host.job(f"c/1/{number}", "true"))
        gpus.host.last(f"c/1/{number}", timeout=3)


@pytest.mark.promise("P30")
def test_whose_a_process_is_told_by_its_environment(gpus: Gpus) -> None:
    gpus.host.launch(gpus.host.job("c/1/1", "sleep", "90"))
    engine = gpus.host.run_dir("c/1/1") / "claim" / "engine"
    ours = int(str(wait_until(lambda: engine.exists() and engine.read_text())).split()[0])
    with subprocess.Popen(["sleep", "91"]) as stranger:
        apps = f"{ours}, GPU-aaaa, /opt/x, y/engine, 500\n{stranger.pid}, GPU-aaaa, /opt/x, y/engine, [N/A]\n"
        gpus.smi.say(apps=apps + "99999999, GPU-bbbb, ghost, 1\n")
        wait_until(lambda: gpus.observed().gpus[0].processes, 15)
        first, second = gpus.observed().gpus
        stranger.kill()
    assert first.processes is not None
    told = [(one.pid, one.attempt, one.used_mb) for one in first.processes]
    assert told == [(ours, "c/1/1", 500), (stranger.pid, "", None)]
    assert {one.name for one in first.processes} == {"engine"}
    assert second.processes is not None
    assert second.processes[0].attempt is None


@pytest.mark.promise("P29")
def test_who_computes_cannot_be_told(gpus: Gpus) -> None:
    (gpus.smi.folder / "apps.code").write_text("255")
    wait_until(lambda: gpus.observed().gpus and gpus.observed().gpus[0].processes is None, 15)


@pytest.mark.promise("P31")
def test_gpus_of_a_lost_host_are_unknown(gpus: Gpus, tmp_path: Path) -> None:
    gpus.observed()
    gpus.monitor.clear()
    server = psutil.Process(int((tmp_path / "sshd/sshd.pid").read_text()))
    for session in server.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended with the one before
            if session.name().startswith("sshd"):
                session.kill()
    assert gpus.monitor.expect(GpusObserved, 15, lambda seen: "suspended" in seen.fault).gpus == ()


def test_a_host_without_the_program(tmp_path: Path) -> None:
    monitor = Probe("monitor")
    given = {"gpus": "auto", "monitor": monitor, "parent": Probe("parent"), "pace": PACE}
    with ssh_host(tmp_path / "ws", **given):
        fault = monitor.expect(GpusObserved, 10, lambda seen: "suspended" not in seen.fault).fault
    assert "nvidia-smi is not installed" in fault
