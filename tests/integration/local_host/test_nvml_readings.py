"""The real NVML bindings over a stand-in driver: what is told, and what cannot be told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pynvml
import pytest

from actors.local_host import processes
from actors.local_host.nvml import CannotTell, NoDriver, Nvml
from tests.kit.nvml import GIB, Driver, take_driver_away
from tests.kit.waiting import wait_until

ROOT = Path(__file__).resolve().parents[3]


def test_a_healthy_gpu_says_all(driver: Driver) -> None:
    driver.gpu(0, used=2 * GIB, temperature=61, utilization=97, clock=1755)
    driver.gpu(1)
    first, second = Nvml().read()
    assert (first.index, first.uuid, first.name) == (0, "GPU-00000000-aaaa-bbbb-cccc-dddddddddddd", "Stand-in 80GB")
    assert (first.total_mb, first.used_mb, first.free_mb) == (81920, 2048, 79872)
    assert (first.temperature_c, first.utilization_percent, first.clock_mhz) == (61, 97, 1755)
    assert (first.uncorrectable_ecc, first.processes, first.fault) == (0, (), "")
    assert second.index == 1


@pytest.mark.promise("P29")
@pytest.mark.parametrize("what", ["memory", "temperature", "utilization", "clock", "ecc", "processes"])
def test_a_value_that_fails_is_none_and_casts_doubt_on_the_gpu(driver: Driver, what: str) -> None:
    driver.gpu(0)
    driver.say(**{f"g0__error__{what}": pynvml.NVML_ERROR_UNKNOWN})
    (reading,) = Nvml().read()
    value = {
        "memory": reading.free_mb,
        "temperature": reading.temperature_c,
        "utilization": reading.utilization_percent,
        "clock": reading.clock_mhz,
        "ecc": reading.uncorrectable_ecc,
        "processes": reading.processes,
    }
    assert value[what] is None
    assert "does not tell" in reading.fault
    assert "Unknown Error" in reading.fault


@pytest.mark.promise("P29")
@pytest.mark.parametrize("code", [pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.NVML_ERROR_NO_PERMISSION])
def test_a_value_that_this_gpu_never_gives_is_none_and_no_fault(driver: Driver, code: int) -> None:
    driver.gpu(0)
    driver.say(g0__error__ecc=code, g0__error__processes=code)
    (reading,) = Nvml().read()
    assert reading.uncorrectable_ecc is None
    assert reading.processes is None, "nobody said that it is free"
    assert reading.fault == ""


@pytest.mark.promise("P29")
def test_a_lost_gpu_is_named_and_the_others_are_read(driver: Driver) -> None:
    driver.gpu(0)
    driver.gpu(1)
    driver.say(g0__error__handle=pynvml.NVML_ERROR_GPU_IS_LOST)
    lost, well = Nvml().read()
    assert "GPU 0 does not answer" in lost.fault
    assert lost.processes is None
    assert well.fault == ""


@pytest.mark.promise("P29")
@pytest.mark.parametrize("code", [pynvml.NVML_ERROR_UNKNOWN, pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH])
def test_a_driver_that_fails_cannot_tell_and_is_asked_anew(driver: Driver, code: int) -> None:
    nvml = Nvml()
    driver.gpu(0)
    driver.say(init=code)
    with pytest.raises(CannotTell):
        nvml.read()
    driver.say(init=0)
    assert len(nvml.read()) == 1
    driver.say(error__count=code)
    with pytest.raises(CannotTell):
        nvml.read()
    driver.say(error__count=None)
    assert len(nvml.read()) == 1


@pytest.mark.parametrize("code", [pynvml.NVML_ERROR_DRIVER_NOT_LOADED, pynvml.NVML_ERROR_LIBRARY_NOT_FOUND])
def test_a_driver_that_is_not_loaded_is_no_driver(driver: Driver, code: int) -> None:
    driver.say(init=code)
    with pytest.raises(NoDriver):
        Nvml().read()


def test_no_library_is_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    take_driver_away(monkeypatch)
    with pytest.raises(NoDriver):
        Nvml().read()


@pytest.mark.promise("P30")
def test_processes_are_named_and_ours_are_known_by_their_mark(driver: Driver) -> None:
    ours = subprocess.Popen(["sleep", "60"], env={**os.environ, "MQI_ATTEMPT": "case/3/1"})
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        for process in (ours, stranger):  # a process bears its parent's name for its first instant
            wait_until(lambda pid=process.pid: processes.name_of(pid) == "sleep")
        driver.gpu(0, processes=f"{ours.pid}:{3 * GIB} {stranger.pid} 4194303:1048576")
        (reading,) = Nvml().read()
        assert reading.processes is not None
        mine, other, unseen = reading.processes
        assert (mine.pid, mine.name, mine.used_mb, mine.attempt) == (ours.pid, "sleep", 3072, "case/3/1")
        assert (other.name, other.used_mb, other.attempt) == ("sleep", None, "")
        assert (unseen.name, unseen.used_mb, unseen.attempt) == ("?", 1, None)
    finally:
        for process in (ours, stranger):
            process.kill()
            process.wait()


def test_an_older_driver_lists_processes_too(driver: Driver) -> None:
    driver.gpu(0, processes=f"{os.getpid()}:{GIB}", old=1)
    (reading,) = Nvml().read()
    assert reading.processes is not None
    assert [process.pid for process in reading.processes] == [os.getpid()]


@pytest.mark.promise("P30")
def test_an_xid_of_the_hardware_makes_the_gpu_unfit_one_of_a_program_does_not(driver: Driver) -> None:
    nvml = Nvml()
    driver.gpu(0)
    driver.gpu(1)
    assert [gpu.fault for gpu in nvml.read()] == ["", ""]
    driver.say(xids="0:13 1:79 0:31")
    for _ in range(2):
        well, sick = nvml.read()
        assert well.fault == ""
        assert "Xid 79 (the GPU fell off the bus)" in sick.fault
    nvml.close()


def test_a_driver_without_events_is_read_all_the_same(driver: Driver) -> None:
    driver.gpu(0)
    driver.say(error__events=pynvml.NVML_ERROR_NOT_SUPPORTED)
    assert Nvml().read()[0].fault == ""
    driver.say(error__events=None, g0__error__register=pynvml.NVML_ERROR_NOT_SUPPORTED)
    assert Nvml().read()[0].fault == ""


@pytest.mark.promise("P30")
def test_memory_errors_are_counted(driver: Driver) -> None:
    driver.gpu(0, ecc=2)
    assert Nvml().read()[0].uncorrectable_ecc == 2


def test_the_library_is_found_by_the_systems_own_way(driver: Driver) -> None:
    """A process that finds the stand-in where the linker looks, as it would find the driver's library."""
    driver.gpu(0)
    program = "from actors.local_host.nvml import Nvml; print(Nvml().read()[0].uuid)"
    environment = {**os.environ, "LD_LIBRARY_PATH": str(driver.library.parent)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "GPU-00000000-aaaa-bbbb-cccc-dddddddddddd"


def test_the_daemon_stays_light() -> None:
    program = "import sys, actors.local_host; sys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
