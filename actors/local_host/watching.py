"""Watching every run of this machine in one thread, which costs nothing while nothing happens.

The end of a wrapper wakes the thread through a pidfd. Logs are looked at a few times a second. Where there is no pidfd
the run directory is looked at instead: often while a run is young, seldom later.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from actors.crash_points import effect, point
from actors.jobs import Started, Verdict
from actors.local_host import looking, processes
from actors.local_host.tailing import read_news
from messages.address import Mailbox
from messages.jobs import JobObserved, Observation, UnwatchJob, WatchJob

BEGINS_WITHIN_S = 10.0
"""A claim that is neither locked nor begun for so long is voided: a stalled wrapper then never begins."""
_SOON_S, _OFTEN_S, _CALM_S, _SELDOM_S = 0.01, 0.02, 0.1, 0.25
_YOUNG_S, _GROWN_S = 2.0, 20.0
_FULL_LOOK_S = 5.0
"""A run whose wrapper is known to live is looked at as a whole so often, and whenever its wrapper ends."""


@dataclass(frozen=True, slots=True)
class Observed:
    """From the watch to its actor: news for whoever watches."""

    reply_to: Mailbox
    news: JobObserved


class Run:
    """One watched run."""

    def __init__(self, order: WatchJob, now: float) -> None:
        self.key = order.key
        self.reply_to = order.reply_to
        self.run_dir = Path(order.run_dir)
        self.log = str(self.run_dir / "engine.log")
        self.offset = order.offset
        self.since = now
        self.due = now
        self.full_look_due = now
        self.pidfd: int | None = None
        self.told: tuple[Observation, bool] | None = None
        self.verdict: Verdict | None = None

    def close(self) -> None:
        """Let go of the wrapper's pidfd."""
        if self.pidfd is not None:
            os.close(self.pidfd)
            self.pidfd = None

    def look(self, now: float, boot_id: str, away: Callable[[], str]) -> JobObserved | None:
        """What is new; None when nothing is. Sets when to look again."""
        if self.pidfd is None or now >= self.full_look_due or self.verdict is None:
            self.verdict = looking.look(self.run_dir, self.key, boot_id, away)
            self.full_look_due = now + _FULL_LOOK_S
            self._forestall(self.verdict, now)
            if self.verdict.observation is Observation.RUNNING and self.pidfd is None:
                self.pidfd = _pidfd(looking.read_started(self.run_dir), boot_id)
        gone = self._gone(self.verdict)
        text = read_news(self.log, self.offset, ended=gone)
        self.offset = text.offset
        self.due = _on_grid(now, self._pause(now))
        standing = (self.verdict.observation, gone)
        if standing == self.told and not text.text:
            return None
        self.told = standing
        return JobObserved(
            self.key,
            self.verdict.observation,
            text.text,
            self.offset,
            self.verdict.exit,
            group_gone=gone,
            evidence=self.verdict.evidence,
        )

    @property
    def over(self) -> bool:
        """Its end was told with proof: nothing more will come."""
        return self.told is not None and self.told[1]

    def _gone(self, verdict: Verdict) -> bool:
        """Nobody of the run is left. exit.json is written only then; without it the processes themselves are asked."""
        if verdict.observation is Observation.ENDED:
            return verdict.released
        if verdict.observation is not Observation.KILLED or not verdict.released:
            return False
        engine = None if verdict.rebooted else looking.read_engine(self.run_dir)
        return not processes.members(self.run_dir, engine)

    def _forestall(self, verdict: Verdict, now: float) -> None:
        if verdict.unbegun and now - self.since > BEGINS_WITHIN_S:
            with contextlib.suppress(OSError):  # a full disk: it stays unknown, and is tried again
                looking.void(self.run_dir)

    def _pause(self, now: float) -> float:
        """Seconds until the next look."""
        assert self.verdict is not None
        age = now - self.since
        if self.verdict.observation is Observation.KILLED:
            return _CALM_S  # somebody is left, and asking who costs
        if self.verdict.observation is not Observation.RUNNING:
            return _OFTEN_S if age < _YOUNG_S else _SELDOM_S
        if self.pidfd is None:
            return _SOON_S if age < _YOUNG_S else _CALM_S
        return _CALM_S if age < _GROWN_S else _SELDOM_S


