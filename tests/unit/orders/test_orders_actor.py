"""The orders actor among probes: one step at a time, each repeatable, whatever answer is lost or late."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from actors.orders import Orders
from actors.orders.actor import LONGEST_PAUSE_S, LOOK_S, SILENT_S, WRITE_PAUSE_S
from actors.supervision import Up
from messages.cases import FolderTaken, SubmitFolder
from messages.faults import Fault
from messages.jobs import SteerCase
from messages.ledger import (
    CaseReport,
    CaseRow,
    ClearAlarm,
    DecideCommand,
    GetCase,
    GetHalts,
    GetOrders,
    GetSteering,
    HaltsReport,
    OrderRow,
    OrdersReport,
    Record,
    SettleCommand,
    Write,
    WriteRefused,
    Written,
)
from messages.operators import AlarmCleared, CaseChanged, OrderPlaced, PlacesChanged, PruneNow
from messages.states import CaseState
from tests.kit import Probe, VirtualTimers, solo, solo_mail

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def order(name: str, kind: str = "hold", subject: str = "c", argument: str = "") -> OrderRow:
    return OrderRow(name, kind, subject, argument, "kim", NOW, "")


def case(state: CaseState = CaseState.QUEUED) -> CaseRow:
    fields = ("c", state, "", 0, "/p", "", "", "", NOW, NOW, None, None, None, "", "")
    return CaseRow(*fields, cleaned=False, beams=())  # type: ignore[arg-type, misc]


class Bench:
    """Every message is handled at once, in the test's own thread."""

    def __init__(self) -> None:
        self.ledger, self.scanner, self.admission = Probe("ledger"), Probe("scanner"), Probe("admission")
        self.monitor, self.worker, self.timers = Probe("monitor"), Probe("worker"), VirtualTimers()
        self.cluster = Probe("cluster")
        self.orders = solo(
            Orders,
            timers=self.timers,
            ledger=self.ledger,
            scanner=self.scanner,
            admission=self.admission,
            monitor=self.monitor,
            hosts=("gpu1",),
            workers=lambda: [self.worker],
            clusters=(self.cluster,),
        )
        self.orders.started()

    def tell(self, message: object) -> None:
        self.orders.receive(message)
        for mail in solo_mail(self.orders):
            self.orders.receive(mail)

    def pass_time(self, seconds: float) -> None:
        self.timers.advance(seconds)
        for mail in solo_mail(self.orders):
            self.orders.receive(mail)

    def standing(self, *rows: OrderRow) -> None:
        self.tell(OrdersReport(self.ledger.all(GetOrders)[-1].request_id, rows))

    def is_case(self, row: CaseRow | None = None) -> None:
        self.tell(CaseReport(self.ledger.all(GetCase)[-1].request_id, row or case(), (), last_event=7))

    @property
    def write(self) -> Write:
        return self.ledger.all(Write)[-1]

    @property
    def records(self) -> tuple[Record, ...]:
        return self.write.records

    def written(self) -> None:
        self.tell(Written(self.write.request_id))

    def refused(self, kind: str) -> None:
        self.tell(WriteRefused(self.write.request_id, Fault("no", kind=kind)))


@pytest.mark.promise("P16")
def test_a_cluster_that_is_started_anew_is_told_again_what_its_queue_is_to_follow() -> None:
    """Also after a start of the daemon: what it was told before may never have reached Slurm."""
    bench = Bench()
    rows = (order("o1"), order("o2", "priority", argument="3"), order("o3", "release"), order("o4", subject="d"))
    bench.tell(Up("cluster", 1))
    asked = len(bench.ledger.all(GetSteering))
    bench.pass_time(LOOK_S)
    assert len(bench.ledger.all(GetSteering)) == asked + 1, "the answer may be lost"
    bench.tell(OrdersReport(bench.ledger.all(GetSteering)[-1].request_id, rows))
    assert bench.cluster.all(SteerCase) == [SteerCase("c", held=False, priority=3), SteerCase("d", held=True)]
    bench.tell(OrdersReport(bench.ledger.all(GetSteering)[-1].request_id, rows))
    assert len(bench.cluster.all(SteerCase)) == 2, "an answer that came twice"
    asked = len(bench.ledger.all(GetSteering))
    bench.pass_time(LOOK_S)
    assert len(bench.ledger.all(GetSteering)) == asked, "it is answered"


@pytest.mark.promise("P16")
def test_what_is_ordered_while_that_is_asked_is_not_undone_by_an_older_answer() -> None:
    bench = Bench()
    bench.tell(Up("cluster", 1))
    older = bench.ledger.all(GetSteering)[-1].request_id
    bench.standing(order("o2", "hold"))
    bench.is_case()
    bench.written()
    assert bench.cluster.all(SteerCase) == [SteerCase("c", held=True)]
    bench.tell(OrdersReport(older, (order("o1", "release"),)))
    assert len(bench.cluster.all(SteerCase)) == 1
    newer = bench.ledger.all(GetSteering)[-1].request_id
    bench.tell(OrdersReport(newer, (order("o1", "release"), order("o2", "hold"))))
    assert bench.cluster.all(SteerCase)[-1] == SteerCase("c", held=True)


