"""/metrics with 10,000 cases in the ledger: how long an answer takes, and until the history is counted at a start."""

from __future__ import annotations

import http.client
import socket
import statistics
import time
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from actors.demo.site import make_site
from actors.ledger.store import open_store
from tests.kit.daemon import Daemon, until
from tests.kit.profiles import quick_profile

CASES, BEAMS = 10_000, 4
ANSWER_S = 0.05
ASKED = 100
STEPS = ("pending → interpreted", "interpreted → staged", "staged → running", "running → ended", "ended → collected")


def fill(ledger: Path) -> int:
    """Ten thousand cases that are done, with their beams, runs and history; how many lines of history."""
    at = "2026-03-02T09:00:00.000000+00:00"
    names = [f"20260302-093015-{number:08x}" for number in range(CASES)]
    cases = [(name, name, "done", f"/in/{name}", 1, at, at, at, at) for name in names]
    numbers = range(1, BEAMS + 1)
    beams = [(name, beam, f"B{beam}", "done", 1, "this", "slot-0", 1.0) for name in names for beam in numbers]
    events = [
        (at, name, what)
        for name in names
        for what in (
            "case: seen, incoming",
            "case: incoming → queued, admitted",
            "case: queued → running",
            *(f"beam {beam}: {step}" for beam in numbers for step in (*STEPS, "collected → done")),
            *(f"beam {beam} attempt 1: collected → verified" for beam in numbers),
            "case: running → done",
            "case: cleaned",
        )
    ]
    with closing(open_store(ledger)) as database:
        database.execute("BEGIN")
        columns = '"case", identity, state, path, cleaned, seen, admitted, started, ended'
        database.executemany(f"INSERT INTO cases ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", cases)
        columns = '"case", number, name, state, attempt, host, gpu, progress'
        database.executemany(f"INSERT INTO beams ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", beams)
        database.executemany('INSERT INTO events (at, "case", what) VALUES (?, ?, ?)', events)
        database.execute("COMMIT")
    return len(events)


def ask(path: str) -> bytes:
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(10)
        link.connect(path)
        connection = http.client.HTTPConnection("localhost")
        connection.sock = link
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status == 200, text
        return text


@pytest.mark.bench
@pytest.mark.timeout(300)
def test_metrics_answer_at_once_with_ten_thousand_cases(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    site = make_site(folder, gpus=2, profile=quick_profile(folder))
    lines = fill(site.ledger)
    with Daemon(site) as daemon:
        begun = time.monotonic()
        path = daemon.cli("status")["daemon"]["socket"]

        def done() -> float:
            for family in text_string_to_metric_families(ask(path).decode()):
                for sample in family.samples:
                    if sample.name == "mqi_case_transitions_total" and sample.labels == {"state": "done"}:
                        return sample.value
            return 0.0

        until(lambda: done() == CASES, 60, "the history is counted")
        counted = time.monotonic() - begun
        taken = []
        for _ in range(ASKED):
            begun = time.monotonic()
            size = len(ask(path))
            taken.append(time.monotonic() - begun)
    print(
        f"\n/metrics with {CASES} cases ({lines} lines of history): median {statistics.median(taken) * 1e3:.1f} ms, "
        f"worst of {ASKED} {max(taken) * 1e3:.1f} ms, {size / 1e3:.0f} kB; counted {counted:.1f} s after the start"
    )
    assert statistics.median(taken) < ANSWER_S
