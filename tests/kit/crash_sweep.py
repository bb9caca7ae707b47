"""Many crash runs: which there are to make, drawn from a seed, and their making, several at once."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.kit.crash_checks import Outcome, outcome, problems
from tests.kit.crash_run import ran
from tests.kit.crash_site import Blow, Stock, Workload, crash_site

HERE, FAR_AWAY = Workload("local"), Workload("ssh", ssh=True)
QUEUED = Workload("slurm", slurm=True)
LOCAL_INTERPRETER, SSH_INTERPRETER = Workload("local, far", far=True), Workload("ssh, far", ssh=True, far=True)


def _rarer(host: str, *, ssh: bool) -> Iterator[Workload]:
    """What is passed only in a life after another, or when somebody orders it."""
    yield Workload(f"{host}, interpreted again", ssh, first=Blow("interpret.rename:after"))
    yield Workload(f"{host}, cancelled as it runs", ssh, beams=(1,), first=Blow("launch.start:after"), cancelled=True)
    yield Workload(f"{host}, cancelled unlaunched", ssh, beams=(1,), first=Blow("launch.start:before"), cancelled=True)


WORKLOADS = (
    *(HERE, FAR_AWAY, LOCAL_INTERPRETER, SSH_INTERPRETER),
    *_rarer("local", ssh=False),
    *_rarer("ssh", ssh=True),
    Workload("local, claimed only", beams=(1,), first=Blow("launch.start:before"), claimed=True),
    Workload("local, alarms told", beams=(1,), alarmed=True),
    Workload("local, old ledger", old=True),
    Workload("local, reported", beams=(1,), reported=True),
    QUEUED,
    Workload("slurm, cancelled unlaunched", slurm=True, beams=(1,), first=Blow("launch.start:before"), cancelled=True),
)
"""Those that come later are struck only where a point is not passed in an earlier one of the same kind of host."""
ELSEWHERE = {
    "restore.aside": "tests/integration/ledger/test_ledger_restore_killed.py",
    "slurm.shell": "tests/integration/slurm, where there is a cluster",
    "slurm.steer": "tests/faults/test_steering_killed.py",
    **dict.fromkeys(
        (f"send.{name}" for name in ("store", "commit", "make", "rename", "clear")),
        "tests/faults/test_sending_killed.py",
    ),
    "report.aside": "a report that is not whole: nothing of ours leaves one",
}
"""Effects that no workload passes, and who strikes them."""
OFTEN = 4
"""Commits, and commands on a host, are each something else: so many times more of them are struck than of others."""
_MANY = ("ledger.commit:before", "ledger.commit:after", "link.run:before", "link.run:after")


@dataclass(frozen=True, slots=True)
class Calm:
    """The undisturbed run of a workload: what it comes to, and how often each point is passed (by one process)."""

    workload: Workload
    outcome: Outcome
    passed: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Order:
    """One run to make."""

    workload: Workload
    blows: tuple[Blow, ...]

    def __str__(self) -> str:
        return f"{self.workload.name}: {', then '.join(map(str, self.blows))}"


@dataclass(frozen=True, slots=True)
class Made:
    """One run that was made."""

    order: Order
    struck: int
    """Blows that fell."""
    problems: tuple[str, ...]
    seconds: float
    folder: Path
    """Still there if there are problems."""


def calm(folder: Path, stock: Stock, workload: Workload) -> Calm:
    """Make the undisturbed run. Raises AssertionError if it leaves anything to be desired."""
    with crash_site(folder, stock, workload) as site:
        ran(site)
        assert not (wrong := problems(site)), wrong
        return Calm(workload, outcome(site), site.passed())


def calm_all(folder: Path, stock: Stock, workloads: Sequence[Workload], jobs: int) -> list[Calm]:
    """The undisturbed run of each, ``jobs`` at once."""
    folders = (folder / f"calm-{number}" for number in range(len(workloads)))
    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(lambda one: calm(one[0], stock, one[1]), zip(folders, workloads, strict=False)))


def single(calms: Iterable[Calm], each: int, chance: random.Random, *, cut: bool = False) -> Iterator[Order]:
    """Every point, ``each`` times: the first passing, and others by chance."""
    seen: set[tuple[str, str]] = set()
    for one in calms:
        if cut and not one.workload.ssh:
            continue
        for point, times in sorted(one.passed.items()):
            if (one.workload.host, point) in seen:
                continue
            wanted = min(times, each * (OFTEN if point in _MANY else 1))
            others = chance.sample(range(2, times + 1), wanted - 1)
            yield from (Order(one.workload, (Blow(point, nth, cut),)) for nth in (1, *sorted(others)))
        seen |= {(one.workload.host, point) for point in one.passed}


def pairs(calms: Sequence[Calm], number: int, chance: random.Random) -> Iterator[Order]:
    """Two kills, one in each of two lives of the daemon."""
    for _ in range(number):
        one = chance.choice(calms)
        points = [chance.choice(sorted(one.passed)) for _ in range(2)]
        yield Order(one.workload, tuple(Blow(point, chance.randint(1, one.passed[point])) for point in points))


def make(folder: Path, stock: Stock, order: Order, undisturbed: Outcome) -> Made:
    """One run, and what is wrong with it; its folder is removed when nothing is."""
    began, found, struck = time.monotonic(), list[str](), 0
    with crash_site(folder, stock, order.workload) as site:
        try:
            ran(site, order.blows)
            found = problems(site, undisturbed)
        except Exception as error:  # whatever it is, the next run is made
            found = [f"{type(error).__name__}: {error}"]
        struck = len(site.struck()) - (order.workload.first is not None)
    if not found:
        shutil.rmtree(folder)
    return Made(order, struck, tuple(found), time.monotonic() - began, folder)


def make_all(
    folder: Path,
    stock: Stock,
    orders: Sequence[Order],
    calms: Sequence[Calm],
    *,
    jobs: int,
    tell: Callable[[int, Made], None] = lambda _number, _made: None,
) -> list[Made]:
    """All runs, ``jobs`` at once, told as they end."""
    undisturbed = {one.workload: one.outcome for one in calms}

    def one(numbered: tuple[int, Order]) -> Made:
        number, order = numbered
        made = make(folder / f"run-{number}", stock, order, undisturbed[order.workload])
        tell(number, made)
        return made

    pool = ThreadPoolExecutor(jobs)
    try:
        return list(pool.map(one, enumerate(orders, start=1)))
    finally:
        pool.shutdown(cancel_futures=True)  # who interrupts waits for the runs that are under way, not for all
