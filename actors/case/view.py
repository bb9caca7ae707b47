"""What one case knows: the ledger's rows, and what is under way. ``workflow`` decides on it, ``events`` change it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from actors.case.errand import FarRun, runs_of
from actors.case.evidence import dose_of, fault_of, interpretation_of, output_dir_of, proofs_of
from actors.case.retry import Try
from messages.cases import CaseSource
from messages.faults import Fault
from messages.files import FileProof
from messages.interpretation import BeamInput, Interpretation
from messages.ledger import AttemptRow, BeamRow, CaseReport, CaseRow
from messages.results import PublishedCase, VerifiedDose
from messages.states import OPEN_ATTEMPTS, AttemptState, BeamState, CaseState

SETTLED = frozenset({BeamState.DONE, BeamState.FAILED, BeamState.CANCELLED})


class Doing(StrEnum):
    """The one thing that a case or a beam waits for; nothing else is begun for it meanwhile."""

    NOTHING = "nothing"
    READING = "reading"
    CHECKING = "checking"
    INTERPRETING = "interpreting"
    WRITING = "writing"
    QUEUED = "queued"
    WITH_WORKER = "with worker"
    VERIFYING = "verifying"
    PUBLISHING = "publishing"
    CLEANING = "cleaning"
    RESTING = "resting"
    STOPPED = "stopped"


@dataclass(slots=True)
class Attempt:
    """One attempt of a beam, as the ledger or its worker told it."""

    key: str
    number: int
    state: AttemptState
    host: str
    gpu: str
    worker: str
    epoch: int
    output_dir: str
    fault: Fault | None = None
    dose: VerifiedDose | None = None
    output: tuple[FileProof, ...] = ()

    @property
    def open(self) -> bool:
        return self.state in OPEN_ATTEMPTS

    @property
    def place(self) -> str:
        return f"{self.host}/{self.gpu}"


@dataclass(slots=True)
class Beam:
    """One treatment beam."""

    number: int
    state: BeamState
    reason: str = ""
    attempts: list[Attempt] = field(default_factory=list)
    """Oldest first."""
    doing: Doing = Doing.NOTHING
    returned: int = 0
    """Number of attempts after which it was put back to INTERPRETED."""
    rested: int = 0
    """Number of attempts after which the pause was made."""
    tries: int = 0
    """Failures of ours in a row at the step at hand."""
    goal: BeamState | None = None
    """Of the write under way."""
    waits: str = ""
    """Why it waits, as the scheduler says."""
    forgiven: int = 0
    """Attempts up to this number count against no budget."""

    @property
    def last(self) -> Attempt | None:
        return self.attempts[-1] if self.attempts else None

    @property
    def settled(self) -> bool:
        return self.state in SETTLED

    @property
    def spoilt(self) -> tuple[Try, ...]:
        """The attempts that are over without success and count, oldest first."""
        return tuple(
            Try(attempt.number, attempt.place, attempt.fault)
            for attempt in self.attempts
            if attempt.state in (AttemptState.FAILED, AttemptState.WITHDRAWN) and attempt.number > self.forgiven
        )

    @property
    def verified(self) -> Attempt | None:
        """The attempt whose dose was accepted."""
        return next((attempt for attempt in self.attempts if attempt.state is AttemptState.VERIFIED), None)


@dataclass(slots=True)
class CaseView:
    """One case. ``state`` None: not read yet, or no such case."""

    case: str
    state: CaseState | None = None
    reason: str = ""
    priority: int = 0
    admitted: datetime | None = None
    source: CaseSource | None = None
    interpretation: Interpretation | None = None
    inputs_good: bool = False
    """The engine input of every beam lies in the work folder, as the interpretation has it."""
    inputs_checked: bool = False
    beams: dict[int, Beam] = field(default_factory=dict)
    doing: Doing = Doing.NOTHING
    goal: CaseState | None = None
    roomy: bool = True
    """Disks have room: new interpretations may start."""
    fault: Fault | None = None
    """Why the case as a whole cannot be computed."""
    intent_noted: bool = False
    """The ledger has the intent to publish."""
    planned_run: str = ""
    """The run of the planned spots that was wanted with the last write."""
    published: PublishedCase | None = None
    tries: int = 0
    """Failures of ours in a row at the step at hand."""
    hosts_left: set[str] = field(default_factory=set)
    """Hosts whose run directories are still to be removed."""
    far_runs: tuple[FarRun, ...] = ()
    """Interpretations on hosts that the ledger knows of, oldest first."""
    expired: bool = False
    """It has failed so long ago that its working files go."""
    work_removed: bool = False
    cleaned: bool = False

    @property
    def going(self) -> bool:
        """New work may be begun for it."""
        return self.state in (CaseState.QUEUED, CaseState.RUNNING)

    def input_of(self, beam: int) -> BeamInput | None:
        if self.interpretation is None:
            return None
        return next((one for one in self.interpretation.beams if one.number == beam), None)


def expired(row: CaseRow | None, before: datetime) -> bool:
    """Whether the case failed before that time: its working files have been kept for long enough."""
    return row is not None and row.state is CaseState.FAILED and row.ended is not None and row.ended < before


def view_of(report: CaseReport, case: str, *, roomy: bool = True, tries: int = 0) -> CaseView:
    """The view of a case as the ledger has it: where every incarnation begins."""
    row = report.row
    if row is None:
        return CaseView(case)
    by_beam: dict[int, list[Attempt]] = {}
    for attempt in report.attempts:
        by_beam.setdefault(attempt.beam, []).append(_attempt(attempt))
    far_runs = runs_of(report.sent)
    return CaseView(
        case=case,
        state=row.state,
        reason=row.reason,
        priority=row.priority,
        admitted=row.admitted,
        source=row.source,
        interpretation=interpretation_of(row.interpretation),
        beams={beam.number: _beam(beam, by_beam.get(beam.number, [])) for beam in row.beams},
        hosts_left={attempt.host for attempt in report.attempts} | {run.host for run in far_runs},
        far_runs=far_runs,
        roomy=roomy,
        tries=tries,
        cleaned=row.cleaned,
    )


def _beam(row: BeamRow, attempts: list[Attempt]) -> Beam:
    beam = Beam(row.number, row.state, row.reason, sorted(attempts, key=lambda one: one.number), forgiven=row.forgiven)
    if beam.state is BeamState.INTERPRETED and not (beam.last and beam.last.open):
        # Not once more: where it waits at the scheduler since before a restart, a worker may be taking it right now.
        beam.returned = len(beam.attempts)
    return beam


def _attempt(row: AttemptRow) -> Attempt:
    state = row.state
    return Attempt(
        key=row.key,
        number=row.attempt,
        state=state,
        host=row.host,
        gpu=row.gpu,
        worker=row.worker,
        epoch=row.epoch,
        output_dir=output_dir_of(row.request),
        fault=fault_of(row.evidence) if state is AttemptState.FAILED else None,
        dose=dose_of(row.evidence) if state is AttemptState.VERIFIED else None,
        output=proofs_of(row.evidence) if state is AttemptState.COLLECTED else (),
    )
