"""Maps across the beam: the planned scan with the samples that were measured, and where MU are too many or too few.

Told by shape: a dot lies within tolerance, a cross beyond it, a triangle beyond the largest distance that is let pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from actors.formats.off_plan import undelivered
from actors.formats.plan import ScanMode
from actors.formats.planned_path import PlannedPath
from actors.reporter.drawing import label_lines, new_figure, plain, png, telling_levels
from actors.reporter.levels import Level, signed
from actors.reporter.spot_table import BeamSpots, LayerSpots
from actors.settings import ReportSettings

COLUMNS, ROWS = 5, 4
SMOOTHED_MM = 4.0
"""Standard deviation of the smoothing of the map of MU: about a spot."""
_MARGIN_MM = 10.0
_PITCH_MM = 1.0
_STEP_MM = 0.5
_DOTS = 4000
_MARKS = 400
_DOTS_OF_LAYER = 500
_MARKS_OF_LAYER = 60
_PANEL_OF_TWO_IN, _PANEL_OF_FIVE_IN = 2.9, 1.25
_TALLEST_IN = 4.0
_GRAVE = {Level.REVIEW: " △", Level.FAIL: " ✗"}

Points = NDArray[np.float64]


def draw_beam_map(spots: BeamSpots, rules: ReportSettings) -> bytes:
    """All layers on one another: where the samples lay, and the MU delivered − planned."""
    limits = _limits(spots.layers)
    figure = new_figure(_height(limits, _PANEL_OF_TWO_IN, _TALLEST_IN) + 1.0)
    where, amount = figure.subplots(1, 2)
    for layer in spots.layers:
        _planned(where, layer.path, spots.mode, 2.5)
    off = np.concatenate([layer.off_mm for layer in spots.layers])
    _samples(where, np.concatenate([layer.xy_mm for layer in spots.layers]), off, rules, (_DOTS, _MARKS))
    _frame(where, limits, "where the beam was, all layers")
    figure.legend(fontsize=6.5, loc="outside lower left", ncols=3, frameon=False, markerscale=1.3)
    _mu_difference(amount, spots, limits)
    return png(figure)


def draw_layer_maps(
    spots: BeamSpots, levels: Mapping[int, Level], rules: ReportSettings
) -> Iterator[tuple[Sequence[int], bytes]]:
    """(layers, picture) of up to 20 layers each, every layer in a panel of its own on one scale."""
    limits = _limits(spots.layers)
    for first in range(0, len(spots.layers), COLUMNS * ROWS):
        shown = spots.layers[first : first + COLUMNS * ROWS]
        rows = -(-len(shown) // COLUMNS)
        figure = new_figure(0.4 + rows * (_height(limits, _PANEL_OF_FIVE_IN, _TALLEST_IN) + 0.3))
        panels = figure.subplots(rows, COLUMNS, sharex=True, sharey=True, squeeze=False).ravel()
        for panel, layer in zip(panels, shown, strict=False):
            _layer(panel, layer, spots.mode, levels.get(layer.layer, Level.PASS), rules)
            _frame(panel, limits, panel.get_title(), labels=False)
        for panel in panels[len(shown) :]:
            panel.set_visible(False)
        figure.supxlabel("x (mm)", fontsize=7)
        figure.supylabel("y (mm)", fontsize=7)
        yield tuple(layer.layer for layer in shown), png(figure)


def _layer(panel: Axes, layer: LayerSpots, mode: ScanMode, level: Level, rules: ReportSettings) -> None:
    _planned(panel, layer.path, mode, 2.5)
    _samples(panel, layer.xy_mm, layer.off_mm, rules, (_DOTS_OF_LAYER, _MARKS_OF_LAYER))
    missed = undelivered(layer.path, layer.stretch_mu) & layer.whole
    if missed.any():
        ways = np.stack((layer.path.begin_mm[missed], layer.path.end_mm[missed]), axis=1)
        panel.add_collection(LineCollection(list(ways), colors="black", linewidths=3.0, alpha=1.0, capstyle="butt"))
        panel.add_collection(LineCollection(list(ways), colors="white", linewidths=1.6, linestyles=(0, (1.5, 1.5))))
    part = "" if layer.whole else ", part"
    panel.set_title(f"{layer.layer}: {layer.energy_mev:.1f} MeV{part}{_GRAVE.get(level, '')}")


def _planned(panel: Axes, path: PlannedPath, mode: ScanMode, width: float) -> None:
    if mode is ScanMode.SPOT:
        panel.plot(*path.end_mm.T, "+", color="0.6", markersize=2.0 * width, markeredgewidth=0.8, zorder=1)
        return
    ways = np.stack((path.begin_mm, path.end_mm), axis=1)
    panel.add_collection(LineCollection(list(ways), colors="0.8", linewidths=width, capstyle="round", zorder=1))


def _samples(
    panel: Axes, xy: NDArray[np.float32], off: NDArray[np.float32], rules: ReportSettings, most: tuple[int, int]
) -> None:
    """At most about so many dots, and so many of each mark."""
    tolerance, largest = rules.position_p95_mm[0], rules.position_max_mm
    for chosen, style, size, name in (
        (off <= tolerance, ".", 1.2, f"within {tolerance:g} mm of the plan"),
        ((off > tolerance) & (off <= largest), "x", 3.5, f"{tolerance:g} to {largest:g} mm off"),
        (off > largest, "^", 3.5, f"more than {largest:g} mm off"),
    ):
        found = np.flatnonzero(chosen)
        share = 100.0 * len(found) / max(len(off), 1)
        if style == ".":
            found = found[:: max(1, -(-len(found) // most[0]))]
        else:
            found = found[:: max(1, -(-len(found) // most[1]))]
        if len(found):
            label = f"{name}: {share:.3g} % of samples"
            panel.plot(*xy[found].T, style, color="black", markersize=size, markeredgewidth=0.6, label=label, zorder=2)


def _mu_difference(panel: Axes, spots: BeamSpots, limits: tuple[tuple[float, float], tuple[float, float]]) -> None:
    """Smoothed, in percent of the planned maximum; layers that a partial session left are in neither."""
    whole = [layer for layer in spots.layers if layer.whole]
    if not whole:
        panel.set_axis_off()
        panel.set_title("MU: no layer was delivered whole", fontsize=8)
        return
    edges = [np.arange(low, high + _PITCH_MM, _PITCH_MM) for low, high in limits]
    planned, delivered = np.zeros((2, len(edges[1]) - 1, len(edges[0]) - 1))
    for layer in whole:
        planned += _spread(*_points(layer.path), edges)
        delivered += _spread(layer.xy_mm.astype(np.float64), layer.mu.astype(np.float64), edges)
    difference = _smooth(delivered - planned) / _smooth(planned).max() * 100.0
    extent = (edges[0][0], edges[0][-1], edges[1][0], edges[1][-1])
    image = panel.imshow(
        np.abs(difference), origin="lower", extent=extent, cmap="gray_r", vmin=0.0, vmax=20.0, aspect="equal"
    )
    image.set_rasterized(True)
    centres = [0.5 * (edge[:-1] + edge[1:]) for edge in edges]
    for sign, style in ((1.0, "solid"), (-1.0, "dashed")):
        levels = telling_levels(difference, sign)
        if levels:
            lines = panel.contour(*centres, difference, levels, colors="black", linestyles=style, linewidths=0.9)
            label_lines(panel, lines)
    panel.contour(
        *centres, _smooth(planned), [0.5 * _smooth(planned).max()], colors="0.45", linestyles="dotted", linewidths=0.9
    )
    _frame(panel, limits, f"MU delivered − planned, largest {signed(_largest(difference), 1)} %")
    panel.grid(False)


def _points(path: PlannedPath) -> tuple[Points, Points]:
    """((k, 2) places, (k,) MU) of the planned MU, spread evenly over each stretch."""
    lengths = np.linalg.norm(path.end_mm - path.begin_mm, axis=1)
    counts = np.maximum(np.ceil(lengths / _STEP_MM).astype(int), 1)
    owner = np.repeat(np.arange(len(path)), counts)
    inside = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    share = ((inside + 0.5) / counts[owner])[:, None]
    places: Points = path.begin_mm[owner] * (1.0 - share) + path.end_mm[owner] * share
    return places, path.mu[owner] / counts[owner]


def _spread(places: Points, mu: Points, edges: Sequence[Points]) -> Points:
    """(y, x) MU in each cell."""
    found: Points = np.histogram2d(places[:, 1], places[:, 0], bins=(edges[1], edges[0]), weights=mu)[0]
    return found


def _smooth(cells: Points) -> Points:
    smoothed: Points = gaussian_filter(cells, SMOOTHED_MM / _PITCH_MM, mode="constant")
    return smoothed


def _largest(difference: Points) -> float:
    """By amount, with its sign."""
    return float(difference.flat[np.abs(difference).argmax()])


def _height(limits: tuple[tuple[float, float], tuple[float, float]], width_in: float, most_in: float) -> float:
    """Of a panel so wide that shows all of it on one scale."""
    (left, right), (low, high) = limits
    return min(width_in * (high - low) / (right - left), most_in)


def _limits(layers: Sequence[LayerSpots]) -> tuple[tuple[float, float], tuple[float, float]]:
    """(x, y) from and to, mm."""
    every = np.concatenate([part for layer in layers for part in (layer.path.begin_mm, layer.path.end_mm)])
    measured = np.concatenate([layer.xy_mm for layer in layers])
    low = np.minimum(every.min(axis=0), measured.min(axis=0)) - _MARGIN_MM
    high = np.maximum(every.max(axis=0), measured.max(axis=0)) + _MARGIN_MM
    return (float(low[0]), float(high[0])), (float(low[1]), float(high[1]))


def _frame(
    panel: Axes, limits: tuple[tuple[float, float], tuple[float, float]], title: str, *, labels: bool = True
) -> None:
    plain(panel, x="x (mm)" if labels else "", y="y (mm)" if labels else "", title=title)
    panel.set_xlim(limits[0])
    panel.set_ylim(limits[1])
    panel.set_aspect("equal", adjustable="box")
    if not labels:
        panel.title.set_fontsize(7)
        panel.tick_params(labelsize=6)
