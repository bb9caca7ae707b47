"""What is asked of the ledger, on an open connection: for the actor's answers and for the read-only reader alike."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from actors.ledger import queries as q
from actors.ledger import rows
from actors.ledger.cases import last_event
from actors.ledger.codec import list_json, time_text
from actors.ledger.course import course_of
from actors.ledger.halts import gpu_record, halts
from actors.ledger.planned import run_of
from actors.ledger.pushes import pushes_report
from actors.ledger.reports import next_report, report_of
from actors.ledger.reviews import latest, newer, reviews_of, state_of, superseding
from actors.ledger.sendings import late_sending, next_sending, nodes, taken
from messages.ledger import (
    INTERPRETATION_SENT,
    AlarmRow,
    AttemptRow,
    AttemptsReport,
    CaseReport,
    CaseRow,
    CasesReport,
    EventRow,
    GetAttempts,
    GetCase,
    GetCases,
    GetGpuRecord,
    GetHalts,
    GetKnownCases,
    GetNextReport,
    GetNextSending,
    GetNodes,
    GetOrders,
    GetPushes,
    GetReview,
    GetSteering,
    GpuRecordReport,
    GpuRow,
    HaltsReport,
    HostRow,
    KnownCase,
    KnownCasesReport,
    NextReport,
    NextSending,
    NodesReport,
    OrderRow,
    OrdersReport,
    PushesReport,
    ReviewReport,
)
from messages.states import OPEN_ATTEMPTS, OPEN_CASES, CaseState

KNOWN_AT_ONCE = 1000
"""Known cases of one answer: what bounds its time and size."""

Query = (
    GetCase
    | GetCases
    | GetAttempts
    | GetKnownCases
    | GetOrders
    | GetPushes
    | GetHalts
    | GetGpuRecord
    | GetNextReport
    | GetReview
    | GetNodes
    | GetNextSending
    | GetSteering
)
Report = (
    CaseReport
    | CasesReport
    | AttemptsReport
    | KnownCasesReport
    | OrdersReport
    | PushesReport
    | HaltsReport
    | GpuRecordReport
    | NextReport
    | ReviewReport
    | NodesReport
    | NextSending
)


def answer(database: sqlite3.Connection, query: Query) -> Report:
    """The report that answers a query."""
    return _ANSWERS[type(query)](database, query)


def case_report(database: sqlite3.Connection, case: str, request_id: str = "") -> CaseReport:
    """All that a case's next step is decided on."""
    return CaseReport(
        request_id=request_id,
        row=one_case(database, case),
        attempts=attempts_of(database, case),
        sent=details_of(database, case, INTERPRETATION_SENT),
        last_event=last_event(database, case),
    )


def _cases_report(database: sqlite3.Connection, query: GetCases) -> CasesReport:
    if query.after:
        found = news_of_cases(database, query.states, query.after)
    else:
        found = cases_in(database, query.states, uncleaned=query.uncleaned)
    return CasesReport(query.request_id, found, upto=int(database.execute(q.LAST_EVENT).fetchone()[0]))


def _known_report(database: sqlite3.Connection, query: GetKnownCases) -> KnownCasesReport:
    found = database.execute(q.KNOWN_CASES, {"after": query.after, "limit": KNOWN_AT_ONCE}).fetchall()
    return KnownCasesReport(
        query.request_id,
        tuple(map(rows.known_case, found)),
        after=query.after,
        upto=found[-1]["place"] if found else query.after,
        more=len(found) == KNOWN_AT_ONCE,
    )


def _next_report(database: sqlite3.Connection, query: GetNextReport) -> NextReport:
    report = next_report(database, query.patient_until)
    if report is None:
        return NextReport(query.request_id, None, None)
    run = run_of(database, report.case)
    case = one_case(database, report.case)
    return NextReport(
        request_id=query.request_id,
        report=report,
        case=case,
        planned=one_case(database, run[0]) if run else None,
        reviews=reviews_of(database, report.case),
        newer=newer(database, report.case),
        course=course_of(database, case.plan_uid) if case else (),
    )


