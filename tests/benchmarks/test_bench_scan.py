"""A scan of 10,000 finished case folders: what it costs at start-up and then each time."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

import pytest

from actors.scanner.looks import look_at
from actors.scanner.scan import scan
from actors.scanner.walk import Walker

CASES = 10_000
DELIVERIES = 3
FILES = 4
KNOWN_SCAN_S = 1.0


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """10,000 case folders of three deliveries each, in 2,500 patient folders, all an hour old and more."""
    root = tmp_path_factory.mktemp("cases")
    for number in range(CASES):
        case = root / f"{number // 4:08d}" / f"1.2.826.0.1.{number}"
        for delivery in range(DELIVERIES):
            folder = case / f"20260302{9 + delivery:02d}301512"
            folder.mkdir(parents=True)
            info = (
                f"DICOM_PATIENT_ID,X\nDICOM_STUDY_INS_UID,1.2.{number}\nDICOM_BEAM_NUMBER,{delivery}\n"
                f"TCSC_IRRAD_DATETIME,{folder.name}\nSTART_LAYER_NUMBER,1\nSTOP_LAYER_NUMBER,6\n"
            )
            (folder / "PlanInfo.txt").write_text(info)
            for layer in range(FILES):
                (folder / f"02_x_001_002_{layer:03d}.ptn").touch()
        (case / "RP.dcm").touch()
        os.utime(case, (1e9, 1e9))
    return root


@pytest.mark.bench
def test_ten_thousand_known_cases_cost_a_scan_little(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    walker = Walker([str(finished)])
    began = time.perf_counter()
    first = scan(walker, (), frozenset(), "", lambda: False)
    unknown_s = time.perf_counter() - began
    assert len(first.looks) == CASES
    settled = frozenset(key for look in first.looks for key in look.keys)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    restarted = Walker([str(finished)])
    began = time.perf_counter()
    assert scan(restarted, (), settled, "", lambda: False).looks == ()
    start_s = time.perf_counter() - began

    taken = []
    for _ in range(5):
        began = time.perf_counter()
        assert scan(restarted, (), settled, "", lambda: False).looks == ()
        taken.append(time.perf_counter() - began)
    memory_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    began = time.perf_counter()
    look_at(first.looks[0].path, "")
    look_s = time.perf_counter() - began
    with capsys.disabled():
        print(
            f"\n10,000 finished case folders ({restarted.folders} folders remembered): "
            f"scan {min(taken) * 1e3:.0f} ms (worst of five {max(taken) * 1e3:.0f} ms), "
            f"first after a start {start_s:.2f} s, first ever {unknown_s:.2f} s, "
            f"memory {memory_mb:.0f} MB, one look {look_s * 1e6:.0f} µs"
        )
    assert max(taken) < KNOWN_SCAN_S
