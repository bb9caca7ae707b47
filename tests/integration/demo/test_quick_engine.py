"""The engine of no time at all writes what a verification accepts."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable

import numpy as np
from engine_runs import ROOT, EngineRun


def test_it_fills_the_grid(make_run: Callable[..., EngineRun]) -> None:
    run = make_run()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MQI_")}
    command = ["sh", str(ROOT / "actors" / "demo" / "quick_engine.sh"), str(run.write_input())]
    subprocess.run(command, cwd=run.directory, env=environment, check=True, capture_output=True, timeout=20)
    dose = run.dose()
    assert np.isfinite(dose).all()
    assert dose.min() == dose.max() > 0.0
