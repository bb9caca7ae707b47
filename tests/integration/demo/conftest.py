"""Fixtures of the demo's tests."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from engine_runs import EngineRun, ready_run


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., EngineRun]:
    """``make_run(name)``: a run directory of the reference engine."""
    return partial(ready_run, tmp_path)
