"""Ending a run on a host, with the proof that no process of it is left."""

from __future__ import annotations

import time
from collections.abc import Callable

from actors.crash_points import effect
from actors.jobs import GRACE_S
from actors.jobs.ending import GIVE_UP_AFTER_S, Pressure, Seen, Step, not_ended
from actors.ssh_connection.remote import Facts, Remote

_POLL_S = 0.05
_SIGNALS = {Step.ASK: ("USR2", "wrapper"), Step.TERM: ("TERM",), Step.KILL: ("KILL",)}


class Ending:
    """One order to end a run: told TERM first, KILL after the grace, until all are gone."""

    def __init__(self, remote: Remote, run_dir: str, key: str, grace_s: float = GRACE_S) -> None:
        self._remote = remote
        self._run_dir = run_dir
        self._key = key
        self._pressure = Pressure(grace_s)

    def run(self, wait: Callable[[float], bool]) -> str:
        """Evidence that all are gone. Raises MqiError (``kill-failed``) when that cannot be had; LinkError.

        ``wait`` waits so many seconds and says whether to give up.
        """
        begun = time.monotonic()
        while True:
            facts = self._remote.look(self._run_dir, self._key, everybody=True)
            elapsed_s = time.monotonic() - begun
            step = self._pressure.step(_seen(facts), elapsed_s)
            if step is Step.PROVEN:
                return f"No process of the run is left. {facts.verdict.evidence}"
            self._do(step)
            if elapsed_s > GIVE_UP_AFTER_S or wait(_POLL_S):
                raise not_ended(self._key, self._run_dir, facts.verdict.evidence, facts.left or ())

    def _do(self, step: Step) -> None:
        if step is Step.VOID:
            with effect("launch.void"):
                self._remote.call("void", self._run_dir)
        elif step in _SIGNALS:
            with effect("kill.signal"):
                self._remote.call("end_run", self._run_dir, *_SIGNALS[step])


def _seen(facts: Facts) -> Seen:
    begun, wrapper = facts.started is not None, facts.wrapper is not None
    return Seen(facts.verdict, facts.folder, begun, wrapper, facts.left)
