"""What the engine is told to do wrong, it does: from outside, as whoever runs it sees it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

import numpy as np
import psutil
import pytest
from engine_runs import DiedError, EngineRun

from actors.demo.engine.misbehaviour import EngineFault, Misbehaviour

WHOLE = 60 * 60 * 140 * 8
MakeRun = Callable[..., EngineRun]
Within = Callable[..., int]


@pytest.mark.parametrize(
    ("fault", "status", "said"),
    [
        ("cuda", 255, "CUDA error"),
        ("out-of-memory", 2, "GPUassert: out of memory"),
        ("nan-track", 1, "NaN"),
        ("bad-exit", 3, "Time taken by MC engine"),
        ("flood", 0, "flooding"),
    ],
)
def test_how_it_ends(
    make_run: MakeRun, within: Within, capsys: pytest.CaptureFixture[str], *, fault: str, status: int, said: str
) -> None:
    assert within(make_run(), MQI_ENGINE_FAULT=fault) == status
    captured = capsys.readouterr()
    assert said in captured.out + captured.err
    assert (len(captured.out) > 10_000_000) == (fault == "flood")


@pytest.mark.parametrize(("fault", "number"), [("crash", signal.SIGABRT), ("segfault", signal.SIGSEGV)])
def test_how_it_dies(make_run: MakeRun, within: Within, fault: str, number: int) -> None:
    with pytest.raises(DiedError, match=rf"^{int(number)} "):
        within(make_run("1"), MQI_ENGINE_FAULT=fault)
    run = make_run("2")
    ended = run.process({"MQI_ENGINE_FAULT": fault})
    assert ended.returncode == -number
    assert ("std::bad_alloc" in ended.stderr) == (fault == "crash")
    assert ended.stdout == ""  # a pipe is block-buffered: what was not flushed is lost
    if fault == "segfault":
        (name,) = run.outputs()
        assert (run.directory / "out" / name).stat().st_size == WHOLE // 2


@pytest.mark.promise("P24")
@pytest.mark.parametrize(
    "fault", ["no-output", "empty", "short", "zero", "nan", "negative", "wrong-grid", "stale", "two-outputs"]
)
def test_exit_0_that_is_no_success(
    make_run: MakeRun, within: Within, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    run = make_run()
    began = time.time()
    assert within(run, MQI_ENGINE_FAULT=fault) == 0
    assert capsys.readouterr().out.rstrip().endswith("milli-seconds")
    paths = [run.directory / "out" / name for name in run.outputs()]
    sizes = {"empty": 0, "short": WHOLE // 2, "wrong-grid": WHOLE + 60 * 60 * 8}
    assert len(paths) == {"no-output": 0, "two-outputs": 2}.get(fault, 1)
    for path in paths[:1]:
        values = np.fromfile(path)
        assert path.stat().st_size == sizes.get(fault, WHOLE)
        assert np.isnan(values).any() == (fault == "nan")
        assert (values < 0).any() == (fault == "negative")
        assert values.any() == (fault not in ("empty", "zero"))
        assert (path.stat().st_mtime < began - 1e6) == (fault == "stale")


def ends_within(running: object, seconds: float) -> bool:
    try:
        running.wait(timeout=seconds)  # type: ignore[attr-defined]
    except Exception:
        return False
    return True


@pytest.fixture
def killed() -> Iterator[list[int]]:
    """Process groups that are killed at the end, whatever happens."""
    groups: list[int] = []
    yield groups
    for group in groups:
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            continue


def test_hang_and_deaf(make_run: MakeRun, killed: list[int]) -> None:
    for name, fault in (("1", "hang"), ("2", "deaf")):
        with make_run(name).start({"MQI_ENGINE_FAULT": fault, "PYTHONUNBUFFERED": "1"}) as running:
            killed.append(running.pid)
            assert running.stdout is not None
            running.stdout.readline()
            running.stdout.readline()  # it has read its input
            assert not ends_within(running, 0.3)
            running.terminate()
            assert ends_within(running, 0.5 if fault == "deaf" else 10.0) == (fault == "hang")
            running.kill()


def test_stall_shows_progress_and_stands_still(make_run: MakeRun, killed: list[int]) -> None:
    with make_run().start({"MQI_ENGINE_FAULT": "stall"}) as running:
        killed.append(running.pid)
        assert running.stdout is not None
        seen = []
        for line in running.stdout:
            seen.append(line)
            if "(3 of 5 batches)" in line:
                break
        assert not ends_within(running, 0.3)
        running.kill()
    assert [line for line in seen if "(2 of 5" in line]


def test_stretched_runs_show_progress_as_it_is_made(make_run: MakeRun) -> None:
    with make_run().start({"MQI_ENGINE_SECONDS": "1.5", "_STDBUF_O": "L"}) as running:
        assert running.stdout is not None
        moments = [(time.monotonic(), line) for line in running.stdout if line.startswith("Generating")]
    assert running.returncode == 0
    assert len(moments) == 20
    assert moments[-1][0] - moments[0][0] > 0.7


def test_a_child_is_left_behind(make_run: MakeRun, killed: list[int]) -> None:
    with make_run().start({"MQI_ENGINE_FAULT": "leak-child"}) as running:
        killed.append(running.pid)
        assert running.wait(timeout=30) == 0
        left = [process for process in psutil.process_iter() if in_group(process, running.pid)]
        assert [process.name() for process in left] == ["sleep"]
        os.killpg(running.pid, signal.SIGKILL)


def in_group(process: psutil.Process, group: int) -> bool:
    try:
        return os.getpgid(process.pid) == group and process.pid != group
    except ProcessLookupError:
        return False


def test_a_child_that_goes_with_the_engine(
    make_run: MakeRun, within: Within, capsys: pytest.CaptureFixture[str]
) -> None:
    before = psutil.Process().children()  # servers of other tests
    began = time.monotonic()
    assert within(make_run(), MQI_ENGINE_SPAWN_CHILD="1", MQI_ENGINE_SECONDS="0.4", _STDBUF_O="L") == 0
    assert time.monotonic() - began >= 0.4
    assert "(20 of 20 batches)" in capsys.readouterr().out
    assert not set(psutil.Process().children()) - set(before)


def test_faults_befall_the_attempts_named(make_run: MakeRun, within: Within) -> None:
    environment = {"MQI_ENGINE_FAULT": "no-output", "MQI_ENGINE_FAULT_ONLY": "case/*/1"}
    first, second, told = make_run("1"), make_run("2"), make_run("3")
    assert within(first, **environment) == within(second, **environment) == 0
    assert within(told, **environment, MQI_ATTEMPT="case/9/1") == 0
    assert [len(run.outputs()) for run in (first, second, told)] == [0, 1, 0]


def test_an_unknown_fault_is_refused(make_run: MakeRun) -> None:
    with pytest.raises(ValueError, match="leak-child"):
        Misbehaviour.asked({"MQI_ENGINE_FAULT": "nonsense"}, make_run().directory)
    assert all(fault.words for fault in EngineFault)
