"""Two doses against one another: gamma by pymedphys, and the difference of dose. Pure.

The reference (the planning dose) keeps its grid: each of its points is looked for in the evaluated dose, which is
interpolated linearly between its voxel centres. Percentages are of the normalisation, a prescription or the reference's
maximum: never of the maximum of a Monte Carlo dose, which its noise drives up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from actors.reporter.dose_grid import Array, DoseGrid, Values

MAX_GAMMA = 3.0
"""Gamma is searched for up to this; what is larger counts as this."""
_SHOWN = 2.0
"""The darkest of a picture."""
_PASSED = 1.1
"""To see which points pass there is no need to search farther."""
_FINE, _COARSE = 10, 5
"""Steps of the search in a distance to agreement (10 as Wendling et al., Med. Phys. 34 (2007) 1647, found enough); the
farther search of the statistics takes half as many."""
_STATISTICS_SHARE = 8
"""So much fewer of the points that fail are followed all the way: that costs the cube of the distance for each."""
_MARGIN = 1.0
"""Voxels around what is compared, so that interpolation reaches its edge."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """Dose difference and distance to agreement, global."""

    percent: float
    mm: float

    def __str__(self) -> str:
        return f"{self.percent:g} %/{self.mm:g} mm"


@dataclass(frozen=True, slots=True)
class GammaResult:
    """Gamma of one criterion over the points at or above the threshold."""

    criterion: Criterion
    passed_percent: float
    mean: float
    p99: float
    maximum: float
    points: int
    """Reference points that were looked at."""
    outside: int
    """Of those: points that the evaluated dose does not reach; they count as failed."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Evaluated − reference over the points at or above the threshold, in percent of the normalisation."""

    mean_percent: float
    deviation_percent: float
    """Standard deviation."""
    p02_percent: float
    p98_percent: float
    high_mean_percent: float
    """Mean where the reference is at or above 80 % of the normalisation."""
    points: int


@dataclass(frozen=True, slots=True)
class GammaRules:
    """How gamma is computed."""

    criteria: tuple[Criterion, ...]
    threshold_percent: float
    """Of the normalisation: reference points below it are not looked at."""
    points: int
    """At most about so many reference points: a lattice of every n-th one where there are more."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of two doses."""

    normalisation_gy: float
    gammas: tuple[GammaResult, ...]
    stride: int
    """Every so manieth point of the reference in each direction was looked at."""
    difference: Difference


