"""Supervision under fire: every actor of the tree struck in every way while cases run.

``bin/test --fire`` strikes each actor (and each supervisor) with each kind of blow, some before and some after the
message was handled, in runs of the real daemon on two hosts that stay within the budgets of the tree.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from actors.demo.factory import write_demo_case
from messages.states import BeamState
from tests.campaigns.reliability import mark, record
from tests.kit.counted import CountedSite, counted_site, judge
from tests.kit.daemon import Daemon, until
from tests.kit.fire import Blow, Fire, Kind, Struck

CASES, ENGINE_S = 12, 0.6
BUDGET_S = 2.0
"""Of every handler where actors are made to hang, so that a run takes seconds."""
HANG_S = BUDGET_S + 1.5
"""The watchdog looks twice a second; then the ghost comes back."""
PIPELINE = ("ledger", "compute", "scheduler", "scanner", "orders")
HOST = ("control", "lane-1", "gpu-0")
ACTORS = (
    *(f"root/{name}" for name in ("monitor", "notifier", "console", "reporter", "sender")),
    *(f"root/pipeline/{name}" for name in PIPELINE),
    *(f"root/pipeline/hosts/{host}/{name}" for host in ("this", "loopback") for name in HOST),
    "root/pipeline/cases/admission",
    "root/pipeline/cases/2*",
)
"""Path of every actor that works; a case is named after its delivery's date."""
SUPERVISORS = (
    "root/pipeline",
    "root/pipeline/hosts",
    "root/pipeline/hosts/this",
    "root/pipeline/hosts/loopback",
    "root/pipeline/cases",
)
BUDGETS = {"root": 3, "root/pipeline": 5, "root/pipeline/hosts": 3}
"""Crashes within a minute after which a supervisor gives up; hosts and cases never escalate or have room for more."""


@dataclass(frozen=True)
class Siege:
    """What one run of the daemon under fire came to."""

    struck: tuple[Struck, ...]
    wrong: tuple[str, ...]
    """Empty: every promise held."""


def besiege(folder: Path, blows: Sequence[Blow], cases: int = CASES) -> Siege:
    """Twelve cases at work, one blow after the other, then the end and the judgement; ``folder`` must not exist."""
    hang = any(blow.kind is Kind.HANG for blow in blows)
    fire = Fire(folder / "fire", budget_s=BUDGET_S if hang else None)
    written = 0
    with counted_site(folder / "site", seconds=ENGINE_S) as counted:
        with Daemon(counted.site, fire.environment, module="tests.kit.fire") as daemon:
            for blow in blows:
                written = feed(counted, daemon, written, cases)
                _fall(fire, daemon, blow)
            daemon.until_ended(written, 120)
            until(lambda: all(row.cleaned for row in daemon.rows().values()), 30, "cleaned up")
            answers = daemon.cli("status")["daemon"]["state"]
            code = daemon.stop()
        wrong = judge(counted, written)
    wrong += [f"the daemon is {answers}"] * (answers != "running") + [f"it ended with {code}"] * (code != 0)
    return Siege(tuple(fire.struck()), tuple(wrong))


def feed(counted: CountedSite, daemon: Daemon, written: int, cases: int) -> int:
    """Write cases until so many are open and work has begun; how many were written in all."""
    site = counted.site
    open_ = written - len(list(site.results.iterdir()))
    for number in range(written + 1, written + 1 + max(cases - open_, 0)):
        write_demo_case(site.incoming / f"p{number}", beams=2, layers=2, spots=10, seed=number)
        written = number
    until(lambda: _at_work(daemon), 30, "work goes on")
    return written


def _at_work(daemon: Daemon) -> bool:
    beams = [beam for row in daemon.rows().values() for beam in row.beams]
    return sum(beam.state is BeamState.RUNNING for beam in beams) >= 2


