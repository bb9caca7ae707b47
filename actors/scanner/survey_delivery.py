"""The survey of one delivery folder: its layers' files, its plan, and how far its outer layers were delivered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from actors.errors import CaseError
from actors.formats.counts import RANGE_FACTORS, range_factor
from actors.formats.matching import DeliveryFacts as Evidence
from actors.formats.matching import match_plan, mismatch
from actors.formats.mgn import RECORD_BYTES, MagnetScan, read_mgn
from actors.formats.plan import Plan, PlanBeam
from actors.formats.plan_info import NAME as PLAN_INFO
from actors.formats.plan_info import PlanInfo, read_plan_info
from actors.formats.plan_range import NAME as PLAN_RANGE
from actors.formats.plan_range import PlanRange, RangeRow, read_plan_range
from actors.formats.ptn import ROW_BYTES, read_ptn
from actors.formats.reading import shown
from actors.scanner.facts import DeliveryFacts, SurveyRequest
from actors.scanner.looks import LAYER_SUFFIXES, Listing, digest_of, key_of
from actors.scanner.paths import base, below
from actors.scanner.sentences import layers_text
from messages.cases import DeliverySource
from messages.faults import Fault

MU_PER_COUNT = 2.116e-8
"""Between the gantries' constants (2.1125e-8 and 2.12e-8, PHYSICS 4): shares of a layer are told in percents."""
NEVER_MENDED = frozenset({"layer-doubled", "range-code-unknown"})


def survey_delivery(
    listing: Listing, plans: Sequence[Plan], wrong_plans: Sequence[Fault], request: SurveyRequest
) -> DeliveryFacts | None:
    """Facts of one delivery folder; None if it is settled. CaseError: its PlanInfo cannot be read (yet)."""
    info = read_plan_info(_file(listing, PLAN_INFO))
    key = key_of(info)
    if key in request.settled:
        return None
    survey = _Survey(listing, info)
    table = survey.table()
    plan = survey.plan(table, plans, wrong_plans)
    beam = next((beam for beam in plan.treatment_beams if beam.number == info.beam_number), None) if plan else None
    shares = survey.shares(table, beam)  # what it meets is noted too
    return DeliveryFacts(
        source=DeliverySource(
            path=listing.path,
            key=key,
            beam_number=info.beam_number,
            irradiated=info.irradiated(request.zone),
            start_layer=info.start_layer,
            stop_layer=info.stop_layer,
        ),
        study_uid=info.study_uid,
        plan=plan.sop_instance_uid if plan else "",
        lacking=tuple(survey.lacking),
        fault=survey.fault,
        shares=shares,
        content=digest_of([listing]).hex(),
    )


def _file(listing: Listing, name: str) -> str:
    """Path of a regular file of the folder; CaseError when it is not there, or something else than a file."""
    if name not in listing.files:
        odd = any(base(complaint.path) == name for complaint in listing.odd)
        what = f"{name} is no regular file" if odd else f"there is no {name} yet"
        raise CaseError(what, shown(listing.path), "Send the file again.", "file-missing")
    return below(listing.path, name)


