"""The soak: many cases through the real daemon on two hosts, under random kills of everything.

``bin/test --soak`` feeds synthetic cases whose engines take no time, and kills the daemon, its actors, its worker
processes, engines, their wrappers and the link to the SSH host at a given rate. In the first part the daemon dies too;
the rest it lives through, so that its memory, descriptors and threads tell whether it would live for years. As at a
site, the keeper of the log share takes away what was done a while ago, for what stands there is remembered. At the end
every case must be verified and published once, every attempt started once, and nothing left behind.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from actors.demo.factory import write_demo_case
from actors.ledger import Reader
from tests.campaigns.blows import Striker, TreeBudget
from tests.campaigns.reliability import mark, record
from tests.campaigns.trend import Trend, trend
from tests.kit.counted import CountedSite, counted_site, judge
from tests.kit.daemon import ENDED, Daemon
from tests.kit.fire import Fire

GAVE_UP = 70
OPEN_CASES = 24
STUCK_S = 180.0
STORM = 0.4
"""Share of the cases in which the daemon is killed too."""
WARM_UP_S = 90.0
"""Of the daemon's last life, before its figures count: timers of ended cases are held for a minute."""
SAMPLE_S = 0.5
LOOK_S = 0.03
TOLERANCES = (("memory", "MB", 0.002), ("descriptors", "open", 0.004), ("threads", "running", 0.004))
"""Name, unit, and growth per case that is none."""
KEPT = 100
"""Cases that are done and stand on the log share still, before the oldest of them are taken away."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is tried."""

    cases: int
    seed: int
    kills_per_100: float
    storm: float = STORM

    @property
    def due(self) -> list[int]:
        """After how many ended cases each blow falls, in order."""
        chance = random.Random(self.seed)
        return sorted(chance.randrange(self.cases) for _ in range(round(self.cases * self.kills_per_100 / 100)))


@dataclass
class Outcome:
    """What came of it."""

    plan: Plan
    blows: Counter[str] = field(default_factory=Counter)
    gave_up: int = 0
    """Times that the daemon left with 70 and was started again."""
    samples: list[tuple[int, float, int, int]] = field(default_factory=list)
    """In the daemon's last life, warm: cases ended, memory in MB, open descriptors, threads."""
    took_s: float = 0.0
    ledger_kb: float = 0.0
    """Per case."""
    wrong: list[str] = field(default_factory=list)
    """Promises to the cases that were broken."""

    @property
    def rising(self) -> list[str]:
        """What grows while the daemon lives."""
        return [str(found) for found in self.trends if found.rises]

    @property
    def trends(self) -> list[Trend]:
        return [
            trend(name, unit, [(sample[0], sample[1 + number]) for sample in self.samples], tolerance)
            for number, (name, unit, tolerance) in enumerate(TOLERANCES)
        ]


