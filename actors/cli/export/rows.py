"""Rows of the tables, from the ledger's rows and the proven files. What is missing stays empty, with the gap named."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.cli.export.columns import BEAM, DEVIATIONS, MADE_BY
from actors.cli.export.proofs import GapError, Result, gaps_of, report_json, result_of
from messages.ledger import FigureRow, OutcomeRow

Row = dict[str, Any]
_GAMMA = re.compile(r"gamma_(\S+)pct_(\S+)mm_passed_percent")
_LAYER_NAMES = (
    *("beam", "layer", "level", "energy_mev", "planned_mu", "delivered_mu", "mean_mm", "p95_mm", "max_mm"),
    *("shift_x_mm", "shift_y_mm", "size_x_mm", "size_y_mm", "worst_stretch_mu", "missing", "beam_on_ms", "total_ms"),
)
_SUMS = ("planned_mu", "delivered_mu", "layers", "missing", "beam_on_s", "delivery_s")
_LARGEST = (
    *("layer_mu_percent", "position_mean_worst_mm", "position_p95_mm", "position_max_mm", "centroid_mm"),
    *("size_percent", "noise_percent", "energy_highest_mev"),
    *("r80_difference_mm", "delivery_r80_difference_mm", "model_r80_difference_mm"),
)


@dataclass(frozen=True, slots=True)
class Known:
    """One case with what is known of it."""

    row: OutcomeRow
    figures: tuple[FigureRow, ...]
    result: Result | None
    gaps: tuple[str, ...]


def known_of(row: OutcomeRow, figures: Sequence[FigureRow], results: Path) -> Known:
    """Look at a case's files, and fill what the ledger lacks from its report."""
    try:
        result = result_of(row, results)
    except GapError as error:
        return Known(row, (), None, (str(error),))
    gaps = list(gaps_of(row, result))
    found = tuple(figures)
    if not found and row.report is not None and row.report.manifest_sha256:
        try:
            found = _kept(row, report_json(row))
        except GapError as error:
            gaps.append(str(error))
        else:
            gaps += [] if found else ["its report was made by a release that kept no figures"]
    return Known(row, found, result, tuple(dict.fromkeys(gaps)))


def rows_of(table: str, known: Known, columns: frozenset[str]) -> Iterator[Row]:
    """At least one row of every case. columns: names of those that are written."""
    if table == "cases":
        yield _case(known, columns)
    else:
        yield from {"beams": _beams, "layers": _layers}[table](known)


