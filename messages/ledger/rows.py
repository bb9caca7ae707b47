"""Rows: what the ledger holds, as it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from messages.cases import CaseSource
from messages.states import AttemptState, BeamState, CaseState, ReviewState


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
    forgiven: int = 0
    """Attempts up to this number count against no budget: an operator had it tried again."""


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
    kind: str = "delivery"
    """``delivery``, or ``planned``: an engine run of the planned spots, which is no fraction of anybody's treatment."""
    superseded_by: str = ""
    """The next version of it, in whatever state; empty: there is none."""
    review: ReviewState = ReviewState.COMPUTED
    """How the review of its result stands; a case that is not done has none."""

    @property
    def planned(self) -> bool:
        """A run of the planned spots, and no delivery."""
        return self.kind == "planned"


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
class OrderRow:
    order: str
    kind: str
    subject: str
    argument: str
    user: str
    at: datetime
    outcome: str
    decided: str = ""
    """Its outcome, once what it changes is written; empty: nothing of it is."""


@dataclass(frozen=True, slots=True)
class HaltRow:
    """Where an operator wants nothing new to start."""

    place: str
    """``HOST``, ``HOST/GPU`` (index), or empty: intake, everywhere."""
    user: str
    at: datetime


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
    model: str = ""
    """As the driver names it; empty: a slot, or not told."""


@dataclass(frozen=True, slots=True)
class ReportRow:
    """The physicist's report of a case that is done."""

    case: str
    state: str
    """``due`` | ``made`` | ``failed``."""
    tries: int
    verdict: str
    """``pass`` | ``review`` | ``fail``; empty until it is made."""
    reason: str
    path: str
    manifest_sha256: str
    at: datetime
    """When it became due, was last tried, made or given up."""


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """One step of the review of a case; never changed, never removed."""

    review: int
    """Counts up by one per review of the ledger."""
    case: str
    state: ReviewState
    user: str
    at: datetime
    reason: str
    """Empty only where none is needed."""
    result_sha256: str
    """Of the manifest of the result that was reviewed."""
    report_sha256: str
    """Of the manifest of the report that there was then; empty: there was none."""


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version of a result: of one fraction, or of a part of it that a later version completes."""

    case: str
    state: CaseState
    supersedes: str
    """The version before; empty: it is the first."""
    partial: bool
    why: str
    """Why it was recalculated; empty: it was not, it completes a partial one or is the first."""


@dataclass(frozen=True, slots=True)
class FractionRow:
    """A case as one of those that delivered a plan: what its course is counted from."""

    case: str
    """Names begin with the time of the first delivery."""
    state: CaseState
    partial: bool
    supersedes: str
    """The version before; empty: it is the first."""
    review: ReviewState
    reviewer: str
    """Who gave the last step of its review, and why; empty: nobody."""
    review_reason: str
    verdict: str
    """``accepted`` | ``review`` | ``suspect``; empty before a result is published."""
    report: str
    """Verdict of its report; empty: there is none."""
    path: str
    """Of its published result; empty: there is none."""
    result_sha256: str
    """Of the result's manifest."""
    treatment: bool
    """False for a QA session, which is no fraction."""
    planned_fractions: int
    """0: not known yet."""
    amounts: str
    """JSON: of every planned beam ``number``, ``name``, ``planned_mu``, ``delivered_mu``."""


@dataclass(frozen=True, slots=True)
class FigureRow:
    """What a report found of a case, of one of its beams, or of a beam's layers in a band of energy."""

    case: str
    beam: int
    """DICOM beam number; 0: the case."""
    band: int
    """Lowest energy of the band (MeV); 0: all layers."""
    gantry: str
    delivered: datetime
    """When the first of the case's deliveries began."""
    values: Mapping[str, float | str | bool | None]


@dataclass(frozen=True, slots=True)
class Followed:
    """What is followed: the cases of a gantry, and their beams in one band of energy."""

    gantry: str
    band: int
    """Lowest energy (MeV); 0: beams as wholes."""
    since: datetime
    until: datetime
    limit: int = 10_000
    """Where there are more rows, the last."""


@dataclass(frozen=True, slots=True)
class GantryRow:
    """What there is to follow of a gantry."""

    gantry: str
    bands: tuple[int, ...]
    """Bands of energy that were delivered, lowest energies in MeV, rising."""
    cases: int
    latest: datetime
    """The last delivery that a report was made of."""


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """One case with what became of it, without its documents: thousands of them fit into memory."""

    case: str
    state: CaseState
    reason: str
    partial: bool
    supersedes: str
    superseded_by: str
    plan_uid: str
    machine: str
    """As the plan has it; empty: never admitted."""
    gantry: str
    """Whose calibration was used; empty: never interpreted."""
    seen: datetime
    delivered: datetime | None
    """When the first of its deliveries began; None: never admitted."""
    started: datetime | None
    ended: datetime | None
    verdict: str
    """JSON, empty before."""
    report: ReportRow | None
    review: ReviewRow | None
    """The last step of its review; None: nobody has reviewed it."""
    beams: tuple[int, ...]
    """Numbers of its beams; none: never admitted."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run, as far as its duration is concerned."""

    key: str
    host: str
    gpu: str
    model: str
    """Of the GPU, as the driver names it."""
    profile: str
    particles: int
    voxels: int
    """0: not known."""
    launched: str
    ended: str
    """Host's clock, ISO 8601; empty: it runs."""


@dataclass(frozen=True, slots=True)
class PastRuns:
    """What times are foretold by."""

    good: tuple[RunRow, ...]
    """The latest verified runs, oldest first."""
    running: tuple[RunRow, ...]
    after_s: tuple[float, ...]
    """Of the latest done cases: from the end of the last run to the published result."""


@dataclass(frozen=True, slots=True)
class AlarmRow:
    alarm: str
    since: datetime
    text: str


@dataclass(frozen=True, slots=True)
class PushRow:
    """Alarms told, or to be told, to people outside in one piece."""

    push: int
    """Counts up by one; who receives it twice knows it by this."""
    after: int
    upto: int
    """It tells the alarms' events with numbers above ``after`` up to this."""
    tries: int
    at: datetime
    """Of the last try."""
    outcome: str
    """Empty: still to be told."""
