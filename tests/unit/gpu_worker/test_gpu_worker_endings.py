"""How a run ended is told as the field names it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from actors.gpu_worker.endings import engine_fault, good, killed_fault, vanished_fault
from messages.faults import Blame
from tests.unit.gpu_worker.lease_world import a_request, an_exit

REQUEST = a_request(3, 2)


@pytest.mark.parametrize(
    ("code", "tail", "kind", "blame", "said"),
    [
        (1, "", "engine-failed", Blame.ENGINE, "engine.log is empty"),
        (1, "A track became NaN: exiting", "nan-track", Blame.ENGINE, "not a number"),
        (1, "tr: write error: No space left on device", "workspace-full", Blame.HOST, "no room"),
        (134, "OSError: [Errno 28] No space left on device", "workspace-full", Blame.HOST, "no room"),
        (126, "", "engine-not-executable", Blame.ENGINE, "exit code 126"),
        (127, "", "engine-missing", Blame.ENGINE, "not found"),
        (134, "terminate called", "engine-abort", Blame.ENGINE, "SIGABRT"),
        (139, "", "segmentation-fault", Blame.ENGINE, "segmentation fault (exit code 139, SIGSEGV)"),
        (255, "CUDA error", "cuda-error", Blame.GPU, "exit code 255"),
        (2, "GPUassert: out of memory x.cu 12", "gpu-out-of-memory", Blame.GPU, "1000 MB"),
        (77, "GPUassert: misaligned address", "cuda-error", Blame.GPU, "exit code 77"),
        (3, "", "engine-failed", Blame.ENGINE, "exit code 3"),
        (254, "", "engine-failed", Blame.ENGINE, "unknown signal"),
    ],
)
def test_exit_codes(code: int, tail: str, kind: str, blame: Blame, said: str) -> None:
    fault = engine_fault(REQUEST, an_exit(REQUEST.key, code), tail, "/data/case/3/2")
    assert (fault.kind, fault.blame, fault.where) == (kind, blame, "/data/case/3/2")
    assert fault.what.startswith("beam 3, attempt 2: ")
    assert said in fault.what


@pytest.mark.parametrize(
    ("signal", "kind"), [(11, "segmentation-fault"), (6, "engine-abort"), (9, "engine-killed"), (15, "engine-failed")]
)
def test_signals(signal: int, kind: str) -> None:
    ending = replace(an_exit(REQUEST.key), exit_code=None, signal=signal)
    fault = engine_fault(REQUEST, ending, "", "")
    assert fault.kind == kind
    assert f"signal {signal}, SIG" in fault.what


def test_limits_and_orders() -> None:
    ending = replace(an_exit(REQUEST.key), exit_code=None, signal=15)
    assert engine_fault(REQUEST, replace(ending, timed_out=True), "", "").kind == "wall-limit"
    assert engine_fault(REQUEST, replace(ending, cancelled=True), "", "").kind == "cancelled"


def test_good_is_exit_status_0_and_nothing_else() -> None:
    fine = an_exit(REQUEST.key)
    assert good(fine)
    assert not good(None)
    for bad in (
        replace(fine, exit_code=1),
        replace(fine, exit_code=None, signal=9),
        replace(fine, timed_out=True),
        replace(fine, cancelled=True),
    ):
        assert not good(bad)


def test_killed_and_vanished() -> None:
    assert killed_fault(REQUEST, "/d", rebooted=False, evidence="the lock is free").blame is Blame.ENGINE
    assert killed_fault(REQUEST, "/d", rebooted=True, evidence="").blame is Blame.HOST
    assert vanished_fault(REQUEST, "/d").blame is Blame.HOST
