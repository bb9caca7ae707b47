"""The judged figures of dose: maximum, dose per MU, noise, gamma, difference, range. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from actors.reporter.comparison import Comparison, Criterion
from actors.reporter.evidence import BeamDepth
from actors.reporter.levels import Figure, Level, at_least, at_most, limits_text
from actors.reporter.published import Manifest
from actors.reporter.ranges import RangeDifference
from actors.settings import ReportSettings

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


def noise_figures(manifest: Manifest, rules: ReportSettings) -> tuple[Figure, ...]:
    """The statistical uncertainty of each beam, from two half-runs."""
    return tuple(
        Figure(
            "statistical uncertainty (two half-runs, above 50 % of the maximum)",
            f"{100.0 * beam.noise:.3f} %",
            f"≤ {rules.noise_percent:g} %",
            Level.PASS if 100.0 * beam.noise <= rules.noise_percent else Level.REVIEW,
            f"Beam {beam.number}",
        )
        for beam in manifest.beams
        if beam.noise is not None
    )


def comparison_figures(comparison: Comparison, rules: ReportSettings) -> Iterator[Figure]:
    """Gamma and difference of the total comparison."""
    judged = Criterion(*rules.gamma_judged)
    for result in comparison.gammas:
        is_judged = result.criterion == judged
        seen = f", {result.outside} not reached by the delivered dose's grid" if result.outside else ""
        yield Figure(
            f"gamma {result.criterion}: points ≤ 1",
            f"{result.passed_percent:.2f} % of {result.points}{seen}; mean {result.mean:.3f}, 99 % ≤ {result.p99:.3f}, "
            f"max {result.maximum:.3f}",
            limits_text(rules.gamma_passed_percent, "%", "≥") if is_judged else "",
            at_least(result.passed_percent, rules.gamma_passed_percent) if is_judged else None,
        )
    difference = comparison.difference
    yield Figure(
        "dose delivered − planned, of the normalisation",
        f"mean {difference.mean_percent:+.2f} %, σ {difference.deviation_percent:.2f} %, 96 % of "
        f"{difference.points} points "
        f"within {difference.p02_percent:+.2f} and {difference.p98_percent:+.2f} %",
        "",
        None,
    )
    yield Figure(
        "the same at or above 80 % of the normalisation", f"mean {difference.high_mean_percent:+.2f} %", "", None
    )


def range_figures(depths: tuple[BeamDepth, ...], rules: ReportSettings) -> Iterator[Figure]:
    """Range of each beam that was compared, and how many of its rays could not be."""
    for one in depths:
        if one.difference is not None:
            yield from _range_figures(one.difference, f"Beam {one.number}", rules)


def _range_figures(difference: RangeDifference, beam: str, rules: ReportSettings) -> Iterator[Figure]:
    if difference.mean_mm is not None:
        yield Figure(
            "distal 80 % delivered − planned, along the beam",
            f"mean {difference.mean_mm:+.2f} mm, 95 % within {difference.p95_mm:.2f} mm ({difference.rays} rays)",
            limits_text(rules.range_mm, "mm (mean)"),
            at_most(abs(difference.mean_mm), rules.range_mm),
            beam,
        )
    yield Figure(
        "rays of the planned field without a distal end in the delivered dose",
        f"{difference.lost} of {difference.rays + difference.lost} ({difference.lost_percent:.1f} %)",
        f"≤ {_LOST_PERCENT:g} %",
        Level.PASS if difference.lost_percent <= _LOST_PERCENT else Level.REVIEW,
        beam,
    )
