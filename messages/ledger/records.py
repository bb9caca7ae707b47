"""Records: what may be written into the ledger, in the words of the field."""

from __future__ import annotations

from dataclasses import dataclass

from messages.cases import CaseSource
from messages.ledger.sendings import BeginSending, OrderSending, SetNodes, SettleSending
from messages.states import AttemptState, BeamState, CaseState, ReviewState


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
class WantPlanned:
    """The engine run of the planned spots that a delivery is compared with: admitted (queued) unless there is one of
    this name, and linked. One that failed before any engine was launched is begun again with this source."""

    case: str
    """The delivery."""
    run: AdmitCase
    """Its source is ``planned``, and so named after what decides the dose that one name is one dose."""
    priority: int
    """Of the run when it is new."""


@dataclass(frozen=True, slots=True)
class MoveCase:
    """A legal transition of a case; refused otherwise, naming both states."""

    case: str
    to: CaseState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ExpectCase:
    """Refused (``case-changed``) unless the case is in one of these states, and nothing more happened to it."""

    case: str
    states: frozenset[CaseState]
    event: int | None = None
    """Number of its last event, as CaseReport told it; None: whatever happened."""


@dataclass(frozen=True, slots=True)
class ReleaseCase:
    """A held case goes back to where it was held from; nothing else lets it go."""

    case: str


@dataclass(frozen=True, slots=True)
class ExplainCase:
    """Why a case waits; no transition, no history. Nothing of a held or ended case is changed."""

    case: str
    reason: str


@dataclass(frozen=True, slots=True)
class MoveBeam:
    """A legal transition of a beam; moving to the state it is in only updates the reason."""

    case: str
    beam: int
    to: BeamState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ForgiveBeam:
    """An operator's retry: the attempts up to now count against no budget any more."""

    case: str
    beam: int


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
    model: str = ""
    """As the driver names it; empty: a slot, or not told."""


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
class OpenPush:
    """The intent to tell people outside of the events of alarms after ``after`` up to ``upto``; one at a time."""

    after: int
    upto: int


@dataclass(frozen=True, slots=True)
class TryPush:
    """The intent of one try, before anything leaves this machine; counts the tries."""

    push: int


@dataclass(frozen=True, slots=True)
class SettlePush:
    """The push is over; the first outcome stands."""

    push: int
    outcome: str


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
class DecideCommand:
    """What an order comes to, in one commit with what it changes: whoever goes on after a crash says the same."""

    order: str
    outcome: str


@dataclass(frozen=True, slots=True)
class SettleCommand:
    order: str
    outcome: str


@dataclass(frozen=True, slots=True)
class HaltPlace:
    """Nothing new starts there until it is lifted; saying it again changes nothing."""

    place: str
    """``HOST``, ``HOST/GPU`` (index), or empty: intake, everywhere."""
    user: str


@dataclass(frozen=True, slots=True)
class LiftHalt:
    """Work may start there again. Lifting what does not stand changes nothing."""

    place: str


@dataclass(frozen=True, slots=True)
class PardonGpu:
    """The failed runs of this GPU up to now are held against it no more."""

    host: str
    index: int


@dataclass(frozen=True, slots=True)
class SetPriority:
    """Higher runs first; 0 is usual."""

    case: str
    priority: int


@dataclass(frozen=True, slots=True)
class MarkCleaned:
    """The host's run directories and the working files of an ended case are gone."""

    case: str


@dataclass(frozen=True, slots=True)
class Figures:
    """Numbers that a report found: of the case, of one of its beams, or of a beam's layers in a band of energy."""

    beam: int
    """DICOM beam number; 0: the case."""
    band: int
    """Lowest energy of the band (MeV); 0: all layers."""
    values: str
    """JSON: name → number, text, flag or null."""


@dataclass(frozen=True, slots=True)
class BeginReport:
    """The intent to make a case's report: one try more. Refused unless its report is due."""

    case: str


@dataclass(frozen=True, slots=True)
class SettleReport:
    """What came of a try. A case's report becomes due as the case becomes done, and is made or given up once."""

    case: str
    state: str
    """``made`` | ``failed`` | ``due``: it is tried again."""
    reason: str
    """What the verdict rests on, or why there is no report."""
    verdict: str = ""
    """``pass`` | ``review`` | ``fail``."""
    path: str = ""
    manifest_sha256: str = ""
    gantry: str = ""
    """Whose calibration was used, such as G1."""
    figures: tuple[Figures, ...] = ()
    """What is followed over time; replaces those of an earlier report of the case."""
    planned: bool = False
    """It was made with the result of its planned run; else it is due again if that has come meanwhile."""


@dataclass(frozen=True, slots=True)
class AddReview:
    """A user reviewed, approved or rejected the result of a case; its report becomes due again.

    Refused (``review-refused``) where the case is not done, the step is not one that its state allows, the reason is
    missing where one is needed, or a later version supersedes a result that would be approved.
    """

    case: str
    state: ReviewState
    """Not COMPUTED: nobody says that."""
    user: str
    reason: str = ""


Record = (
    SightCase
    | AdmitCase
    | WantPlanned
    | MoveCase
    | ExpectCase
    | ReleaseCase
    | ExplainCase
    | MoveBeam
    | ForgiveBeam
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
    | OpenPush
    | TryPush
    | SettlePush
    | OrderCommand
    | DecideCommand
    | SettleCommand
    | HaltPlace
    | LiftHalt
    | PardonGpu
    | SetPriority
    | MarkCleaned
    | BeginReport
    | SettleReport
    | SetNodes
    | OrderSending
    | BeginSending
    | SettleSending
    | AddReview
)