def _review_report(database: sqlite3.Connection, query: GetReview) -> ReviewReport:
    return ReviewReport(
        request_id=query.request_id,
        row=one_case(database, query.case),
        reviews=reviews_of(database, query.case),
        report=report_of(database, query.case),
        newer=newer(database, query.case),
        latest=latest(database, query.case),
        last_event=last_event(database, query.case),
    )


def _next_sending(database: sqlite3.Connection, query: GetNextSending) -> NextSending:
    late = late_sending(database, query.node)
    sending = next_sending(database, query.node, time_text(query.now))
    if sending is None:
        return NextSending(query.request_id, None, None, late=late)
    case, newer_one = one_case(database, sending.case), superseding(database, sending.case)
    before = case.source.supersedes if case is not None and case.source is not None else ""
    return NextSending(
        query.request_id,
        sending,
        case,
        review=state_of(reviews_of(database, sending.case)),
        superseded_by=newer_one.case if newer_one is not None else "",
        earlier=taken(database, before, query.node),
        late=late,
    )


_ANSWERS: Mapping[type, Callable[[sqlite3.Connection, Any], Report]] = MappingProxyType(
    {
        GetCase: lambda database, query: case_report(database, query.case, query.request_id),
        GetCases: _cases_report,
        GetAttempts: lambda database, query: AttemptsReport(query.request_id, open_attempts_of(database, query.worker)),
        GetKnownCases: _known_report,
        GetOrders: lambda database, query: OrdersReport(query.request_id, open_orders(database)),
        GetSteering: lambda database, query: OrdersReport(query.request_id, steering(database)),
        GetNextReport: _next_report,
        GetNextSending: _next_sending,
        GetNodes: lambda database, query: NodesReport(query.request_id, nodes(database)),
        GetReview: _review_report,
        GetHalts: lambda database, query: HaltsReport(query.request_id, halts(database)),
        GetGpuRecord: gpu_record,
        GetPushes: lambda database, query: pushes_report(database, query.request_id),
    }
)


def one_case(database: sqlite3.Connection, case: str) -> CaseRow | None:
    """A case with its beams; None: no such case."""
    found = database.execute(q.CASE, {"case": case}).fetchall()
    beams = database.execute(q.BEAMS, {"cases": list_json([case])})
    return next(iter(rows.case_rows(found, beams)), None)


def cases_in(
    database: sqlite3.Connection, states: frozenset[CaseState], *, uncleaned: bool = False
) -> tuple[CaseRow, ...]:
    """Cases in these states, by priority then age; ``uncleaned`` adds ended ones with files left."""
    values = {"states": list_json(sorted(states)), "uncleaned": int(uncleaned)}
    return _with_beams(database, database.execute(q.CASES_IN_STATES, values).fetchall())


def news_of_cases(database: sqlite3.Connection, states: frozenset[CaseState], after: int) -> tuple[CaseRow, ...]:
    """Cases in these states to which something has happened after event ``after``."""
    values = {"states": list_json(sorted(states)), "after": after}
    return _with_beams(database, database.execute(q.NEWS_OF_CASES, values).fetchall())


def _with_beams(database: sqlite3.Connection, found: list[sqlite3.Row]) -> tuple[CaseRow, ...]:
    beams = database.execute(q.BEAMS, {"cases": list_json([row["case"] for row in found])})
    return rows.case_rows(found, beams)


def all_cases(database: sqlite3.Connection) -> tuple[CaseRow, ...]:
    """Every case, by priority then age."""
    return rows.case_rows(database.execute(q.CASES).fetchall(), database.execute(q.ALL_BEAMS))


def known_cases(database: sqlite3.Connection) -> tuple[KnownCase, ...]:
    """Every case as the scanner needs it, oldest first."""
    return tuple(each_known_case(database))


def each_known_case(database: sqlite3.Connection) -> Iterator[KnownCase]:
    """The same, one after the other."""
    return map(rows.known_case, database.execute(q.KNOWN_CASES, {"after": 0, "limit": -1}))


