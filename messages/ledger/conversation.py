"""What is told to the ledger and what it answers. Write first, act after the acknowledgement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from messages.address import Mailbox
from messages.faults import Fault
from messages.ledger.records import Record
from messages.ledger.rows import (
    AttemptRow,
    CaseRow,
    EventRow,
    FractionRow,
    HaltRow,
    KnownCase,
    OrderRow,
    PushRow,
    ReportRow,
    ReviewRow,
    VersionRow,
)
from messages.states import CaseState


@dataclass(frozen=True, slots=True)
class Write:
    """Write all records in order, or none. Stale epochs of the same writer are dropped (and counted)."""

    request_id: str
    reply_to: Mailbox | None
    """None: no answer wanted (notes only, never before an act)."""
    writer: str
    """Id of the writing actor's address: the fence is kept per writer."""
    epoch: int
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """It is on the disk."""

    request_id: str


@dataclass(frozen=True, slots=True)
class WriteRefused:
    """Nothing of the request was written."""

    request_id: str
    fault: Fault


INTERPRETATION_SENT = "case: interpretation goes to a host"
"""``NoteEvent.what`` of the intent to have a case interpreted on a host; its detail names host and run."""

REFUSED_FOR_GOOD = frozenset(
    {
        "illegal-transition",
        "not-admitted",
        "already-admitted",
        "case-not-running",
        "case-changed",
        "wrong-key",
        "attempt-open",
        "attempt-old",
        "beam-not-ready",
        "beams-open",
        "delivery-claimed",
        "not-ended",
        "report-not-due",
        "sending-not-due",
        "review-refused",
        "no-such-case",
        "no-such-beam",
        "no-such-attempt",
        "no-beams",
    }
)
"""Kinds of WriteRefused.fault by which the records contradict what the ledger holds: read the rows again. Any other
kind is about the disk or the ledger itself: the same Write may be told again after a while."""


@dataclass(frozen=True, slots=True)
class GetCase:
    """Answered CaseReport (row None: no such case)."""

    request_id: str
    reply_to: Mailbox
    case: str


@dataclass(frozen=True, slots=True)
class CaseReport:
    request_id: str
    row: CaseRow | None
    attempts: tuple[AttemptRow, ...]
    """Of this case, oldest first."""
    sent: tuple[str, ...] = ()
    """Details of the case's INTERPRETATION_SENT events, oldest first."""
    last_event: int = 0
    """Number of the newest line of the case's history: what ExpectCase is given."""


@dataclass(frozen=True, slots=True)
class GetCases:
    """Cases in these states (with beams), by priority then age; ``uncleaned`` adds ended cases with files left."""

    request_id: str
    reply_to: Mailbox
    states: frozenset[CaseState]
    uncleaned: bool = False
    after: int = 0
    """Only those of whose history there is a line after this number; 0: all."""


@dataclass(frozen=True, slots=True)
class CasesReport:
    request_id: str
    rows: tuple[CaseRow, ...]
    upto: int = 0
    """Number of the newest line of the history; after it, more may have happened to them."""


@dataclass(frozen=True, slots=True)
class GetAttempts:
    """Open attempts that a worker is answerable for."""

    request_id: str
    reply_to: Mailbox
    worker: str


@dataclass(frozen=True, slots=True)
class AttemptsReport:
    request_id: str
    rows: tuple[AttemptRow, ...]


@dataclass(frozen=True, slots=True)
class GetKnownCases:
    """All delivered cases, oldest first, a part at a time."""

    request_id: str
    reply_to: Mailbox
    after: int = 0
    """Where the part before ended; 0: from the first."""


@dataclass(frozen=True, slots=True)
class KnownCasesReport:
    request_id: str
    cases: tuple[KnownCase, ...]
    after: int = 0
    """As it was asked."""
    upto: int = 0
    """Where this part ends."""
    more: bool = False
    """There are cases behind it."""


