"""The comparisons of dose: which of the three pairs were made, what came of each, and which were not, and why."""

from __future__ import annotations

from collections.abc import Iterator

from actors.reporter.comparison import Criterion, GammaRules
from actors.reporter.content import Picture, Section, Table
from actors.reporter.evidence import Evidence
from actors.reporter.findings import Findings
from actors.reporter.levels import Level
from actors.reporter.pairs import Pair, PairName
from actors.reporter.planes import draw_difference, draw_gamma, view_of
from actors.reporter.published import Manifest
from actors.settings import ReportSettings


def comparison_sections(findings: Findings) -> Iterator[Section]:
    """What was compared and how; then the figures and pictures of the pairs, where there are any."""
    evidence, rules, manifest = findings.evidence, findings.rules, findings.published.manifest
    compared = [pair for pair in evidence.pairs if pair.comparison is not None]
    yield Section(
        title="Comparison of dose",
        paragraphs=(*_how(evidence, rules), *(_of_pair(pair, manifest) for pair in compared)),
        tables=(_table(findings),),
    )
    if findings.compared:
        pictures = tuple(picture for pair in compared for picture in _pictures(pair, manifest, rules))
        yield Section(title="Comparison of dose: figures", figures=findings.compared, pictures=pictures)


def _how(evidence: Evidence, rules: ReportSettings) -> Iterator[str]:
    if evidence.planning_statement:
        yield f"Planning dose: {evidence.planning_statement}."
    if evidence.simulated is not None:
        run = evidence.simulated.manifest
        yield (
            f"Planned spots: {run.case}, computed once for this plan by the same engine, profile and calibration; line "
            "scanning as segments with their meterset spread evenly, spot scanning as spots; seeds of its own."
        )
    if any(pair.comparison is not None for pair in evidence.pairs):
        yield (
            "Gamma is global and absolute, of points of the reference's grid at or above "
            f"{rules.gamma_threshold_percent:g} % of the normalisation; the evaluated dose is interpolated linearly "
            "between its voxels, and so it is for differences, which stand at every such point."
        )


def _of_pair(pair: Pair, manifest: Manifest) -> str:
    assert pair.comparison is not None, "of a pair that was compared"
    stride, units = pair.comparison.stride, "Gy" if manifest.gray else "relative"
    points = "every point" if stride == 1 else f"one point in {stride} along each axis"
    return (
        f"{str(pair.name).capitalize()}: {pair.evaluated} evaluated, {pair.reference} the reference; gamma of "
        f"{points}; normalisation {pair.comparison.normalisation_gy:.4g} {units}."
    )


def _table(findings: Findings) -> Table:
    verdicts = {pair.name: level for pair, level in findings.pair_verdicts}
    rows = tuple(
        (str(pair.name), f"{pair.evaluated} with {pair.reference}", _state(pair), _verdict(pair, verdicts))
        for pair in findings.evidence.pairs
    )
    levels = tuple(verdicts.get(pair.name) for pair in findings.evidence.pairs)
    columns = ("separates", "pair", "state", "verdict")
    return Table("What was compared", columns, rows, levels, _noise_note(findings), widths=(10, 36, 44, 10))


def _state(pair: Pair) -> str:
    if pair.reason:
        return f"not compared: {pair.reason}"
    return "compared" if pair.ranges else "compared; range not: no dose of a single beam in both"


def _verdict(pair: Pair, verdicts: dict[PairName, Level | None]) -> str:
    if pair.name not in verdicts:
        return "–"
    level = verdicts[pair.name]
    return "not judged" if level is None else level.word


def _noise_note(findings: Findings) -> str:
    noise = [100.0 * beam.noise for beam in findings.published.manifest.beams if beam.noise is not None]
    if not noise:
        return "The engine gave no half-runs: the statistical uncertainty is not known."
    return f"Statistical uncertainty of the delivered dose: {max(noise):.2f} % (worst beam); of each pair: its figures."


def _pictures(pair: Pair, manifest: Manifest, rules: ReportSettings) -> Iterator[Picture]:
    assert pair.comparison is not None and pair.doses is not None, "of a pair that was compared"
    reference, evaluated = pair.doses
    to, name = pair.comparison.normalisation_gy, str(pair.name).capitalize()
    view = view_of(reference, phantom=manifest.phantom)
    yield Picture(
        draw_difference(reference, evaluated, view, to),
        f"{name}: dose {pair.evaluated} − {pair.reference} in % of the normalisation: solid lines too much, dashed "
        "lines too little; dotted: 50 % of the reference.",
    )
    judged = Criterion(*rules.gamma_judged)
    shown = GammaRules((judged,), rules.gamma_threshold_percent, rules.gamma_points)
    yield Picture(
        draw_gamma(reference, evaluated, view, shown, to),
        f"{name}: gamma {judged}, white 0, black 2 and more; solid line: 1; dotted: 50 % of the reference.",
    )