class Soak:
    """One run of a plan in a folder."""

    def __init__(self, plan: Plan, counted: CountedSite, fire: Fire) -> None:
        self.outcome = Outcome(plan)
        self._plan, self._counted = plan, counted
        self._daemon = Daemon(counted.site, fire.environment, module="tests.kit.fire")
        self._chance = random.Random(plan.seed + 1)
        self._striker = Striker(counted, self._daemon, fire, self._chance)
        self._due = plan.due
        self._written = 0
        self._taken = 0
        self._sampled, self._life = 0.0, 0

    def run(self) -> Outcome:
        began = time.monotonic()
        with self._daemon:
            self._until_all_published()
            self.outcome.took_s = time.monotonic() - began
            self._until_settled()
            code = self._daemon.stop()
        self._expect(code == 0, f"the daemon ended with {code}")
        self.outcome.wrong += judge(self._counted, self._plan.cases)
        self.outcome.ledger_kb = self._counted.site.ledger.stat().st_size / 1024 / self._plan.cases
        return self.outcome

    def _expect(self, good: bool, sentence: str) -> None:
        if not good:
            self.outcome.wrong.append(sentence)

    # -- while cases come

    def _until_all_published(self) -> None:
        ended, since = 0, time.monotonic()
        while ended < self._plan.cases:
            now = self._published()
            if now != ended:
                ended, since = now, time.monotonic()
            if time.monotonic() - since > STUCK_S:
                self._expect(False, f"stuck at {ended} cases: {self._waiting()}")
                return
            self._feed(ended)
            self._take_away(ended)
            self._strike(ended)
            self._striker.heal()
            self._revive()
            self._sample(ended)
            time.sleep(LOOK_S)

    def _published(self) -> int:
        return sum(not path.name.startswith(".") for path in self._counted.site.results.iterdir())

    def _waiting(self) -> list[str]:
        rows = Reader(self._counted.site.ledger).cases()
        return [f"{row.case} {row.state} {row.reason}" for row in rows if row.state not in ENDED][:10]

    def _feed(self, ended: int) -> None:
        while self._written < min(ended + OPEN_CASES, self._plan.cases):
            self._written += 1
            folder = self._counted.site.incoming / f"p{self._written}"
            write_demo_case(folder, beams=1, layers=2, spots=10, seed=self._written)

    def _take_away(self, ended: int) -> None:
        """The oldest, once they are settled; what is not yet stays, and is looked at again."""
        if ended < self._taken + 2 * KEPT:
            return
        self._taken = ended - KEPT
        rows = Reader(self._counted.site.ledger).cases()
        settled = sorted(row.ended for row in rows if row.state in ENDED and row.cleaned and row.ended)
        incoming = self._counted.site.incoming
        for row in rows:
            if row.ended and row.cleaned and row.ended <= settled[-KEPT]:
                name = Path(row.path).relative_to(incoming).parts[0]
                shutil.rmtree(incoming / name, ignore_errors=True)

    def _strike(self, ended: int) -> None:
        if not self._due or ended < self._due[0]:
            return
        self._due.pop(0)
        stormy = ended < self._plan.storm * self._plan.cases
        kinds = [*self._striker.kinds, "daemon"] if stormy else self._striker.kinds
        kind = self._striker.strike(
            self._chance.choice(kinds), TreeBudget.ignored() if stormy else self._striker.budget
        )
        self.outcome.blows[kind] += 1

    def _revive(self) -> None:
        """What a process supervisor does: 70 is started again; any other end is wrong."""
        process = self._daemon.process
        assert process is not None
        code = process.poll()
        if code is None:
            return
        self.outcome.gave_up += code == GAVE_UP
        self._expect(code == GAVE_UP, f"the daemon ended with {code}: {self._daemon.output()[-500:]}")
        self._daemon.launch()

    def _sample(self, ended: int) -> None:
        if time.monotonic() - self._sampled < SAMPLE_S:
            return
        self._sampled = time.monotonic()
        process = self._daemon.process
        assert process is not None
        if process.pid != self._life:
            self._life = process.pid
            self.outcome.samples.clear()
        try:
            looked = psutil.Process(process.pid)
            with looked.oneshot():
                sample = (ended, looked.memory_info().rss / 1e6, looked.num_fds(), looked.num_threads())
                age_s = time.time() - looked.create_time()
        except psutil.Error:
            return
        if age_s > WARM_UP_S:
            self.outcome.samples.append(sample)

    # -- at the end

    def _until_settled(self) -> None:
        """Published is not yet written down and cleaned up after."""
        deadline = time.monotonic() + STUCK_S
        reader = Reader(self._counted.site.ledger)
        while not all(row.state in ENDED and row.cleaned for row in reader.cases()):
            self._revive()
            if time.monotonic() > deadline:
                self._expect(False, f"not settled: {self._waiting()}")
                return
            time.sleep(0.1)


def soak(plan: Plan, folder: Path) -> Outcome:
    """Run the plan in a folder that does not exist yet."""
    fire = Fire(folder.with_name(f"{folder.name}-fire"))
    with counted_site(folder, seconds=0.0, attempts=20) as counted:
        return Soak(plan, counted, fire).run()


def rows_of(outcome: Outcome) -> list[tuple[str, str, str]]:
    """For README's table."""
    plan, wrong = outcome.plan, len(outcome.wrong)
    struck = ", ".join(f"{times} {kind}" for kind, times in sorted(outcome.blows.items()))
    good = "none lost, none doubled, nothing left behind" if not wrong else f"{wrong} promises broken"
    lived = "; ".join(map(str, outcome.trends))
    first = outcome.samples[0][0] if outcome.samples else plan.cases
    pace = f"{plan.cases / outcome.took_s * 60:.0f} cases a minute{mark()}"
    rate = f"{pace}, {outcome.ledger_kb:.1f} KB of ledger per case"
    return [
        (f"cases through the daemon on two hosts under random kills ({struck})", f"{plan.cases:,} cases", good),
        ("one life of the daemon under the same kills but its own", f"{plan.cases - first:,} cases", lived),
        ("the same", f"{plan.cases:,} cases in {outcome.took_s:.0f} s", rate),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="bin/test --soak", description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="another storm")
    parser.add_argument("--kills-per-100", type=float, default=10.0, help="blows for every 100 cases")
    parser.add_argument("--keep", type=Path, help="keep everything in this folder, which must not exist")
    parser.add_argument("--write", action="store_true", help="put the figures into README's table")
    chosen = parser.parse_args(arguments)
    plan = Plan(chosen.cases, chosen.seed, chosen.kills_per_100)
    print(f"{plan.cases} cases, {len(plan.due)} blows, seed {plan.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="mqi-soak-") as folder:
        outcome = soak(plan, chosen.keep or Path(folder) / "site")
    for row in rows_of(outcome):
        print(" | ".join(row))
    print(f"the daemon gave up and was started again: {outcome.gave_up} times")
    for sentence in (*outcome.wrong, *outcome.rising):
        print(f"WRONG: {sentence}")
    if chosen.write:
        record("soak", rows_of(outcome))
    return 1 if outcome.wrong or outcome.rising else 0


if __name__ == "__main__":
    sys.exit(main())
