"""The columns of every table: name with unit, kind of value, meaning. Their order and names are relied on elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from actors.documents import gamma_figure, pair_gamma

Kind = Literal["text", "number", "whole", "flag", "time"]


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    kind: Kind
    meaning: str


def _columns(*rows: tuple[str, Kind, str]) -> tuple[Column, ...]:
    return tuple(Column(*row) for row in rows)


WHICH = _columns(
    ("case", "text", "Name of the case."),
    ("gap", "text", "What is missing in this row, and why; empty: nothing."),
    ("state", "text", "Of the case: done, failed, …"),
    ("gantry", "text", "Whose calibration was used."),
    ("machine", "text", "TreatmentMachineName of the plan."),
    ("delivered", "time", "When its first delivery began."),
    ("partial", "flag", "Computed although a part was not delivered."),
    ("supersedes", "text", "The case whose result this one replaces."),
    ("superseded_by", "text", "The case that replaces this one's result: count one of the two."),
    ("report_verdict", "text", "pass, review or fail."),
    ("review_state", "text", "computed, reviewed, approved or rejected."),
)
"""First in every table."""

MADE_BY = _columns(
    ("engine", "text", "Name of the engine."),
    ("engine_version", "text", "As the engine says it."),
    ("engine_sha256", "text", "Of the engine's binary."),
    ("profile", "text", "Engine profile, name/version."),
    ("profile_sha256", "text", "Of the profile as it was read."),
    ("calibration_sha256", "text", "Of the gantry's calibration file."),
    ("program_version", "text", "Of this program."),
    ("uncommissioned", "flag", "Not made by what the profile lists as commissioned."),
)

DEVIATIONS = _columns(
    ("planned_mu", "number", "Planned, MU."),
    ("delivered_mu", "number", "Delivered, MU."),
    ("mu_percent", "number", "Delivered − planned, %; empty where a part was not delivered."),
    ("layers", "whole", "Delivered energy layers."),
    ("energy_mev", "number", "Mean over the planned MU, MeV."),
    ("energy_lowest_mev", "number", "Of all its layers, MeV."),
    ("energy_highest_mev", "number", "Of all its layers, MeV."),
    ("layer_mu_percent", "number", "Largest MU deviation of a layer, with its sign, %."),
    ("position_mean_mm", "number", "Distance to the planned position, mean over the delivered MU, mm."),
    ("position_mean_worst_mm", "number", "The mean of the worst layer, mm."),
    ("position_p95_mm", "number", "95th percentile of the worst layer, mm."),
    ("position_max_mm", "number", "Largest distance of a sample, mm."),
    ("centroid_mm", "number", "Largest shift of a layer's centroid, mm."),
    ("size_mm", "number", "Beam size as the machine logs it, mean over the delivered MU, mm."),
    ("size_percent", "number", "Largest deviation of a layer from the baseline, with its sign, %."),
    ("missing", "whole", "Planned spots or segments that were not delivered."),
    ("off_percent", "number", "Counts that came with the beam off, %."),
    ("beam_on_s", "number", "Time with the beam on, s."),
    ("delivery_s", "number", "From first to last sample of each layer, summed, s."),
    (
        "noise_percent",
        "number",
        "Statistical uncertainty of the dose, from two half-runs, %; the worst beam's of a case.",
    ),
    ("r80_difference_mm", "number", "Distal 80 %, delivered − planned, mean, mm; of a case the farthest beam's."),
    ("delivery_r80_difference_mm", "number", "The same against the planned spots by the same engine, mm."),
    ("model_r80_difference_mm", "number", "Of the planned spots by the engine, against the planning system, mm."),
)

BEAM = _columns(
    ("beam", "whole", "DICOM beam number."),
    ("beam_name", "text", "As the plan has it."),
    ("gantry_deg", "number", "Gantry angle, degrees."),
    ("couch_deg", "number", "Couch angle, degrees."),
    ("r80_mm", "number", "Distal 80 % of the mean depth dose from the isocentre (a phantom's origin), mm."),
    ("r80_difference_p95_mm", "number", "95th percentile of the absolute differences, mm."),
    ("dose_per_mu_gy_cm3", "number", "Dose times volume per delivered MU, Gy·cm³/MU."),
    ("attempt", "whole", "The run that was published."),
    ("host", "text", "Where it ran."),
    ("gpu", "text", "Its GPU's UUID, or its slot."),
    ("engine_s", "number", "Time of the engine's run, s."),
)

LAYER = _columns(
    ("beam", "whole", "DICOM beam number."),
    ("layer", "whole", "From 1, as delivered."),
    ("level", "text", "pass, review or fail, by the levels of the report."),
    ("energy_mev", "number", "Of the layer, MeV."),
    ("planned_mu", "number", "Planned, MU."),
    ("delivered_mu", "number", "Delivered, MU."),
    ("mu_percent", "number", "Delivered − planned, %."),
    ("mean_mm", "number", "Distance to the planned position, mean, mm."),
    ("p95_mm", "number", "95th percentile, mm."),
    ("max_mm", "number", "Largest, mm."),
    ("shift_x_mm", "number", "Centroid delivered − planned, mm."),
    ("shift_y_mm", "number", "The same across, mm."),
    ("size_x_mm", "number", "Beam size as the machine logs it, mm; 0: not known."),
    ("size_y_mm", "number", "The same across, mm."),
    ("worst_stretch_mu", "number", "Largest MU difference of one segment or spot, MU."),
    ("missing", "whole", "Planned spots or segments that were not delivered."),
    ("off_percent", "number", "Counts that came with the beam off, %."),
    ("beam_on_ms", "number", "Time with the beam on, ms."),
    ("total_ms", "number", "From the first to the last sample with the beam on, ms."),
)

_CASE = _columns(
    ("verdict", "text", "Of the result: accepted, review or suspect."),
    ("verdict_reasons", "text", "Why it is not accepted."),
    ("report_statement", "text", "The report's verdict, with what it does not cover."),
    ("report_reason", "text", "What it rests on, or its gravest reason."),
    ("review_user", "text", "Who did the last step of the review."),
    ("review_at", "time", "When that was."),
    ("review_reason", "text", "What was said of it."),
    ("plan_uid", "text", "SOPInstanceUID of the plan."),
    ("treatment", "flag", "False: a QA session."),
    ("scan_mode", "text", "line or spot."),
    ("fraction_group", "whole", "Of the plan."),
    ("beams", "whole", "Delivered treatment beams."),
    ("units", "text", "Of the dose: GY, or RELATIVE."),
)

_COMPARED = _columns(
    ("gamma_judged", "text", "The criterion that the report's verdict goes by."),
    ("gamma_judged_passed_percent", "number", "Points that pass it, %."),
    ("gamma_other", "text", "Criteria of the report that are not configured now, with the share of points that pass."),
    ("dose_difference_mean_percent", "number", "Delivered − planned, mean, % of the normalisation."),
    ("dose_difference_high_mean_percent", "number", "The same at or above 80 % of the normalisation, %."),
    ("not_compared_because", "text", "Why there is no gamma; empty: there is."),
)

_PROOF = _columns(
    ("result_manifest_sha256", "text", "Of the published result's manifest.json, as the ledger has it."),
    ("report_manifest_sha256", "text", "Of the report's."),
    ("seen", "time", "When the case was first seen."),
    ("started", "time", "When its first engine run began."),
    ("ended", "time", "When its result was published, or it ended otherwise."),
)

TABLES: Mapping[str, str] = MappingProxyType(
    {
        "cases": "One row for each case.",
        "beams": "One row for each beam of each case.",
        "layers": "One row for each delivered energy layer.",
    }
)
"""What can be exported."""


def gamma_columns(criteria: Iterable[tuple[float, float]]) -> Iterator[Column]:
    """One for each criterion that is configured; for the last, by which reports judge, also of the other pairs."""
    wanted = tuple(criteria)
    for percent, mm in dict.fromkeys(wanted):
        yield Column(gamma_figure(percent, mm), "number", f"Points that pass {percent:g} %/{mm:g} mm, %.")
    for percent, mm in wanted[-1:]:
        for pair, meaning in (
            ("delivery", "delivered against planned spots, by the same engine"),
            ("model", "planned spots by the engine against the planning system"),
        ):
            said = f"Points that pass {percent:g} %/{mm:g} mm, {meaning}, %."
            yield Column(pair_gamma(pair, percent, mm), "number", said)


def columns_of(table: str, criteria: Iterable[tuple[float, float]] = ()) -> tuple[Column, ...]:
    """Of a table, in their order. KeyError for one that is none."""
    gammas = tuple(gamma_columns(criteria))
    return {
        "cases": (*WHICH, *_CASE, *DEVIATIONS, *gammas, *_COMPARED, *MADE_BY, *_PROOF),
        "beams": (*WHICH, *BEAM, *DEVIATIONS, *MADE_BY),
        "layers": (*WHICH, *LAYER),
    }[table]
