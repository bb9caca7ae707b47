"""How long a run of the engine will take, learned from runs that ended well. Pure, and quick without any library.

On logarithms: duration = intercept + slope · particles + slope · voxels + what is particular to a GPU. Slopes are
medians over pairs of runs (Theil 1950, Sen 1968), so a few odd runs do not bend them; intercepts are weighted medians,
newer runs weighing more, so a driver or engine that became slower is followed. What is particular to a GPU is learned
from its own runs as far as there are any, else from those of its model, else of the profile. The bound is a quantile of
what the estimates missed by, with the correction for few runs that makes it hold for the next one (conformal
prediction: Vovk, Gammerman and Shafer 2005).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

BOUND = 0.9
"""Share of runs that end within the bound."""
Z = 1.2815515655446004
"""Standard normal quantile of BOUND."""
HALF_LIFE = 60.0
"""Runs after which an older one counts half."""
KEPT = 400
"""Latest runs that are looked at."""
PAIRED = 90
"""Runs of which every pair gives a slope."""
BELIEF = 4.0
"""Own runs of a GPU that weigh as much as what is known of its model."""
LEAST_S = 1e-3
"""No engine ends sooner: what is told of one that did says nothing, and far below it numbers end."""
_APART = 0.15
"""Difference of logarithms below which a pair of runs says nothing about a slope."""
_FEWEST_PAIRS = 12
_LEAST_SPREAD = 0.03
"""Relative spread that is assumed even where all runs agree."""
_NEW_GPU_SPREAD = 0.35
"""Relative spread of GPUs of models that were never used."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a beam asks of an engine. 0: not known."""

    profile: str = ""
    """``name/version``."""
    particles: int = 0
    """Particles (counts of MU) that the engine follows."""
    voxels: int = 0


@dataclass(frozen=True, slots=True)
class Gpu:
    """Where it runs."""

    host: str
    uuid: str
    model: str = ""
    """As the driver names it; of a slot: empty, its host stands for the model."""

    @property
    def kind(self) -> str:
        return self.model or f"slots of {self.host}"

    @property
    def place(self) -> str:
        return f"{self.host}/{self.uuid}"


@dataclass(frozen=True, slots=True)
class Run:
    """One that ended well."""

    work: Work
    gpu: Gpu
    seconds: float


@dataclass(frozen=True, slots=True)
class Duration:
    """``median_s``: as likely longer as shorter; ``bound_s``: nine of ten end within it."""

    median_s: float
    bound_s: float

    @property
    def spread(self) -> float:
        """Standard deviation of the logarithm."""
        return math.log(self.bound_s / self.median_s) / Z if self.bound_s > self.median_s > 0 else 0.0


@dataclass(slots=True)
class Durations:
    """Learned from ``runs``, oldest first; ``estimate`` asks. None where nothing is known."""

    runs: Sequence[Run]
    _lines: dict[str, _Line] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.runs = [run for run in self.runs if run.seconds >= LEAST_S and math.isfinite(run.seconds)][-KEPT:]

    def estimate(self, work: Work, gpu: Gpu | None = None) -> Duration | None:
        """Of this work on this GPU (None: on any). Work of an unknown profile or size is estimated from all runs."""
        line = self._line(work.profile)
        return None if line is None else line.estimate(work, gpu)

    def _line(self, profile: str) -> _Line | None:
        if profile not in self._lines:
            same = [run for run in self.runs if run.work.profile == profile]
            chosen = same or self.runs
            if not chosen:
                return None
            self._lines[profile] = _Line.through(chosen)
        return self._lines[profile]


