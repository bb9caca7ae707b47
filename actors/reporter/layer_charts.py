"""Charts of a beam's layers: MU, position, size, time and dose rate, with what is let pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from actors.reporter.delivery import BeamJudgement, LayerJudgement
from actors.reporter.drawing import new_figure, plain, png
from actors.settings import ReportSettings

_ENERGIES_SHOWN = 6
_INK: Mapping[str, Any] = {"color": "black", "markersize": 4, "fillstyle": "none"}


def draw_layers(judged: BeamJudgement, rules: ReportSettings) -> bytes:
    """Six panels over the layers; energies stand on top."""
    figure = new_figure(6.2)
    (amount, mu), (position, size), (time, rate) = figure.subplots(3, 2)
    layers = judged.layers
    _amounts(amount, layers)
    _mu(mu, layers, rules)
    _position(position, layers, rules)
    _size(size, layers, rules)
    _time(time, layers)
    rate.plot(_numbers(layers), [dose_rate(one) for one in layers], "s", **_INK)
    rate.set_ylim(bottom=0.0)
    plain(rate, x="layer", y="MU/s with the beam on")
    for panel in (amount, mu):
        _energies(panel, layers)
    return png(figure)


def dose_rate(one: LayerJudgement) -> float:
    """MU per second of beam; 0 where the time is not known."""
    layer = one.layer
    return 1000.0 * layer.delivered_mu / layer.beam_on_ms if layer.beam_on_ms > 0 else 0.0


def _numbers(layers: Sequence[LayerJudgement]) -> list[int]:
    return [one.layer.layer for one in layers]


def _energies(panel: Axes, layers: Sequence[LayerJudgement]) -> None:
    """Some of them, above the panel."""
    some = layers[:: max(1, -(-len(layers) // _ENERGIES_SHOWN))]
    above = panel.secondary_xaxis("top")
    above.set_xticks(_numbers(some), [f"{one.layer.energy_mev:.1f}" for one in some], fontsize=6)
    above.set_xlabel("energy (MeV)", fontsize=7)
    above.tick_params(length=2)


def _amounts(panel: Axes, layers: Sequence[LayerJudgement]) -> None:
    numbers = _numbers(layers)
    planned = [one.layer.planned_mu for one in layers]
    panel.bar(numbers, planned, color="white", edgecolor="0.4", hatch="////", linewidth=0.6, label="planned")
    panel.plot(numbers, [one.layer.delivered_mu for one in layers], "o", color="black", markersize=3, label="delivered")
    plain(panel, x="layer", y="MU")
    panel.set_axisbelow(True)
    panel.legend(fontsize=6)


def _mu(panel: Axes, layers: Sequence[LayerJudgement], rules: ReportSettings) -> None:
    judged = [one for one in layers if one.mu_percent is not None]
    panel.plot(_numbers(judged), [one.mu_percent or 0.0 for one in judged], "o", color="black", markersize=4)
    _limits(panel, rules.layer_mu_percent, both=True)
    plain(panel, x="layer", y="MU delivered − planned (%)")


def _position(panel: Axes, layers: Sequence[LayerJudgement], rules: ReportSettings) -> None:
    for name, values, marker in (
        ("maximum", [one.layer.max_mm for one in layers], "^"),
        ("95th percentile", [one.layer.p95_mm for one in layers], "x"),
        ("mean", [one.layer.mean_mm for one in layers], "o"),
    ):
        panel.plot(_numbers(layers), values, marker, **_INK, label=name)
    _limits(panel, rules.position_p95_mm, both=False)
    panel.set_ylim(bottom=0.0)
    plain(panel, x="layer", y="distance to plan (mm)")
    panel.legend(fontsize=6, title="lines: limits of the 95th percentile", title_fontsize=6)


def _size(panel: Axes, layers: Sequence[LayerJudgement], rules: ReportSettings) -> None:
    numbers = _numbers(layers)
    sizes = [(one.layer.size_x_mm, one.layer.size_y_mm) for one in layers]
    for name, place, marker in (("x", 0, "o"), ("y", 1, "x")):
        panel.plot(numbers, [size[place] for size in sizes], marker, **_INK, label=name)
    known = [(one.layer.layer, one.baseline_mm) for one in layers if one.baseline_mm is not None]
    for level, style in zip(rules.size_percent, ("--", "-"), strict=True):
        for sign in (1.0, -1.0) if known else ():
            limit = [mm * (1.0 + sign * level / 100.0) for _, mm in known]
            panel.plot([number for number, _ in known], limit, style, color="0.4", linewidth=0.8)
    panel.set_ylim(0.0, 1.3 * max((max(size) for size in sizes), default=1.0) or 1.0)
    plain(panel, x="layer", y="beam size as logged (mm)")
    panel.legend(fontsize=6, loc="lower right", title="" if known else "no baseline: not judged", title_fontsize=6)


def _time(panel: Axes, layers: Sequence[LayerJudgement]) -> None:
    numbers = _numbers(layers)
    panel.plot(numbers, [one.layer.total_ms for one in layers], "s", **_INK, label="first to last sample")
    panel.plot(numbers, [one.layer.beam_on_ms for one in layers], "x", **_INK, label="beam on")
    panel.set_ylim(bottom=0.0)
    plain(panel, x="layer", y="time of the layer (ms)")
    panel.legend(fontsize=6)


def _limits(panel: Axes, limits: tuple[float, float], *, both: bool) -> None:
    for level, style in zip(limits, ("--", "-"), strict=True):
        for sign in (1.0, -1.0) if both else (1.0,):
            panel.axhline(sign * level, color="0.4", linewidth=0.8, linestyle=style)
