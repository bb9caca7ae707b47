"""Records about a case: seen, admitted, moved, noted."""

from __future__ import annotations

import sqlite3
from typing import Any

from actors.ledger import planned, reports, sendings
from actors.ledger import queries as q
from actors.ledger.codec import list_json, path_value, plain, source_json
from actors.ledger.journal import Journal
from actors.ledger.transitions import BEFORE_ADMISSION, ENDED_CASES, check_case, refused
from messages.ledger import (
    AdmitCase,
    ExpectCase,
    ExplainCase,
    MarkCleaned,
    MoveCase,
    NoteInterpretation,
    NoteVerdict,
    ReleaseCase,
    SetPriority,
    SightCase,
)
from messages.states import OPEN_CASES, BeamState, CaseState


def sight(journal: Journal, record: SightCase) -> None:
    """Insert the case, or bring its reason up to date while it is still not complete."""
    values = {
        "case": record.case,
        "identity": record.identity,
        "reason": plain(record.reason),
        "path": path_value(record.path),
        "plan_uid": record.plan_uid,
        "study_uid": record.study_uid,
        "delivery_keys": list_json(record.delivery_keys),
    }
    row = journal.one(q.CASE, case=record.case)
    if row is None:
        journal.run(q.ADD_CASE, state=CaseState.INCOMING, at=journal.at, **values)
        journal.event(record.case, f"case: seen, {CaseState.INCOMING}", record.reason)
    elif CaseState(row["state"]) in BEFORE_ADMISSION:
        journal.run(q.SIGHT_CASE, **values)
        if row["reason"] != plain(record.reason):
            journal.event(record.case, f"case: {row['state']}", record.reason)


def admit(journal: Journal, record: AdmitCase) -> None:
    """Fix what the case consists of, claim its deliveries, make its beams; saying the same again changes nothing."""
    source, text = record.source, source_json(record.source)
    row = journal.one(q.CASE, case=source.case)
    if row is not None and row["source"] == text:
        return
    if not record.beams:
        raise refused(f"Case {source.case} has no treatment beam to admit.", kind="no-beams")
    keys = tuple(delivery.key for delivery in source.deliveries)
    state, held_from = _state_once_admitted(source.case, row)
    if row is None:
        journal.run(
            q.ADD_CASE,
            case=source.case,
            identity=source.identity,
            state=state,
            reason="",
            path=path_value(source.path),
            plan_uid=source.plan_uid,
            study_uid=source.study_uid,
            delivery_keys=list_json(keys),
            at=journal.at,
        )
    _claim(journal, record, keys)
    journal.run(
        q.ADMIT_CASE,
        case=source.case,
        identity=source.identity,
        state=state,
        held_from=held_from,
        reason=row["reason"] if row is not None and state is CaseState.HELD else "",
        path=path_value(source.path),
        plan_uid=source.plan_uid,
        study_uid=source.study_uid,
        delivery_keys=list_json(keys),
        partial=int(source.partial),
        supersedes=source.supersedes,
        source=text,
        at=journal.at,
    )
    for beam in record.beams:
        journal.run(q.ADD_BEAM, case=source.case, beam=beam.number, name=plain(beam.name))
    before = "unknown" if row is None else row["state"]
    beams = ", ".join(str(beam.number) for beam in record.beams)
    detail = f"{len(keys)} deliveries, beams {beams}{', PARTIAL' if source.partial else ''}"
    journal.event(source.case, f"case: {before} → {state}, admitted", detail)


def _state_once_admitted(case: str, row: dict[str, Any] | None) -> tuple[CaseState, str]:
    """State and held_from of a case that became complete; a held one stays held, and is released to queued."""
    now = CaseState(row["state"]) if row is not None else CaseState.INCOMING
    if row is not None and row["source"]:
        raise refused(
            f"Case {case} is {now} and was admitted before with other deliveries.",
            kind="already-admitted",
            remedy="A later completion of a partial case is a case of its own that supersedes it.",
        )
    if now is CaseState.HELD:
        return CaseState.HELD, CaseState.QUEUED
    if now is CaseState.CANCELLED:
        raise refused(f"Case {case} is cancelled: it cannot become queued.", kind="illegal-transition")
    check_case(f"Case {case}", now, CaseState.QUEUED, held_from=None, admitted=True)
    return CaseState.QUEUED, ""


def _claim(journal: Journal, record: AdmitCase, keys: tuple[str, ...]) -> None:
    """Claim every delivery, or refuse: the same delivery is never run twice."""
    source = record.source
    claims = journal.database.execute(q.CLAIMS, {"keys": list_json(keys)}).fetchall()
    others = {row["case"] for row in claims} - {source.case}
    stranger = min(others - {source.supersedes}, default=None)
    if stranger is not None:
        raise refused(
            f"Case {source.case} holds a delivery that belongs to case {stranger}.",
            kind="delivery-claimed",
            remedy="The same delivery is never run twice; nothing is to be done.",
        )
    for case in others:
        older = journal.one(q.CASE, case=case)
        ordered = bool(source.recalculated_because) and older is not None and older["state"] == CaseState.DONE
        if older is None or not (older["partial"] or ordered):
            raise refused(
                f"Case {source.case} cannot supersede case {case}: that one is not partial.", kind="delivery-claimed"
            )
        journal.run(q.SUPERSEDE, case=case, by=source.case)
        why = f"recalculated by {source.recalculated_by}: {source.recalculated_because}" if ordered else ""
        journal.event(case, f"case: superseded by {source.case}", why)
    for key in keys:
        journal.run(q.CLAIM, key=key, case=source.case)