def _kept(row: OutcomeRow, report: Mapping[str, Any]) -> tuple[FigureRow, ...]:
    try:
        trend = report.get("trend") or {"gantry": "", "rows": ()}
        at = row.delivered or row.seen
        return tuple(
            FigureRow(row.case, int(one["beam"]), int(one["band"]), str(trend["gantry"]), at, dict(one["values"]))
            for one in trend["rows"]
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise GapError("the figures of its report cannot be read") from None


def _which(known: Known, *gaps: str) -> Row:
    row = known.row
    computed = "computed" if known.result is not None else None
    return {
        "case": row.case,
        "gap": "; ".join((*known.gaps, *gaps)),
        "state": str(row.state),
        "gantry": row.gantry or next((one.gantry for one in known.figures), ""),
        "machine": row.machine,
        "delivered": row.delivered,
        "partial": row.partial,
        "supersedes": row.supersedes,
        "superseded_by": row.superseded_by,
        "report_verdict": row.report.verdict if row.report else "",
        "review_state": str(row.review.state) if row.review else computed,
    }


def _case(known: Known, columns: frozenset[str]) -> Row:
    row, result = known.row, known.result
    values = next((one.values for one in known.figures if one.beam == 0), {})
    return {
        **_which(known),
        **_review(row),
        "verdict": result.verdict if result else "",
        "verdict_reasons": " ".join(result.reasons) if result else "",
        "report_statement": values.get("statement"),
        "report_reason": row.report.reason if row.report else "",
        "plan_uid": row.plan_uid,
        "beams": len(row.beams),
        **_whole([one.values for one in known.figures if one.beam and not one.band]),
        **values,
        "gamma_other": _other_gammas(values, columns),
        "result_manifest_sha256": result.sha256 if result else "",
        "report_manifest_sha256": row.report.manifest_sha256 if row.report else "",
        "seen": row.seen,
        "started": row.started,
        "ended": row.ended,
    }


def _review(row: OutcomeRow) -> Row:
    if row.review is None:
        return {}
    return {"review_user": row.review.user, "review_at": row.review.at, "review_reason": row.review.reason}


def _whole(beams: Sequence[Mapping[str, Any]]) -> Row:
    """A case's own deviations, from those of its beams: sums, the gravest, and means over the MU."""
    found: Row = {name: sum(_numbers(beams, name)) for name in _SUMS} if beams else {}
    found |= {name: max(_numbers(beams, name), key=abs, default=None) for name in _LARGEST}
    found["energy_lowest_mev"] = min(_numbers(beams, "energy_lowest_mev"), default=None)
    for name, weight in (
        ("energy_mev", "planned_mu"),
        ("position_mean_mm", "delivered_mu"),
        ("size_mm", "delivered_mu"),
        ("off_percent", "delivered_mu"),
    ):
        found[name] = _mean(beams, name, weight)
    whole = beams and all(isinstance(one.get("mu_percent"), float | int) for one in beams)
    if whole and found["planned_mu"] > 0:
        found["mu_percent"] = 100.0 * (found["delivered_mu"] / found["planned_mu"] - 1.0)
    return found


def _numbers(beams: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    return [value for one in beams if isinstance(value := one.get(name), float | int)]


def _mean(beams: Sequence[Mapping[str, Any]], name: str, weight: str) -> float | None:
    pairs = [(one[name], one[weight]) for one in beams if len(_numbers([one], name) + _numbers([one], weight)) == 2]
    total = sum(share for _, share in pairs)
    return sum(value * share for value, share in pairs) / total if total > 0 else None


def _other_gammas(values: Mapping[str, Any], columns: frozenset[str]) -> str:
    """Criteria of the report that have no column of their own, with the shares of points that pass, in words."""
    said = []
    for name, value in values.items():
        match = _GAMMA.fullmatch(name)
        if match and name not in columns and value is not None:
            said.append(f"{match[1]} %/{match[2]} mm: {value:g} %")
    return "; ".join(said)


def _beams(known: Known) -> Iterator[Row]:
    of_case = next((one.values for one in known.figures if one.beam == 0), {})
    made_by = {column.name: of_case.get(column.name) for column in MADE_BY}
    names = [column.name for column in (*BEAM, *DEVIATIONS) if column.name not in ("beam", "beam_name")]
    told = {one.beam: one.values for one in known.figures if one.beam and not one.band}
    for number in sorted({*told, *known.row.beams}):
        values = told.get(number, {})
        gaps = () if values or known.gaps else (f"nothing is known of beam {number}",)
        own = {name: values.get(name) for name in names}
        yield {**_which(known, *gaps), **made_by, "beam": number, "beam_name": values.get("name"), **own}
    if not told and not known.row.beams:
        yield {**_which(known), **made_by}


def _layers(known: Known) -> Iterator[Row]:
    try:
        if known.result is None:
            raise GapError(known.gaps[0])
        layers = [_layer(one) for one in report_json(known.row)["layers"]]
    except GapError as error:
        yield _which(known, *([] if str(error) in known.gaps else [str(error)]))
        return
    except (KeyError, TypeError, ValueError, AttributeError):
        yield _which(known, "the layers of its report cannot be read")
        return
    which = _which(known)
    yield from ({**which, **layer} for layer in layers)
    if not layers:
        yield _which(known, "its report names no layer")


def _layer(one: Mapping[str, Any]) -> Row:
    planned, delivered = float(one["planned_mu"]), float(one["delivered_mu"])
    return {
        **{name: one.get(name) for name in _LAYER_NAMES},
        "mu_percent": 100.0 * (delivered / planned - 1.0) if planned > 0 else None,
        "off_percent": 100.0 * float(one["off_share"]),
    }