@pytest.mark.promise("P34")
def test_written_then_told_then_settled_then_the_next() -> None:
    bench = Bench()
    bench.standing(order("o1"), order("o2", "release"))
    assert len(bench.ledger.all(GetCase)) == 1, "one after the other"
    bench.is_case()
    assert not bench.admission.all(CaseChanged), "nobody is told of what is not on the disk"
    assert not any(isinstance(record, SettleCommand) for record in bench.records)
    bench.written()
    assert bench.admission.all(CaseChanged) == [CaseChanged("c")] == bench.scanner.all(CaseChanged)
    (settle,) = bench.records
    assert isinstance(settle, SettleCommand)
    assert (settle.order, settle.outcome) == ("o1", "done: it is held, nothing new starts for it")
    bench.written()
    bench.standing(order("o2", "release"))
    bench.is_case(case(CaseState.RUNNING))
    assert bench.records == (SettleCommand("o2", "nothing to do: it is not held, it is running"),)
    assert len(bench.admission.all(CaseChanged)) == 2, "a crash may have kept it from them before"


@pytest.mark.promise("P34")
def test_what_changed_meanwhile_is_decided_anew() -> None:
    bench = Bench()
    bench.standing(order("o1"))
    bench.is_case()
    bench.refused("case-changed")
    bench.is_case(case(CaseState.DONE))
    assert bench.records == (SettleCommand("o1", "refused: it is done: there is nothing to hold"),)
    assert not bench.admission.all(CaseChanged), "a refusal concerns nobody"


def test_a_disk_without_room_is_waited_for_and_what_can_never_be_is_refused() -> None:
    bench = Bench()
    bench.standing(order("o1"))
    bench.is_case()
    bench.refused("ledger-full")
    bench.pass_time(WRITE_PAUSE_S)
    bench.is_case()
    bench.refused("illegal-transition")
    assert bench.records == (SettleCommand("o1", "refused: no"),)
    bench.refused("ledger-full")
    bench.pass_time(WRITE_PAUSE_S)
    assert bench.records == (SettleCommand("o1", "refused: no"),)
    looks = len(bench.ledger.all(GetOrders))
    bench.refused("no-such-order")
    assert len(bench.ledger.all(GetOrders)) > looks, "a restored ledger may not hold it any more"


@pytest.mark.parametrize("kind", ["illegal-transition", "case-changed"])
def test_an_outcome_that_is_refused_for_good_is_told_again_after_longer_and_longer_pauses(
    kind: str, log_lines: list[str]
) -> None:
    bench = Bench()
    bench.standing(order("o1", "priority", "c", "much"))
    pause = WRITE_PAUSE_S
    for _ in range(12):
        writes = len(bench.ledger.all(Write))
        bench.refused(kind)
        bench.pass_time(pause * 0.99)
        assert len(bench.ledger.all(Write)) == writes, "not at once"
        bench.pass_time(pause * 0.02)
        assert len(bench.ledger.all(Write)) == writes + 1
        assert isinstance(bench.records[0], SettleCommand)
        pause = min(LONGEST_PAUSE_S, pause * 2)
    assert sum("outcome of the order priority o1 cannot be written" in line for line in log_lines) == 1
    bench.written()
    bench.standing(order("o2"))
    assert bench.ledger.all(GetCase), "the next has its turn"


def test_a_lost_answer_is_asked_for_again_and_a_late_one_is_nothing() -> None:
    bench = Bench()
    bench.standing(order("o1"))
    first = bench.ledger.all(GetCase)[-1]
    bench.pass_time(SILENT_S)
    bench.standing(order("o1"))
    assert len(bench.ledger.all(GetCase)) == 2
    bench.tell(CaseReport(first.request_id, case(), ()))
    assert not bench.ledger.all(Write)
    bench.is_case()
    assert bench.ledger.all(Write)


@pytest.mark.promise("P34")
def test_what_a_predecessor_wrote_is_told_as_its_outcome_whatever_has_become_of_the_case_since() -> None:
    bench = Bench()
    bench.standing(order("o1"))
    bench.is_case()
    decided = bench.records[0]
    assert decided == DecideCommand("o1", "done: it is held, nothing new starts for it"), "in one commit with the hold"
    bench = Bench()  # it crashed before the answer came
    bench.standing(replace(order("o1"), decided=decided.outcome))
    bench.is_case(case(CaseState.HELD))
    assert bench.admission.all(CaseChanged) == [CaseChanged("c")], "the crash may have kept it from them"
    assert bench.records == (SettleCommand("o1", decided.outcome),)
    bench = Bench()
    bench.standing(replace(order("o1"), decided=decided.outcome))
    bench.is_case(case(CaseState.CANCELLED))
    assert bench.records == (SettleCommand("o1", decided.outcome),)


