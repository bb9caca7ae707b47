"""The notifier when the ledger refuses, forgets or is slow, and when a way to tell hangs where nothing can cut it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from actors.notifier import Notifier
from actors.notifier import actor as notifier_actor
from actors.notifier import pace as notifier_pace
from actors.notifier.delivery import NotToldError
from actors.settings import Alarms
from messages.alarming import AlarmsNoted
from messages.faults import Fault
from messages.ledger import (
    EventRow,
    GetPushes,
    OpenPush,
    PushesReport,
    PushRow,
    SettlePush,
    TryPush,
    Write,
    WriteRefused,
    Written,
)
from messages.operators import AlarmRaised
from tests.kit import Probe, running, wait_until

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NEWS = EventRow(1, NOW, "", "alarm host:gpu1: raised", "away")


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, value in (
        (notifier_pace, "FIRST_RETRY_S", 0.01),
        (notifier_actor, "SLACK_S", 0.05),
        (notifier_actor, "PATIENCE_S", 0.1),
        (notifier_actor, "LOOK_S", 0.05),
    ):
        monkeypatch.setattr(module, name, value)


class Ledger:
    """The ledger's side of the conversation, by a test's will."""

    def __init__(self) -> None:
        self.id = "root/pipeline/ledger"
        self.news: tuple[EventRow, ...] = (NEWS,)
        self.open: PushRow | None = None
        self.records: list[Any] = []
        self.refuse: set[type] = set()
        self.deaf = False

    def tell(self, message: object) -> bool:
        if self.deaf:
            return True
        match message:
            case GetPushes(request_id, reply_to):
                told = (NEWS,) if self.open else ()
                reply_to.tell(PushesReport(request_id, 0, self.open, told, () if self.open else self.news))
            case Write(request_id, reply_to, _, _, (record,)) if reply_to is not None:
                self.records.append(record)
                if type(record) in self.refuse:
                    return reply_to.tell(WriteRefused(request_id, Fault("the disk is full")))
                self._apply(record)
                reply_to.tell(Written(request_id))
        return True

    def _apply(self, record: object) -> None:
        match record:
            case OpenPush(after, upto):
                self.open = PushRow(1, after, upto, 0, NOW, "")
            case TryPush() if self.open:
                self.open = PushRow(1, 0, 1, self.open.tries + 1, NOW, "")
            case SettlePush():
                self.open, self.news = None, ()


def an_hour_later() -> datetime:
    return NOW + timedelta(hours=1)


@contextmanager
def notifier(ledger: Ledger, monitor: Probe | None = None, **values: Any) -> Iterator[Any]:
    way = Alarms(command=("true",), **{"group_s": 0.0, "timeout_s": 0.05, **values})
    with running(
        Notifier, ledger=ledger, monitor=monitor or Probe("root/monitor"), way=way, clock=an_hour_later
    ) as actor:
        yield actor


def told(monkeypatch: pytest.MonkeyPatch, deliver: Any) -> list[bytes]:
    bodies: list[bytes] = []

    def noted(way: Alarms, body: bytes, scope: Any) -> None:
        bodies.append(body)
        deliver(way, body, scope)

    monkeypatch.setattr(notifier_actor, "deliver", noted)
    return bodies


def test_what_was_told_is_not_told_again_when_the_ledger_cannot_take_it(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger, bodies = Ledger(), told(monkeypatch, lambda *_: None)
    ledger.refuse = {SettlePush}
    with notifier(ledger):
        wait_until(lambda: len([r for r in ledger.records if isinstance(r, SettlePush)]) >= 3)
        ledger.refuse = set()
        wait_until(lambda: ledger.open is None and not ledger.news)
    assert len(bodies) == 1


def test_nothing_is_told_before_the_ledger_has_the_intent(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger, bodies = Ledger(), told(monkeypatch, lambda *_: None)
    ledger.refuse = {TryPush}
    with notifier(ledger):
        wait_until(lambda: len([r for r in ledger.records if isinstance(r, TryPush)]) >= 3)
        assert not bodies
        ledger.refuse = set()
        wait_until(lambda: not ledger.news)
    assert len(bodies) == 1


def test_a_ledger_that_was_restarted_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger, bodies = Ledger(), told(monkeypatch, lambda *_: None)
    ledger.deaf = True
    with notifier(ledger) as actor:
        actor.tell(AlarmsNoted())
        actor.tell("nonsense")
        actor.tell(Written("push-999"))
        ledger.deaf = False
        wait_until(lambda: bodies and not ledger.news)


def test_what_is_over_since_long_is_settled_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger, bodies = Ledger(), told(monkeypatch, lambda *_: None)
    old = EventRow(1, NOW - timedelta(days=9), "", "alarm host:gpu1: cleared", "away")
    monkeypatch.setattr(f"{__name__}.NEWS", old)
    ledger.news = (old,)
    with notifier(ledger):
        wait_until(lambda: SettlePush(1, "nothing left to tell") in ledger.records)
    assert not bodies


def test_tries_that_hang_where_nothing_cuts_them_are_given_up_but_never_pile_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release, monitor = threading.Event(), Probe("root/monitor")
    ledger, bodies = Ledger(), told(monkeypatch, lambda *_: release.wait(20))
    with notifier(ledger, monitor):
        assert "it hangs" in monitor.expect(AlarmRaised, timeout=10).text
        wait_until(lambda: len(bodies) == notifier_actor.HANGING)
        asked = len(ledger.records)
        for _ in range(5):
            assert "it hangs" in monitor.expect(AlarmRaised).text, "nothing is tried, and it still is an alarm"
        assert len(bodies) == notifier_actor.HANGING
        assert len(ledger.records) == asked
        release.set()
        wait_until(lambda: not ledger.news)


@pytest.mark.promise("P35")
def test_a_fault_of_its_own_is_survived_and_nothing_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = [1]

    def breaks_once(*_: object) -> None:
        if broken.pop() if broken else 0:
            raise ValueError("boom")

    ledger, bodies = Ledger(), told(monkeypatch, breaks_once)
    with notifier(ledger) as actor:
        wait_until(lambda: not ledger.news)
        assert actor.restarts == 1
    assert len(bodies) == 2


def test_the_same_complaint_is_one_line(monkeypatch: pytest.MonkeyPatch, log_lines: list[str]) -> None:
    reasons = ["closed", "closed", "refused", "refused", "closed"]

    def fails(*_: object) -> None:
        if reasons:
            raise NotToldError(reasons.pop(0))

    ledger, _ = Ledger(), told(monkeypatch, fails)
    with notifier(ledger):
        wait_until(lambda: not ledger.news)
    complaints = [line for line in log_lines if "could not be told" in line]
    assert [line.partition("): ")[2].partition(";")[0] for line in complaints] == ["closed", "refused", "closed"]
