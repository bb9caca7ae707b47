"""What a synthetic case is to be: one frozen value from which the factory makes every file, the same each time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal, Self


class CaseFault(StrEnum):
    """Ways in which a case can be wrong; each member says in ``words`` what the factory really does to the files."""

    words: str

    def __new__(cls, value: str, words: str) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.words = words
        return member

    MISSING_LAYER = "missing-layer", "the .ptn file of one layer of the first beam was never written"
    MISSING_MGN = "missing-mgn", "the .mgn file of one layer of the first beam was never written"
    EXTRA_LAYER = "extra-layer", "a .ptn and .mgn pair lies in the first delivery that PlanRange does not name"
    UNPLANNED_LAYER = "unplanned-layer", "PlanInfo and PlanRange name one layer more than the plan has, with its files"
    DOUBLED_LAYER = "doubled-layer", "PlanRange of the first delivery names one layer twice, with two sets of files"
    TRUNCATED_PTN = "truncated-ptn", "a .ptn file ends in the middle of a row"
    SHORT_PTN = "short-ptn", "a .ptn file lost the second half of its rows: whole rows, too few MU"
    EMPTY_PTN = "empty-ptn", "a .ptn file has no bytes"
    TRUNCATED_MGN = "truncated-mgn", "a .mgn file ends in the middle of a record"
    SHORT_MGN = "short-mgn", "a .mgn file has three records too few"
    TRUNCATED_PLAN = "truncated-plan", "the RTPLAN file was cut in the middle"
    WRONG_ENERGY = "wrong-energy", "PlanRange gives one layer an energy 1.5 MeV off the plan's"
    UNKNOWN_MACHINE = "unknown-machine", "TreatmentMachineName is G7, for which there is no calibration"
    UNKNOWN_RANGE_CODE = "unknown-range-code", "DOSE1_RANGE of one layer is 7"
    SWAPPED_AXES = "swapped-axes", "x and y are exchanged in every .ptn"
    MIRRORED = "mirrored", "x has the wrong sign in every .ptn"
    MISSING_BEAM = "missing-beam", "the last beam was not delivered"
    MISSING_PLAN = "missing-plan", "no RTPLAN lies in the case folder"
    TWO_PLANS = "two-plans", "two RTPLANs lie there that differ in their SOPInstanceUID only"
    QA_PLAN = "qa-plan", "PlanIntent is VERIFICATION"
    UNAPPROVED = "unapproved", "ApprovalStatus is UNAPPROVED"
    RANGE_SHIFTER = "range-shifter", "the first beam has a range shifter, IN throughout"
    MOVING_RANGE_SHIFTER = "moving-range-shifter", "the first beam's range shifter goes OUT after the first layer"
    COMPENSATOR = "compensator", "the first beam has a range compensator"
    BLOCK = "block", "the first beam has a block"
    MLC = "mlc", "multi-leaf collimator leaves reach into the first beam's field"
    BOLUS = "bolus", "the first beam refers to a bolus"
    PATIENT_POSITION = "patient-position", "the patient was planned feet first prone (FFP)"
    SCAN_MODE = "scan-mode", "ScanMode of the first beam is UNIFORM: no scan of spots or lines"
    HIGH_ENERGY = "high-energy", "the first layer of the first beam has 247 MeV, above every beam model"
    WRONG_PATIENT = "wrong-patient", "PlanInfo of the first delivery names another patient"
    WRONG_STUDY = "wrong-study", "PlanInfo of the first delivery names another study"
    WRONG_BEAM = "wrong-beam", "PlanInfo of the first delivery names a beam number that the plan has not"
    POSITIONS_OFF_PLAN = "positions-off-plan", "the .mgn files were made from another plan: 2 mm off in x"
    SHIFTED_LAYER = "shifted-layer", "one layer of the first beam was delivered 5 mm off in x"
    HIGH_OFF_COUNTS = "high-off-counts", "beam-off rows of the first beam carry 0.3 % of the counts"
    SUSPECT_OFF_COUNTS = "suspect-off-counts", "beam-off rows of the first beam carry 0.8 % of the counts"
    WRONG_MU = "wrong-mu", "one layer of the first beam was delivered with 8 % more MU than planned"
    NO_PLANINFO = "no-planinfo", "PlanInfo.txt of the first delivery was never written"
    BAD_PLANINFO = (
        "bad-planinfo",
        "PlanInfo.txt of the first delivery has no DICOM_BEAM_NUMBER, and a line without a comma",
    )
    NO_PLANRANGE = "no-planrange", "PlanRange.txt of the first delivery was never written"
    BAD_PLANRANGE = "bad-planrange", "a row of PlanRange.txt of the first delivery lost its last three columns"
    CT_TILTED = "ct-tilted", "the CT's slices are tilted by 10 degrees (adds a CT)"
    CT_GAP = "ct-gap", "one CT slice in the middle is missing (adds a CT)"
    DENSITY_OVERRIDE = "density-override", "the RTSTRUCT overrides the density of a region (adds a CT)"
    MU_2_5 = "mu-2.5", "every layer was delivered with 2.5 % more MU than planned"
    MU_5 = "mu-5", "every layer was delivered with 5 % more MU than planned"
    MISSING_SEGMENT = "missing-segment", "the beam was off on one segment of the first layer of the first beam"
    PARTIAL = "partial", "the last layer of the last beam was never delivered"
    RANGE_2_MM = "range-2mm", "the planning dose reaches 2 mm less deep than the plan does (adds CT and planning dose)"
    MIRRORED_DOSE = "mirrored-dose", "the planning dose is mirrored in x at the isocentre (adds CT and planning dose)"


NEEDS_DOSE = frozenset({CaseFault.RANGE_2_MM, CaseFault.MIRRORED_DOSE})
"""Faults of the planning dose."""
NEEDS_CT = frozenset({CaseFault.CT_TILTED, CaseFault.CT_GAP, CaseFault.DENSITY_OVERRIDE}) | NEEDS_DOSE
MU_SCALES = {CaseFault.MU_2_5: 1.025, CaseFault.MU_5: 1.05}


@dataclass(frozen=True, slots=True)
class LayerShift:
    """One layer delivered off its planned place."""

    beam: int
    """Index of the treatment beam, from 0."""
    layer: int
    """1-based."""
    x_mm: float
    y_mm: float = 0.0


@dataclass(frozen=True, slots=True)
class Interruption:
    """One beam stopped on its way and taken up again in a second folder."""

    beam: int = 0
    """Index of the treatment beam, from 0."""
    layer: int = 1
    """1-based: the last layer of the first folder."""
    share: float = 1.0
    """Share of that layer's rows that the first folder holds; below 1: the second goes on in mid-layer."""
    pause_s: float = 420.0


