"""Interpretation of a case as large as a real one, and of a small one, in a warm process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REAL_S, REAL_MB, SMALL_S = 5.0, 600.0, 0.080

PROGRAM = """
import json, resource, sys, time
from pathlib import Path
sys.path[:0] = [{root!r}, {root!r} + "/tests/integration/interpreter"]
from case_requests import interpreted
from actors.demo.factory import write_case
from actors.demo.recipe import CaseRecipe, real_recipe
base = Path(sys.argv[1])
recipe = real_recipe() if sys.argv[2] == "real" else CaseRecipe()
case = write_case(recipe, base / "root")
written = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
times = []
for number in range(2 if sys.argv[2] == "real" else 10):
    began = time.perf_counter()
    found = interpreted(case, base / f"input{{number}}")
    times.append(time.perf_counter() - began)
rows = sum(path.stat().st_size for path in case.files if path.suffix == ".ptn") // 16
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({{"times": times, "mb": peak, "factory_mb": written, "files": len(case.files), "rows": rows}}))
""".format(root=str(ROOT))


def measured(base: Path, size: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(base), size], capture_output=True, text=True, check=True, timeout=120
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.bench
def test_a_real_case_is_interpreted_in_seconds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = measured(tmp_path, "real")
    best = min(found["times"])  # type: ignore[call-overload]
    with capsys.disabled():
        print(f"\ninterpretation, {found['files']} files, {found['rows']} rows: {best:.2f} s, {found['mb']:.0f} MB")
    assert best < REAL_S
    assert found["mb"] < REAL_MB  # type: ignore[operator]


@pytest.mark.bench
def test_a_small_case_is_interpreted_in_no_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = measured(tmp_path, "small")
    times = sorted(found["times"])  # type: ignore[call-overload]
    with capsys.disabled():
        print(f"\ninterpretation, 2 beams of 6 layers of 40 spots, warm: {times[len(times) // 2] * 1000:.0f} ms")
    assert times[len(times) // 2] < SMALL_S
