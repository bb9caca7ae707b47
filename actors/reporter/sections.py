"""The report's sections, from what was found."""

from __future__ import annotations

from collections.abc import Iterator

from actors.reporter.charts import MAX_CURVES, Curve, draw_depths, draw_dvhs
from actors.reporter.content import Picture, Section, Table
from actors.reporter.dvh import Dvh
from actors.reporter.evidence import BeamDepth, Evidence, Histograms
from actors.reporter.levels import Figure
from actors.reporter.planes import View, draw_dose
from actors.reporter.published import Manifest

_SPOTS = "planned spots (engine)"

_DVH_COLUMNS = ("mean", "D98", "D95", "D50", "D2", "max")


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
        if one.simulated is not None:
            curves.append(Curve(_SPOTS, one.simulated))
        r80 = one.delivered.r80_mm
        said = "no distal end in the grid" if r80 is None else f"R80 of the mean at {r80:.1f} mm"
        yield Picture(
            draw_depths(curves, units, f"beam {one.number}"), f"Beam {one.number}: depth dose of its field; {said}."
        )


def dvh_section(evidence: Evidence, manifest: Manifest) -> Section:
    """Histograms of the structures."""
    dvh, units, unit = evidence.dvh, *(("Gy", "Gy") if manifest.gray else ("relative", ""))
    if dvh.reason:
        return Section("Dose-volume histograms", (f"None: {dvh.reason}.",))
    planned = {one.structure.number: one for one in dvh.planned}
    spots = {one.structure.number: one for one in dvh.simulated}
    rows = tuple(
        row
        for one in dvh.delivered
        for row in _dvh_rows(one, planned.get(one.structure.number), spots.get(one.structure.number))
    )
    table = Table(
        f"Structures ({units} of this session)",
        ("structure", "dose", "volume cm³", *(f"{name} {unit}".strip() for name in _DVH_COLUMNS)),
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
    for what, found in (("delivered", dvh.delivered), ("planned", dvh.planned), (_SPOTS, dvh.simulated)):
        for notes in dict.fromkeys(one.notes for one in found if one.notes):
            names = ", ".join(one.structure.name for one in found if one.notes == notes)
            yield f"{names} ({what}): {notes}"
    if dvh.without:
        yield f"Without a histogram: {', '.join(dvh.without)}."


def _dvh_rows(delivered: Dvh, planned: Dvh | None, spots: Dvh | None) -> Iterator[tuple[str, ...]]:
    for name, one in (("delivered", delivered), ("planned", planned), (_SPOTS, spots)):
        if one is not None:
            numbers = (one.mean, *(one.at_volume(percent) for percent in (98.0, 95.0, 50.0, 2.0)), one.maximum)
            yield (one.structure.name, name, f"{one.volume_cm3:.2f}", *(f"{number:.3f}" for number in numbers))