class _Survey:
    """One delivery folder on its way: what it lacks, and what is wrong with it."""

    def __init__(self, listing: Listing, info: PlanInfo) -> None:
        self._listing, self._info = listing, info
        self._subject = f"beam {info.beam_number}"
        self.lacking: list[str] = []
        self.fault: Fault | None = None

    def table(self) -> PlanRange | None:
        """PlanRange with the layers' files checked; None while it cannot be read."""
        try:
            table = read_plan_range(_file(self._listing, PLAN_RANGE))
        except CaseError as error:
            self._note(error)
            return None
        rows = {row.layer: row for row in table.span(self._info.start_layer, self._info.stop_layer)}
        unnamed = [layer for layer in range(self._info.start_layer, self._info.stop_layer + 1) if layer not in rows]
        if unnamed:
            self.lacking.append(f"{self._subject}: {PLAN_RANGE} does not name {layers_text(unnamed)}")
        self._check_files(rows.values())
        self._check_extra(table)
        return table

    def _check_files(self, rows: Iterable[RangeRow]) -> None:
        absent: dict[str, list[int]] = {}
        cut: dict[str, list[int]] = {}
        for row in rows:
            if row.dose1_range not in RANGE_FACTORS:
                self._wrong_range(row)
            for name, size, kind in ((row.ptn, ROW_BYTES, ".ptn"), (row.mgn, RECORD_BYTES, ".mgn")):
                stamp = self._listing.files.get(name)
                if stamp is None:
                    absent.setdefault(kind, []).append(row.layer)
                elif stamp.size == 0 or stamp.size % size:
                    cut.setdefault(kind, []).append(row.layer)
        for kind, layers in absent.items():
            self.lacking.append(f"{self._subject}: the {kind} file of {layers_text(layers)} is missing")
        for kind, layers in cut.items():
            self.lacking.append(f"{self._subject}: the {kind} file of {layers_text(layers)} is not whole")

    def _wrong_range(self, row: RangeRow) -> None:
        try:
            range_factor(row.dose1_range, f"{self._subject.capitalize()}, layer {row.layer}", shown(self._listing.path))
        except CaseError as error:
            self._note(error)

    def _check_extra(self, table: PlanRange) -> None:
        named = {name.casefold() for row in table.rows for name in (row.ptn, row.mgn)}
        extra = sorted(
            name
            for name in self._listing.files
            if name.casefold().endswith(LAYER_SUFFIXES) and name.casefold() not in named
        )
        if extra:
            self._wrong(
                f"{self._subject.capitalize()} has a layer file that {PLAN_RANGE} does not name: {shown(extra[0])}.",
                "layer-extra",
            )

    def plan(self, table: PlanRange | None, plans: Sequence[Plan], wrong_plans: Sequence[Fault]) -> Plan | None:
        """The plan it was made from, or (noted as lacking) the only one it can have been made from."""
        candidates = [plan for plan in plans if plan.study_uid == self._info.study_uid]
        evidence = Evidence(
            self._listing.path, self._info, table or PlanRange(()), self._scans(table) if not self.lacking else {}
        )
        if table is not None:
            try:
                return match_plan(evidence, plans)
            except CaseError as error:
                self._no_match(error, evidence, candidates, wrong_plans)
        return candidates[0] if len(candidates) == 1 else None

    def _no_match(
        self, error: CaseError, evidence: Evidence, candidates: Sequence[Plan], wrong_plans: Sequence[Fault]
    ) -> None:
        if error.fault.kind != "plan-missing":
            self.fault = self.fault or error.fault
        elif not candidates and wrong_plans:
            self.fault = self.fault or wrong_plans[0]
        elif len(candidates) == 1 and self._beyond(candidates[0]):
            self._wrong(f"The delivery does not fit its plan: {mismatch(evidence, candidates[0])}.", "layer-extra")
        elif candidates:
            self.lacking.append(error.fault.what.rstrip("."))
        else:
            self.lacking.append("no RTPLAN of this study yet")

    def _beyond(self, plan: Plan) -> bool:
        """Whether it delivers a layer that the beam of the plan does not have."""
        beam = next((beam for beam in plan.treatment_beams if beam.number == self._info.beam_number), None)
        return beam is not None and self._info.stop_layer > len(beam.layers)

    def _scans(self, table: PlanRange | None) -> dict[int, MagnetScan]:
        if table is None:
            return {}
        scans = {}
        for row in table.span(self._info.start_layer, self._info.stop_layer):
            try:
                scans[row.layer] = read_mgn(below(self._listing.path, row.mgn), f"{self._subject}, layer {row.layer}")
            except CaseError as error:
                self._note(error)
        return scans

    def shares(self, table: PlanRange | None, beam: PlanBeam | None) -> tuple[tuple[int, float], ...]:
        """(layer, delivered share of its planned MU) of the first and the last layer that can be read."""
        if table is None or beam is None:
            return ()
        found = []
        for layer in sorted({self._info.start_layer, self._info.stop_layer}):
            row = table.row(layer)
            share = self._share(row, beam) if row is not None else None
            if share is not None:
                found.append((layer, share))
        return tuple(found)

    def _share(self, row: RangeRow, beam: PlanBeam) -> float | None:
        planned = beam.layers[row.layer - 1].mu if row.layer <= len(beam.layers) else 0.0
        if planned <= 0 or row.ptn not in self._listing.files:
            return None
        subject = f"{self._subject}, layer {row.layer}"
        path = below(self._listing.path, row.ptn)
        try:
            counts = float(read_ptn(path, row.layer, subject).rows["dose1"].sum(dtype="int64"))
            return counts * range_factor(row.dose1_range, subject, shown(path)) * MU_PER_COUNT / planned
        except CaseError as error:
            self._note(error)
            return None

    def _note(self, error: CaseError) -> None:
        if error.fault.kind in NEVER_MENDED:
            self.fault = self.fault or error.fault
        elif error.fault.what.rstrip(".") not in self.lacking:
            self.lacking.append(f"{self._subject}: {error.fault.what.rstrip('.')}")

    def _wrong(self, what: str, kind: str) -> None:
        self.fault = self.fault or Fault(what, shown(self._listing.path), "Send the delivery again.", kind=kind)
