"""Records that are no transition of a case: history, hosts, GPUs, alarms, operators' orders."""

from __future__ import annotations

from actors.ledger import queries as q
from actors.ledger.codec import path_value, plain, value_path
from actors.ledger.journal import Journal
from actors.ledger.transitions import refused
from messages.ledger import (
    ClearAlarm,
    DecideCommand,
    NoteEvent,
    NoteGpu,
    NoteHost,
    OrderCommand,
    RaiseAlarm,
    SettleCommand,
)
from messages.operators import OrderKind


def note_event(journal: Journal, record: NoteEvent) -> None:
    """What happened."""
    journal.event(record.case, plain(record.what), record.detail)


def note_host(journal: Journal, record: NoteHost) -> None:
    """How a host is; an event when its state changed."""
    row = journal.one(q.HOST, host=record.host)
    reason = plain(record.reason)
    journal.run(q.SET_HOST, host=record.host, kind=record.kind, state=record.state, reason=reason, at=journal.at)
    if row is None or row["state"] != record.state:
        before = f"{row['state']} → " if row else ""
        journal.event("", f"host {record.host}: {before}{record.state}", reason)


def note_gpu(journal: Journal, record: NoteGpu) -> None:
    """How a GPU is; an event when its health changed (idle and busy are told by the attempts)."""
    row = journal.one(q.GPU, host=record.host, index=record.index)
    reason = plain(record.reason)
    journal.run(
        q.SET_GPU,
        host=record.host,
        index=record.index,
        uuid=record.uuid,
        state=record.state,
        reason=reason,
        beam=record.beam,
        model=record.model,
        at=journal.at,
    )
    if row is None or (row["state"] != record.state and {row["state"], record.state} != {"idle", "busy"}):
        before = f"{row['state']} → " if row else ""
        journal.event("", f"gpu {record.host}/{record.index}: {before}{record.state}", reason)


def raise_alarm(journal: Journal, record: RaiseAlarm) -> None:
    """An alarm stands until it is cleared; raising it again only brings the text up to date."""
    row = journal.one(q.ALARM, alarm=record.alarm)
    journal.run(q.SET_ALARM, alarm=record.alarm, at=journal.at, text=plain(record.text))
    if row is None:
        journal.event("", f"alarm {record.alarm}: raised", record.text)


def clear_alarm(journal: Journal, record: ClearAlarm) -> None:
    """An alarm is over; clearing one that does not stand changes nothing."""
    row = journal.one(q.ALARM, alarm=record.alarm)
    if row is not None:
        journal.run(q.DROP_ALARM, alarm=record.alarm)
        journal.event("", f"alarm {record.alarm}: cleared", row["text"])


def order_command(journal: Journal, record: OrderCommand) -> None:
    """An operator's order; the same order sent again changes nothing."""
    new = journal.one(
        q.ADD_ORDER,
        order=record.order,
        kind=record.kind,
        subject=path_value(record.subject),
        argument=path_value(record.argument),
        user=record.user,
        at=journal.at,
    )
    if new is not None:
        case = _case_or_none(journal, record.subject)
        # A folder may be named after a patient: it stays out of what is told of the order.
        subject = "" if record.kind == OrderKind.SUBMIT else record.subject
        words = " ".join(part for part in (record.kind, subject, record.argument) if part)
        journal.event(case, f"order: {plain(words)}", f"by {record.user or 'nobody named'}")


def decide_command(journal: Journal, record: DecideCommand) -> None:
    """What an order comes to, with what it changes; an order that is settled is not carried out."""
    if journal.one(q.DECIDE_ORDER, order=record.order, outcome=plain(record.outcome)) is None:
        raise refused(f"There is no open order {record.order}.", kind="no-such-order")


def settle_command(journal: Journal, record: SettleCommand) -> None:
    """What became of an order; the first outcome stands."""
    known = journal.one(q.ORDER, order=record.order)
    if known is None:
        raise refused(f"There is no order {record.order}.", kind="no-such-order")
    if journal.one(q.SETTLE_ORDER, order=record.order, outcome=plain(record.outcome)) is not None:
        subject = value_path(known["subject"])
        folder = known["kind"] == OrderKind.SUBMIT  # it may be named after a patient
        told = known["kind"] if folder else f"{known['kind']} {subject}".rstrip()
        detail = record.outcome.partition(":" if not record.outcome.startswith("done") else ";")[0]
        journal.event(
            _case_or_none(journal, subject),
            plain(f"order: {told}: settled"),
            detail if folder else record.outcome,
        )


def _case_or_none(journal: Journal, subject: str) -> str:
    """The subject of an order when it is a case; otherwise empty: the order is about the system."""
    return subject if journal.one(q.CASE, case=plain(subject)) else ""
