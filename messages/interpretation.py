"""Case → interpreter process: a case folder becomes one run's input per beam, with delivered against planned."""

from __future__ import annotations

from dataclasses import dataclass

from messages.cases import CaseSource
from messages.engine import EngineProfile, Grid
from messages.files import FileProof


@dataclass(frozen=True, slots=True)
class InterpretCase:
    """Argument of ``actors.interpreter:interpret_case``; the value is an Interpretation."""

    source: CaseSource
    profile: EngineProfile
    calibrations: tuple[tuple[str, str], ...]
    """(gantry, path of its calibration file), such as ("G1", "…/g1.txt")."""
    target: str
    """Directory that appears whole, or not at all, with one folder per beam below: ``<target>/<beam number>/``."""
    zone: str
    """IANA zone of the machine's clock."""
    python: str = ""
    """What ``{python}`` means in the profile; empty: the interpreter that does it."""
    root: str = ""
    """What ``{root}`` means in the profile; empty: where the program that does it lies."""


@dataclass(frozen=True, slots=True)
class PackCase:
    """Argument of ``actors.interpreter:pack_case``; the value is a PackedCase.

    Of a case with a file that cannot be sent as it is, the value is the Interpretation, made here.
    """

    request: InterpretCase
    target: str
    """Directory for the bundle; what it holds is replaced."""


@dataclass(frozen=True, slots=True)
class PackedCase:
    """A case as it is sent to a host to be interpreted there."""

    directory: str
    files: tuple[FileProof, ...]
    request: str
    """The request document, relative to ``directory``."""
    digest: str
    """SHA-256 over all of ``files``: the same case, asked the same."""


@dataclass(frozen=True, slots=True)
class TakeAnswer:
    """Argument of ``actors.interpreter:take_answer``; the value is the Interpretation that a host made."""

    host: str
    directory: str
    """What was fetched: ``out/`` and ``engine.log``."""
    target: str
    """As in the InterpretCase that was sent: appears whole or not at all."""
    bundle: str
    """Directory of the bundle that was sent: removed, for it holds the patient's identity."""
    request_sha256: str
    """Of the request document that was sent."""
    ended: str = ""
    """How its process ended, unless well."""


@dataclass(frozen=True, slots=True)
class LayerDeviation:
    """Delivered against planned of one layer."""

    layer: int
    """1-based."""
    energy_mev: float
    planned_mu: float
    delivered_mu: float
    off_share: float
    """Share of the layer's counts carried by beam-off rows."""
    mean_mm: float
    p95_mm: float
    max_mm: float
    """Distance of beam-on samples to the planned segment (line) or nearest spot (spot)."""
    missing: int
    """Planned segments (line) or spots (spot) that got less than a quarter of their MU."""
    worst_stretch_mu: float = 0.0
    """Largest difference of delivered to planned MU of one segment (line) or spot (spot)."""
    shift_x_mm: float = 0.0
    shift_y_mm: float = 0.0
    """Centroid of the delivered MU − centroid of the planned; 0 for a layer that is not whole."""
    size_x_mm: float = 0.0
    size_y_mm: float = 0.0
    """Beam size as the machine logs it, mean over the delivered MU; 0: not known."""
    beam_on_ms: float = 0.0
    """Time with the beam on."""
    total_ms: float = 0.0
    """From the first to the last sample with the beam on, pauses within it included."""


@dataclass(frozen=True, slots=True)
class AxisFit:
    """Which of the eight orientations fits measured to planned best (identity must), with scale and shift."""

    best: str
    """``identity`` or the name of a swap or mirror."""
    scale: float
    shift_x_mm: float
    shift_y_mm: float
    rms_mm: float
    runner_up: str
    runner_up_rms_mm: float


@dataclass(frozen=True, slots=True)
class BeamInput:
    """One beam, ready to be staged: its files, its run, and what its output must look like."""

    number: int
    """DICOM beam number."""
    name: str
    """BeamName as the plan has it."""
    directory: str
    """Absolute; holds exactly ``files``."""
    files: tuple[FileProof, ...]
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    expected: tuple[str, ...]
    """Output patterns below ``out/``; each must match exactly one file."""
    grid: Grid
    dose_scale: float
    """Engine output × this = gray (or relative dose) of one fraction."""
    memory_mb: int
    wall_limit_s: int
    seed: int
    gantry_deg: float
    couch_deg: float
    isocentre_mm: tuple[float, float, float]
    planned_mu: float
    delivered_mu: float
    counts: int
    """Particles (counts) written to the engine, after shortening."""
    layers: tuple[LayerDeviation, ...]
    fit: AxisFit
    halves: tuple[str, ...] = ()
    """Those of ``expected`` that are half-runs; none, or two."""


@dataclass(frozen=True, slots=True)
class BeamAmount:
    """How much of one planned treatment beam this session delivered; all of them are there, delivered or not."""

    number: int
    """DICOM beam number."""
    name: str
    planned_mu: float
    delivered_mu: float
    layers: int
    """Planned energy layers."""
    layers_left: tuple[int, ...]
    """Layers (1-based) that were not delivered, or not to their end."""


@dataclass(frozen=True, slots=True)
class SeriesReference:
    """DICOM objects of one class and series that a dose belongs to."""

    study_uid: str
    series_uid: str
    sop_class: str
    instances: tuple[str, ...]
    """SOPInstanceUID of each; images ascending in z."""


@dataclass(frozen=True, slots=True)
class Interpretation:
    """A whole case, interpreted."""

    case: str
    plan_uid: str
    plan_label: str
    study_uid: str
    frame_of_reference: str
    """Of the plan; empty when it has none."""
    machine: str
    gantry: str
    """Calibration that was used: G1 or G2."""
    scan_mode: str
    """``line`` or ``spot``."""
    profile: str
    """``name/version``."""
    calibration_sha256: str
    fraction_group: int
    planned_fractions: int
    partial: bool
    beams: tuple[BeamInput, ...]
    inputs: tuple[FileProof, ...]
    """Every file of the case that was read, relative to the case folder."""
    review: tuple[str, ...]
    """Sentences a physicist should read."""
    suspect: tuple[str, ...]
    """Sentences that make the result suspect."""
    intent: str = ""
    """PlanIntent; empty when the plan has none."""
    treatment: bool = True
    """False for a QA session (intent VERIFICATION or MACHINE_QA): never a treatment fraction."""
    amounts: tuple[BeamAmount, ...] = ()
    """Of every planned treatment beam."""
    planned: bool = False
    """Of the planned spots: no delivery, and no fraction of anybody's treatment."""
    fraction_groups: int = 0
    """How many the plan has; 0: not known."""
    references: tuple[SeriesReference, ...] = ()
    """The CT images that the dose is computed in, and the RTSTRUCT that the plan refers to (else the only one in its
    frame of reference) if it lies in the case folder. A phantom has no images."""
