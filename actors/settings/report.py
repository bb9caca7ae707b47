"""The physicist's report: how doses are compared, and from where on a figure is out of tolerance or asks for action.

The starting values are not a site's: gamma 3 %/2 mm, global, absolute, 10 % threshold with 95 % (tolerance) and 90 %
(action) of the points are the universal limits of AAPM TG-218 (Miften et al., "Tolerance limits and methodologies for
IMRT measurement-based verification QA", Med. Phys. 45 (2018) e53, doi 10.1002/mp.12810), which it gives for photons;
what was at hand of it is its record and abstract, and the numbers as users of it repeat them. The others are usual ones
of spot scanning. Every site adopts its own.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _rising(value: tuple[float, float]) -> tuple[float, float]:
    if not 0.0 <= value[0] <= value[1]:
        raise ValueError("the tolerance comes first and is not above the action level, such as [0.5, 1.0]")
    return value


def _falling(value: tuple[float, float]) -> tuple[float, float]:
    if not 100.0 >= value[0] >= value[1] >= 0.0:
        raise ValueError("shares of 100: the tolerance comes first and is not below the action level, as [95, 90]")
    return value


def _criterion(value: tuple[float, float]) -> tuple[float, float]:
    if not (value[0] > 0.0 and value[1] > 0.0):
        raise ValueError("a criterion is percent and millimetres, both above 0, such as [3, 2]")
    return value


Pair = Annotated[tuple[float, float], Field(strict=False)]
AtMost = Annotated[Pair, AfterValidator(_rising)]
"""(tolerance, action): above the first ``review``, above the second ``fail``."""
AtLeast = Annotated[Pair, AfterValidator(_falling)]
"""(tolerance, action): below the first ``review``, below the second ``fail``."""
PairName = Literal["delivery", "model", "total"]
GammaCriterion = Annotated[Pair, AfterValidator(_criterion)]
"""Percent of the normalisation, and millimetres."""


class ReportSettings(BaseModel):
    """What the reporter makes of each case that is done."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    enabled: bool = True
    """False: no reports; cases are published as ever."""
    gamma: Annotated[tuple[GammaCriterion, ...], Field(strict=False, min_length=1)] = (
        (3.0, 3.0),
        (3.0, 2.0),
        (2.0, 2.0),
    )
    """Criteria that are computed, all global."""
    gamma_judged: GammaCriterion = (3.0, 2.0)
    """The criterion that the verdict goes by; computed whether it is among the others or not."""
    gamma_threshold_percent: Annotated[float, Field(gt=0, lt=100)] = 10.0
    """Points of the planning dose below this share of the normalisation are not looked at."""
    gamma_points: Annotated[int, Field(ge=1000)] = 20_000
    """At most about so many points: a regular lattice of the planning dose where it has more."""
    gamma_passed_percent: AtLeast = (95.0, 90.0)
    beam_mu_percent: AtMost = (0.5, 1.0)
    layer_mu_percent: AtMost = (1.0, 2.0)
    layer_mu_floor: Annotated[float, Field(ge=0)] = 0.02
    """MU: a smaller difference of a layer is none."""
    position_mean_mm: AtMost = (0.5, 1.0)
    position_p95_mm: AtMost = (1.0, 1.5)
    position_max_mm: Annotated[float, Field(gt=0)] = 2.0
    """A sample farther off than this asks for action."""
    size_percent: AtMost = (10.0, 15.0)
    """Of the baseline."""
    spot_sizes_mm: dict[str, Annotated[tuple[Pair, ...], Field(strict=False)]] = Field(default_factory=dict)
    """Baseline of the beam's size by gantry: (MeV, mm) as the machine logs it; between them interpolated. A gantry
    that is not here has no baseline, and its sizes are given without a judgement."""
    range_mm: AtMost = (1.0, 2.0)
    """Mean difference of the distal 80 % along the beam."""
    judged_pairs: Annotated[tuple[PairName, ...], Field(strict=False)] = ("delivery", "model", "total")
    """The comparisons of dose that the verdict goes by, of those that can be made; the others are shown. ``delivery``:
    engine on delivered with engine on planned spots; ``model``: engine on planned spots with planning system;
    ``total``: engine on delivered spots with planning system. The levels of gamma and range above are the total's."""
    delivery_passed_percent: AtLeast = (95.0, 90.0)
    delivery_range_mm: AtMost = (1.0, 2.0)
    model_passed_percent: AtLeast = (95.0, 90.0)
    model_range_mm: AtMost = (1.0, 2.0)
    planned_wait_h: Annotated[float, Field(ge=0, le=1e5)] = 12.0
    """A report waits so long for the engine's run of the planned spots (``engine.planned_run``); then it is made
    without, and again when that has come."""
    noise_percent: Annotated[float, Field(gt=0)] = 1.0
    """Statistical uncertainty in the high dose above which a report is at best ``review``. The result's own verdict
    keeps to the starting value: above that it is ``suspect``, and its report ``review``, whatever stands here."""
    attempts: Annotated[int, Field(ge=1, le=20)] = 3
    timeout_s: Annotated[float, Field(gt=0)] = 900.0
    memory_limit_mb: Annotated[int, Field(ge=500)] = 1500
    """Of the process that makes one report."""
