"""Engines that go wrong in a first attempt: each is named, and a second attempt on another slot is verified."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from actors.demo.factory import write_demo_case
from actors.demo.site import make_site
from actors.ledger import Reader
from messages.states import AttemptState, CaseState
from tests.kit.daemon import Daemon, engine_processes, until
from tests.kit.profiles import profile

BYTES = 20 * 20 * 30 * 8
GOOD = f"head -c {BYTES} /dev/zero | tr '\\0' '?' >out/a_Dose.raw"
FAULTS = {
    "hang": ("sleep 600", "wall-clock limit of 3 s"),
    "deaf": ("trap '' TERM; while :; do sleep 1; done", "wall-clock limit of 3 s"),
    "abort": (f"{GOOD}; kill -ABRT $$", "SIGABRT"),
    "bad-exit": (f"{GOOD}; exit 3", "exit code 3"),
    "full": ("echo 'write error: No space left on device'; exit 1", "no room on the host's disk"),
    "no-output": ("exit 0", "wrote no file"),
    "short": (f"head -c {BYTES // 2} /dev/zero >out/a_Dose.raw; exit 0", f"has {BYTES // 2} bytes"),
    "zero": (f"head -c {BYTES} /dev/zero >out/a_Dose.raw; exit 0", "every voxel is zero"),
    "not-a-number": (f"head -c {BYTES} /dev/zero | tr '\\0' '\\377' >out/a_Dose.raw; exit 0", "not finite"),
    "negative": (f"head -c {BYTES} /dev/zero | tr '\\0' '\\277' >out/a_Dose.raw; exit 0", "negative dose"),
    "stale": (f"{GOOD}; touch -d 2001-01-01 out/a_Dose.raw; exit 0", "older than the run"),
    "two": (f"{GOOD}; cp out/a_Dose.raw out/b_Dose.raw; exit 0", "2 files match"),
}


def engine(folder: Path) -> str:
    """Whichever case comes first takes the first fault, for its first run only."""
    seen = shlex.quote(str(folder / "taken"))
    lines = [f'case=${{MQI_ATTEMPT%%/*}}; if mkdir {seen}/"$case" 2>/dev/null; then']
    for fault, (does, _) in FAULTS.items():
        taken = shlex.quote(str(folder / "taken" / fault))
        lines.append(f'if mkdir {taken} 2>/dev/null; then echo "$case" >{taken}/case; {does}; fi')
    return "\n".join([*lines, "fi", GOOD, ""])


@pytest.mark.promise("P18")
@pytest.mark.promise("P24")
@pytest.mark.promise("P26")
@pytest.mark.promise("P27")
def test_each_fault_is_a_failed_attempt_so_named_and_retried_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    (folder / "taken").mkdir(parents=True)
    script = folder / "engine.sh"
    script.write_text(engine(folder))
    bad = profile(folder, name="bad", command=f'["sh", "{script}", "{{input}}"]', grid=(20, 20, 30), wall_limit_s=3)
    site = make_site(folder, gpus=4, profile=bad, interval_s=0.5, quiet_s=0.2)
    for seed in range(1, len(FAULTS) + 1):
        write_demo_case(site.incoming / f"p{seed}", beams=1, layers=3, spots=20, seed=seed)
    with Daemon(site) as daemon:
        rows = daemon.until_ended(len(FAULTS))
        until(lambda: not engine_processes(site), 10, "nothing of any engine is left")
    assert {row.state for row in rows.values()} == {CaseState.DONE}
    for fault, (_, words) in FAULTS.items():
        attempts = Reader(site.ledger).attempts((folder / "taken" / fault / "case").read_text().strip())
        first, second = (attempt for attempt in attempts if attempt.state != AttemptState.WITHDRAWN)
        assert (first.state, second.state) == (AttemptState.FAILED, AttemptState.VERIFIED), fault
        assert words in first.evidence, fault
        assert first.gpu != second.gpu or fault == "full", f"{fault}: another slot was free"
