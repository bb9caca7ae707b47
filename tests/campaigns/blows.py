"""What can be struck at a running site, and what the tree forgives."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from tests.campaigns.fire import ACTORS
from tests.kit.counted import CountedSite
from tests.kit.daemon import Daemon, engine_processes
from tests.kit.fire import Blow, Fire, Kind

FIND_S = 1.0
"""An engine of no time must be caught in its moment."""
WITHIN_S = 65.0
FORGIVEN = {"root": 2, "root/pipeline": 4, "root/pipeline/cases": 15}
OF_A_HOST = 4


class TreeBudget:
    """How many actors may be struck under each supervisor within a minute without its giving up."""

    def __init__(self, *, counts: bool = True) -> None:
        self._counts = counts
        self._struck: dict[str, deque[float]] = {}

    @staticmethod
    def ignored() -> TreeBudget:
        """Supervisors may give up, up to the process."""
        return TreeBudget(counts=False)

    def allows(self, path: str, now: float) -> bool:
        parent = path.rpartition("/")[0]
        recent = self._struck.setdefault(parent, deque())
        while recent and now - recent[0] > WITHIN_S:
            recent.popleft()
        return not self._counts or len(recent) < FORGIVEN.get(parent, OF_A_HOST)

    def spend(self, path: str, now: float) -> None:
        self._struck.setdefault(path.rpartition("/")[0], deque()).append(now)


class Striker:
    """Strikes one thing at a time, by chance."""

    kinds = ("actor", "actor", "engine", "wrapper", "worker process", "link")

    def __init__(self, counted: CountedSite, daemon: Daemon, fire: Fire, chance: random.Random) -> None:
        self._counted, self._daemon, self._fire, self._chance = counted, daemon, fire, chance
        self._heals_at = 0.0
        self.budget = TreeBudget()

    def strike(self, kind: str, budget: TreeBudget) -> str:
        """What was struck: another kind where there was nothing of this one to be found."""
        match kind:
            case "daemon":
                self._daemon_dies()
            case "link":
                self._link_fails()
            case "engine" | "wrapper":
                return self._process(kind, lambda: self._parts(b"engine.sh" if kind == "engine" else b"wrapper-"))
            case "worker process":
                return self._process(kind, self._workers)
            case _:
                return self._actor(budget)
        return kind

    def heal(self) -> None:
        """A link that failed for a while is back."""
        if self._heals_at and time.monotonic() > self._heals_at:
            self._heals_at = 0.0
            self._counted.proxy.go_on()

    def _daemon_dies(self) -> None:
        """Killed, and now and then killed again while it starts."""
        self._daemon.kill()
        self._daemon.launch()
        while self._chance.random() < 0.3:
            time.sleep(self._chance.uniform(0.0, 1.0))
            self._daemon.kill()
            self._daemon.launch()

    def _link_fails(self) -> None:
        proxy = self._counted.proxy
        self._chance.choice((proxy.cut, proxy.cut, proxy.close_port, proxy.stall))()
        self._heals_at = time.monotonic() + self._chance.uniform(0.5, 3.0)

    def _actor(self, budget: TreeBudget) -> str:
        now = time.monotonic()
        free = [path for path in ACTORS if budget.allows(path, now)]
        if not free:
            self._link_fails()
            return "link"
        path = self._chance.choice(free)
        self.budget.spend(path, now)
        kind = self._chance.choice((Kind.RAISE, Kind.EXIT))
        self._fire.strike(Blow(path, kind, late=self._chance.random() < 0.5))
        return "actor"

    def _process(self, kind: str, find: Callable[[], list[int]]) -> str:
        deadline = time.monotonic() + FIND_S
        while not (pids := find()):
            if time.monotonic() > deadline:
                self._counted.proxy.cut()
                return "link"
        with suppress(ProcessLookupError):
            os.kill(self._chance.choice(pids), signal.SIGKILL)
        return kind

    def _parts(self, word: bytes) -> list[int]:
        found = []
        for pid in engine_processes(self._counted.site):
            with suppress(OSError):
                if word in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
        return found

    def _workers(self) -> list[int]:
        assert self._daemon.process is not None
        try:
            below = psutil.Process(self._daemon.process.pid).children()
            return [child.pid for child in below if "actors.compute.worker" in child.cmdline()]
        except psutil.Error:
            return []
