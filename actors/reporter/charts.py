"""Curves and charts: depth dose, dose-volume histograms, and the layers of a beam."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from actors.reporter.delivery import BeamJudgement, LayerJudgement
from actors.reporter.drawing import GREYS, LINES, MARKERS, as_it_is, new_figure, plain, png
from actors.reporter.dvh import Dvh
from actors.reporter.ranges import DepthDose
from actors.settings import ReportSettings

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
            level = 0.8 * float(curve.depth.dose.max())
            panel.plot([curve.depth.r80_mm], [level], MARKERS[number % len(MARKERS)], color=grey, markersize=5)
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


def draw_layers(judged: BeamJudgement, rules: ReportSettings) -> bytes:
    """MU, position, size and dose rate of every layer, with tolerance (dashed) and action level (solid)."""
    figure = new_figure(4.4)
    (mu, position), (size, rate) = figure.subplots(2, 2)
    numbers = [one.layer.layer for one in judged.layers]
    _mu(mu, judged.layers, rules)
    _position(position, judged.layers, numbers, rules)
    for name, values, marker in (
        ("x", [one.layer.size_x_mm for one in judged.layers], "o"),
        ("y", [one.layer.size_y_mm for one in judged.layers], "x"),
    ):
        size.plot(numbers, values, marker, color="black", markersize=4, fillstyle="none", label=name)
    size.set_ylim(
        0.0, 1.3 * max((max(o.layer.size_x_mm, o.layer.size_y_mm) for o in judged.layers), default=1.0) or 1.0
    )
    size.legend(fontsize=6)
    plain(size, x="layer", y="beam size as logged (mm)")
    rates = [dose_rate(one) for one in judged.layers]
    rate.plot(numbers, rates, "s", color="black", markersize=4, fillstyle="none")
    rate.set_ylim(bottom=0.0)
    plain(rate, x="layer", y="MU/s with the beam on")
    return png(figure)


def dose_rate(one: LayerJudgement) -> float:
    """MU per second of beam; 0 where the time is not known."""
    layer = one.layer
    return 1000.0 * layer.delivered_mu / layer.beam_on_ms if layer.beam_on_ms > 0 else 0.0


def _limits(panel: Axes, limits: tuple[float, float], *, both: bool) -> None:
    for level, style in zip(limits, ("--", "-"), strict=True):
        for sign in (1.0, -1.0) if both else (1.0,):
            panel.axhline(sign * level, color="0.4", linewidth=0.8, linestyle=style)


def _mu(panel: Axes, layers: Sequence[LayerJudgement], rules: ReportSettings) -> None:
    judged = [one for one in layers if one.mu_percent is not None]
    panel.plot([o.layer.layer for o in judged], [o.mu_percent or 0.0 for o in judged], "o", color="black", markersize=4)
    _limits(panel, rules.layer_mu_percent, both=True)
    plain(panel, x="layer", y="MU delivered − planned (%)")


def _position(panel: Axes, layers: Sequence[LayerJudgement], numbers: list[int], rules: ReportSettings) -> None:
    for name, values, marker in (
        ("maximum", [one.layer.max_mm for one in layers], "^"),
        ("95th percentile", [one.layer.p95_mm for one in layers], "x"),
        ("mean", [one.layer.mean_mm for one in layers], "o"),
    ):
        panel.plot(numbers, values, marker, color="black", markersize=4, fillstyle="none", label=name)
    _limits(panel, rules.position_p95_mm, both=False)
    panel.set_ylim(bottom=0.0)
    plain(panel, x="layer", y="distance to plan (mm)")
    panel.legend(fontsize=6, title="lines: limits of the 95th percentile", title_fontsize=6)
