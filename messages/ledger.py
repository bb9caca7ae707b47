"""The ledger's conversation: records to write, rows to read. Write first, act after the acknowledgement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from messages.address import Mailbox
from messages.cases import CaseSource
from messages.faults import Fault
from messages.states import AttemptState, BeamState, CaseState


@dataclass(frozen=True, slots=True)
class SightCase:
    """A case seen but not complete: inserted, or its reason brought up to date. Never undoes an admission."""

    case: str
    identity: str
    path: str
    reason: str
    plan_uid: str = ""
    study_uid: str = ""
    delivery_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BeamName:
    number: int
    name: str


@dataclass(frozen=True, slots=True)
class AdmitCase:
    """incoming | incomplete | (unknown) → queued, beams pending, deliveries claimed.

    Refused if a delivery is claimed by another case, unless ``supersedes`` names that (partial) case.
    """

    source: CaseSource
    beams: tuple[BeamName, ...]


@dataclass(frozen=True, slots=True)
class MoveCase:
    """A legal transition of a case; refused otherwise, naming both states."""

    case: str
    to: CaseState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MoveBeam:
    """A legal transition of a beam; moving to the state it is in only updates the reason."""

    case: str
    beam: int
    to: BeamState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ExplainBeam:
    """Why a beam waits; no transition."""

    case: str
    beam: int
    reason: str


@dataclass(frozen=True, slots=True)
class NoteInterpretation:
    """The interpretation as JSON: delivered against planned, notes, what was staged. Replaces the one before."""

    case: str
    summary: str


@dataclass(frozen=True, slots=True)
class NoteVerdict:
    """``accepted`` | ``review`` | ``suspect`` with its reasons, and the published result's manifest hash (JSON)."""

    case: str
    verdict: str


@dataclass(frozen=True, slots=True)
class OpenAttempt:
    """The intent of one run, before anything outside is touched. Refused if the beam has an open attempt or is done."""

    key: str
    case: str
    beam: int
    attempt: int
    host: str
    gpu: str
    """GPU UUID or slot name."""
    worker: str
    """``<host>/gpu-<index>``: who is answerable for it."""
    run_dir: str
    request: str
    """The BeamRequest as JSON: enough to go on after a restart."""


@dataclass(frozen=True, slots=True)
class MoveAttempt:
    """A legal transition of an attempt. Evidence is a sentence or JSON, appended to the history."""

    key: str
    to: AttemptState
    evidence: str = ""
    started: str = ""
    """Host's clock, ISO 8601; kept when empty."""
    ended: str = ""


@dataclass(frozen=True, slots=True)
class NoteProgress:
    """0 to 1; a smaller value than the ledger has for this attempt is ignored (progress never goes back)."""

    case: str
    beam: int
    attempt: int
    progress: float


@dataclass(frozen=True, slots=True)
class NoteEvent:
    """History: what happened. Every transition writes its own event; this is for all else."""

    case: str
    """Empty: about the system."""
    what: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class NoteHost:
    host: str
    kind: str
    state: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class NoteGpu:
    host: str
    index: int
    uuid: str
    state: str
    reason: str = ""
    beam: str = ""
    """Key of the attempt that it runs."""


@dataclass(frozen=True, slots=True)
class RaiseAlarm:
    """Raised once: repeating it only updates the text."""

    alarm: str
    """Stable id, such as ``disk-low:results``."""
    text: str


@dataclass(frozen=True, slots=True)
class ClearAlarm:
    alarm: str


@dataclass(frozen=True, slots=True)
class OrderCommand:
    """An operator's order, durable before the command returns."""

    order: str
    """Unique id of the order."""
    kind: str
    subject: str
    argument: str = ""
    user: str = ""


@dataclass(frozen=True, slots=True)
class SettleCommand:
    order: str
    outcome: str


@dataclass(frozen=True, slots=True)
class SetPriority:
    """Higher runs first; 0 is usual."""

    case: str
    priority: int


@dataclass(frozen=True, slots=True)
class MarkCleaned:
    """The host's run directories and the working files of an ended case are gone."""

    case: str


