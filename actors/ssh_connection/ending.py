"""Ending a run on a host, with the proof that no process of it is left."""

from __future__ import annotations

import time
from collections.abc import Callable

from actors.crash_points import effect
from actors.errors import MqiError
from actors.jobs import GRACE_S
from actors.ssh_connection.remote import Facts, Remote
from messages.faults import Blame, Fault
from messages.jobs import Observation

GIVE_UP_AFTER_S = 25.0
"""Longer than TERM, grace and KILL take; what lives then is stuck in the kernel."""
_WRITES_EXIT_WITHIN_S = 3.0
_POLL_S = 0.05


class Ending:
    """One order to end a run: told TERM first, KILL after the grace, until all are gone."""

    def __init__(self, remote: Remote, run_dir: str, key: str, grace_s: float = GRACE_S) -> None:
        self._remote = remote
        self._run_dir = run_dir
        self._key = key
        self._grace_s = grace_s
        self._begun = time.monotonic()
        self._asked = False
        """The wrapper was, to cancel."""
        self._told = False
        """The processes were, to end."""

    def run(self, wait: Callable[[float], bool]) -> str:
        """Evidence that all are gone. Raises MqiError (``kill-failed``) when that cannot be had; LinkError.

        ``wait`` waits so many seconds and says whether to give up.
        """
        facts = self._look()
        while not self._proven(facts):
            if time.monotonic() - self._begun > GIVE_UP_AFTER_S or wait(_POLL_S):
                raise self._failed(facts)
            facts = self._look()
        return f"No process of the run is left. {facts.verdict.evidence}"

    def _look(self) -> Facts:
        return self._remote.look(self._run_dir, self._key, everybody=True)

    def _proven(self, facts: Facts) -> bool:
        """The run is over and nobody is left; else the next push towards it is given."""
        match facts.verdict.observation:
            case Observation.ABSENT | Observation.UNKNOWN:
                return self._forestall(facts)
            case Observation.RUNNING:
                self._push(facts)
                return False
            case _:
                if facts.left:
                    self._signal("KILL")
                return facts.verdict.released and facts.left == ()

    def _forestall(self, facts: Facts) -> bool:
        """A run that did not begin is kept from beginning; the next look sees it voided."""
        absent = facts.verdict.observation is Observation.ABSENT
        if absent and not facts.folder:
            return facts.left == ()
        if absent or facts.verdict.unbegun:
            with effect("launch.void"):
                self._remote.call("void", self._run_dir)
        return False

    def _push(self, facts: Facts) -> None:
        """The wrapper is asked once; without one, or when it takes too long, the processes are told themselves."""
        if facts.started is None:
            return  # it is just beginning: the next look knows more
        patience = self._grace_s
        if facts.wrapper is not None:
            patience += _WRITES_EXIT_WITHIN_S
            if not self._asked:
                self._asked = True
                self._signal("USR2", "wrapper")
        elif not self._told:
            self._told = True
            self._signal("TERM")
        if time.monotonic() - self._begun > patience:
            self._signal("KILL")

    def _signal(self, name: str, *who: str) -> None:
        with effect("kill.signal"):
            self._remote.call("end_run", self._run_dir, name, *who)

    def _failed(self, facts: Facts) -> MqiError:
        left = ", ".join(map(str, facts.left or ())) or "unknown"
        return MqiError(
            Fault(
                what=f"Run {self._key} cannot be proven ended: {facts.verdict.evidence} Processes left: {left}.",
                where=self._run_dir,
                remedy="What ignores KILL is stuck in the driver or on a disk: look at dmesg; a reboot ends it.",
                blame=Blame.HOST,
                kind="kill-failed",
            )
        )
