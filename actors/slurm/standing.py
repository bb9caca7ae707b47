"""How the host is on which Slurm's commands run: its workspace, its load."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from actors.mounts import Ground
from actors.slurm.cluster import Cluster, Lines
from messages.hosts import HostObserved, HostState

KIND = "slurm"


@dataclass(frozen=True, slots=True)
class Standing:
    """One look."""

    free_gb: float | None = None
    load: float | None = None
    fault: str = ""
    """Why the workspace cannot be used; empty: it can."""
    mount: str = ""
    """Where its disk ought to be mounted, from what is known by now."""

    def observed(self, host: str, silence: str) -> HostObserved:
        """As it is told; ``silence``: why Slurm does not answer, empty: it does.

        No boot id: the runs are on other machines than the one that is asked.
        """
        reason = self.fault or silence
        state = HostState.SUSPENDED if reason else HostState.UP
        return HostObserved(host, KIND, datetime.now(UTC), state, reason, self.free_gb, "", self.load)


def observe(cluster: Cluster, ground: Ground) -> Standing:
    """Ask; makes the workspace if it is missing and its disk is there. Raises ShellError."""
    known = replace(cluster, mount=ground.expected())
    lines = known.call("standing")
    said = dict(lines)
    seen = parse(lines)
    if "away" in said:
        return replace(seen, mount=known.mount, fault=ground.sentence(known.mount))
    return replace(seen, mount=ground.saw(said.get("mount", "")))


def parse(lines: Lines) -> Standing:
    """What ``standing`` in host.sh answered; what is missing or odd is None. Pure."""
    free = [rest for word, rest in lines if word == "free" and rest.isdecimal()]
    said = dict(lines)
    try:
        load: float | None = float(said.get("load", ""))
    except ValueError:
        load = None
    return Standing(int(free[-1]) * 1024 / 1e9 if free else None, load, said.get("error", ""))
