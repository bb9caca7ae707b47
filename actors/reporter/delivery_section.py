"""Delivered against planned on the page: a section for each beam, with its maps, charts and layers."""

from __future__ import annotations

from collections.abc import Iterator

from actors.formats.plan import ScanMode
from actors.reporter.content import Picture, Section, Table
from actors.reporter.delivery import BeamJudgement
from actors.reporter.layer_charts import dose_rate, draw_layers
from actors.reporter.levels import limits_text, signed
from actors.reporter.spot_maps import SMOOTHED_MM, draw_beam_map, draw_layer_maps
from actors.reporter.spot_table import BeamSpots, SpotTables
from actors.settings import ReportSettings

_DASH = "–"


def delivery_sections(judged: tuple[BeamJudgement, ...], spots: SpotTables, rules: ReportSettings) -> Iterator[Section]:
    """Delivered against planned, a section for each beam."""
    for one in judged:
        beam = one.beam
        table, reason = spots.beam(beam.number)
        charts = Picture(
            draw_layers(one, rules), f"Beam {beam.number}, layer by layer. Dashed: tolerance; solid: action level."
        )
        yield Section(
            title=f"Beam {beam.number} {beam.name}: delivered against planned",
            paragraphs=(_geometry(one), *((f"Maps of the samples: none, for {reason}.",) if reason else ())),
            figures=one.figures,
            pictures=(*(_maps(one, table, rules) if table is not None else ()), charts),
            tables=(_layer_table(one, _limits_note(one, rules)),),
        )


def _maps(judged: BeamJudgement, spots: BeamSpots, rules: ReportSettings) -> Iterator[Picture]:
    scan = "planned segments: grey lines" if spots.mode is ScanMode.LINE else "planned spots: grey crosses"
    yield Picture(
        draw_beam_map(spots, rules),
        f"Beam {judged.beam.number}, isocentre plane, all layers. Left: samples with the beam on; {scan}. Right: MU "
        f"delivered − planned, smoothed (σ {SMOOTHED_MM:g} mm), in % of the planned maximum: solid lines too much, "
        "dashed too little, dotted 50 % of the planned MU.",
    )
    levels = {one.layer.layer: one.level for one in judged.layers}
    for layers, picture in draw_layer_maps(spots, levels, rules):
        yield Picture(
            picture,
            f"Beam {judged.beam.number}, layers {layers[0]} to {layers[-1]}: {scan}; marks as above, some of each "
            "layer's samples; dashed black bar: planned and not delivered; △ review, ✗ fail.",
        )


def _limits_note(judged: BeamJudgement, rules: ReportSettings) -> str:
    size = (
        f"size Δ {limits_text(rules.size_percent, '% of the baseline')}"
        if judged.baseline
        else "no baseline of the beam's size is configured for this gantry, sizes are not judged"
    )
    return (
        f"Tolerance / action: Δ {limits_text(rules.layer_mu_percent, '%')} (from {rules.layer_mu_floor:g} MU on); "
        f"distance to the plan: mean {limits_text(rules.position_mean_mm, 'mm', '≤')}, 95 % "
        f"{limits_text(rules.position_p95_mm, 'mm', '≤')}, max ≤ {rules.position_max_mm:g} mm, shift (of the layer's "
        f"centroid) {limits_text(rules.position_mean_mm, 'mm', '≤')}; {size}; miss (planned "
        "segments or spots with less than a quarter of their MU): none. Times and dose rate are not judged."
    )


def _geometry(judged: BeamJudgement) -> str:
    beam, fit = judged.beam, judged.beam.fit
    return (
        f"Gantry {beam.gantry_deg:g}°, couch {beam.couch_deg:g}°, {len(judged.layers)} layers. Measured positions fit "
        f"the planned axes ({fit.best}, scale {fit.scale:.4f}, shift x, y {signed(fit.shift_x_mm)}, "
        f"{signed(fit.shift_y_mm)} mm, {fit.rms_mm:.2f} mm RMS; "
        f"next best {fit.runner_up} with {fit.runner_up_rms_mm:.2f} mm)."
    )


def _layer_table(judged: BeamJudgement, note: str) -> Table:
    columns = (
        *("layer", "MeV", "MU plan", "MU deliv.", "Δ %", "mean mm", "95 % mm", "max mm", "shift x, y mm"),
        *("size x, y mm", "size Δ %", "miss", "beam on ms", "total ms", "MU/s", "level"),
    )
    rows = []
    for one in judged.layers:
        layer = one.layer
        rows.append(
            (
                str(layer.layer),
                f"{layer.energy_mev:.2f}",
                f"{layer.planned_mu:.4f}",
                f"{layer.delivered_mu:.4f}",
                _DASH if one.mu_percent is None else signed(one.mu_percent),
                f"{layer.mean_mm:.2f}",
                f"{layer.p95_mm:.2f}",
                f"{layer.max_mm:.2f}",
                f"{signed(layer.shift_x_mm)}, {signed(layer.shift_y_mm)}",
                f"{layer.size_x_mm:.2f}, {layer.size_y_mm:.2f}" if layer.size_x_mm else _DASH,
                _DASH if one.size_percent is None else signed(one.size_percent, 1),
                str(layer.missing),
                f"{layer.beam_on_ms:.1f}",
                f"{layer.total_ms:.1f}",
                f"{dose_rate(one):.2f}",
                one.level.word,
            )
        )
    return Table(
        title="Layers",
        columns=columns,
        rows=tuple(rows),
        levels=tuple(one.level for one in judged.layers),
        note=note,
        widths=(5, 6, 7, 7, 6, 5, 5, 5, 8, 8, 5, 6, 6, 6, 6, 6),
    )