@pytest.mark.promise("P34")
def test_a_write_whose_answer_is_lost_is_not_decided_anew_but_read() -> None:
    bench = Bench()
    bench.standing(order("o1"))
    bench.is_case()
    late = bench.write.request_id
    looks = len(bench.ledger.all(GetOrders))
    bench.pass_time(SILENT_S)
    assert len(bench.ledger.all(GetOrders)) > looks
    bench.standing(replace(order("o1"), decided="done: it is held"))
    bench.is_case(case(CaseState.HELD))
    assert bench.records == (SettleCommand("o1", "done: it is held"),)
    bench.tell(Written(late))
    assert bench.records == (SettleCommand("o1", "done: it is held"),)


def test_orders_are_looked_for_all_the_time_and_at_once_when_told() -> None:
    bench = Bench()
    before = len(bench.ledger.all(GetOrders))
    bench.pass_time(LOOK_S)
    bench.tell(OrderPlaced("o1"))
    assert len(bench.ledger.all(GetOrders)) == before + 2
    bench.tell(OrdersReport("stale", (order("o1"),)))
    assert not bench.ledger.all(GetCase)


def test_a_submission_goes_on_beside_the_others() -> None:
    bench = Bench()
    bench.standing(order("s1", "submit", "/in/a", "partial"), order("o1"))
    asked = bench.scanner.expect(SubmitFolder, 0.0)
    assert (asked.path, asked.partial) == ("/in/a", True)
    assert bench.ledger.all(GetCase)
    bench.tell(FolderTaken(asked.request_id, ("c1", "c2"), ("c2: waits",)))
    assert bench.records == (SettleCommand("s1", "done: c1, c2; c2: waits"),)
    bench.written()
    bench.standing(order("s2", "submit", "/in/b"), order("o1"))
    assert len(bench.ledger.all(GetCase)) == 1, "that one is at hand already"
    asked = bench.scanner.expect(SubmitFolder, 0.0)
    bench.tell(FolderTaken(asked.request_id, ()))
    assert bench.records == (SettleCommand("s2", "nothing to do: no case was found there"),)


def test_places_concern_admission_and_every_worker() -> None:
    bench = Bench()
    bench.standing(order("o1", "drain", "gpu1"))
    bench.tell(HaltsReport(bench.ledger.all(GetHalts)[-1].request_id, ()))
    bench.written()
    assert bench.worker.all(PlacesChanged)
    assert bench.admission.all(PlacesChanged)
    assert not bench.scanner.received


def test_what_is_no_order_is_settled_so_and_a_failed_cases_alarm_is_over_with_its_cancellation() -> None:
    bench = Bench()
    bench.standing(order("o1", "priority", "c", "much"))
    (settle,) = bench.records
    assert isinstance(settle, SettleCommand)
    assert settle.outcome.startswith('refused: "much" is no priority')
    bench.written()
    bench.standing(order("o2", "cancel"))
    bench.is_case(replace(case(), state=CaseState.FAILED))
    assert bench.records[-1] == ClearAlarm("case-failed:c"), "in the write of the order: a crash comes between neither"
    bench.written()
    assert bench.monitor.expect(AlarmCleared, 0.0) == AlarmCleared("case-failed:c")


def test_no_such_case_is_refused_and_an_unknown_message_is_no_reason_to_die(log_lines: list[str]) -> None:
    bench = Bench()
    bench.standing(order("o1"))
    bench.tell(CaseReport(bench.ledger.all(GetCase)[-1].request_id, None, ()))
    assert bench.records == (SettleCommand("o1", "refused: there is no case c"),)
    bench.tell("what?")
    assert any("do not know str" in line for line in log_lines)


def test_an_order_to_prune_is_told_to_those_who_keep_things() -> None:
    bench = Bench()
    bench.standing(order("o1", "prune", ""))
    bench.tell(HaltsReport(bench.ledger.all(GetHalts)[-1].request_id, ()))
    assert bench.ledger.all(PruneNow) == [PruneNow()] == bench.admission.all(PruneNow)
    (settle,) = bench.records
    assert isinstance(settle, SettleCommand)
    assert settle.outcome.startswith("done: what is older")


@pytest.mark.promise("P34")
@pytest.mark.parametrize(("decided", "told"), [("done: it is held", 1), ("refused: it is done", 0)])
def test_what_was_decided_as_the_ledger_was_opened_is_told_and_settled(decided: str, told: int) -> None:
    bench = Bench()
    bench.standing(replace(order("o1"), decided=decided))
    bench.is_case(case(CaseState.CANCELLED))
    assert bench.records == (SettleCommand("o1", decided),)
    assert len(bench.admission.all(CaseChanged)) == told
