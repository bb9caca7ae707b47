"""What a report found, as numbers that can be followed over months: of the case, its beams, and bands of energy. Pure.

They stand in report.json (``trend``), and the ledger keeps a copy of them for the page's charts and for exports.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from actors.documents import BAND_MEV, band_of, gamma_figure, pair_gamma
from actors.reporter.delivery import BeamJudgement, LayerJudgement
from actors.reporter.evidence import BeamDepth
from actors.reporter.findings import Findings
from actors.reporter.pairs import Pair, PairName
from actors.reporter.published import BeamRecord
from messages.ledger import Figures

_DIGITS = 6
"""Significant ones: more says nothing, and costs room in the ledger for years."""

Values = dict[str, float | str | bool | None]


def trend_of(findings: Findings) -> tuple[Figures, ...]:
    """Everything of a report that is followed: the case first, then each beam and its bands."""
    return tuple(Figures(beam, band, json.dumps(values)) for beam, band, values in _rows(findings))


def trend_document(gantry: str, figures: Iterable[Figures]) -> dict[str, object]:
    """As it stands in report.json."""
    rows = [{"beam": one.beam, "band": one.band, "values": json.loads(one.values)} for one in figures]
    return {"gantry": gantry, "band_mev": BAND_MEV, "rows": rows}


def trend_in(report: bytes) -> tuple[str, tuple[Figures, ...]]:
    """(gantry, figures) of a report.json; none of one of an earlier release. ValueError where it is no such file."""
    try:
        found = json.loads(report).get("trend") or {"gantry": "", "rows": []}
        rows = tuple(Figures(int(one["beam"]), int(one["band"]), json.dumps(one["values"])) for one in found["rows"])
        return str(found["gantry"]), rows
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"report.json cannot be read: {error}") from error


def _rows(findings: Findings) -> Iterator[tuple[int, int, Values]]:
    yield 0, 0, _rounded(_case(findings))
    depths = {one.number: one for one in findings.evidence.depths}
    for judged in findings.judged:
        number, depth = judged.beam.number, depths.get(judged.beam.number)
        whole = _whole(judged, findings)
        ranges = {**_range(depth), **_pair_ranges(number, findings)}
        yield number, 0, _rounded({**_beam(judged, whole=whole), **ranges, **_layers(judged.layers)})
        bands: dict[int, list[LayerJudgement]] = {}
        for layer in judged.layers:
            bands.setdefault(band_of(layer.layer.energy_mev), []).append(layer)
        for band, layers in sorted(bands.items()):
            deepest = ranges if band == max(bands) else {}
            yield number, band, _rounded({**(_mu(layers) if whole else {}), **deepest, **_layers(layers)})


def _whole(judged: BeamJudgement, findings: Findings) -> bool:
    """Nothing of the beam is left: its MU can be held against the plan's."""
    manifest = findings.published.manifest
    left = {amount.number for amount in manifest.amounts if amount.layers_left}
    return not manifest.partial or judged.beam.number not in left


def _case(findings: Findings) -> Values:
    manifest, evidence = findings.published.manifest, findings.evidence
    noise = [beam.noise for beam in manifest.beams if beam.noise is not None]
    percent, mm = findings.rules.gamma_judged
    values: Values = {
        "statement": findings.statement,
        "treatment": manifest.treatment,
        "scan_mode": manifest.scan_mode,
        "units": str(manifest.dose["units"]),
        "fraction_group": manifest.plan.fraction_group,
        "planned_mu": sum(beam.planned_mu for beam in manifest.beams),
        "delivered_mu": sum(beam.delivered_mu for beam in manifest.beams),
        "noise_percent": 100.0 * max(noise) if noise else None,
        "gamma_judged": f"{percent:g} %/{mm:g} mm",
        "not_compared_because": evidence.reason,
        **_made_by(findings),
    }
    if evidence.comparison is not None:
        for one in evidence.comparison.gammas:
            values[gamma_figure(one.criterion.percent, one.criterion.mm)] = one.passed_percent
            if (one.criterion.percent, one.criterion.mm) == (percent, mm):
                values["gamma_judged_passed_percent"] = one.passed_percent
        values["dose_difference_mean_percent"] = evidence.comparison.difference.mean_percent
        values["dose_difference_high_mean_percent"] = evidence.comparison.difference.high_mean_percent
    for pair in _apart(findings):
        if pair.comparison is not None:
            gammas = {(one.criterion.percent, one.criterion.mm): one for one in pair.comparison.gammas}
            values[pair_gamma(pair.name, percent, mm)] = gammas[percent, mm].passed_percent
    return values


def _apart(findings: Findings) -> tuple[Pair, ...]:
    """Delivery and model, without what they come to together."""
    return tuple(pair for pair in findings.evidence.pairs if pair.name is not PairName.TOTAL)


