"""What is measured: told to the monitor, read from the ledger, and asked for as one text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from messages.address import Mailbox


@dataclass(frozen=True, slots=True)
class GetMetrics:
    """Console → monitor; answered MetricsReport."""

    request_id: str
    reply_to: Mailbox


@dataclass(frozen=True, slots=True)
class MetricsReport:
    """Everything measured, in the text format of Prometheus."""

    request_id: str
    text: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class FilesCarried:
    """Lane → monitor: one move of files is over and verified."""

    host: str
    to_host: bool
    """Otherwise from it."""
    size: int
    """Bytes."""
    seconds: float


@dataclass(frozen=True, slots=True)
class RootsScanned:
    """Scanner → monitor: a scan of all roots has ended."""


@dataclass(frozen=True, slots=True)
class CommitsTimed:
    """Ledger → monitor, at most once a second: how long each of these commits took, in s."""

    seconds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class StateLeft:
    """One beam or case left a state: one observation of how long it was in it."""

    of_beam: bool
    """Otherwise of a case."""
    state: str
    seconds: float


@dataclass(frozen=True, slots=True)
class LedgerFacts:
    """What the ledger says after some event of its history."""

    upto: int
    """Number of the last event that these facts know."""
    cases: tuple[tuple[str, int], ...]
    """(state, number of cases)."""
    beams: tuple[tuple[str, int], ...]
    """(state, number of beams)."""
    oldest: tuple[tuple[str, datetime], ...]
    """(state, since when its oldest open case waits)."""
    happened: tuple[tuple[str, int], ...]
    """(``EventRow.what``, how often) among the events after those that were known before."""
    left: tuple[StateLeft, ...]
    """States left among the events after those that were known before, since this process began."""
    pushes_waiting: int
    """Documents about alarms that are still to be told outside: 0 or 1."""
    pushes_told: int
    """Documents about alarms that were told outside, ever."""
    backup: datetime | None
    """When the newest scheduled backup was taken."""
    more: bool
    """There are more events: ask again."""
    sendings: tuple[tuple[str, str, int], ...] = ()
    """(node, state, number of cases) of results on their way to nodes."""
