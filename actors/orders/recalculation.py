"""An order to compute a case once more: whether it may be, and the new version that it becomes. Pure.

The new version is a case of its own: own name, run directories, results folder and UIDs. It takes over the deliveries
of the one that it recalculates, which stays as it is; that is the only way to run a delivery a second time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from hashlib import sha256

from actors.orders.decision import Decision, done, nothing, refuse
from actors.orders.reviews import no_result, superseding
from messages.cases import CaseSource
from messages.ledger import (
    AdmitCase,
    BeamName,
    CaseRow,
    ExpectCase,
    OrderRow,
    Record,
    ReviewReport,
    SetPriority,
    VersionRow,
)
from messages.states import CaseState

_VERSION = re.compile(r"(?P<base>.+)-v(?P<number>\d+)")


@dataclass(frozen=True, slots=True)
class Again:
    """It may be, if the case's files still are what it was computed from."""

    row: CaseRow
    source: CaseSource
    """Of the new version."""
    decision: Decision
    """If they are."""


def decide(order: OrderRow, report: ReviewReport) -> Decision | Again:
    """What the order means for the result as the ledger has it."""
    row = report.row
    if (refusal := no_result(order, row)) is not None:
        return refusal
    assert row is not None and row.source is not None, "what is done was admitted"
    if report.newer is not None:
        return _overtaken(order, report, report.newer)
    source = _next_version(row.source, order)
    expected = ExpectCase(row.case, frozenset({CaseState.DONE}), report.last_event)
    admit = AdmitCase(source, tuple(BeamName(beam.number, beam.name) for beam in row.beams))
    priority: tuple[Record, ...] = (SetPriority(source.case, row.priority),) if row.priority else ()
    decided = done(f"it is computed again, as {source.case}", expected, admit, *priority)
    return Again(row, source, replace(decided, concerns=(source.case,)))


def _overtaken(order: OrderRow, report: ReviewReport, newer: VersionRow) -> Decision:
    """There is a later version: the same order given again, or one for that version."""
    if newer.why == order.argument:
        return replace(nothing(f"{newer.case} was made for it already; it is {newer.state}"), concerns=(newer.case,))
    if newer.state in (CaseState.FAILED, CaseState.CANCELLED):
        return refuse(f"{newer.case}, which follows it, is {newer.state}: mqi-actors retry {newer.case}")
    latest = superseding(report) or newer
    state = "" if latest.state is CaseState.DONE else f", which is {latest.state}"
    return refuse(f"it is superseded by {latest.case}{state}: that is the one to recalculate")


def _next_version(source: CaseSource, order: OrderRow) -> CaseSource:
    found = _VERSION.fullmatch(source.case)
    base, number = (found["base"], int(found["number"])) if found else (source.case, 1)
    return replace(
        source,
        case=f"{base}-v{number + 1}",
        identity=sha256(f"recalculation\n{source.identity}".encode()).hexdigest(),
        supersedes=source.case,
        recalculated_because=order.argument,
        recalculated_by=order.user,
    )
