"""Curves: depth dose and dose-volume histograms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from actors.reporter.drawing import GREYS, LINES, MARKERS, as_it_is, new_figure, plain, png
from actors.reporter.dvh import Dvh
from actors.reporter.ranges import DepthDose

MAX_CURVES = 8


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A depth dose with its name."""

    name: str
    depth: DepthDose


def draw_depths(curves: Sequence[Curve], units: str, title: str) -> bytes:
    """Mean dose of the field along the beam; the small mark is R80."""
    figure = new_figure(2.2)
    panel = figure.subplots()
    for number, curve in enumerate(curves):
        style, grey = LINES[number % len(LINES)], GREYS[number % len(GREYS)]
        panel.plot(curve.depth.along_mm, curve.depth.dose, style, color=grey, linewidth=1.3, label=curve.name)
        if curve.depth.r80_mm is not None:
            level, marker = 0.8 * float(curve.depth.dose.max()), MARKERS[number % len(MARKERS)]
            said = f"its R80: {curve.depth.r80_mm:.1f} mm"
            panel.plot([curve.depth.r80_mm], [level], marker, color=grey, fillstyle="none", markersize=6, label=said)
    dose = np.max([curve.depth.dose for curve in curves], axis=0)
    along = curves[0].depth.along_mm[dose > 0.005 * dose.max()]
    if len(along):
        panel.set_xlim(float(along[0]) - 5.0, float(along[-1]) + 10.0)
    panel.set_ylim(bottom=0.0)
    plain(panel, x="along the beam from the isocentre (mm)", y=f"mean dose of the field ({units})", title=title)
    panel.legend(fontsize=7)
    return png(figure)


def draw_dvhs(delivered: Sequence[Dvh], planned: Sequence[Dvh], units: str) -> bytes:
    """Delivered solid, planned dashed; each structure has a mark and a grey of its own."""
    figure = new_figure(3.0)
    panel = figure.subplots()
    marks = {dvh.structure.number: n for n, dvh in enumerate(delivered)}
    for curves, style, what in ((delivered, "-", "delivered"), (planned, "--", "planned")):
        for dvh in curves[:MAX_CURVES]:
            n = marks.get(dvh.structure.number, 0)
            panel.plot(
                dvh.dose,
                dvh.volume_percent,
                style,
                color=GREYS[n % len(GREYS)],
                linewidth=1.2,
                marker=MARKERS[n % len(MARKERS)],
                markersize=3.5,
                markevery=max(len(dvh.dose) // 12, 1),
                label=as_it_is(f"{dvh.structure.name}, {what}"),
            )
    panel.set_ylim(0.0, 103.0)
    panel.set_xlim(left=0.0)
    plain(panel, x=f"dose of this fraction ({units})", y="volume (%)")
    panel.legend(fontsize=6, ncols=2)
    return png(figure)
