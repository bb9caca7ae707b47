"""How a host is: the free space of its workspace, its load, its boot, its clock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from actors.mounts import Ground
from actors.ssh_connection.remote import Remote
from messages.hosts import HostObserved, HostState

KIND = "ssh"


@dataclass(frozen=True, slots=True)
class Standing:
    """One look at the host."""

    boot_id: str = ""
    free_gb: float | None = None
    load: float | None = None
    clock_s: float | None = None
    """Seconds since 1970 by the host's clock."""
    fault: str = ""
    """Why the workspace cannot be used; empty: it can."""
    away: bool = False
    """Its disk is not mounted: nothing can be told of any run."""
    mount: str = ""
    """Where its disk ought to be mounted, from what is known by now."""

    def observed(self, host: str) -> HostObserved:
        """As it is told."""
        state = HostState.SUSPENDED if self.fault else HostState.UP
        at = datetime.now(UTC)
        return HostObserved(host, KIND, at, state, self.fault, self.free_gb, self.boot_id, self.load)


def observe(remote: Remote, ground: Ground) -> Standing:
    """Ask the host; makes the workspace if it is missing and its disk is there. Raises LinkError."""
    known = replace(remote, mount=ground.expected())
    lines = known.call("standing")
    said = dict(lines)
    seen = parse(lines)
    if "away" in said:
        return replace(seen, away=True, mount=known.mount, fault=ground.sentence(known.mount))
    return replace(seen, mount=ground.saw(said.get("mount", "")))


def parse(lines: tuple[tuple[str, str], ...]) -> Standing:
    """What ``standing`` answered; what is missing or odd is None. Pure."""
    free = [rest for word, rest in lines if word == "free" and rest.isdecimal()]
    said = dict(lines)
    return Standing(
        boot_id=said.get("boot", ""),
        free_gb=int(free[-1]) * 1024 / 1e9 if free else None,
        load=_decimal(said.get("load", "")),
        clock_s=_decimal(said.get("clock", "")),
        fault=said.get("error", ""),
    )


def _decimal(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