def _made_by(findings: Findings) -> Values:
    manifest = findings.published.manifest
    return {
        "engine": str(manifest.engine["name"]),
        "engine_version": str(manifest.engine["version"]),
        "engine_sha256": str(manifest.engine["sha256"] or ""),
        "profile": f"{manifest.profile['name']}/{manifest.profile['version']}",
        "profile_sha256": str(manifest.profile["sha256"]),
        "calibration_sha256": str(manifest.calibration["sha256"]),
        "program_version": str(manifest.made_by["version"]),
        "uncommissioned": manifest.uncommissioned,
    }


def _range(depth: BeamDepth | None) -> Values:
    """Of a beam, and of its band of the highest energies, which make it."""
    difference = depth.difference if depth is not None else None
    return {
        "r80_mm": depth.delivered.r80_mm if depth is not None else None,
        "r80_difference_mm": difference.mean_mm if difference is not None else None,
        "r80_difference_p95_mm": difference.p95_mm if difference is not None else None,
    }


def _pair_ranges(beam: int, findings: Findings) -> Values:
    return {
        f"{pair.name}_r80_difference_mm": one.difference.mean_mm
        for pair in _apart(findings)
        for one in pair.ranges
        if one.number == beam
    }


def _beam(judged: BeamJudgement, *, whole: bool) -> Values:
    beam = judged.beam
    return {
        "name": beam.name,
        "gantry_deg": beam.gantry_deg,
        "couch_deg": beam.couch_deg,
        **_amount(beam.delivered_mu, sum(layer.planned_mu for layer in beam.layers) if whole else beam.planned_mu),
        **({} if whole else {"mu_percent": None}),
        "noise_percent": None if beam.noise is None else 100.0 * beam.noise,
        "dose_per_mu_gy_cm3": beam.dose_per_mu,
        "attempt": beam.attempt,
        "host": beam.host,
        "gpu": beam.gpu,
        "engine_s": _engine_s(beam),
    }


def _engine_s(beam: BeamRecord) -> float | None:
    try:
        return (datetime.fromisoformat(beam.ended) - datetime.fromisoformat(beam.started)).total_seconds()
    except (ValueError, TypeError):
        return None


def _mu(layers: list[LayerJudgement]) -> Values:
    delivered = sum(one.layer.delivered_mu for one in layers)
    return _amount(delivered, sum(one.layer.planned_mu for one in layers))


def _amount(delivered: float, planned: float) -> Values:
    percent = 100.0 * (delivered / planned - 1.0) if planned > 0.0 else None
    return {"planned_mu": planned, "delivered_mu": delivered, "mu_percent": percent}


def _layers(judged: Iterable[LayerJudgement]) -> Values:
    """Over some layers of one beam; positions as the report judges them: those of the worst layer."""
    rows = tuple(judged)
    if not rows:
        return {"layers": 0}
    layers = [one.layer for one in rows]
    weights = [max(one.delivered_mu, 0.0) for one in layers]
    sizes = [(one.size_x_mm + one.size_y_mm) / 2.0 for one in layers]
    return {
        "layers": len(rows),
        "energy_mev": _mean([one.energy_mev for one in layers], [one.planned_mu for one in layers]),
        "energy_lowest_mev": min(one.energy_mev for one in layers),
        "energy_highest_mev": max(one.energy_mev for one in layers),
        "layer_mu_percent": _largest(one.mu_percent for one in rows),
        "position_mean_mm": _mean([one.mean_mm for one in layers], weights),
        "position_mean_worst_mm": max(one.mean_mm for one in layers),
        "position_p95_mm": max(one.p95_mm for one in layers),
        "position_max_mm": max(one.max_mm for one in layers),
        "centroid_mm": max(math.hypot(one.shift_x_mm, one.shift_y_mm) for one in layers),
        "size_mm": _mean(sizes, [weight if size > 0.0 else 0.0 for weight, size in zip(weights, sizes, strict=True)]),
        "size_percent": _largest(one.size_percent for one in rows),
        "missing": sum(one.missing for one in layers),
        "off_percent": _percent(_mean([one.off_share for one in layers], weights)),
        "beam_on_s": sum(one.beam_on_ms for one in layers) / 1000.0,
        "delivery_s": sum(one.total_ms for one in layers) / 1000.0,
    }


def _mean(amounts: list[float], weights: list[float]) -> float | None:
    total = sum(weights)
    return sum(a * w for a, w in zip(amounts, weights, strict=True)) / total if total > 0.0 else None


def _percent(share: float | None) -> float | None:
    return None if share is None else 100.0 * share


def _largest(amounts: Iterable[float | None]) -> float | None:
    """The one farthest from 0, with its sign."""
    return max((one for one in amounts if one is not None), key=abs, default=None)


def _rounded(values: Mapping[str, Any]) -> Values:
    """Numbers that JSON has, to the digits that mean something."""
    return {name: _number(value) if isinstance(value, float) else value for name, value in values.items()}


def _number(value: float) -> float | None:
    return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
