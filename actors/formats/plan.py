"""The RT Ion Plan as frozen values: what was prescribed, in the machine's axes and in monitor units."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from actors.errors import CaseError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class ScanMode(StrEnum):
    """How the beam is moved over a layer."""

    LINE = "line"
    """Weight i is delivered on the way from position i-1 to i (PS3.3 C.8.8.25.8, LINEAR)."""
    SPOT = "spot"
    """Weight i is delivered at position i, the beam off in between."""


@dataclass(frozen=True, slots=True, eq=False)
class PlanLayer:
    """One pair of control points: the spots at the first, the meterset they sum to at the second."""

    number: int
    """1-based, by pair, as the machine numbers layers; energies can repeat."""
    control_point: int
    """Index of the control point that holds the spots."""
    energy_mev: float
    mu: float
    """Planned meterset of the layer: BeamMeterset x cumulative difference / final cumulative weight."""
    positions_mm: NDArray[np.float64]
    """(n, 2) x, y in the isocentre plane, axes of ScanSpotPositionMap; read-only."""
    spots_mu: NDArray[np.float64]
    """(n,) meterset of each spot or segment; read-only."""
    paintings: int = 1
    """Weights are totals over this many paintings: never multiplied."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A beam limiting device at one control point: what its leaves or jaws leave open, in mm at the isocentre."""

    kind: str
    """RTBeamLimitingDeviceType: X, Y, ASYMX, ASYMY, MLCX, MLCY."""
    bounds_mm: tuple[float, ...]
    """Boundaries of the leaf pairs across; empty for jaws or when the plan has none."""
    positions_mm: tuple[float, ...]
    """All first leaves, then all second ones."""


@dataclass(frozen=True, slots=True)
class RangeShifter:
    """One range shifter of a beam."""

    id: str
    settings: tuple[str, ...]
    """Its setting at each control point (inherited where absent); empty text where it never was given."""


@dataclass(frozen=True, slots=True)
class Modifiers:
    """Everything in the beam's way that an engine may not see."""

    blocks: int = 0
    compensators: int = 0
    boli: int = 0
    modulators: int = 0
    wedges: int = 0
    spreaders: tuple[str, ...] = ()
    """LateralSpreadingDeviceType of each; scanning magnets are what a scanned beam has."""
    openings: tuple[Opening, ...] = ()
    range_shifters: tuple[RangeShifter, ...] = ()


@dataclass(frozen=True, slots=True)
class Angles:
    """Directions of the beam, degrees; constant over the beam when ``constant``."""

    gantry: float
    couch: float
    collimator: float = 0.0
    couch_pitch: float = 0.0
    couch_roll: float = 0.0
    couch_eccentric: float = 0.0
    gantry_pitch: float = 0.0
    constant: bool = True
    """No angle and no isocentre changes from control point to control point."""


@dataclass(frozen=True, slots=True)
class PlanBeam:
    """One item of IonBeamSequence."""

    index: int
    """Place in IonBeamSequence, from 0."""
    number: int
    """BeamNumber: neither contiguous nor from 1."""
    name: str
    description: str
    machine: str
    """TreatmentMachineName."""
    delivery_type: str
    """TreatmentDeliveryType."""
    radiation: str
    """RadiationType."""
    setup: bool
    """A setup beam: never simulated."""
    meterset_mu: float
    """BeamMeterset of the fraction group that refers to it; 0 when none does."""
    fraction_group: int
    """Number of that group; 0 when none does."""
    scan_mode: ScanMode | None
    """None for a beam without layers."""
    angles: Angles
    isocentre_mm: tuple[float, float, float] | None
    """DICOM patient axes."""
    snout_mm: float | None
    patient_position: str
    """Of the patient setup that the beam refers to, such as HFS; empty when the plan has none."""
    modifiers: Modifiers
    layers: tuple[PlanLayer, ...]

    @property
    def treatment(self) -> bool:
        """Is it expected to be delivered in a fraction?"""
        return not self.setup and self.delivery_type == "TREATMENT" and self.meterset_mu > 0


@dataclass(frozen=True, slots=True)
class FractionGroup:
    """One item of FractionGroupSequence."""

    number: int
    planned_fractions: int
    metersets: tuple[tuple[int, float], ...]
    """(beam number, BeamMeterset) of each referenced beam; 0 where the plan gives none."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One RT Ion Plan."""

    path: str
    sop_instance_uid: str
    study_uid: str
    patient_id: str
    """Patient data: never logged."""
    label: str
    intent: str
    """PlanIntent: CURATIVE, VERIFICATION, MACHINE_QA …; empty when absent."""
    approval: str
    """ApprovalStatus."""
    frame_of_reference: str
    fraction_groups: tuple[FractionGroup, ...]
    beams: tuple[PlanBeam, ...]

    @property
    def treatment_beams(self) -> tuple[PlanBeam, ...]:
        """The beams that a whole fraction delivers: treatment beams of the fraction group with BeamMeterset > 0."""
        return tuple(beam for beam in self.beams if beam.treatment)

    @property
    def is_treatment(self) -> bool:
        """False for VERIFICATION and MACHINE_QA plans: a QA session, never a treatment fraction."""
        return self.intent not in {"VERIFICATION", "MACHINE_QA"}

    def beam(self, number: int) -> PlanBeam:
        """Treatment beam of a number, or CaseError."""
        for beam in self.treatment_beams:
            if beam.number == number:
                return beam
        known = ", ".join(str(beam.number) for beam in self.treatment_beams) or "none"
        raise CaseError(
            f"Beam {number} was delivered, but the plan's treatment beams are {known}.",
            self.path,
            "Check which plan was delivered.",
            "beam-not-in-plan",
        )