@dataclass(frozen=True, slots=True)
class GetNextReport:
    """Which report is to be made next? Answered NextReport."""

    request_id: str
    reply_to: Mailbox
    patient_until: datetime | None = None
    """A report whose planned run is still open is due only if it became so before this; None: at once."""


@dataclass(frozen=True, slots=True)
class NextReport:
    request_id: str
    report: ReportRow | None
    """None: no report is due."""
    case: CaseRow | None
    """Its case."""
    planned: CaseRow | None = None
    """The run of its plan's spots, if one was wanted."""
    reviews: tuple[ReviewRow, ...] = ()
    """Of the case, oldest step first."""
    newer: VersionRow | None = None
    """The next version of it."""
    course: tuple[FractionRow, ...] = ()
    """All cases of its plan, by name."""


@dataclass(frozen=True, slots=True)
class GetReview:
    """How does the review of a case stand? Answered ReviewReport (row None: no such case)."""

    request_id: str
    reply_to: Mailbox
    case: str


@dataclass(frozen=True, slots=True)
class ReviewReport:
    request_id: str
    row: CaseRow | None
    reviews: tuple[ReviewRow, ...] = ()
    """Oldest first; the last one says how it stands."""
    report: ReportRow | None = None
    newer: VersionRow | None = None
    """The next version of it."""
    latest: VersionRow | None = None
    """The last of the versions that follow it."""
    last_event: int = 0
    """Number of the newest line of the case's history: what ExpectCase is given."""


@dataclass(frozen=True, slots=True)
class GetOrders:
    """Orders that have no outcome yet, oldest first."""

    request_id: str
    reply_to: Mailbox


@dataclass(frozen=True, slots=True)
class GetSteering:
    """Orders that hold, release or re-rank cases that are not over, as far as they are carried out here, oldest first:
    what a cluster's queue is to follow. Answered by OrdersReport."""

    request_id: str
    reply_to: Mailbox


@dataclass(frozen=True, slots=True)
class OrdersReport:
    request_id: str
    rows: tuple[OrderRow, ...]


@dataclass(frozen=True, slots=True)
class GetPushes:
    """What of the alarms has still to be told to people outside."""

    request_id: str
    reply_to: Mailbox


@dataclass(frozen=True, slots=True)
class PushesReport:
    request_id: str
    upto: int
    """Number of the last event that a push has, or had, to tell; before the first push: what is older than all alarms
    that stand."""
    open: PushRow | None
    """The push that is under way."""
    told: tuple[EventRow, ...]
    """The alarms' events of the open push, oldest first."""
    news: tuple[EventRow, ...]
    """The alarms' events after ``upto``, oldest first."""
    lately: tuple[datetime, ...] = ()
    """When the latest pushes were last tried, newest first: what a limit of so many per hour is judged by."""


@dataclass(frozen=True, slots=True)
class GetHalts:
    """Where operators want nothing new to start."""

    request_id: str
    reply_to: Mailbox


@dataclass(frozen=True, slots=True)
class HaltsReport:
    request_id: str
    rows: tuple[HaltRow, ...]


@dataclass(frozen=True, slots=True)
class GetGpuRecord:
    """What stands against a GPU: halts, and the failed runs since its last good one."""

    request_id: str
    reply_to: Mailbox
    host: str
    index: int
    gpu: str
    """GPU UUID or slot name."""


@dataclass(frozen=True, slots=True)
class GpuRecordReport:
    request_id: str
    halts: tuple[HaltRow, ...]
    """Of the GPU and of its host."""
    failed: tuple[str, ...]
    """Keys of its runs that failed since the last good one and were not forgiven it, oldest first."""
    blamed: frozenset[str]
    """Those of ``failed`` whose beam succeeded on another GPU."""
    over: frozenset[str]
    """Keys of failed runs that count no more: a good one followed, or an operator's order forgave them."""
    good: frozenset[str]
    """Keys of its latest good runs."""
