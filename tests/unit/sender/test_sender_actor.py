"""What the sender tells the ledger and when it sends: the actor alone, with probes for ledger and monitor."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from actors.sender import Sender
from actors.sender.actor import AGAIN_S, LOOK_S, SILENT_S
from actors.sender.decision import FIRST_S, LONGEST_S, again_s
from actors.sender.order import NotSent, SendResult, Sent, Why
from actors.settings import SendNode
from actors.supervision import TaskFailed
from messages.faults import Blame, Fault
from messages.ledger import (
    BeginSending,
    CaseRow,
    ClearAlarm,
    GetNextSending,
    GetNodes,
    NextSending,
    NodesReport,
    SendingRow,
    SendingState,
    SetNodes,
    SettleSending,
    Write,
    WriteRefused,
    Written,
)
from messages.operators import AlarmCleared, AlarmRaised
from messages.states import CaseState, ReviewState
from tests.kit import Probe, VirtualTimers, solo, solo_mail, wait_until

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
GOOD = '{"verdict": "accepted", "path": "/old/results/c", "manifest_sha256": "ab", "gray": true, "phantom": false}'
PACS = SendNode(name="pacs", host="h", called="A", when="accepted")
DROP = SendNode(name="drop", kind="folder", folder=Path("/out"), when="accepted")
AWAY = NotSent("it is away", Why.NODE)
DUE, STORED = SendingState.DUE, SendingState.STORED


def row(state: SendingState = DUE, **keys: object) -> SendingRow:
    made = SendingRow("c", "pacs", state, "", "", 0, "", "", NOW, NOW, NOW)
    return replace(made, **keys)  # type: ignore[arg-type]


def case(verdict: str = GOOD) -> CaseRow:
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
    """The actor, probes, and a process that is none: what it was asked is kept."""

    def __init__(self, *nodes: SendNode, before: tuple[str, ...] = ()) -> None:
        self.ledger, self.monitor, self.timers = Probe("ledger"), Probe("monitor"), VirtualTimers()
        self.orders: list[SendResult] = []
        self.sender = solo(
            Sender,
            timers=self.timers,
            ledger=self.ledger,
            monitor=self.monitor,
            nodes=nodes,
            results_dir=Path("/results"),
            send=lambda scope, order: self.orders.append(order),
            clock=lambda: NOW,
        )
        self.sender.started()
        self.turned(0.0)
        assert isinstance(self.told(), GetNodes)
        self.answer(NodesReport, before)

    def told(self) -> object:
        """The last message to the ledger."""
        return self.ledger.received[-1]

    def answer(self, kind: type, *values: object, **keys: object) -> None:
        asked = self.told()
        assert isinstance(asked, GetNodes | GetNextSending | Write)
        self.sender.receive(kind(asked.request_id, *values, **keys))

    def record(self) -> object:
        message = self.told()
        assert isinstance(message, Write)
        assert (message.reply_to, message.writer) == (self.sender.address, self.sender.address.id)
        (record,) = message.records
        return record

    def outcome(self, outcome: Sent | NotSent) -> SettleSending:
        """The process has ended with this: what is written for it."""
        lane = self.sender._lanes["pacs"]
        self.sender._tried(lane, outcome)
        settled = self.record()
        assert isinstance(settled, SettleSending)
        return settled

    def turned(self, seconds: float) -> None:
        """Time passes, and the actor gets what it told itself."""
        self.timers.advance(seconds)
        for message in solo_mail(self.sender):
            self.sender.receive(message)


def looking(node: SendNode = PACS) -> Bench:
    bench = Bench(node)
    assert bench.record() == SetNodes((("pacs", node.when),))
    bench.answer(Written)
    assert isinstance(bench.told(), GetNextSending)
    return bench


def under_way(sending: SendingRow | None = None, node: SendNode = PACS, **keys: object) -> Bench:
    bench = looking(node)
    bench.answer(NextSending, sending or row(), case(), **keys)
    judged = {name: keys[name] for name in ("review", "superseded_by") if name in keys}
    assert bench.record() == BeginSending("c", "pacs", **judged)  # type: ignore[arg-type]
    bench.answer(Written)
    wait_until(lambda: len(bench.orders) == 1)
    return bench


def test_nothing_leaves_before_the_intent_is_on_the_disk() -> None:
    bench = looking()
    bench.answer(NextSending, row(), case())
    assert bench.record() == BeginSending("c", "pacs")
    assert bench.orders == []


def test_what_is_sent_is_the_published_result_with_what_the_ledger_knows_of_it() -> None:
    (order,) = under_way(row(order="send-1"), review=ReviewState.REVIEWED).orders
    assert (order.case, order.result, order.result_sha256) == ("c", "/old/results/c", "ab")
    assert (order.ordered, order.commit, order.node) == (True, False, PACS)
    assert (order.standing.verdict, order.standing.review) == ("accepted", ReviewState.REVIEWED)


def test_what_was_taken_is_written_and_the_next_is_asked_for() -> None:
    bench = under_way()
    assert bench.outcome(Sent("3 files", "[]")) == SettleSending("c", "pacs", SendingState.SENT, "3 files", 0.0, "[]")
    bench.answer(Written)
    assert isinstance(bench.told(), GetNextSending)


def test_a_new_version_is_linked_with_what_the_node_has() -> None:
    bench = under_way(earlier=row(SendingState.COMMITTED, case="c-0"))
    assert bench.outcome(Sent("3 files", "")).reason.startswith("3 files; it supersedes c-0, sent there 2026-03-02")


def test_commitment_is_asked_for_apart_and_again() -> None:
    node = PACS.model_copy(update={"commitment": True})
    assert under_way(node=node).outcome(Sent("3 files", "")).state == STORED
    bench = under_way(row(STORED, tries=2), node)
    assert bench.orders[0].commit
    assert bench.orders[0].transaction.endswith("/3")
    settled = bench.outcome(NotSent("it says nothing", Why.UNSAID))
    assert (settled.state, settled.again_s) == (STORED, again_s(3))
    kept = under_way(row(STORED), node).outcome(Sent("it keeps them", "[]"))
    assert (kept.state, kept.answers) == (SendingState.COMMITTED, "[]")
    assert under_way(row(STORED), node).outcome(NotSent("lost", Why.LOST, "[1]")).state == DUE


def test_a_drop_folder_commits_itself_to_nothing() -> None:
    node = PACS.model_copy(update={"commitment": True, "kind": "folder", "folder": Path("/out")})
    assert under_way(node=node).outcome(Sent("6 files", "")).state == SendingState.SENT


def test_a_node_that_is_away_rests_and_holds_up_no_other() -> None:
    bench = under_way()
    settled = bench.outcome(AWAY)
    assert (settled.state, settled.reason, settled.again_s) == (DUE, "it is away", FIRST_S)
    bench.answer(Written)
    count = len(bench.ledger.received)
    bench.turned(FIRST_S - 1)
    assert len(bench.ledger.received) == count
    bench.turned(2)
    assert isinstance(bench.told(), GetNextSending)


@pytest.mark.parametrize(("why", "least"), [(Why.CHANGED, 300.0), (Why.REFUSED, 300.0), (Why.OURS, FIRST_S)])
def test_what_is_wrong_with_one_result_waits_longer(why: Why, least: float) -> None:
    bench = under_way()
    assert bench.outcome(NotSent("because", why)).again_s == least
    bench.answer(Written)
    assert isinstance(bench.told(), GetNextSending) == (why is not Why.OURS)


def test_pauses_grow_and_end_growing() -> None:
    assert [again_s(tries) for tries in (1, 2, 3, 8, 5000)] == [10.0, 20.0, 40.0, LONGEST_S, LONGEST_S]


@pytest.mark.parametrize(
    ("verdict", "keys", "words"),
    [
        (GOOD.replace("accepted", "suspect"), {}, "it is suspect"),
        (GOOD, {"superseded_by": "c-2"}, "c-2 supersedes it"),
        (GOOD, {"review": ReviewState.REJECTED}, "it was rejected"),
        (GOOD.replace("true", "false"), {}, "no calibration is approved"),
    ],
)
def test_what_the_rules_forbid_is_withheld_without_a_process(verdict: str, keys: dict[str, object], words: str) -> None:
    bench = looking()
    bench.answer(NextSending, row(), case(verdict), **keys)
    settled = bench.record()
    assert isinstance(settled, SettleSending)
    assert (settled.state, words in settled.reason) == (SendingState.WITHHELD, True)
    bench.answer(Written)
    assert isinstance(bench.told(), GetNextSending)
    assert bench.orders == []


@pytest.mark.parametrize("keys", [{"superseded_by": "c-2"}, {"review": ReviewState.REJECTED}])
def test_what_the_node_has_is_never_called_withheld(keys: dict[str, object]) -> None:
    """The ledger would say of a rejected dose that it was not sent, while the node has it."""
    bench = looking()
    bench.answer(NextSending, row(STORED), case(), **keys)
    assert bench.record() == BeginSending("c", "pacs", **keys)  # type: ignore[arg-type]
    bench.answer(Written)
    wait_until(lambda: len(bench.orders) == 1)
    assert bench.orders[0].commit
    lost = bench.outcome(NotSent("A does not keep sum.dcm", Why.LOST))
    assert lost.state == DUE
    bench.answer(Written)
    bench.answer(NextSending, row(DUE), case(), **keys)
    settled = bench.record()
    assert isinstance(settled, SettleSending)
    assert settled.state == SendingState.WITHHELD, "it is not sent once more"


def test_the_rules_are_asked_of_the_result_as_the_intent_names_it() -> None:
    bench = looking()
    bench.answer(NextSending, row(), case(), review=ReviewState.APPROVED)
    assert bench.record() == BeginSending("c", "pacs", ReviewState.APPROVED)


def test_the_manifest_may_forbid_what_the_ledger_does_not() -> None:
    assert under_way().outcome(NotSent("it is PARTIAL", Why.WITHHELD)).state == SendingState.WITHHELD


def test_each_node_has_a_lane_of_its_own() -> None:
    bench = Bench(PACS, DROP)
    bench.answer(Written)
    asked = [message for message in bench.ledger.received if isinstance(message, GetNextSending)]
    assert [message.node for message in asked] == ["pacs", "drop"]
    bench.sender.receive(NextSending(asked[0].request_id, row(), case()))
    begun = bench.told()
    bench.sender.receive(NextSending(asked[1].request_id, row(node="drop"), case()))
    assert bench.record() == BeginSending("c", "drop")
    assert isinstance(begun, Write)


def test_without_nodes_nothing_is_asked_again_and_those_that_went_are_forgotten() -> None:
    assert len(Bench().ledger.received) == 1
    bench = Bench(before=("tape",))
    going = bench.told()
    assert isinstance(going, Write)
    assert going.records == (SetNodes(()), ClearAlarm("send:tape")), "a crash between the two would leave it for ever"
    assert list(bench.monitor.received) == [AlarmCleared("send:tape")]
    bench.answer(Written)
    assert len(bench.ledger.received) == 2


def test_what_is_late_is_an_alarm_until_it_is_not() -> None:
    bench = looking()
    late = row(tries=9, reason="it is away.", since=NOW - timedelta(hours=2))
    bench.answer(NextSending, None, None, late=late)
    bench.turned(LOOK_S)
    bench.answer(NextSending, None, None, late=replace(late, tries=10))
    bench.turned(LOOK_S)
    bench.answer(NextSending, None, None)
    raised, cleared = bench.monitor.received
    assert isinstance(raised, AlarmRaised)
    assert raised.id == "send:pacs"
    assert "c was tried in vain since" in raised.text and "it is away. Mend that" in raised.text
    assert cleared == AlarmCleared("send:pacs")


def test_a_monitor_that_was_restarted_is_told_again() -> None:
    bench = looking()
    late = row(tries=9, reason="it is away.", since=NOW - timedelta(hours=2))
    bench.answer(NextSending, None, None, late=late)
    bench.turned(LOOK_S)
    bench.monitor.go_down(RuntimeError())
    bench.monitor.come_up()
    bench.turned(0.0)
    bench.answer(NextSending, None, None, late=late)
    assert len(bench.monitor.all(AlarmRaised)) == 2


def test_what_is_not_late_yet_is_no_alarm() -> None:
    bench = looking()
    bench.answer(NextSending, None, None, late=row(tries=9, reason="it is away", since=NOW - timedelta(minutes=59)))
    assert list(bench.monitor.received) == [AlarmCleared("send:pacs")], "one of an earlier life is over"


def test_a_ledger_that_refuses_or_is_silent_is_asked_anew() -> None:
    bench = looking()
    bench.answer(NextSending, row(), case())
    bench.answer(WriteRefused, Fault("full", blame=Blame.OURS, kind="ledger-full"))
    bench.turned(AGAIN_S)
    assert isinstance(bench.told(), GetNextSending)
    count = len(bench.ledger.received)
    bench.turned(SILENT_S)
    assert len(bench.ledger.received) == count + 1
    bench.sender.receive(Written("send#stale"))
    bench.sender.receive(object())
    assert len(bench.ledger.received) == count + 1


def test_a_process_that_cannot_be_started_is_a_try_in_vain() -> None:
    bench = under_way()
    bench.sender.receive(TaskFailed("pacs", OSError("no more processes"), bench.sender.epoch))
    settled = bench.record()
    assert isinstance(settled, SettleSending)
    assert (settled.state, "no more processes" in settled.reason) == (DUE, True)
