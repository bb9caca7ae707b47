"""Engine runs of the planned spots: one for whatever gives one dose, and the deliveries that it is compared with.

A run is a case of its own kind: beams, attempts, retries and publication are those of a delivery, and so are their
guarantees. That there is one only rests on its name, which follows from everything that decides its dose and is the
primary key of ``cases``; it enters in the transaction in which the first delivery that wants it has been interpreted.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from actors.ledger import queries as q
from actors.ledger import reports
from actors.ledger.codec import path_value, plain, source_json
from actors.ledger.journal import Journal
from messages.ledger import AdmitCase, WantPlanned
from messages.states import BeamState, CaseState

PLANNED = "planned"
"""Kind of such a case."""

ADD_PLANNED = (
    'INSERT INTO cases ("case", identity, kind, state, priority, path, plan_uid, study_uid, source, seen, admitted) '
    "VALUES (:case, :identity, 'planned', 'queued', :priority, :path, :plan_uid, :study_uid, :source, :at, :at)"
)
"""A planned run, admitted as it is first wanted."""

LINK = (
    'INSERT INTO planned_runs ("case", planned) VALUES (:case, :planned) '
    'ON CONFLICT ("case") DO UPDATE SET planned = :planned WHERE planned <> :planned RETURNING 1'
)
"""The run that a delivery is compared with; a delivery that was interpreted anew may want another one."""

BEGUN = 'SELECT 1 FROM attempts WHERE "case" = :case LIMIT 1'
"""Was any engine launched for it?"""

SET_SOURCE = 'UPDATE cases SET source = :source, path = :path WHERE "case" = :case'
"""Where its files are now."""

COMPARED_WITH = 'SELECT "case" FROM planned_runs WHERE planned = :planned'
"""The deliveries that are compared with a run."""

RUN_OF = (
    'SELECT planned, state FROM planned_runs JOIN cases ON cases."case" = planned WHERE planned_runs."case" = :case'
)
"""The run that a delivery is compared with, and how it stands."""


def want_planned(journal: Journal, record: WantPlanned) -> None:
    """Admit the run unless it is there, and link the delivery to it; said again it changes nothing."""
    run = record.run.source
    row = journal.one(q.CASE, case=run.case)
    if row is None:
        _admit(journal, record.run, record.priority)
    elif row["identity"] != run.identity:
        # Twelve digits of the identity name the run: the delivery goes on without one.
        journal.event(record.case, "case: no planned run", f"{run.case} is the planned run of something else")
        return
    elif CaseState(row["state"]) is CaseState.FAILED and journal.one(BEGUN, case=run.case) is None:
        _begin_again(journal, record.run)
    if journal.one(LINK, case=record.case, planned=run.case) is not None:
        journal.event(record.case, "case: is compared with a planned run", run.case)


def ended(journal: Journal, case: str) -> None:
    """The run is published: what was compared without it is compared anew."""
    waiting = journal.database.execute(COMPARED_WITH, {"planned": case}).fetchall()
    reports.due_again(journal, tuple(row["case"] for row in waiting))


def run_of(database: sqlite3.Connection, case: str) -> tuple[str, CaseState] | None:
    """The planned run of a delivery with its state; None: none was wanted."""
    row = database.execute(RUN_OF, {"case": case}).fetchone()
    return None if row is None else (str(row["planned"]), CaseState(row["state"]))


def _admit(journal: Journal, run: AdmitCase, priority: int) -> None:
    source = run.source
    journal.run(
        ADD_PLANNED,
        case=source.case,
        identity=source.identity,
        priority=priority,
        path=path_value(source.path),
        plan_uid=source.plan_uid,
        study_uid=source.study_uid,
        source=source_json(source),
        at=journal.at,
    )
    for beam in run.beams:
        journal.run(q.ADD_BEAM, case=source.case, beam=beam.number, name=plain(beam.name))
    beams = ", ".join(str(beam.number) for beam in run.beams)
    journal.event(source.case, f"case: unknown → {CaseState.QUEUED}, admitted", f"PLANNED spots, beams {beams}")


def _begin_again(journal: Journal, run: AdmitCase) -> None:
    """It failed before an engine ran: on files that were gone, say, and are in the new delivery's folder again."""
    source = run.source
    journal.run(SET_SOURCE, case=source.case, source=source_json(source), path=path_value(source.path))
    journal.run(q.SET_INTERPRETATION, case=source.case, json="")
    values: dict[str, Any] = {"state": BeamState.PENDING, "reason": "", "progress": 0.0}
    for beam in run.beams:
        journal.run(q.MOVE_BEAM, case=source.case, beam=beam.number, **values)
    journal.run(
        q.MOVE_CASE,
        case=source.case,
        state=CaseState.QUEUED,
        held_from="",
        reason="",
        started=None,
        ended=None,
        cleaned=0,
    )
    journal.event(source.case, f"case: {CaseState.FAILED} → {CaseState.QUEUED}", "a new delivery brings its files")