Record = (
    SightCase
    | AdmitCase
    | MoveCase
    | MoveBeam
    | ExplainBeam
    | NoteInterpretation
    | NoteVerdict
    | OpenAttempt
    | MoveAttempt
    | NoteProgress
    | NoteEvent
    | NoteHost
    | NoteGpu
    | RaiseAlarm
    | ClearAlarm
    | OrderCommand
    | SettleCommand
    | SetPriority
    | MarkCleaned
)


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


REFUSED_FOR_GOOD = frozenset(
    {
        "illegal-transition",
        "not-admitted",
        "already-admitted",
        "case-not-running",
        "wrong-key",
        "attempt-open",
        "attempt-old",
        "beam-not-ready",
        "beams-open",
        "delivery-claimed",
        "not-ended",
        "no-such-case",
        "no-such-beam",
        "no-such-attempt",
        "no-beams",
    }
)
"""Kinds of WriteRefused.fault by which the records contradict what the ledger holds: read the rows again. Any other
kind is about the disk or the ledger itself: the same Write may be told again after a while."""


@dataclass(frozen=True, slots=True)
class BeamRow:
    number: int
    name: str
    state: BeamState
    attempt: int
    """Number of the latest attempt; 0 before the first."""
    host: str
    gpu: str
    progress: float
    reason: str


@dataclass(frozen=True, slots=True)
class CaseRow:
    case: str
    state: CaseState
    reason: str
    priority: int
    path: str
    plan_uid: str
    study_uid: str
    identity: str
    seen: datetime
    admitted: datetime | None
    started: datetime | None
    ended: datetime | None
    source: CaseSource | None
    interpretation: str
    """JSON, empty before."""
    verdict: str
    """JSON, empty before."""
    cleaned: bool
    beams: tuple[BeamRow, ...]
    held_from: CaseState | None = None
    """While held: the state that a release goes back to."""


@dataclass(frozen=True, slots=True)
class AttemptRow:
    key: str
    case: str
    beam: int
    attempt: int
    state: AttemptState
    host: str
    gpu: str
    worker: str
    epoch: int
    run_dir: str
    request: str
    launched: str
    ended: str
    evidence: str
    progress: float


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


@dataclass(frozen=True, slots=True)
class GetCases:
    """Cases in these states (with beams), by priority then age; ``uncleaned`` adds ended cases with files left."""

    request_id: str
    reply_to: Mailbox
    states: frozenset[CaseState]
    uncleaned: bool = False


@dataclass(frozen=True, slots=True)
class CasesReport:
    request_id: str
    rows: tuple[CaseRow, ...]


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
class KnownCase:
    """What the scanner needs of a case that the ledger knows."""

    case: str
    identity: str
    state: CaseState
    path: str
    delivery_keys: tuple[str, ...]
    seen: datetime
    partial: bool
    reason: str


@dataclass(frozen=True, slots=True)
class GetKnownCases:
    request_id: str
    reply_to: Mailbox


@dataclass(frozen=True, slots=True)
class KnownCasesReport:
    request_id: str
    cases: tuple[KnownCase, ...]


@dataclass(frozen=True, slots=True)
class OrderRow:
    order: str
    kind: str
    subject: str
    argument: str
    user: str
    at: datetime
    outcome: str


@dataclass(frozen=True, slots=True)
class GetOrders:
    """Orders that have no outcome yet, oldest first."""

    request_id: str
    reply_to: Mailbox


@dataclass(frozen=True, slots=True)
class OrdersReport:
    request_id: str
    rows: tuple[OrderRow, ...]


@dataclass(frozen=True, slots=True)
class EventRow:
    """One line of the history; never changed, never removed."""

    number: int
    """Counts up by one per event of the ledger."""
    at: datetime
    case: str
    """Empty: about the system."""
    what: str
    """Short and stable, such as ``beam 3: running → ended``."""
    detail: str


@dataclass(frozen=True, slots=True)
class HostRow:
    host: str
    kind: str
    state: str
    reason: str
    at: datetime
    """Since when it is in this state."""


@dataclass(frozen=True, slots=True)
class GpuRow:
    host: str
    index: int
    uuid: str
    state: str
    reason: str
    beam: str
    """Key of the attempt that it runs; empty: none."""
    at: datetime
    """Since when it is in this state."""


@dataclass(frozen=True, slots=True)
class AlarmRow:
    alarm: str
    since: datetime
    text: str
