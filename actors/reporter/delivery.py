"""Delivered against planned, per beam and layer, judged by the site's levels. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from actors.reporter.levels import Figure, Level, at_most, limits_text, signed, worst
from actors.reporter.published import BeamRecord, Manifest
from actors.settings import ReportSettings
from messages.interpretation import LayerDeviation


@dataclass(frozen=True, slots=True)
class LayerJudgement:
    """One layer with the level of each of its figures."""

    layer: LayerDeviation
    mu_percent: float | None
    """Delivered − planned; None for a layer that a partial treatment left before its end."""
    mu: Level | None
    position: Level
    size_percent: float | None
    """Largest deviation of x and y from the baseline; None without one."""
    size: Level | None
    missing: Level
    baseline_mm: float | None = None
    """Of the beam's size at this energy; None: there is none."""

    @property
    def level(self) -> Level:
        return worst((self.mu, self.position, self.size, self.missing))


@dataclass(frozen=True, slots=True)
class BeamJudgement:
    """One beam: its own figures, and its layers."""

    beam: BeamRecord
    figures: tuple[Figure, ...]
    layers: tuple[LayerJudgement, ...]
    baseline: bool
    """There is a baseline of the beam's size."""

    @property
    def level(self) -> Level:
        return worst((*(figure.level for figure in self.figures), *(layer.level for layer in self.layers)))


def judge_beams(manifest: Manifest, rules: ReportSettings) -> tuple[BeamJudgement, ...]:
    """Every beam of the result."""
    baseline = rules.spot_sizes_mm.get(manifest.calibration.get("gantry", ""), ())
    left = {amount.number: frozenset(amount.layers_left) for amount in manifest.amounts}
    return tuple(
        _beam(beam, manifest.partial, left.get(beam.number, frozenset()), baseline, rules) for beam in manifest.beams
    )


def _beam(
    beam: BeamRecord,
    partial: bool,
    left: frozenset[int],
    baseline: tuple[tuple[float, float], ...],
    rules: ReportSettings,
) -> BeamJudgement:
    stopped = left if partial else frozenset()
    layers = tuple(_layer(layer, layer.layer in stopped, baseline, rules) for layer in beam.layers)
    figures = tuple(_beam_figures(beam, layers, rules, whole=not stopped))
    return BeamJudgement(beam, figures, layers, bool(baseline))


def _layer(
    layer: LayerDeviation, stopped: bool, baseline: tuple[tuple[float, float], ...], rules: ReportSettings
) -> LayerJudgement:
    mu = None if stopped or layer.planned_mu <= 0 else 100.0 * (layer.delivered_mu / layer.planned_mu - 1.0)
    size = _size_percent(layer, baseline)
    return LayerJudgement(
        layer=layer,
        mu_percent=mu,
        mu=None if mu is None else _layer_mu(layer, mu, rules),
        position=_position(layer, rules),
        size_percent=size,
        size=None if size is None else at_most(abs(size), rules.size_percent),
        missing=Level.REVIEW if layer.missing else Level.PASS,
        baseline_mm=baseline_mm(layer.energy_mev, baseline),
    )


def _layer_mu(layer: LayerDeviation, percent: float, rules: ReportSettings) -> Level:
    if abs(layer.delivered_mu - layer.planned_mu) <= rules.layer_mu_floor:
        return Level.PASS
    return at_most(abs(percent), rules.layer_mu_percent)


def _position(layer: LayerDeviation, rules: ReportSettings) -> Level:
    return worst(
        (
            at_most(layer.mean_mm, rules.position_mean_mm),
            at_most(layer.p95_mm, rules.position_p95_mm),
            at_most(layer.max_mm, (rules.position_max_mm, rules.position_max_mm)),
            at_most(math.hypot(layer.shift_x_mm, layer.shift_y_mm), rules.position_mean_mm),
        )
    )


def _size_percent(layer: LayerDeviation, baseline: tuple[tuple[float, float], ...]) -> float | None:
    wanted = baseline_mm(layer.energy_mev, baseline)
    measured = [size for size in (layer.size_x_mm, layer.size_y_mm) if size > 0]
    if wanted is None or not measured:
        return None
    return max((100.0 * (size / wanted - 1.0) for size in measured), key=abs)