def _fall(fire: Fire, daemon: Daemon, blow: Blow) -> None:
    """The blow falls, and its actor is back; a ghost has gone."""
    before = len(fire.struck())
    fire.strike(blow)
    if blow.path == "root/console":
        with suppress(AssertionError, KeyError):
            daemon.cli("status")  # nobody else speaks to it
    until(lambda: len(fire.struck()) > before, 30, f"{blow} falls; {daemon.output()[-2000:]}")
    until(lambda: fire.struck()[before].up_s is not None, 30, f"{blow}: back; {daemon.output()[-2000:]}")
    time.sleep(max(fire.struck()[before].at_s + blow.hang_s - time.monotonic(), 0.0))


def blow_for(path: str, kind: Kind, chance: random.Random) -> Blow:
    late = chance.random() < 0.5
    return Blow(path, kind, late, starts=2 if kind is Kind.START else 0, hang_s=HANG_S if kind is Kind.HANG else 0.0)


def runs(blows: Sequence[Blow]) -> list[list[Blow]]:
    """The blows in as few runs as the budgets allow, in their order."""
    found: list[list[Blow]] = []
    for blow in blows:
        fitting = next((run for run in found if _fits([*run, blow])), None)
        if fitting is None:
            found.append([blow])
        else:
            fitting.append(blow)
    return found


def _fits(run: list[Blow]) -> bool:
    spent: dict[str, int] = {}
    for blow in run:
        parent = blow.path.rpartition("/")[0]
        spent[parent] = spent.get(parent, 0) + 1 + blow.starts
    return all(times <= BUDGETS.get(parent, 5) for parent, times in spent.items())


def whole(seed: int) -> list[Blow]:
    """Every actor with every kind of blow, every supervisor with those that its life allows, in a random order."""
    chance = random.Random(seed)
    blows = [blow_for(path, kind, chance) for path in ACTORS for kind in Kind]
    blows += [blow_for(path, kind, chance) for path in SUPERVISORS for kind in (Kind.RAISE, Kind.EXIT)]
    chance.shuffle(blows)
    return blows


def recoveries_ms(struck: Sequence[Struck], kind: Kind) -> list[float]:
    """From the blow to the successor at work."""
    return [(one.up_s - one.at_s) * 1000.0 for one in struck if one.kind is kind and one.up_s is not None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="bin/test --fire", description=__doc__)
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().randrange(10**6), help="another seed, another order"
    )
    parser.add_argument("--write", action="store_true", help="put the figures into README's table")
    chosen = parser.parse_args(arguments)
    print(f"seed {chosen.seed}")
    sieges: list[Siege] = []
    for number, blows in enumerate(plan := runs(whole(chosen.seed)), 1):
        with tempfile.TemporaryDirectory(prefix="mqi-fire-") as folder:
            sieges.append(besiege(Path(folder) / "siege", blows))
        print(f"run {number} of {len(plan)}: {len(blows)} blows, {len(sieges[-1].wrong)} wrong", flush=True)
        for sentence in sieges[-1].wrong:
            print(f"  WRONG: {sentence}", flush=True)
    return _conclude(sieges, write=chosen.write)


def _conclude(sieges: Sequence[Siege], *, write: bool) -> int:
    struck = [one for siege in sieges for one in siege.struck]
    wrong = sum(len(siege.wrong) for siege in sieges)
    rows = []
    for kind in Kind:
        times = recoveries_ms([one for one in struck if one.path.count("/")], kind)
        if not times:
            continue
        back = f"back after a median of {median(times):.0f} ms, at most {max(times):.0f} ms{mark()}"
        rows.append((f"{kind} in a handler of each actor, {CASES} cases at work", f"{len(times)} blows", back))
    rows.append(
        (
            "all of these together",
            f"{len(sieges)} runs, {len(struck)} blows",
            "every case verified once, nothing doubled, nothing left" if not wrong else f"{wrong} promises broken",
        )
    )
    for row in rows:
        print(" | ".join(row))
    if write:
        record("fire", rows)
    return 1 if wrong else 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    sys.exit(main())
