"""An engine profile: everything that differs between engines and sites, read from ``conf/engines/<name>.toml``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


# No grid, memory or time of an engine is beyond these: no disk and no clock has so much.
MOST_VOXELS = 4096
"""Along one axis of a grid."""
MOST_MM = 1000.0
"""Between two voxels."""
_Voxels = Annotated[int, Field(gt=0, le=MOST_VOXELS)]
_Millimetres = Annotated[float, Field(gt=0, le=MOST_MM)]


class Grid(_Frozen):
    """The grid of the engine's output in the engine's own axes."""

    size: tuple[_Voxels, _Voxels, _Voxels]
    """Voxels along x, y, z (nx, ny, nz); the file is x fastest, z slowest."""
    spacing_mm: tuple[_Millimetres, _Millimetres, _Millimetres]
    origin_mm: tuple[float, float, float]
    """Centre of the first voxel relative to the isocentre (phantom axes, PHYSICS: z towards the source)."""


class Progress(_Frozen):
    """Regular expressions over engine.log. Log text is for progress, never for success."""

    step: str = ""
    """Two groups: done and total."""
    finished: str = ""
    """A line that means 1.0."""


class InputLine(_Frozen):
    """One ``Key value`` line; in the input file ``value`` is a str.format template over the staging variables."""

    key: str
    value: str


class EngineProfile(_Frozen):
    """One engine as one site runs it."""

    name: str
    version: str = "1"
    """Version of this profile: part of a result's provenance."""
    dialect: Literal["moqui", "moqui-smc"]
    """Which of the two families of input the engine reads (decides the writer of the spots)."""
    command: tuple[str, ...]
    """Argument list. ``{input}`` is the input file relative to the run directory, ``{python}`` this interpreter."""
    environment: tuple[InputLine, ...] = ()
    version_command: tuple[str, ...] = ()
    """Prints the engine's version; empty: the binary's SHA-256 is the version."""
    geometry: Literal["phantom", "two-centimeter", "ct"]
    """What the dose is scored in."""
    grid: Grid | None = None
    """For a phantom: the expected grid. None for ``ct`` (the CT's grid)."""
    input_name: str = "input.txt"
    input: tuple[InputLine, ...]
    """Written in this order; first match wins in the engine."""
    outputs: tuple[str, ...] = ("*_Dose.raw",)
    """Patterns below ``out/``; each must match exactly one file."""
    halves: tuple[str, ...] = ()
    """Patterns of two more outputs below ``out/``, each the whole dose from one half of the histories with a seed of
    its own: from them comes the statistical uncertainty. Empty: the engine writes none."""
    noise_limit: Annotated[float, Field(gt=0, le=1)] = 0.01
    """Relative statistical uncertainty in the high dose above which a result is ``suspect``."""
    output_format: Literal["raw"] = "raw"
    scale: Literal["counts", "meterset"]
    """What one unit of spot weight means to the engine: monitor counts, or MU."""
    histories_per_mu: float = 0.0
    """Dialect ``moqui``: histories of one MU at the lowest energy; bounds what cutting to whole histories loses."""
    interpret: Literal["here", "host"] = "here"
    """Where the logs become the engine's input; its output becomes RT Dose here, always."""
    host_python: str = ""
    """For ``interpret = "host"``: a Python on every host that has this very release of this package."""
    shorten: int = 1
    """K: counts are divided by K with cumulative rounding and the dose is multiplied by K."""
    dose_factor: float = 1.0
    """Engine output × this × K = gray of one fraction, physical dose; stated in every manifest."""
    dose_per_mu: tuple[float, float] | None = None
    """Gy·cm³ of the whole grid per delivered MU, least and most: a beam outside of it is ``suspect``."""
    calibrated: bool = False
    """True only when a site approved ``dose_factor``: DoseUnits GY if what made it is commissioned, else RELATIVE."""
    rbe: float = 1.1
    """Stated in the manifest, never multiplied into physical dose."""
    energies_mev: tuple[float, float] = (70.0, 230.0)
    """Lowest and highest energy of the beam model; anything else is refused."""
    range_shifters: tuple[str, ...] = ()
    """Range shifter ids that the engine handles; others are refused."""
    patient_positions: tuple[str, ...] = ("HFS",)
    memory_mb: Annotated[int, Field(ge=0, le=10_000_000)] = 2000
    wall_limit_s: Annotated[int, Field(gt=0, le=10_000_000)] = 3600
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 20240229
    """RandomSeed base; the beam number is added. Recorded, never the clock."""
    progress: Progress = Progress()
    commissioned: tuple[str, ...] = ()
    """SHA-256 of the commissioned engine binary, beam model and HU curve; anything else: ``uncommissioned``."""