def compare(reference: DoseGrid, evaluated: DoseGrid, normalisation_gy: float, rules: GammaRules) -> Comparison:
    """All figures. ValueError where no reference point reaches the threshold.

    reference: of one fraction, as the plan wants it. evaluated: of the same fraction, in the same frame of reference.
    """
    cut = rules.threshold_percent / 100.0 * normalisation_gy
    if not reference.dose.max() >= cut > 0.0:
        raise ValueError("no point of the reference reaches the threshold")
    box = _cropped(reference, cut)
    stride = _stride(box.dose, cut, rules.points)
    sampled = _every(box, stride)
    near = gammas_of(sampled, evaluated, rules, normalisation_gy, _Search(_PASSED, _FINE))
    failed = _some_failed(sampled, near, cut, max(rules.points // _STATISTICS_SHARE, 1))
    far = gammas_of(failed, evaluated, rules, normalisation_gy, _Search(MAX_GAMMA, _COARSE))
    points = int((sampled.dose >= cut).sum())
    gammas = tuple(_summary(one, near[one], far[one], points) for one in rules.criteria)
    return Comparison(normalisation_gy, gammas, stride, _difference(box, evaluated, normalisation_gy, cut))


@dataclass(frozen=True, slots=True)
class _Search:
    """How far, and in how many steps of a distance to agreement."""

    max_gamma: float
    steps: int


def gammas_of(
    reference: DoseGrid, evaluated: DoseGrid, rules: GammaRules, normalisation_gy: float, search: _Search
) -> dict[Criterion, Array]:
    """(z, y, x) gamma at the reference's points by criterion; NaN below the threshold, and where the evaluated dose
    does not reach.

    reference: one of its axes may have a single value (a plane). All criteria share one search.
    """
    import pymedphys  # noqa: PLC0415 - nothing else here needs it, and it is slow to load

    percents = sorted({one.percent for one in rules.criteria})
    distances = sorted({one.mm for one in rules.criteria})
    near = _near(evaluated, reference.axes, search.max_gamma * max(distances))
    if near is None:
        return {one: np.full(reference.dose.shape, np.nan) for one in rules.criteria}
    found = pymedphys.gamma(
        reference.axes,
        reference.dose.astype(np.float64),
        near.axes,
        near.dose.astype(np.float64),
        percents,
        distances,
        lower_percent_dose_cutoff=rules.threshold_percent,
        interp_fraction=search.steps,
        max_gamma=search.max_gamma,
        global_normalisation=normalisation_gy,
        interp_algo="scipy",
        ram_available=2**28,
    )
    if not isinstance(found, dict):  # of a single criterion
        return {rules.criteria[0]: found}
    of = {(float(percent), float(mm)): gamma for (percent, mm), gamma in found.items()}
    return {one: of[one.percent, one.mm] for one in rules.criteria}


def gamma_map(reference: DoseGrid, evaluated: DoseGrid, rules: GammaRules, normalisation_gy: float) -> Array:
    """Gamma of the first criterion for a picture: up to 2, which is also what the evaluated dose does not reach."""
    one = replace(rules, criteria=rules.criteria[:1])
    found = gammas_of(reference, evaluated, one, normalisation_gy, _Search(_SHOWN, _COARSE))[rules.criteria[0]]
    looked_at = reference.dose >= rules.threshold_percent / 100.0 * normalisation_gy
    shown: Array = np.where(looked_at & np.isnan(found), _SHOWN, found)
    return shown


def _near(dose: DoseGrid, axes: tuple[Array, Array, Array], reach_mm: float) -> DoseGrid | None:
    """The part of a dose within reach of these axes; None where there is none."""
    parts: list[slice] = []
    for own, other in zip(dose.axes, axes, strict=True):
        step = float(own[1] - own[0]) if len(own) > 1 else 1.0
        low, high = other[0] - reach_mm - _MARGIN * step, other[-1] + reach_mm + _MARGIN * step
        found = np.flatnonzero((own >= low) & (own <= high))
        if len(found) < 2:
            return None
        parts.append(slice(int(found[0]), int(found[-1]) + 1))
    return _part(dose, (parts[0], parts[1], parts[2]))


def _part(dose: DoseGrid, where: tuple[slice, slice, slice]) -> DoseGrid:
    z, y, x = where
    return DoseGrid(dose.dose[where], dose.z_mm[z], dose.y_mm[y], dose.x_mm[x], dose.gray, dose.frame_of_reference)


def _cropped(reference: DoseGrid, cut: float) -> DoseGrid:
    """The box that holds every point at or above the cut."""
    at = reference.dose >= cut
    parts = []
    for axis in range(3):
        found = np.flatnonzero(at.any(axis=tuple(other for other in range(3) if other != axis)))
        parts.append(slice(int(found[0]), int(found[-1]) + 1))
    return _part(reference, (parts[0], parts[1], parts[2]))


def _stride(dose: Values, cut: float, points: int) -> int:
    """Smallest stride that leaves about ``points`` points or less."""
    stride = 1
    while int((dose[::stride, ::stride, ::stride] >= cut).sum()) > points:
        stride += 1
    return stride


def _every(dose: DoseGrid, stride: int) -> DoseGrid:
    if stride == 1:
        return dose
    lattice = slice(None, None, stride)
    return _part(dose, (lattice, lattice, lattice))


def _some_failed(sampled: DoseGrid, near: dict[Criterion, Array], cut: float, points: int) -> DoseGrid:
    """The reference with nothing but about so many of the points that failed a criterion."""
    at = (sampled.dose >= cut) & np.any([gamma > 1.0 for gamma in near.values()], axis=0)
    found = np.flatnonzero(at)
    chosen = found[:: max(1, -(-len(found) // points))]
    dose = np.zeros_like(sampled.dose)
    dose.flat[chosen] = sampled.dose.flat[chosen]
    return replace(sampled, dose=dose)


def _summary(criterion: Criterion, near: Array, far: Array, points: int) -> GammaResult:
    """near: gamma of all points, up to where it is clear that they fail; far: that of some that failed, all the way.

    NaN at a point over the threshold is a point that was not reached: it failed.
    """
    reached: npt.NDArray[np.float64] = near[np.isfinite(near)]
    passed = reached[reached <= 1.0]
    beyond = far[np.isfinite(far) & (near > 1.0)]
    # those that were not followed all the way are like those that were
    values = np.concatenate((passed, np.resize(beyond, reached.size - passed.size) if beyond.size else reached[:0]))
    return GammaResult(
        criterion=criterion,
        passed_percent=100.0 * passed.size / points,
        mean=float(values.mean()) if values.size else MAX_GAMMA,
        p99=float(np.percentile(values, 99)) if values.size else MAX_GAMMA,
        maximum=float(values.max()) if values.size else MAX_GAMMA,
        points=points,
        outside=points - reached.size,
    )


def _difference(reference: DoseGrid, evaluated: DoseGrid, normalisation_gy: float, cut: float) -> Difference:
    at = reference.dose >= cut
    percent = 100.0 * (evaluated.on(reference.axes)[at] - reference.dose[at]).astype(np.float64) / normalisation_gy
    high = reference.dose[at] >= 0.8 * normalisation_gy
    low_end, high_end = np.percentile(percent, [2, 98])
    return Difference(
        mean_percent=float(percent.mean()),
        deviation_percent=float(percent.std()),
        p02_percent=float(low_end),
        p98_percent=float(high_end),
        high_mean_percent=float(percent[high].mean()) if high.any() else float("nan"),
        points=int(at.sum()),
    )
