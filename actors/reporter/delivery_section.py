"""Delivered against planned on the page: a section for each beam, with its maps, charts and layers."""

from __future__ import annotations

from collections.abc import Iterator

from actors.reporter.charts import dose_rate, draw_layers
from actors.reporter.content import Picture, Section, Table
from actors.reporter.delivery import BeamJudgement
from actors.settings import ReportSettings

_DASH = "–"


def delivery_sections(judged: tuple[BeamJudgement, ...], rules: ReportSettings) -> Iterator[Section]:
    """Delivered against planned, a section for each beam."""
    for one in judged:
        beam = one.beam
        note = (
            ""
            if one.baseline
            else "No baseline of the beam's size is configured for this gantry: sizes are not judged."
        )
        yield Section(
            title=f"Beam {beam.number} {beam.name}: delivered against planned",
            paragraphs=(_geometry(one),),
            figures=one.figures,
            pictures=(
                Picture(
                    draw_layers(one, rules),
                    f"Beam {beam.number}, layer by layer. Dashed: tolerance; solid: action level.",
                ),
            ),
            tables=(_layer_table(one, note),),
        )


def _geometry(judged: BeamJudgement) -> str:
    beam, fit = judged.beam, judged.beam.fit
    return (
        f"Gantry {beam.gantry_deg:g}°, couch {beam.couch_deg:g}°, {len(judged.layers)} layers. Measured positions fit "
        f"the planned axes ({fit.best}, scale {fit.scale:.4f}, shift {fit.shift_x_mm:+.2f}, {fit.shift_y_mm:+.2f} mm, "
        f"{fit.rms_mm:.2f} mm RMS; next best {fit.runner_up} with {fit.runner_up_rms_mm:.2f} mm)."
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
                _DASH if one.mu_percent is None else f"{one.mu_percent:+.2f}",
                f"{layer.mean_mm:.2f}",
                f"{layer.p95_mm:.2f}",
                f"{layer.max_mm:.2f}",
                f"{layer.shift_x_mm:+.2f}, {layer.shift_y_mm:+.2f}",
                f"{layer.size_x_mm:.2f}, {layer.size_y_mm:.2f}" if layer.size_x_mm else _DASH,
                _DASH if one.size_percent is None else f"{one.size_percent:+.1f}",
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
