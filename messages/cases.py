"""Scanner → ledger → cases: what was found, and which folders make one case."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from messages.address import Mailbox


@dataclass(frozen=True, slots=True)
class DeliverySource:
    """One delivery folder: (part of) one beam as the machine delivered it."""

    path: str
    """Absolute; decoded with surrogateescape."""
    key: str
    """Identity wherever it lies: hash of study UID, beam number, irradiation time and first layer."""
    beam_number: int
    """DICOM beam number (``DICOM_BEAM_NUMBER`` of PlanInfo)."""
    irradiated: datetime
    """``TCSC_IRRAD_DATETIME`` in the site's zone, as an aware time."""
    start_layer: int
    """1-based, inclusive."""
    stop_layer: int


@dataclass(frozen=True, slots=True)
class CaseSource:
    """One delivered treatment fraction: the plan that matched and the deliveries that make the session."""

    case: str
    """Name of the case: ``<YYYYMMDD-HHMMSS of the first delivery>-<8 hex of the identity>``; never patient data."""
    identity: str
    """Hash of study UID, plan SOP instance UID and the session's first delivery."""
    path: str
    """Case folder: the one that holds the RT Ion Plan."""
    plan_path: str
    plan_uid: str
    """RTPLAN SOPInstanceUID."""
    study_uid: str
    machine: str
    """TreatmentMachineName as the plan has it."""
    deliveries: tuple[DeliverySource, ...]
    """In order of irradiation."""
    partial: bool = False
    """Computed although layers or beams are missing (PARTIAL everywhere)."""
    missing: tuple[str, ...] = ()
    """For a partial case: sentences that name the beams and layers left."""
    supersedes: str = ""
    """Case whose partial result this one completes, or which it recalculates."""
    content: str = ""
    """State of the files at admission: differs when a name, size or modification time among them does. Of a planned
    run: which plan and images it is of, by what is in them (``formats.plan_files``)."""
    planned_at: datetime | None = None
    """Set: no delivery, but the engine run of the *planned* spots that deliveries are compared with; made with the
    calibration of this time. It has no deliveries, is no fraction, and is never sent."""
    recalculated_because: str = ""
    """Of a recalculation of the case that it supersedes: the reason of who ordered it. Empty: it is none."""
    recalculated_by: str = ""
    """Of a recalculation: the user who ordered it."""

    @property
    def planned(self) -> bool:
        """A run of the planned spots, and no delivery."""
        return self.planned_at is not None


@dataclass(frozen=True, slots=True)
class CaseAdmitted:
    """Scanner → admission, after the ledger acknowledged it: this case may run."""

    case: str


@dataclass(frozen=True, slots=True)
class AdmissionsMissed:
    """Scanner → admission, whenever it begins: cases may have been admitted that nobody was told of; ask the ledger."""


@dataclass(frozen=True, slots=True)
class SubmitFolder:
    """Operator → scanner: take this case folder now, without waiting for the quiet time; ``partial``: as it is."""

    request_id: str
    reply_to: Mailbox
    path: str
    partial: bool = False


@dataclass(frozen=True, slots=True)
class FolderTaken:
    """Answer to SubmitFolder: the cases that the folder holds, with a sentence for each that cannot start."""

    request_id: str
    cases: tuple[str, ...]
    sentences: tuple[str, ...] = ()
