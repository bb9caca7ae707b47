"""Fixtures of the demo's tests."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from engine_runs import DiedError, EngineRun, ready_run

import actors.demo.engine.run as engine
from actors.demo.engine import misbehaviour


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., EngineRun]:
    """``make_run(name)``: a run directory of the reference engine."""
    return partial(ready_run, tmp_path)


@pytest.fixture
def within(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """``within(run, **environment)``: the engine in this process, in its run directory; its exit status."""

    def die(number: int, text: str = "") -> None:
        raise DiedError(f"{int(number)} {text}")

    def run(one: EngineRun, **environment: str) -> int:
        for name in ("FAULT", "FAULT_ONLY", "SECONDS", "SPAWN_CHILD"):
            monkeypatch.delenv(f"MQI_ENGINE_{name}", raising=False)
        monkeypatch.delenv("_STDBUF_O", raising=False)
        monkeypatch.delenv("MQI_ATTEMPT", raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(one.directory)
        try:
            return engine.run_engine(one.write_input())
        except SystemExit as ended:
            return int(ended.code or 0)

    for module in (engine, misbehaviour):
        monkeypatch.setattr(module, "die", die)
    return run
