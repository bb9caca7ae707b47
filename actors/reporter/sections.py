"""The report's sections, from what was found."""

from __future__ import annotations

from collections.abc import Iterator

from actors.reporter.charts import MAX_CURVES, Curve, draw_depths, draw_dvhs
from actors.reporter.comparison import Criterion, GammaRules
from actors.reporter.content import Picture, Section, Table
from actors.reporter.dvh import Dvh
from actors.reporter.evidence import BeamDepth, Evidence, Histograms
from actors.reporter.levels import Figure
from actors.reporter.planes import View, draw_difference, draw_dose, draw_gamma, view_of
from actors.reporter.published import Manifest
from actors.settings import ReportSettings


def dose_section(evidence: Evidence, manifest: Manifest, view: View, figures: tuple[Figure, ...]) -> Section:
    """The dose itself, its noise and dose per MU."""
    units = "Gy" if manifest.gray else "relative"
    where = "in water, along the beam" if manifest.phantom else "on the CT" if evidence.ct else "without its CT"
    picture = Picture(
        draw_dose(evidence.total, evidence.ct, view, evidence.normalisation, units),
        f"Delivered dose {where}; isodose lines at 10, 50, 80, 95 %; 100 % is {evidence.normalised_to}.",
    )
    return Section(
        title="Dose of this session",
        paragraphs=(str(manifest.dose["statement"]),),
        figures=figures,
        pictures=(picture, *_depth_pictures(evidence.depths, units)),
    )


def _depth_pictures(depths: tuple[BeamDepth, ...], units: str) -> Iterator[Picture]:
    for one in depths:
        curves = [Curve("delivered", one.delivered)]
        if one.planned is not None:
            curves.append(Curve("planned", one.planned))
        r80 = one.delivered.r80_mm
        said = "no distal end in the grid" if r80 is None else f"R80 of the mean at {r80:.1f} mm"
        yield Picture(
            draw_depths(curves, units, f"beam {one.number}"), f"Beam {one.number}: depth dose of its field; {said}."
        )


def comparison_section(
    evidence: Evidence, manifest: Manifest, rules: ReportSettings, figures: tuple[Figure, ...]
) -> Section:
    """The three pairs: what was compared, with what result, and what was not, and why."""
    pictures: tuple[Picture, ...] = ()
    paragraphs = []
    if evidence.comparison is not None and evidence.planning is not None:
        pictures = _comparison_pictures(evidence, rules)
        paragraphs.append(_how(evidence, rules))
    return Section(
        title="Comparison of dose",
        paragraphs=tuple(paragraphs),
        figures=figures,
        tables=(_pairs(evidence, manifest),),
        pictures=pictures,
    )


def _how(evidence: Evidence, rules: ReportSettings) -> str:
    assert evidence.comparison is not None
    stride = evidence.comparison.stride
    points = "every point" if stride == 1 else f"every {stride}th point in each direction"
    return (
        f"Planning dose: {evidence.planning_statement}. Gamma is global and absolute, of {points} of the planning "
        f"dose's grid at or above {rules.gamma_threshold_percent:g} % of its maximum ({evidence.normalisation:.4g} Gy, "
        "the "
        "normalisation); the delivered dose is interpolated linearly between its voxels, and so it is for differences, "
        "which stand at every such point of the planning dose's grid."
    )


def _pairs(evidence: Evidence, manifest: Manifest) -> Table:
    no_run = "not compared: no engine run of the planned spots is configured"
    total = f"not compared: {evidence.reason}" if evidence.reason else "compared"
    ranges = (
        "" if any(d.difference for d in evidence.depths) else "; range not compared: no planning dose of a single beam"
    )
    rows = (
        ("delivery", "engine (delivered) with engine (planned)", no_run),
        ("model", "engine (planned) with planning system", no_run),
        ("total", "engine (delivered) with planning system", total + ("" if evidence.reason else ranges)),
    )
    noise = [100.0 * beam.noise for beam in manifest.beams if beam.noise is not None]
    said = (
        f"Statistical uncertainty: {max(noise):.2f} % (worst beam)."
        if noise
        else "The engine gave no half-runs: the statistical uncertainty is not known."
    )
    return Table("What was compared", ("separates", "pair", "state"), rows, (None,) * 3, said, widths=(12, 38, 50))


def _comparison_pictures(evidence: Evidence, rules: ReportSettings) -> tuple[Picture, ...]:
    planning, judged = evidence.planning, Criterion(*rules.gamma_judged)
    assert planning is not None
    view = view_of(planning, phantom=False)
    difference = draw_difference(planning, evidence.total, view, evidence.normalisation)
    shown = GammaRules((judged,), rules.gamma_threshold_percent, rules.gamma_points)
    gamma = draw_gamma(planning, evidence.total, view, shown, evidence.normalisation)
    return (
        Picture(
            difference,
            "Dose delivered − planned in % of the normalisation: solid lines too much, dashed lines too little; "
            "dotted: 50 % of the planning dose.",
        ),
        Picture(gamma, f"Gamma {judged}: white 0, black 2 and more; solid line: 1; dotted: 50 % of the planning dose."),
    )


def dvh_section(evidence: Evidence, manifest: Manifest) -> Section:
    """Histograms of the structures."""
    dvh, units = evidence.dvh, "Gy" if manifest.gray else "relative"
    if dvh.reason:
        return Section("Dose-volume histograms", (f"None: {dvh.reason}.",))
    planned = {one.structure.number: one for one in dvh.planned}
    rows = tuple(row for one in dvh.delivered for row in _dvh_rows(one, planned.get(one.structure.number)))
    table = Table(
        f"Structures ({units} of this session)",
        ("structure", "dose", "volume cm³", "mean", "D98", "D95", "D50", "D2", "max"),
        rows,
        (None,) * len(rows),
        " ".join(_dvh_notes(dvh)),
    )
    first = f" The first {MAX_CURVES} structures." if len(dvh.delivered) > MAX_CURVES else ""
    return Section(
        "Dose-volume histograms",
        tables=(table,),
        pictures=(Picture(draw_dvhs(dvh.delivered, dvh.planned, units), f"Solid: delivered; dashed: planned.{first}"),),
    )


def _dvh_notes(dvh: Histograms) -> Iterator[str]:
    """How to read the table, and of which structures the dose grid has but a part: their figures rest on that part."""
    yield "Dx: dose that x % of the volume gets at least. Histograms by dicompyler-core."
    for what, found in (("delivered", dvh.delivered), ("planned", dvh.planned)):
        for notes in dict.fromkeys(one.notes for one in found if one.notes):
            names = ", ".join(one.structure.name for one in found if one.notes == notes)
            yield f"{names} ({what}): {notes}"
    if dvh.without:
        yield f"Without a histogram: {', '.join(dvh.without)}."


def _dvh_rows(delivered: Dvh, planned: Dvh | None) -> Iterator[tuple[str, ...]]:
    for name, one in (("delivered", delivered), ("planned", planned)):
        if one is not None:
            numbers = (one.mean, *(one.at_volume(percent) for percent in (98.0, 95.0, 50.0, 2.0)), one.maximum)
            yield (one.structure.name, name, f"{one.volume_cm3:.2f}", *(f"{number:.3f}" for number in numbers))
