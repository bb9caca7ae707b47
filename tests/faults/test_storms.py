"""Whatever is killed, however often and in whatever order: every case ends as it would have, with the same dose."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pydicom
import pytest

from actors.demo.factory import write_demo_case
from actors.demo.recipe import CaseFault
from actors.demo.site import DemoSite, make_site
from actors.ledger import Reader
from actors.results import verify_published
from messages.states import OPEN_ATTEMPTS, CaseState
from tests.kit.daemon import Daemon, engine_processes, until
from tests.kit.profiles import profile

SEED = int(os.environ.get("MQI_STORM_SEED", "1"))
"""Another seed is another storm."""
CASES, BLOWS = 12, 10
ENGINE_S = 0.4

# notes its start in <site>/starts, and fills the grid with a byte that follows from what it was given to read
ENGINE = """\
echo "$MQI_ATTEMPT" >>"$1"
sleep "$3"
letter=$(cat in/*/* in/* 2>/dev/null | cksum | awk '{printf "%c", 65 + $1 % 50}')
echo "Generating particles for (1 of 1 batches) in CPU .."
head -c $((20 * 20 * 30 * 8)) /dev/zero | tr '\\0' "$letter" >out/storm_1_Dose.raw
"""


def stormy_site(folder: Path) -> DemoSite:
    folder.mkdir()
    (folder / "starts").touch()
    script = folder / "engine.sh"
    script.write_text(ENGINE)
    engine = profile(
        folder,
        name="storm-engine",
        command=f'["sh", "{script}", "{folder / "starts"}", "{{input}}", "{ENGINE_S}"]',
        grid=(20, 20, 30),
    )
    site = make_site(folder, gpus=4, profile=engine, interval_s=0.5, quiet_s=0.2, attempts=20)
    for n in range(1, CASES + 1):
        write_demo_case(site.incoming / f"p{n}", beams=2, layers=3, spots=20, seed=n)
    write_demo_case(site.incoming / "bad", beams=1, layers=3, spots=20, seed=99, fault=CaseFault.UNKNOWN_MACHINE)
    return site


def workers(daemon: Daemon, _: DemoSite) -> list[int]:
    """Worker processes of compute."""
    assert daemon.process is not None
    try:
        return [
            child.pid for child in psutil.Process(daemon.process.pid).children() if "compute" in str(child.cmdline())
        ]
    except psutil.Error:
        return []


def parts(kind: bytes) -> Callable[[Daemon, DemoSite], list[int]]:
    def find(_: Daemon, site: DemoSite) -> list[int]:
        found = []
        for pid in engine_processes(site):
            try:
                if kind in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
            except OSError:
                continue
        return found

    return find


VICTIMS = {"worker": workers, "engine": parts(b"engine.sh"), "wrapper": parts(b"wrapper-"), "child": parts(b"sleep")}


def strike(daemon: Daemon, site: DemoSite, chance: random.Random) -> None:
    """Kill one thing that runs now; the daemon also while it starts."""
    there = {kind: pids for kind, find in VICTIMS.items() if (pids := find(daemon, site))}
    kind = chance.choice([*there, "daemon"])
    if kind != "daemon":
        with suppress(ProcessLookupError):
            os.kill(chance.choice(there[kind]), signal.SIGKILL)
        return
    daemon.kill()
    for _ in range(chance.randrange(3)):
        daemon.launch()
        time.sleep(chance.uniform(0.0, 0.8))
        daemon.kill()
    daemon.start()


def doses(site: DemoSite) -> dict[str, bytes]:
    """What was published, without the UIDs that name the attempt."""
    found = {}
    for path in sorted(site.results.glob("*/*.dcm")):
        dataset = pydicom.dcmread(path)
        del dataset.file_meta
        dataset.walk(_without_uid)
        found[str(path.relative_to(site.results))] = dataset.to_json().encode()
    return found


def _without_uid(dataset: pydicom.Dataset, element: pydicom.DataElement) -> None:
    if element.VR == "UI":
        del dataset[element.tag]


def outcome(site: DemoSite) -> dict[str, tuple[str, str]]:
    return {row.case: (row.state.value, row.reason) for row in Reader(site.ledger).cases()}


def runs(site: DemoSite) -> list[Path]:
    """Run directories that are still there."""
    return [path for path in site.workspace.glob("*/*") if path.parent.name != ".wrappers"]


def nothing_left(site: DemoSite) -> None:
    assert not engine_processes(site)
    assert not runs(site), "run directories are removed"
    assert not list(site.results.rglob(".*")), "nothing half-made"
    assert sorted(path.name for path in site.state.iterdir() if not path.name.startswith("workspace-")) == [
        "backups",
        "ledger.sqlite",
        "lock",
        "results.mount",
        "work",
    ]
    reader = Reader(site.ledger)
    attempts = [attempt for row in reader.cases() for attempt in reader.attempts(row.case)]
    assert not [attempt for attempt in attempts if attempt.state in OPEN_ATTEMPTS]
    assert not [gpu for gpu in reader.gpus() if gpu.beam]
    done = {row.case for row in reader.cases() if row.state is CaseState.DONE}
    assert not [path for path in (site.state / "work").iterdir() if path.name in done]


@pytest.mark.promise("P15")
@pytest.mark.promise("P18")
@pytest.mark.promise("P35")
def test_a_storm_of_kills_changes_no_outcome(tmp_path: Path) -> None:
    calm = stormy_site(tmp_path / "calm")
    with Daemon(calm) as daemon:
        daemon.until_ended(CASES + 1)
        until(lambda: not runs(calm), 10, "cleaned")
        daemon.stop()
    nothing_left(calm)
    chance = random.Random(SEED)
    site = stormy_site(tmp_path / "stormy")
    with Daemon(site) as daemon:
        for _ in range(BLOWS):
            time.sleep(chance.uniform(0.0, 0.5))
            strike(daemon, site, chance)
        daemon.until_ended(CASES + 1)
        until(lambda: not runs(site), 10, "cleaned")
        daemon.stop()
    nothing_left(site)
    assert outcome(site) == outcome(calm)
    assert doses(site) == doses(calm)
    assert all(verify_published(folder) == () for folder in site.results.iterdir())
    counted = Counter((site.folder / "starts").read_text().split())
    assert set(counted.values()) == {1}, "no attempt starts twice"