def baseline_mm(energy_mev: float, baseline: tuple[tuple[float, float], ...]) -> float | None:
    """Interpolated between the energies of the baseline; beyond its ends the nearest; None without one."""
    known = sorted(baseline)
    if not known:
        return None
    if energy_mev <= known[0][0]:
        return known[0][1]
    for (low, at_low), (high, at_high) in pairwise(known):
        if energy_mev <= high:
            return at_low + (at_high - at_low) * (energy_mev - low) / (high - low)
    return known[-1][1]


def _beam_figures(
    beam: BeamRecord, layers: tuple[LayerJudgement, ...], rules: ReportSettings, *, whole: bool
) -> Iterator[Figure]:
    subject = f"Beam {beam.number}"
    yield _beam_mu(beam, rules, whole=whole)
    if not layers:
        return
    worst_mu = max(
        (one for one in layers if one.mu_percent is not None),
        key=lambda o: (o.mu, abs(o.mu_percent or 0)),
        default=None,
    )
    if worst_mu is not None:
        yield Figure(
            f"largest MU deviation of a layer (layer {worst_mu.layer.layer})",
            f"{signed(worst_mu.mu_percent or 0.0)} %",
            limits_text(rules.layer_mu_percent, f"%, from {rules.layer_mu_floor:g} MU on"),
            worst_mu.mu,
            subject,
        )
    yield from _positions(subject, layers, rules)
    sizes = [one for one in layers if one.size_percent is not None]
    if sizes:
        largest = max(sizes, key=lambda one: abs(one.size_percent or 0.0))
        yield Figure(
            f"largest deviation of the beam's size (layer {largest.layer.layer})",
            f"{signed(largest.size_percent or 0.0, 1)} %",
            limits_text(rules.size_percent, "% of the baseline"),
            largest.size,
            subject,
        )
    missing = sum(one.layer.missing for one in layers)
    yield Figure(
        "planned spots or segments not delivered",
        str(missing),
        "none",
        Level.REVIEW if missing else Level.PASS,
        subject,
    )


def _beam_mu(beam: BeamRecord, rules: ReportSettings, *, whole: bool) -> Figure:
    planned = sum(layer.planned_mu for layer in beam.layers)
    percent = 100.0 * (beam.delivered_mu / planned - 1.0) if planned > 0 else float("nan")
    if not whole:
        name = "MU delivered of those planned (PARTIAL)"
        return Figure(name, f"{beam.delivered_mu:.3f} of {beam.planned_mu:.3f} MU", "", None, f"Beam {beam.number}")
    return Figure(
        "MU delivered − planned",
        f"{signed(percent)} % ({beam.delivered_mu:.3f} of {planned:.3f} MU)",
        limits_text(rules.beam_mu_percent, "%"),
        at_most(abs(percent), rules.beam_mu_percent),
        f"Beam {beam.number}",
    )


def _shift(one: LayerJudgement) -> float:
    """Along a line a shift is no distance to it; the centroid tells."""
    return math.hypot(one.layer.shift_x_mm, one.layer.shift_y_mm)


def _positions(subject: str, layers: tuple[LayerJudgement, ...], rules: ReportSettings) -> Iterator[Figure]:
    rows = (
        ("mean", lambda one: one.layer.mean_mm, rules.position_mean_mm),
        ("95th percentile", lambda one: one.layer.p95_mm, rules.position_p95_mm),
        ("maximum", lambda one: one.layer.max_mm, (rules.position_max_mm, rules.position_max_mm)),
        ("centroid of the layer", _shift, rules.position_mean_mm),
    )
    for name, amount, limits in rows:
        largest = max(layers, key=amount)
        yield Figure(
            f"distance to the planned position, {name} (worst: layer {largest.layer.layer})",
            f"{amount(largest):.2f} mm",
            limits_text(limits, "mm", "≤") if limits[0] < limits[1] else f"≤ {limits[1]:g} mm",
            at_most(amount(largest), limits),
            subject,
        )
