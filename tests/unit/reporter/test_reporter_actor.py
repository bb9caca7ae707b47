"""What the reporter tells the ledger and when it makes a report: the actor alone, with a probe for the ledger."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from actors.reporter import Reporter
from actors.reporter.actor import FULL_S, LOOK_S, SILENT_S
from actors.reporter.order import NO_RUN, MadeReport, MakeReport, NoReport, PlannedRun
from actors.settings import ReportSettings
from actors.supervision import TaskFailed
from messages.faults import Blame, Fault
from messages.ledger import (
    BeginReport,
    CaseRow,
    GetNextReport,
    NextReport,
    ReportRow,
    SettleReport,
    Write,
    WriteRefused,
    Written,
)
from messages.states import CaseState
from tests.kit import Probe, VirtualTimers, solo, solo_mail, wait_until

NOW = datetime(2026, 3, 2, tzinfo=UTC)
MADE = MadeReport("/results/c/report", "review", "why", "ab" * 32)


def report(tries: int = 0) -> ReportRow:
    return ReportRow("c", "due", tries, "", "", "", "", NOW)


def case(verdict: str = '{"path": "/old/results/c"}') -> CaseRow:
    return CaseRow(
        case="c",
        state=CaseState.DONE,
        reason="",
        priority=0,
        path="/share/c",
        plan_uid="",
        study_uid="",
        identity="",
        seen=NOW,
        admitted=NOW,
        started=NOW,
        ended=NOW,
        source=None,
        interpretation="",
        verdict=verdict,
        cleaned=False,
        beams=(),
    )


class Bench:
    """The actor, a ledger that only listens, and a process that is none: what it was asked is kept."""

    def __init__(self, **rules: object) -> None:
        self.ledger, self.timers = Probe("ledger"), VirtualTimers()
        self.orders: list[MakeReport] = []
        self.reporter = solo(
            Reporter,
            timers=self.timers,
            ledger=self.ledger,
            results_dir=Path("/results"),
            rules=ReportSettings(**rules),  # type: ignore[arg-type]
            make=lambda scope, order: self.orders.append(order),
        )
        self.reporter.started()

    def told(self) -> object:
        """The last message to the ledger."""
        return self.ledger.received[-1]

    def answer(self, *values: object) -> None:
        asked = self.told()
        assert isinstance(asked, GetNextReport | Write)
        kind, *rest = values
        self.reporter.receive(kind(asked.request_id, *rest))  # type: ignore[operator]

    def record(self) -> object:
        message = self.told()
        assert isinstance(message, Write)
        assert (message.reply_to, message.writer) == (self.reporter.address, self.reporter.address.id)
        (record,) = message.records
        return record


def under_way(tries: int = 0, **rules: object) -> Bench:
    bench = Bench(**rules)
    bench.answer(NextReport, report(tries), case())
    assert bench.record() == BeginReport("c")
    bench.answer(Written)
    return bench


def test_nothing_is_made_before_the_intent_is_on_the_disk() -> None:
    bench = Bench()
    assert isinstance(bench.told(), GetNextReport)
    bench.answer(NextReport, report(), case())
    assert bench.record() == BeginReport("c")
    assert bench.orders == []


def test_what_was_made_is_written_and_the_next_is_asked_for() -> None:
    bench = under_way()
    bench.reporter.receive(MADE)
    assert bench.record() == SettleReport("c", "made", "why", "review", MADE.path, MADE.manifest_sha256)
    bench.answer(Written)
    assert isinstance(bench.told(), GetNextReport)


def test_the_result_is_where_it_was_published() -> None:
    order = Bench().reporter._order(case(), None)
    assert (order.result, order.case_folder) == ("/old/results/c", "/share/c")
    without = Bench().reporter._order(case(""), None)
    assert (without.result, without.result_sha256) == ("/results/c", "")
    known = Bench().reporter._order(case('{"path": "/r/c", "manifest_sha256": "abcd"}'))
    assert (known.result, known.result_sha256) == ("/r/c", "abcd")


@pytest.mark.parametrize(
    ("tries", "kind", "state"),
    [(0, "report-died", "due"), (2, "report-died", "failed"), (0, "result-changed", "failed")],
)
def test_a_try_that_failed(tries: int, kind: str, state: str) -> None:
    bench = under_way(tries)
    bench.reporter.receive(NoReport("because", kind))
    assert bench.record() == SettleReport("c", state, "because")


def test_a_report_that_ended_every_process_is_given_up() -> None:
    bench = Bench()
    bench.answer(NextReport, report(3), case())
    settled = bench.record()
    assert isinstance(settled, SettleReport)
    assert (settled.state, settled.reason) == ("failed", "Given up after 3 tries: none of them ended")


def test_a_full_disk_is_waited_for_and_costs_no_try() -> None:
    bench = under_way()
    before = len(bench.ledger.received)
    bench.reporter.receive(NoReport("full", "disk-full"))
    assert len(bench.ledger.received) == before
    assert bench.timers.due_in(FULL_S)


def test_a_ledger_that_refuses_is_asked_again_later() -> None:
    bench = Bench()
    bench.answer(NextReport, report(), case())
    count = len(bench.ledger.received)
    bench.answer(WriteRefused, Fault("full", blame=Blame.OURS, kind="ledger-full"))
    assert len(bench.ledger.received) == count


def test_answers_to_what_was_not_asked_are_stale() -> None:
    bench = Bench()
    bench.reporter.receive(NextReport("report#other", report(), case()))
    assert isinstance(bench.told(), GetNextReport)


def test_no_reports_no_questions() -> None:
    assert list(Bench(enabled=False).ledger.received) == []


def turned(bench: Bench, seconds: float) -> None:
    """Time passes, and the actor gets what it told itself."""
    bench.timers.advance(seconds)
    for message in solo_mail(bench.reporter):
        bench.reporter.receive(message)


def test_a_ledger_in_which_nothing_is_due_is_looked_at_again() -> None:
    bench = Bench()
    bench.answer(NextReport, None, None)
    assert len(bench.ledger.received) == 1
    turned(bench, LOOK_S)
    assert [type(message) for message in bench.ledger.received] == [GetNextReport, GetNextReport]


def test_an_answer_that_was_lost_is_asked_for_anew() -> None:
    bench = Bench()
    turned(bench, SILENT_S)
    assert len(bench.ledger.received) == 2


def test_room_again_and_the_same_report_is_made() -> None:
    bench = under_way()
    wait_until(lambda: len(bench.orders) == 1)
    bench.reporter.receive(NoReport("full", "disk-full"))
    turned(bench, FULL_S)
    wait_until(lambda: len(bench.orders) == 2)
    assert bench.orders[0] == bench.orders[1]


def test_a_process_that_cannot_be_started_is_a_try_that_failed() -> None:
    bench = under_way()
    bench.reporter.receive(TaskFailed("report", OSError("no more processes"), bench.reporter.epoch))
    settled = bench.record()
    assert isinstance(settled, SettleReport)
    assert (settled.state, "no more processes" in settled.reason) == ("due", True)


def a_run(state: CaseState, reason: str = "", verdict: str = "") -> CaseRow:
    return replace(case(verdict), case="plan-1", kind="planned", state=state, reason=reason)


@pytest.mark.parametrize(
    ("run", "planned"),
    [
        (None, NO_RUN),
        (
            a_run(CaseState.DONE, verdict='{"path": "/results/plan-1", "manifest_sha256": "ff"}'),
            PlannedRun("/results/plan-1", "ff"),
        ),
        (a_run(CaseState.FAILED, "beam 3"), PlannedRun(reason="its planned run plan-1 is failed: beam 3")),
        (a_run(CaseState.CANCELLED), PlannedRun(reason="its planned run plan-1 is cancelled: no reason was told")),
        (a_run(CaseState.QUEUED), PlannedRun(reason="its planned run plan-1 is not there yet, it is queued")),
    ],
)
def test_the_run_of_the_planned_spots_is_handed_on_or_why_there_is_none(
    run: CaseRow | None, planned: PlannedRun
) -> None:
    bench = Bench()
    bench.answer(NextReport, report(), case(), run)
    bench.answer(Written)
    wait_until(lambda: bench.orders)
    assert bench.orders[0].planned == planned
    assert planned.wanted == (run is not None)
    bench.reporter.receive(MADE)
    settled = bench.record()
    assert isinstance(settled, SettleReport)
    assert settled.planned == bool(planned.result)


def test_it_waits_for_that_run_as_long_as_the_site_says() -> None:
    asked = Bench(planned_wait_h=2.0).told()
    assert isinstance(asked, GetNextReport) and asked.patient_until is not None
    assert 1.9 < (datetime.now(UTC) - asked.patient_until).total_seconds() / 3600 < 2.1