@dataclass(frozen=True, slots=True)
class _Line:
    """The estimate of one profile."""

    particles: float
    voxels: float
    """Slopes."""
    centre: float
    """Intercept over all GPUs."""
    kinds: Mapping[str, float]
    """Model → what it differs by from the centre."""
    places: Mapping[str, float]
    """GPU → what it differs by from its model."""
    missed: Sequence[tuple[float, float]]
    """(what a run differed by from what was known of its GPU, weight), sorted."""
    unsized: Sequence[tuple[float, float]]
    """The same with work of which no size is known."""
    unsized_centre: float

    @classmethod
    def through(cls, runs: Sequence[Run]) -> _Line:
        """The line through these runs, oldest first."""
        weights = [0.5 ** ((len(runs) - 1 - index) / HALF_LIFE) for index in range(len(runs))]
        seconds = [math.log(run.seconds) for run in runs]
        slope_p = _slope([_log(run.work.particles) for run in runs], seconds, usual=1.0)
        left = [y - slope_p * (_log(run.work.particles) or 0.0) for y, run in zip(seconds, runs, strict=True)]
        slope_v = _slope([_log(run.work.voxels) for run in runs], left, usual=0.0)
        left = [y - slope_v * (_log(run.work.voxels) or 0.0) for y, run in zip(left, runs, strict=True)]
        centre = weighted_quantile(zip(left, weights, strict=True), 0.5)
        kinds = _offsets(runs, left, weights, lambda run: run.gpu.kind, lambda _run: centre)
        places = _offsets(runs, left, weights, lambda run: run.gpu.place, lambda run: centre + kinds[run.gpu.kind])
        known = [centre + kinds[run.gpu.kind] + places[run.gpu.place] for run in runs]
        plain = weighted_quantile(zip(seconds, weights, strict=True), 0.5)
        return cls(
            particles=slope_p,
            voxels=slope_v,
            centre=centre,
            kinds=kinds,
            places=places,
            missed=sorted((y - at, weight) for y, at, weight in zip(left, known, weights, strict=True)),
            unsized=sorted((y - plain, weight) for y, weight in zip(seconds, weights, strict=True)),
            unsized_centre=plain,
        )

    def estimate(self, work: Work, gpu: Gpu | None) -> Duration:
        if not work.particles:
            at, missed = self.unsized_centre, self.unsized
        else:
            at = self.centre + self.particles * math.log(work.particles) + self.voxels * (_log(work.voxels) or 0.0)
            missed = self.missed
        stranger = 0.0
        if gpu is not None:
            stranger = 0.0 if gpu.kind in self.kinds else _NEW_GPU_SPREAD
            at += self.kinds.get(gpu.kind, 0.0) + self.places.get(gpu.place, 0.0)
        above = _upper(missed)
        bound = at + math.hypot(above, Z * stranger)
        return Duration(math.exp(at), math.exp(bound))


def _upper(missed: Sequence[tuple[float, float]]) -> float:
    """How far above its median the bound of the next run lies.

    With few runs the outermost stands for the quantile and is widened: n runs alone bound the next one only in
    n of n + 1 cases.
    """
    weight = sum(share for _, share in missed)
    effective = weight**2 / sum(share**2 for _, share in missed)
    share = min(1.0, BOUND * (effective + 1) / effective)
    above = max(weighted_quantile(missed, share), Z * _LEAST_SPREAD)
    needed = BOUND / (1 - BOUND)
    return above if effective >= needed else above + (needed - effective) / needed * Z * _NEW_GPU_SPREAD


def _offsets(
    runs: Sequence[Run],
    left: Sequence[float],
    weights: Sequence[float],
    name: Callable[[Run], str],
    base: Callable[[Run], float],
) -> dict[str, float]:
    """By how much the runs of each group differ from their base, drawn towards 0 where they are few."""
    groups: dict[str, list[tuple[float, float]]] = {}
    for run, y, weight in zip(runs, left, weights, strict=True):
        groups.setdefault(name(run), []).append((y - base(run), weight))
    return {
        group: weighted_quantile(found, 0.5) * len(found) / (len(found) + BELIEF) if len(groups) > 1 else 0.0
        for group, found in groups.items()
    }


def _slope(x: Sequence[float | None], y: Sequence[float], usual: float) -> float:
    """Median slope of the pairs that lie apart, between 0 and 1.5; ``usual`` where too few do."""
    points = [(a, b) for a, b in zip(x, y, strict=True) if a is not None]
    points = points[:: max(1, -(-len(points) // PAIRED))]
    slopes = sorted(
        (b2 - b1) / (a2 - a1)
        for index, (a1, b1) in enumerate(points)
        for a2, b2 in points[index + 1 :]
        if abs(a2 - a1) > _APART
    )
    if len(slopes) < _FEWEST_PAIRS:
        return usual
    return min(1.5, max(0.0, slopes[len(slopes) // 2]))


def weighted_quantile(values: Iterable[tuple[float, float]], share: float) -> float:
    """The smallest value at or below which at least ``share`` of the weight lies; 0 of nothing."""
    ordered = sorted(values)
    wanted, seen = share * sum(weight for _, weight in ordered) * (1 - 1e-12), 0.0
    for value, weight in ordered:
        seen += weight
        if seen >= wanted:
            return value
    return ordered[-1][0] if ordered else 0.0


def _log(value: int) -> float | None:
    return math.log(value) if value > 0 else None
