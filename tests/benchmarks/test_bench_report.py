"""The report of a case on a grid of 256 x 256 x 128: time and memory of its process."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import pytest

from actors.reporter.order import MakeReport
from actors.settings import ReportSettings

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S, LIMIT_MB = 20.0, 1500.0

CASE = f"""
import sys
from pathlib import Path
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT)!r} + "/tests/integration/reporter"]
import actors.demo.ct as ct
import actors.demo.planning_dose as planning
for module in (ct, planning):
    module.PIXELS, module.SLICES, module.PITCH_MM = 256, 128, 1.2
from actors.demo.recipe import CaseFault, CaseRecipe
from published_cases import in_ct, publish
folder = Path(sys.argv[1])
fault = CaseFault(sys.argv[2]) if sys.argv[2] else None
recipe = CaseRecipe(beams=1, layers=12, spots=120, field_mm=70.0, planning_dose=True, fault=fault)
case = publish(recipe, folder, in_ct(folder))
print(case.folder, case.written.path, sep="\\n")
"""
PROCESS = """
import json, resource, sys
from actors.reporter.__main__ import main
main(int(sys.argv[1]))
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"mb": used.ru_maxrss / 1024, "cpu_s": used.ru_utime + used.ru_stime}), file=sys.stderr)
"""


@pytest.mark.bench
@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", ["", "mu-5"])
def test_the_report_of_a_large_case(fault: str, tmp_path: Path) -> None:
    made = subprocess.run(
        [sys.executable, "-c", CASE, str(tmp_path), fault], capture_output=True, text=True, check=True, cwd=ROOT
    )
    result, case_folder = made.stdout.splitlines()[-2:]
    calibrations = tuple(
        (gantry, str(ROOT / "conf" / "calibrations" / f"{gantry.lower()}.txt")) for gantry in ("G1", "G2")
    )
    order = MakeReport(result, case_folder, ReportSettings(memory_limit_mb=4000), calibrations=calibrations)
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", PROCESS, str(os.getpid())],
        input=pickle.dumps(order),
        capture_output=True,
        check=True,
        cwd=ROOT,
    )
    took = time.perf_counter() - began
    used = json.loads(done.stderr.splitlines()[-1])
    answer = json.loads(done.stdout)
    print(
        f"report of 256 x 256 x 128 ({fault or 'as planned'}, {answer['made']['verdict']}): {took:.1f} s by the clock, "
        f"{used['cpu_s']:.1f} s of processor, {used['mb']:.0f} MB (under {LIMIT_S:.0f} s, {LIMIT_MB:.0f} MB; "
        f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors)"
    )
    assert used["mb"] < LIMIT_MB
    assert used["cpu_s"] < LIMIT_S
