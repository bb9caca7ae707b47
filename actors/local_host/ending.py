"""Ending a run on this machine, with the proof that no process of it is left."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable
from pathlib import Path

from actors.jobs import GRACE_S, Started, Verdict
from actors.jobs.ending import GIVE_UP_AFTER_S, Pressure, Seen, Step, not_ended
from actors.local_host import looking, processes
from messages.jobs import Observation

_POLL_S = 0.01


class Ending:
    """One order to end a run: told TERM first, KILL after the grace, until all are gone."""

    def __init__(
        self,
        run_dir: Path,
        key: str,
        boot_id: str,
        grace_s: float = GRACE_S,
        away: Callable[[], str] = lambda: "",
    ) -> None:
        self._run_dir = run_dir
        self._key = key
        self._boot_id = boot_id
        self._away = away
        self._pressure = Pressure(grace_s)

    def run(self, cancelled: Callable[[float], bool]) -> str:
        """Evidence that all are gone. Raises MqiError (kind ``kill-failed``) when that cannot be had.

        ``cancelled`` waits so many seconds and says whether to give up.
        """
        begun = time.monotonic()
        while True:
            verdict = looking.look(self._run_dir, self._key, self._boot_id, self._away)
            elapsed_s = time.monotonic() - begun
            step = self._pressure.step(self._seen(verdict), elapsed_s)
            if step is Step.PROVEN:
                return f"No process of the run is left. {verdict.evidence}"
            self._do(step)
            if elapsed_s > GIVE_UP_AFTER_S or cancelled(_POLL_S):
                raise not_ended(self._key, str(self._run_dir), verdict.evidence, self._members())

    def _seen(self, verdict: Verdict) -> Seen:
        started = looking.read_started(self._run_dir)
        wrapper = started is not None and self._lives(started)
        running = verdict.observation is Observation.RUNNING
        left = None if running else tuple(self._members())  # the costly question, and no proof while it runs
        return Seen(verdict, self._run_dir.is_dir(), started is not None, wrapper, left)

    def _lives(self, wrapper: Started) -> bool:
        return wrapper.boot_id == self._boot_id and processes.alive(wrapper.pid, wrapper.start_ticks)

    def _do(self, step: Step) -> None:
        match step:
            case Step.VOID:
                with contextlib.suppress(OSError):  # the next look tells
                    looking.void(self._run_dir)
            case Step.ASK:
                started = looking.read_started(self._run_dir)
                processes.tell_all([started.pid] if started else [], signal.SIGUSR2)
            case Step.TERM:
                processes.tell_all(self._members(), signal.SIGTERM)
            case Step.KILL:
                processes.tell_all(self._members(), signal.SIGKILL)

    def _members(self) -> frozenset[int]:
        started = looking.read_started(self._run_dir)
        same_boot = started is not None and started.boot_id == self._boot_id
        return processes.members(self._run_dir, looking.read_engine(self._run_dir) if same_boot else None)