@dataclass(frozen=True, slots=True)
class CaseRecipe:
    """Everything that decides a synthetic case. Equal recipes give equal bytes."""

    beams: int = 2
    layers: int | tuple[int, ...] = 6
    """For every beam, or one number per beam."""
    spots: int = 40
    """Scan positions per layer."""
    seed: int = 1
    machine: str = "G2"
    """TreatmentMachineName: G1, G2, GTR1, GTR2."""
    scan_mode: Literal["line", "spot"] = "line"
    spot_tags: Literal["private", "standard"] = "private"
    irradiated: datetime = datetime(2026, 3, 2, 9, 30, 15, 120000, tzinfo=UTC)
    """Start of the first beam, aware; its zone is the zone of the machine's clock."""
    beam_interval_s: float = 240.0
    planned_fractions: int = 25
    final_weight: Literal["meterset", "one", "hundred"] = "meterset"
    """FinalCumulativeMetersetWeight: BeamMeterset, 1, or 100."""
    gantry_deg: tuple[float, ...] = (0.0, 90.0, 215.0, 270.0, 180.0)
    """One per beam, taken in turn."""
    couch_deg: tuple[float, ...] = (0.0,)
    isocentre_mm: tuple[float, float, float] = (12.5, -31.0, 44.0)
    top_energy_mev: float = 156.0
    energy_step_mev: float = 3.5
    """Smaller where the layers would otherwise fall below 75 MeV."""
    pattern: Literal["raster", "L", "point"] = "raster"
    field_mm: float = 48.0
    """Width of the scanned field."""
    centre_mm: tuple[float, float] = (0.0, 0.0)
    """Added to every planned position."""
    layer_mu: float = 1.2
    """Mean planned MU of a layer."""
    delivered_scale: float = 1.0
    """Delivered over planned MU."""
    mu_noise: float = 0.001
    """Relative standard deviation of a layer's delivered MU."""
    position_noise_mm: float = 0.05
    off_share: float = 0.00045
    """Share of a layer's counts that beam-off rows carry."""
    rows_per_layer: int = 0
    """Beam-on rows of a .ptn; 0: what the dose rate of the layer's range code gives."""
    layer_shift: LayerShift | None = None
    interruption: Interruption | None = None
    layers_left: int = 0
    """Layers of the last beam that were never delivered (a treatment stopped for good)."""
    replan: bool = False
    """Another plan of the same study and beam numbers lies beside it, with other positions."""
    ct: bool = False
    """A CT of a box of water, and its RTSTRUCT, lie beside the plan."""
    planning_dose: bool = False
    """So does the planning system's RT Dose of the whole course (adds a CT)."""
    fault: CaseFault | None = None
    beam_names: tuple[str, ...] = ()
    """Taken in turn; empty: made up."""
    patient: int = 1
    plan: int = 1
    """Plan number of the patient: another one is another study and plan."""
    room: str = ""
    """A folder above the patient's; empty: none."""
    marker: str = ""
    """Name of the marker written last; empty: none."""

    def __post_init__(self) -> None:
        if self.irradiated.tzinfo is None:
            raise ValueError("irradiated must be an aware time: its zone is the zone of the machine's clock")
        if self.beams < 1 or min(self.layer_counts) < 1 or self.spots < 2:
            raise ValueError("a case has at least one beam, one layer and two scan positions per layer")

    @property
    def layer_counts(self) -> tuple[int, ...]:
        """Layers of each beam."""
        if isinstance(self.layers, int):
            return (self.layers,) * self.beams
        return tuple(self.layers[index % len(self.layers)] for index in range(self.beams))

    @property
    def with_ct(self) -> bool:
        return self.ct or self.with_planning_dose or self.fault in NEEDS_CT

    @property
    def with_planning_dose(self) -> bool:
        return self.planning_dose or self.fault in NEEDS_DOSE

    @property
    def mu_scale(self) -> float:
        """Delivered over planned MU of every layer."""
        return self.delivered_scale * (MU_SCALES.get(self.fault, 1.0) if self.fault else 1.0)

    @property
    def undelivered_layers(self) -> int:
        """Layers of the last beam that are left."""
        return max(self.layers_left, int(self.fault is CaseFault.PARTIAL))


def real_recipe(
    seed: int = 1, *, ct: bool = False, planning_dose: bool = False, fault: CaseFault | None = None
) -> CaseRecipe:
    """A case as large as a real one: 3 beams of 34, 32 and 42 layers, 223 files and 45 MB besides a CT."""
    return CaseRecipe(
        beams=3,
        layers=(34, 32, 42),
        spots=280,
        seed=seed,
        patient=seed,
        ct=ct,
        planning_dose=planning_dose,
        fault=fault,
        top_energy_mev=190.0,
        layer_mu=1.0,
        rows_per_layer=25000,
    )
