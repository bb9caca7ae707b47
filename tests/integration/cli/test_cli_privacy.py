"""The real daemon on cases in a folder named after a patient: no log has the name or the number (P37)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest

from actors.demo.factory import write_demo_case
from actors.demo.site import make_site
from actors.ledger import Reader
from messages.states import CaseState
from tests.kit import wait_until

ROOT = Path(__file__).resolve().parents[3]
FAULTS = ("missing-layer", "two-plans", "unknown-machine", "truncated-ptn", "missing-plan")


@pytest.mark.promise("P37", "P32")
def test_neither_name_nor_number_of_a_patient_is_in_any_log(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    patient = site.incoming / "HONG GILDONG 0042517"
    for seed, fault in enumerate((None, *FAULTS), start=1):
        write_demo_case(patient / f"study {seed} HONG", layers=2, spots=6, seed=seed, fault=fault)
    words = {"HONG", "GILDONG", "0042517"}
    for plan in patient.rglob("RP*.dcm"):
        dataset = pydicom.dcmread(plan, force=True)
        words |= {str(dataset.get("PatientName", "")), str(dataset.get("PatientID", ""))} - {""}
    arguments = [sys.executable, "-m", "actors.cli", "start", "--debug", "--conf", str(site.conf)]
    with subprocess.Popen(arguments, cwd=ROOT, stderr=subprocess.PIPE, text=True) as daemon:
        try:

            def settled() -> bool:
                rows = Reader(site.ledger).cases() if site.ledger.exists() else ()
                states = {row.state for row in rows}
                return CaseState.DONE in states and CaseState.FAILED in states and len(rows) >= 4

            wait_until(settled, 60.0)
        finally:
            daemon.terminate()
            _, printed = daemon.communicate(timeout=15)
    texts = {str(path): path.read_text() for path in site.log.parent.rglob("*") if path.is_file()}
    assert len(texts) >= 4
    for name, text in (*texts.items(), ("stderr", printed)):
        assert text, name
        assert not [word for word in words if word in text], f"{name}: {text}"
    for line in texts[str(site.log.parent / "events.jsonl")].splitlines():
        assert not [word for word in words if word in json.dumps(json.loads(line), ensure_ascii=False)]
