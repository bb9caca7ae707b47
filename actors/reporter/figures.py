"""The judged figures of dose: maximum, dose per MU, noise, gamma, difference, range. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from actors.reporter.comparison import Comparison, Criterion
from actors.reporter.levels import Figure, Level, at_least, at_most, limits_text, signed
from actors.reporter.pairs import Pair, PairName
from actors.reporter.published import Manifest
from actors.reporter.ranges import RangeDifference
from actors.settings import ReportSettings

_DIFFERENCES = {
    "delivery": "delivered − planned spots",
    "model": "engine − planning system",
    "total": "delivered − planning system",
}
_LOST_PERCENT = 2.0
"""Of a beam's rays: of more than these the range must not stay unknown behind the mean of the others."""


def dose_figures(manifest: Manifest) -> Iterator[Figure]:
    units = "Gy" if manifest.gray else "relative"
    yield Figure("maximum of the sum", f"{float(manifest.sum['maximum']):.4g} {units}", "", None)
    for beam in manifest.beams:
        yield Figure("maximum", f"{beam.maximum:.4g} {units}", "", None, f"Beam {beam.number}")
        bounds = manifest.profile["content"].get("dose_per_mu")
        if beam.dose_per_mu is not None:
            inside = bounds is not None and bounds[0] <= beam.dose_per_mu <= bounds[1]
            yield Figure(
                "dose × volume per MU",
                f"{beam.dose_per_mu:.4g} Gy·cm³/MU",
                f"{bounds[0]:g} to {bounds[1]:g} Gy·cm³/MU (profile)" if bounds else "",
                None if bounds is None else Level.PASS if inside else Level.REVIEW,
                f"Beam {beam.number}",
            )


def noise_figures(manifest: Manifest, rules: ReportSettings, beam_of: str = "Beam") -> tuple[Figure, ...]:
    """The statistical uncertainty of each beam, from two half-runs. beam_of: what the beams are called."""
    return tuple(
        Figure(
            "statistical uncertainty (two half-runs, above 50 % of the maximum)",
            f"{100.0 * beam.noise:.3f} %",
            f"≤ {rules.noise_percent:g} %",
            Level.PASS if 100.0 * beam.noise <= rules.noise_percent else Level.REVIEW,
            f"{beam_of} {beam.number}",
        )
        for beam in manifest.beams
        if beam.noise is not None
    )


@dataclass(frozen=True, slots=True)
class PairLevels:
    """What a comparison is judged by."""

    passed_percent: tuple[float, float]
    range_mm: tuple[float, float]
    judged: bool
    """False: its figures are shown, and the verdict does not go by them."""


def levels_of(name: PairName, rules: ReportSettings) -> PairLevels:
    """As the site configured them."""
    passed, distance = {
        PairName.DELIVERY: (rules.delivery_passed_percent, rules.delivery_range_mm),
        PairName.MODEL: (rules.model_passed_percent, rules.model_range_mm),
        PairName.TOTAL: (rules.gamma_passed_percent, rules.range_mm),
    }[name]
    return PairLevels(passed, distance, name in rules.judged_pairs)


def pair_figures(pair: Pair, rules: ReportSettings) -> tuple[Figure, ...]:
    """Everything of one comparison; none where nothing could be compared."""
    levels, subject = levels_of(pair.name, rules), str(pair.name).capitalize()
    whole = pair.comparison
    figures = (
        *(_comparison_figures(whole, rules, levels.passed_percent, subject) if whole is not None else ()),
        *_noise_beside(pair, subject),
        *(figure for one in pair.ranges for figure in _range_figures(one.difference, levels, subject, one.number)),
    )
    return figures if levels.judged else tuple(replace(one, limits="", level=None) for one in figures)


def _noise_beside(pair: Pair, subject: str) -> Iterator[Figure]:
    """What of the differences above may be noise."""
    noise = pair.noise
    if noise is None:
        return
    together = "not known" if noise.together is None else f"{100.0 * noise.together:.3f} %"
    sides = [f"{pair.evaluated} {_percent(noise.evaluated)}"]
    sides.append(f"{pair.reference} {_percent(noise.reference)}" if noise.statistical else f"{pair.reference}: none")
    yield Figure("statistical uncertainty of this comparison", f"{together} ({'; '.join(sides)})", "", None, subject)


def _percent(noise: float | None) -> str:
    return "not known" if noise is None else f"{100.0 * noise:.3f} %"


def _comparison_figures(
    comparison: Comparison, rules: ReportSettings, passed: tuple[float, float], subject: str
) -> Iterator[Figure]:
    """Gamma and difference of one pair."""
    judged = Criterion(*rules.gamma_judged)
    for result in comparison.gammas:
        is_judged = result.criterion == judged
        seen = f", {result.outside} not reached by the evaluated dose's grid" if result.outside else ""
        yield Figure(
            f"gamma {result.criterion}, points with γ ≤ 1",
            f"{result.passed_percent:.2f} % of {result.points}{seen}; mean {result.mean:.3f}, 99 % ≤ {result.p99:.3f}, "
            f"max {result.maximum:.3f}",
            limits_text(passed, "%", "≥") if is_judged else "",
            at_least(result.passed_percent, passed) if is_judged else None,
            subject,
        )
    difference = comparison.difference
    yield Figure(
        f"dose {_DIFFERENCES[subject.lower()]}, of the normalisation",
        f"mean {signed(difference.mean_percent)} %, σ {difference.deviation_percent:.2f} %, 96 % of "
        f"{difference.points} points "
        f"within {signed(difference.p02_percent)} and {signed(difference.p98_percent)} %",
        "",
        None,
        subject,
    )
    yield Figure(
        "the same at or above 80 % of the normalisation",
        f"mean {signed(difference.high_mean_percent)} %",
        "",
        None,
        subject,
    )


def _range_figures(difference: RangeDifference, levels: PairLevels, subject: str, number: int) -> Iterator[Figure]:
    """Range of a beam, and how many of its rays could not be compared."""
    beam = f"{subject}, beam {number}"
    if difference.mean_mm is not None:
        yield Figure(
            f"distal 80 % {_DIFFERENCES[subject.lower()]}, along the beam",
            f"mean {signed(difference.mean_mm)} mm, 95 % within {difference.p95_mm:.2f} mm ({difference.rays} rays)",
            limits_text(levels.range_mm, "mm (mean)"),
            at_most(abs(difference.mean_mm), levels.range_mm),
            beam,
        )
    yield Figure(
        "rays of the reference's field without a distal end in the evaluated dose",
        f"{difference.lost} of {difference.rays + difference.lost} ({difference.lost_percent:.1f} %)",
        f"≤ {_LOST_PERCENT:g} %",
        Level.PASS if difference.lost_percent <= _LOST_PERCENT else Level.REVIEW,
        beam,
    )
