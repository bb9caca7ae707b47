"""What operators ask and order, through the console; and what the monitor tells of the system's health."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from messages.address import Mailbox
from messages.hosts import GpusObserved, HostObserved


@dataclass(frozen=True, slots=True)
class Holder:
    """The daemon that runs on a state folder."""

    pid: int
    since: str
    """ISO 8601 with offset; empty when it did not say."""
    boot: int | None
    socket: str
    """Its control socket; empty when it did not say."""


class OrderKind(StrEnum):
    """What an operator may order. The subject is a case, a place (``HOST`` or ``HOST/GPU``), a folder, or empty."""

    RETRY = "retry"
    """A case, or with the argument one beam of it: failed or cancelled work begins again with a fresh budget."""
    CANCEL = "cancel"
    """A case: what runs of it is ended."""
    HOLD = "hold"
    """A case: what runs goes on to its end, nothing new starts."""
    RELEASE = "release"
    """A held case goes on from where it was."""
    PRIORITY = "priority"
    """A case; the argument is a whole number, higher runs first, 0 is usual."""
    DRAIN = "drain"
    """A place: what runs goes on to its end, nothing new starts there."""
    RESUME = "resume"
    """A place takes work again; a quarantine for failed runs is lifted."""
    PAUSE = "pause"
    """Everywhere: no case that was not begun is begun."""
    UNPAUSE = "unpause"
    PRUNE = "prune"
    """Everywhere: what is older than ``[retention]`` keeps is removed now, and not only when its time comes."""
    SUBMIT = "submit"
    """A folder, with the argument ``partial`` as it is: taken now, without waiting for the scanner."""
    REVIEW = "review"
    """A case that is done, with a remark or without: the user has looked at its result."""
    APPROVE = "approve"
    """A reviewed case: the user answers for its result; with a reason where its verdict is not good by itself."""
    REJECT = "reject"
    """A case that is done, with the reason: the user refuses its result. Final."""
    SEND = "send"
    """A case that is done, with the name of a node or, without, to all: its result goes there, within the rules."""
    RECALCULATE = "recalculate"
    """A case that is done, with the reason: a new version of it is computed, by what is configured now."""


@dataclass(frozen=True, slots=True)
class OrderPlaced:
    """Console → orders, after the ledger acknowledged it: there is something to carry out."""

    order: str


@dataclass(frozen=True, slots=True)
class PlacesChanged:
    """Orders → those whom it concerns: where new work may start has changed; the ledger tells."""


@dataclass(frozen=True, slots=True)
class PruneNow:
    """Orders → ledger, admission: look now for what is kept for longer than it has to be."""


@dataclass(frozen=True, slots=True)
class CaseChanged:
    """Orders → the case's actor: the ledger was told something of it by an operator; read it."""

    case: str


@dataclass(frozen=True, slots=True)
class StopDaemon:
    """Stop in order, leaving engines running."""


@dataclass(frozen=True, slots=True)
class ReloadSettings:
    """Read the configuration again; answered SettingsReloaded."""

    request_id: str
    reply_to: Mailbox


@dataclass(frozen=True, slots=True)
class SettingsReloaded:
    request_id: str
    changed: tuple[str, ...]
    """Keys that took effect."""
    needs_restart: tuple[str, ...]
    """Keys that changed but take effect at the next start."""
    errors: tuple[str, ...]
    """The file was refused; nothing changed."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """A condition that an operator must know; raised once, cleared once."""

    id: str
    since: datetime
    text: str
    """What is wrong, where, what to do."""


@dataclass(frozen=True, slots=True)
class AlarmRaised:
    """Any actor → monitor."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class AlarmCleared:
    """Any actor → monitor."""

    id: str


@dataclass(frozen=True, slots=True)
class DiskState:
    """Monitor → scanner, scheduler, cases when it changes: may new work start?"""

    roomy: bool
    reason: str


@dataclass(frozen=True, slots=True)
class SubscribeDisk:
    """Tell me every DiskState from now on (and the last one at once)."""

    reply_to: Mailbox


@dataclass(frozen=True, slots=True)
class MachineHealth:
    """The daemon's own machine. None: not told."""

    memory_percent: float | None = None
    """Of its memory, in use."""
    load: float | None = None
    """Processes that ran or waited, mean of one minute."""
    temperature_c: float | None = None
    """Of its hottest sensor."""


@dataclass(frozen=True, slots=True)
class DiskHealth:
    """One disk that new work needs."""

    label: str
    """``state``, ``results``, ``workspace:<host>``."""
    path: str
    free_gb: float | None
    """None: it does not answer."""
    min_free_gb: float
    low: bool
    """No new work starts."""


@dataclass(frozen=True, slots=True)
class GetHealth:
    """Console → monitor; answered HealthReport."""

    request_id: str
    reply_to: Mailbox


@dataclass(frozen=True, slots=True)
class HealthReport:
    request_id: str
    alarms: tuple[Alarm, ...]
    """Oldest first; also those that the ledger could not take."""
    machine: MachineHealth
    disks: tuple[DiskHealth, ...]
    hosts: tuple[HostObserved, ...] = ()
    """The last word of every host's control."""
    gpus: tuple[GpusObserved, ...] = ()
    """The last look at every host's GPUs."""
    scan_age_s: float = 0.0
    """Since a scan of all roots ended; before the first one: since the monitor began."""