def attempts_of(database: sqlite3.Connection, case: str) -> tuple[AttemptRow, ...]:
    """The attempts of a case, oldest first."""
    return tuple(map(rows.attempt_row, database.execute(q.ATTEMPTS, {"case": case})))


def open_attempts_of(database: sqlite3.Connection, worker: str) -> tuple[AttemptRow, ...]:
    """The attempts that a worker has yet to bring to an end, oldest first."""
    values = {"worker": worker, "states": list_json(sorted(OPEN_ATTEMPTS))}
    return tuple(map(rows.attempt_row, database.execute(q.OPEN_ATTEMPTS_OF, values)))


_OPEN_GPUS = (
    "SELECT DISTINCT host, worker, gpu FROM attempts "
    "WHERE state IN ('intended', 'staged', 'launching', 'running', 'ended', 'collected') ORDER BY host, worker, gpu"
)


def open_gpus(database: sqlite3.Connection) -> Mapping[str, tuple[tuple[int, str], ...]]:
    """Host → index and UUID (or slot) of its GPUs on which attempts are open."""
    found: dict[str, tuple[tuple[int, str], ...]] = {}
    for host, worker, gpu in database.execute(_OPEN_GPUS):
        index = str(worker).rpartition("/gpu-")[2]
        if index.isdecimal():
            found[host] = (*found.get(host, ()), (int(index), gpu))
    return found


def open_orders(database: sqlite3.Connection) -> tuple[OrderRow, ...]:
    """Orders without an outcome, oldest first."""
    return tuple(map(rows.order_row, database.execute(q.OPEN_ORDERS)))


def steering(database: sqlite3.Connection) -> tuple[OrderRow, ...]:
    """Orders about the queue for cases that are not over, oldest first."""
    found = database.execute(q.STEERING, {"states": list_json(sorted(OPEN_CASES))})
    return tuple(map(rows.order_row, found))


def order(database: sqlite3.Connection, name: str) -> OrderRow | None:
    """One order; None: no such order."""
    row = database.execute(q.ORDER, {"order": name}).fetchone()
    return None if row is None else rows.order_row(row)


def events_of(database: sqlite3.Connection, case: str) -> tuple[EventRow, ...]:
    """The history of a case (empty name: of the system), oldest first."""
    return tuple(map(rows.event_row, database.execute(q.EVENTS_OF, {"case": case})))


def details_of(database: sqlite3.Connection, case: str, what: str) -> tuple[str, ...]:
    """Details of one kind of event of a case, oldest first."""
    return tuple(row["detail"] for row in database.execute(q.DETAILS_OF, {"case": case, "what": what}))


def events_after(database: sqlite3.Connection, number: int, limit: int) -> tuple[EventRow, ...]:
    """At most ``limit`` events of everything after event ``number``, oldest first."""
    return tuple(map(rows.event_row, database.execute(q.EVENTS_AFTER, {"after": number, "limit": limit})))


def hosts(database: sqlite3.Connection) -> tuple[HostRow, ...]:
    """Every host, by name."""
    return tuple(map(rows.host_row, database.execute(q.HOSTS)))


def gpus(database: sqlite3.Connection) -> tuple[GpuRow, ...]:
    """Every GPU, by host and index."""
    return tuple(map(rows.gpu_row, database.execute(q.GPUS)))


def alarms(database: sqlite3.Connection) -> tuple[AlarmRow, ...]:
    """The alarms that stand, oldest first."""
    return tuple(map(rows.alarm_row, database.execute(q.ALARMS)))


def counts(database: sqlite3.Connection, kind: str = "delivery") -> Mapping[CaseState, int]:
    """How many cases of a kind are in each state, states without a case included."""
    found = {row["state"]: row["number"] for row in database.execute(q.CASE_COUNTS, {"kind": kind})}
    return {state: found.get(state, 0) for state in CaseState}


def meta(database: sqlite3.Connection) -> Mapping[str, str]:
    """Schema version (``schema``), boot counter (``boot``), writes dropped by a fence (``stale_writes``)."""
    return {row["key"]: row["value"] for row in database.execute(q.META)}
