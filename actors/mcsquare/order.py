"""What the run's input file asks for: one ``Key value`` per line, as for MOQUI's public dialect.

Unlike MOQUI this driver refuses what it does not know: a mistyped key must not become a default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from actors.mcsquare.errors import DriverError

_ONE = ("ParticlesPerHistory", "RBE", "NumberOfFraction", "BeamNumbers")
"""Only 1 is right: dose of one fraction, physical, of the run's one beam."""
_PHANTOM = tuple(f"Phantom{what}{axis}" for what in ("Dim", "Unit", "Position") for axis in "XYZ")
_TEXT = ("ParentDir", "DicomDir", "OutputDir", "BeamModel", "Scanner", "Build", "UsingPhantomGeo")
_WHOLE = ("RandomSeed", "Num_Primaries", "Num_Threads")
PASSED_ON = (
    "E_Cut_Pro",
    "D_Max",
    "Epsilon_Max",
    "Te_Min",
    "Simulate_Nuclear_Interactions",
    "Simulate_Secondary_Protons",
    "Simulate_Secondary_Deuterons",
    "Simulate_Secondary_Alphas",
    "Dose_to_Water_conversion",
    "Dose_Segmentation",
    "Density_Threshold_for_Segmentation",
)
"""Keys of MCsquare's own config.txt that go there as they are."""
KNOWN = frozenset({*_ONE, *_PHANTOM, *_TEXT, *_WHOLE, *PASSED_ON})


@dataclass(frozen=True, slots=True)
class Box:
    """A water phantom in the beam's axes: x, y as ScanSpotPositionMap, z towards the source, from the isocentre."""

    size: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    corner_mm: tuple[float, float, float]
    """The lower corner of the first voxel."""


@dataclass(frozen=True, slots=True)
class Order:
    """One run."""

    dicom: Path
    out: Path
    beam_model: str
    """File of the beam data library: absolute, or relative to the engine's folder."""
    scanner: str
    """Folder of the HU curves, likewise."""
    phantom: Box | None
    """None: the CT beside the plan."""
    seed: int
    primaries: int
    """Protons to simulate, both half-runs together."""
    threads: int
    build: str
    passed_on: tuple[tuple[str, str], ...]


def read_order(text: str) -> Order:
    """The order in an input file; DriverError names the line that is wrong."""
    given = _lines(text)
    for key in _ONE:
        if _number(given, key) != 1:
            raise DriverError(f"{key} must be 1, not {given[key]}: the dose is that of one fraction of one beam.")
    primaries, threads = (_whole(given, key, least) for key, least in (("Num_Primaries", 1000), ("Num_Threads", 1)))
    return Order(
        dicom=Path(_text(given, "ParentDir")) / _text(given, "DicomDir"),
        out=Path(_text(given, "OutputDir")),
        beam_model=_text(given, "BeamModel"),
        scanner=_text(given, "Scanner"),
        phantom=_box(given) if _flag(given, "UsingPhantomGeo") else None,
        seed=_whole(given, "RandomSeed", 0),
        primaries=primaries,
        threads=threads,
        build=given.get("Build", "auto"),
        passed_on=tuple((key, given[key]) for key in PASSED_ON if key in given),
    )


def _lines(text: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        if key not in KNOWN:
            raise DriverError(f"The input file has the unknown key {key}. There are: {', '.join(sorted(KNOWN))}.")
        if key in given:
            raise DriverError(f"The input file has {key} twice.")
        given[key] = value.strip()
    return given


def _box(given: Mapping[str, str]) -> Box:
    size = [_whole(given, f"PhantomDim{axis}", 1) for axis in "XYZ"]
    spacing = [_number(given, f"PhantomUnit{axis}") for axis in "XYZ"]
    corner = [_number(given, f"PhantomPosition{axis}") for axis in "XYZ"]
    if min(spacing) <= 0:
        raise DriverError("PhantomUnit must be positive.")
    return Box((size[0], size[1], size[2]), (spacing[0], spacing[1], spacing[2]), (corner[0], corner[1], corner[2]))


def _text(given: Mapping[str, str], key: str) -> str:
    if not given.get(key):
        raise DriverError(f"The input file has no {key}. Add it to the profile's [[input]].")
    return given[key]


def _number(given: Mapping[str, str], key: str) -> float:
    try:
        return float(_text(given, key))
    except ValueError:
        raise DriverError(f"{key} is no number: {given[key]}.") from None


def _whole(given: Mapping[str, str], key: str, least: int) -> int:
    value = _number(given, key)
    if value != int(value) or value < least:
        raise DriverError(f"{key} must be a whole number of {least} or more, not {given[key]}.")
    return int(value)


def _flag(given: Mapping[str, str], key: str) -> bool:
    value = _text(given, key).lower()
    if value not in ("true", "false"):
        raise DriverError(f"{key} is true or false, not {given[key]}.")
    return value == "true"
