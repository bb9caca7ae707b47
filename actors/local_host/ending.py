"""Ending a run on this machine, with the proof that no process of it is left."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

from actors.errors import MqiError
from actors.jobs import GRACE_S, Started, Verdict
from actors.local_host import looking, processes
from messages.faults import Blame, Fault
from messages.jobs import Observation

GIVE_UP_AFTER_S = 25.0
"""Longer than TERM, grace and KILL take; what lives then is stuck in the kernel."""
_WRITES_EXIT_WITHIN_S = 3.0
_POLL_S = 0.01


class Ending:
    """One order to end a run: told TERM first, KILL after the grace, until all are gone."""

    def __init__(self, run_dir: Path, key: str, boot_id: str, grace_s: float = GRACE_S) -> None:
        self._run_dir = run_dir
        self._key = key
        self._boot_id = boot_id
        self._grace_s = grace_s
        self._begun = time.monotonic()
        self._asked = False
        """The wrapper was, to cancel."""
        self._told = False
        """The processes were, to end."""

    def run(self, cancelled: Callable[[float], bool]) -> str:
        """Evidence that all are gone. Raises MqiError (kind ``kill-failed``) when that cannot be had.

        ``cancelled`` waits so many seconds and says whether to give up.
        """
        verdict = self._look()
        while not self._proven(verdict):
            if time.monotonic() - self._begun > GIVE_UP_AFTER_S or cancelled(_POLL_S):
                raise self._failed(verdict)
            verdict = self._look()
        return f"No process of the run is left. {verdict.evidence}"

    def _look(self) -> Verdict:
        return looking.look(self._run_dir, self._key, self._boot_id)

    def _proven(self, verdict: Verdict) -> bool:
        """The run is over and nobody is left; else the next push towards it is given."""
        match verdict.observation:
            case Observation.ABSENT | Observation.UNKNOWN:
                return self._forestall(verdict)
            case Observation.RUNNING:
                self._push()
                return False
            case _:
                survivors = self._members()
                processes.tell_all(survivors, signal.SIGKILL)
                return verdict.released and not survivors

    def _forestall(self, verdict: Verdict) -> bool:
        """A run that did not begin is kept from beginning; the next look sees it voided."""
        try:
            if verdict.observation is Observation.ABSENT and not self._run_dir.is_dir():
                return not self._members()
            if verdict.observation is Observation.ABSENT or verdict.unbegun:
                looking.void(self._run_dir)
        except OSError:
            return False
        return False

    def _push(self) -> None:
        """The wrapper is asked once; without one, or when it takes too long, the processes are told themselves."""
        started = looking.read_started(self._run_dir)
        if started is None:
            return  # it is just beginning: the next look knows more
        patience = self._grace_s
        if self._wrapper_lives(started):
            patience += _WRITES_EXIT_WITHIN_S
            if not self._asked:
                self._asked = True
                processes.tell_all([started.pid], signal.SIGUSR2)
        elif not self._told:
            self._told = True
            processes.tell_all(self._members(), signal.SIGTERM)
        if time.monotonic() - self._begun > patience:
            processes.tell_all(self._members(), signal.SIGKILL)

    def _wrapper_lives(self, started: Started) -> bool:
        return started.boot_id == self._boot_id and processes.alive(started.pid, started.start_ticks)

    def _members(self) -> frozenset[int]:
        started = looking.read_started(self._run_dir)
        same_boot = started is not None and started.boot_id == self._boot_id
        return processes.members(self._run_dir, looking.read_engine(self._run_dir) if same_boot else None)

    def _failed(self, verdict: Verdict) -> MqiError:
        left = ", ".join(map(str, sorted(self._members()))) or "unknown"
        return MqiError(
            Fault(
                what=f"Run {self._key} cannot be proven ended: {verdict.evidence} Processes left: {left}.",
                where=str(self._run_dir),
                remedy="What ignores KILL is stuck in the driver or on a disk: look at dmesg; a reboot ends it.",
                blame=Blame.HOST,
                kind="kill-failed",
            )
        )