def move(journal: Journal, record: MoveCase) -> None:
    """A legal transition; to the state that it is in: only the reason is brought up to date."""
    row, to, reason = the_case(journal, record.case), record.to, plain(record.reason)
    now = CaseState(row["state"])
    if now is CaseState.HELD and to in OPEN_CASES - {CaseState.HELD}:
        raise refused(
            f"Case {record.case} is held: it becomes {to} by an operator's release alone.", kind="illegal-transition"
        )
    if to == now:
        if row["reason"] != reason:
            journal.run(q.EXPLAIN_CASE, case=record.case, reason=reason)
            journal.event(record.case, f"case: {now}", reason)
        return
    _step(journal, row, to, reason)


def release(journal: Journal, record: ReleaseCase) -> None:
    """Back to where the case was held from."""
    row = the_case(journal, record.case)
    if CaseState(row["state"]) is not CaseState.HELD:
        raise refused(f"Case {record.case} is {row['state']}: it is not held.", kind="illegal-transition")
    _step(journal, row, CaseState(row["held_from"]), "")


def expect(journal: Journal, record: ExpectCase) -> None:
    """Refused when the case is not what it was when somebody decided about it."""
    row = the_case(journal, record.case)
    if CaseState(row["state"]) not in record.states:
        raise refused(f"Case {record.case} is {row['state']} by now.", kind="case-changed")
    if record.event is not None and last_event(journal.database, record.case) != record.event:
        raise refused(f"More has happened to case {record.case}.", kind="case-changed")


def explain(journal: Journal, record: ExplainCase) -> None:
    """Why a case waits; it changes often, and is no history."""
    the_case(journal, record.case)
    journal.run(q.EXPLAIN_WAITING_CASE, case=record.case, reason=plain(record.reason))


def last_event(database: sqlite3.Connection, case: str) -> int:
    """Number of the newest line of a case's history."""
    return int(database.execute(q.LAST_EVENT_OF, {"case": case}).fetchone()[0])


def _step(journal: Journal, row: dict[str, Any], to: CaseState, reason: str) -> None:
    """A legal transition with its event."""
    case, now = row["case"], CaseState(row["state"])
    held_from = CaseState(row["held_from"]) if row["held_from"] else None
    check_case(f"Case {case}", now, to, held_from=held_from, admitted=bool(row["source"]))
    if to is CaseState.DONE:
        _check_beams_done(journal, row)
    journal.run(
        q.MOVE_CASE,
        case=case,
        state=to,
        held_from=now if to is CaseState.HELD else "",
        reason=reason,
        started=row["started"] or (journal.at if to is CaseState.RUNNING else None),
        ended=journal.at if to in ENDED_CASES else None,
        cleaned=row["cleaned"] if to in ENDED_CASES else 0,
    )
    if to in (CaseState.FAILED, CaseState.CANCELLED) and row["supersedes"]:
        sendings.judged_anew(journal, row["supersedes"])
    if to is CaseState.DONE and row["kind"] == planned.PLANNED:
        planned.ended(journal, case)
    elif to is CaseState.DONE:
        reports.due(journal, case)
        sendings.wanted(journal, case, "accepted")
        reports.due_again(journal, (row["supersedes"],))
        reports.due_of_later(journal, case)
    journal.event(case, f"case: {now} → {to}", reason)


def _check_beams_done(journal: Journal, case: dict[str, Any]) -> None:
    """A case is done when every beam is (in a partial one: every beam that was not given up, and one at least)."""
    rows = journal.database.execute(q.BEAMS, {"cases": list_json((case["case"],))}).fetchall()
    states = {row["number"]: BeamState(row["state"]) for row in rows}
    accepted = {BeamState.DONE, BeamState.CANCELLED} if case["partial"] else {BeamState.DONE}
    open_beams = [f"{number} is {state}" for number, state in states.items() if state not in accepted]
    if open_beams or BeamState.DONE not in states.values():
        raise refused(
            f"Case {case['case']} is {case['state']}: it cannot become done while beam {', '.join(open_beams)}.",
            kind="beams-open",
        )


def note_interpretation(journal: Journal, record: NoteInterpretation) -> None:
    """Replace the interpretation of a case."""
    the_case(journal, record.case)
    journal.run(q.SET_INTERPRETATION, case=record.case, json=plain(record.summary))
    journal.event(record.case, "case: interpreted")


def note_verdict(journal: Journal, record: NoteVerdict) -> None:
    """Replace the verdict of a case; the event keeps every one that there was."""
    the_case(journal, record.case)
    journal.run(q.SET_VERDICT, case=record.case, json=plain(record.verdict))
    journal.event(record.case, "case: verdict", record.verdict)


def set_priority(journal: Journal, record: SetPriority) -> None:
    """Change the priority of a case."""
    row = the_case(journal, record.case)
    if row["priority"] != record.priority:
        journal.run(q.SET_PRIORITY, case=record.case, priority=record.priority)
        journal.event(record.case, f"case: priority {row['priority']} → {record.priority}")


def mark_cleaned(journal: Journal, record: MarkCleaned) -> None:
    """The files of an ended case are gone; refused while the case is open, for its files are needed then."""
    row = the_case(journal, record.case)
    if CaseState(row["state"]) not in ENDED_CASES:
        raise refused(f"Case {record.case} is {row['state']}: its files are still needed.", kind="not-ended")
    if not row["cleaned"]:
        journal.run(q.SET_CLEANED, case=record.case)
        journal.event(record.case, "case: cleaned")


def the_case(journal: Journal, case: str) -> dict[str, Any]:
    """The row of a case; refused when there is none."""
    row = journal.one(q.CASE, case=case)
    if row is None:
        raise refused(f"There is no case {case}.", kind="no-such-case")
    return row
