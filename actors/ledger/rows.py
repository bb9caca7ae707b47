"""Rows of the database as the frozen rows of the vocabulary. Pure."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime

from actors.ledger.codec import json_list, json_source, text_time, value_path
from messages.ledger import (
    AlarmRow,
    AttemptRow,
    BeamRow,
    CaseRow,
    EventRow,
    GpuRow,
    HaltRow,
    HostRow,
    KnownCase,
    OrderRow,
    PushRow,
)
from messages.states import AttemptState, BeamState, CaseState, ReviewState


def case_row(row: sqlite3.Row, beams: Sequence[BeamRow]) -> CaseRow:
    """A case with its beams."""
    return CaseRow(
        case=row["case"],
        state=CaseState(row["state"]),
        reason=row["reason"],
        priority=row["priority"],
        path=value_path(row["path"]),
        plan_uid=row["plan_uid"],
        study_uid=row["study_uid"],
        identity=row["identity"],
        seen=_time(row["seen"]),
        admitted=text_time(row["admitted"]),
        started=text_time(row["started"]),
        ended=text_time(row["ended"]),
        source=json_source(row["source"]),
        interpretation=row["interpretation"],
        verdict=row["verdict"],
        cleaned=bool(row["cleaned"]),
        beams=tuple(beams),
        held_from=CaseState(row["held_from"]) if row["held_from"] else None,
        kind=row["kind"],
        superseded_by=row["superseded_by"],
        review=ReviewState(row["review"]) if row["review"] else ReviewState.COMPUTED,
    )


def case_rows(cases: Sequence[sqlite3.Row], beams: Iterable[sqlite3.Row]) -> tuple[CaseRow, ...]:
    """Cases in their order, each with its own of ``beams``."""
    of_case: dict[str, list[BeamRow]] = {row["case"]: [] for row in cases}
    for row in beams:
        if row["case"] in of_case:
            of_case[row["case"]].append(beam_row(row))
    return tuple(case_row(row, of_case[row["case"]]) for row in cases)


def beam_row(row: sqlite3.Row) -> BeamRow:
    """A beam."""
    return BeamRow(
        number=row["number"],
        name=row["name"],
        state=BeamState(row["state"]),
        attempt=row["attempt"],
        host=row["host"],
        gpu=row["gpu"],
        progress=row["progress"],
        reason=row["reason"],
        forgiven=row["forgiven"],
    )


def attempt_row(row: sqlite3.Row) -> AttemptRow:
    """An attempt."""
    return AttemptRow(
        key=row["key"],
        case=row["case"],
        beam=row["beam"],
        attempt=row["attempt"],
        state=AttemptState(row["state"]),
        host=row["host"],
        gpu=row["gpu"],
        worker=row["worker"],
        epoch=row["epoch"],
        run_dir=value_path(row["run_dir"]),
        request=row["request"],
        launched=row["launched"],
        ended=row["ended"],
        evidence=row["evidence"],
        progress=row["progress"],
    )


def known_case(row: sqlite3.Row) -> KnownCase:
    """A case as the scanner needs it."""
    return KnownCase(
        case=row["case"],
        identity=row["identity"],
        state=CaseState(row["state"]),
        path=value_path(row["path"]),
        delivery_keys=json_list(row["delivery_keys"]),
        seen=_time(row["seen"]),
        partial=bool(row["partial"]),
        reason=row["reason"],
    )


def event_row(row: sqlite3.Row) -> EventRow:
    """A line of history."""
    return EventRow(number=row["number"], at=_time(row["at"]), case=row["case"], what=row["what"], detail=row["detail"])


def host_row(row: sqlite3.Row) -> HostRow:
    """A host."""
    return HostRow(host=row["host"], kind=row["kind"], state=row["state"], reason=row["reason"], at=_time(row["at"]))


def gpu_row(row: sqlite3.Row) -> GpuRow:
    """A GPU."""
    return GpuRow(
        host=row["host"],
        index=row["index"],
        uuid=row["uuid"],
        state=row["state"],
        reason=row["reason"],
        beam=row["beam"],
        at=_time(row["at"]),
        model=row["model"],
    )


def halt_row(row: sqlite3.Row) -> HaltRow:
    """A place where nothing new starts."""
    return HaltRow(place=row["place"], user=row["user"], at=_time(row["at"]))


def alarm_row(row: sqlite3.Row) -> AlarmRow:
    """An alarm."""
    return AlarmRow(alarm=row["alarm"], since=_time(row["since"]), text=row["text"])


def order_row(row: sqlite3.Row) -> OrderRow:
    """An operator's order."""
    return OrderRow(
        order=row["order"],
        kind=row["kind"],
        subject=value_path(row["subject"]),
        argument=value_path(row["argument"]),
        user=row["user"],
        at=_time(row["at"]),
        outcome=row["outcome"],
        decided=row["decided"],
    )


def push_row(row: sqlite3.Row) -> PushRow:
    """Alarms told, or to be told, to people outside."""
    return PushRow(
        push=row["push"],
        after=row["after"],
        upto=row["upto"],
        tries=row["tries"],
        at=_time(row["at"]),
        outcome=row["outcome"],
    )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