def _on_grid(now: float, pause: float) -> float:
    """The next multiple of ``pause``: runs that are looked at equally often are looked at in one waking."""
    return (now // pause + 1) * pause


class Watch:
    """The runs that are watched, and the thread's loop. Orders come from any thread. ``away``: why no run can be seen
    now; empty: they can."""

    def __init__(self, boot_id: str, away: Callable[[], str] = lambda: "") -> None:
        self._boot_id, self._away = boot_id, away
        self._orders: queue.SimpleQueue[WatchJob | UnwatchJob] = queue.SimpleQueue()
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._runs: dict[str, Run] = {}
        self._poll = select.poll()
        self._poll.register(self._bell, select.POLLIN)
        self._by_pidfd: dict[int, Run] = {}

    def order(self, order: WatchJob | UnwatchJob) -> None:
        """Watch a run (in place of a former order for it), or watch it no more."""
        self._orders.put(order)
        self.ring()

    def ring(self) -> None:
        """Wake the loop: there is an order, or it is to end."""
        os.eventfd_write(self._bell, 1)

    def loop(self, tell: Callable[[Observed], None], ended: Callable[[], bool]) -> None:
        """Until ``ended``; sleeps while there is nothing to watch. ``ring`` wakes it to see that it has ended."""
        try:
            while not ended():
                self._take_orders()
                self._wait()
                self._look(time.monotonic(), tell)
        finally:
            for run in self._runs.values():
                run.close()

    def close(self) -> None:
        """Let go of the bell, once nobody rings and the loop has ended."""
        os.close(self._bell)

    def _take_orders(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                order = self._orders.get_nowait()
                self._forget(order.key)
                if isinstance(order, WatchJob):
                    with effect("watch.open"):
                        self._runs[order.key] = Run(order, time.monotonic())

    def _wait(self) -> None:
        due = min((run.due for run in self._runs.values()), default=None)
        timeout = None if due is None else max((due - time.monotonic()) * 1000, 0)
        for descriptor, _ in self._poll.poll(timeout):
            if descriptor == self._bell:
                with contextlib.suppress(BlockingIOError):
                    os.eventfd_read(self._bell)
            elif run := self._by_pidfd.pop(descriptor, None):
                self._poll.unregister(descriptor)
                run.close()  # the wrapper has ended: look at everything, now
                run.due = 0.0

    def _look(self, now: float, tell: Callable[[Observed], None]) -> None:
        for run in [run for run in self._runs.values() if run.due <= now]:
            news = run.look(now, self._boot_id, self._away)
            if run.pidfd is not None and run.pidfd not in self._by_pidfd:
                self._by_pidfd[run.pidfd] = run
                self._poll.register(run.pidfd, select.POLLIN)
            if news is not None:
                point("watch.told")
                tell(Observed(run.reply_to, news))
            if run.over:
                self._forget(run.key)

    def _forget(self, key: str) -> None:
        run = self._runs.pop(key, None)
        if run is not None and run.pidfd is not None:
            self._by_pidfd.pop(run.pidfd, None)
            with contextlib.suppress(KeyError):
                self._poll.unregister(run.pidfd)
            run.close()


def _pidfd(started: Started | None, boot_id: str) -> int | None:
    """A descriptor that tells the wrapper's end; None where there is none, or the pid is another's by now."""
    if started is None or started.boot_id != boot_id:
        return None
    try:
        pidfd = os.pidfd_open(started.pid)
    except (OSError, AttributeError):
        return None
    if processes.alive(started.pid, started.start_ticks):
        return pidfd
    os.close(pidfd)
    return None
