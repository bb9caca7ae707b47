"""Apply the records of one Write, in order; each transition adds its own event. The caller owns the transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from actors.ledger import attempts, cases, halts, notes, planned, pushes, reports, reviews, sendings, trying
from actors.ledger.journal import Journal
from messages import ledger as m

_APPLY: Mapping[type, Callable[[Journal, Any], None]] = MappingProxyType(
    {
        m.SightCase: cases.sight,
        m.AdmitCase: cases.admit,
        m.WantPlanned: planned.want_planned,
        m.MoveCase: cases.move,
        m.ExpectCase: cases.expect,
        m.ReleaseCase: cases.release,
        m.ExplainCase: cases.explain,
        m.NoteInterpretation: cases.note_interpretation,
        m.NoteVerdict: cases.note_verdict,
        m.SetPriority: cases.set_priority,
        m.MarkCleaned: cases.mark_cleaned,
        m.MoveBeam: attempts.move_beam,
        m.ForgiveBeam: attempts.forgive_beam,
        m.ExplainBeam: attempts.explain_beam,
        m.OpenAttempt: attempts.open_attempt,
        m.MoveAttempt: attempts.move_attempt,
        m.NoteProgress: attempts.note_progress,
        m.NoteEvent: notes.note_event,
        m.NoteHost: notes.note_host,
        m.NoteGpu: notes.note_gpu,
        m.RaiseAlarm: notes.raise_alarm,
        m.ClearAlarm: notes.clear_alarm,
        m.OpenPush: pushes.open_push,
        m.TryPush: pushes.try_push,
        m.SettlePush: pushes.settle_push,
        m.HaltPlace: halts.halt_place,
        m.LiftHalt: halts.lift_halt,
        m.PardonGpu: halts.pardon_gpu,
        m.BeginReport: reports.begin_report,
        m.SettleReport: reports.settle_report,
        m.AddReview: reviews.add_review,
        m.SetNodes: sendings.set_nodes,
        m.OrderSending: sendings.order_sending,
        m.BeginSending: trying.begin_sending,
        m.SettleSending: sendings.settle_sending,
        m.OrderCommand: notes.order_command,
        m.DecideCommand: notes.decide_command,
        m.SettleCommand: notes.settle_command,
    }
)


def apply_records(database: sqlite3.Connection, records: tuple[m.Record, ...], *, at: str, epoch: int) -> None:
    """Write ``records``; at: ISO 8601 UTC of the events, epoch: of the writer.

    Raises MqiError for a record that may not be written, sqlite3.Error for a disk that may not take it; either way the
    caller rolls back to before the first of them.
    """
    journal = Journal(database, at, epoch)
    for record in records:
        _APPLY[type(record)](journal, record)
