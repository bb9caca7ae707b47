"""A recalculation in the orders actor: its files are read beside other orders, then it is written, told and settled."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from actors.orders.inputs import StoppedError
from messages.ledger import (
    AdmitCase,
    CaseRow,
    ExpectCase,
    GetCase,
    GetReview,
    OrderRow,
    Record,
    ReviewReport,
    SettleCommand,
    Write,
)
from messages.operators import CaseChanged
from messages.states import CaseState
from tests.kit import solo_mail, wait_until
from tests.unit.orders.test_orders_about_results import row, version
from tests.unit.orders.test_orders_actor import Bench, order

RECALCULATE = replace(order("o1", "recalculate"), argument="new calibration")


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    for task in threading.enumerate():
        if "the files" in task.name:
            task.join(5.0)


def asked(bench: Bench, of: CaseRow | None = None, given: OrderRow = RECALCULATE, **standing: object) -> None:
    bench.standing(given)
    request = bench.ledger.all(GetReview)[-1]
    bench.tell(ReviewReport(request.request_id, of or row(), last_event=7, **standing))  # type: ignore[arg-type]


def examined(bench: Bench, seen: Callable[[], object] | None = None) -> None:
    """The task's answer is handled: something is written for it, or what is ``seen`` says so."""

    def came() -> object:
        for message in solo_mail(bench.orders):
            bench.orders.receive(message)
        return seen() if seen else bench.ledger.all(Write)

    wait_until(came)


def settled(bench: Bench) -> str:
    return next(record.outcome for record in bench.records if isinstance(record, SettleCommand))


def admitted(records: tuple[Record, ...]) -> str:
    return next(record.source.case for record in records if isinstance(record, AdmitCase))


@pytest.mark.promise("P34")
@pytest.mark.promise("P13")
def test_written_then_told_of_both_versions_then_settled(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.orders.actor.difference", lambda *_: "")
    asked(bench)
    examined(bench)
    assert admitted(bench.records) == "c-v2"
    assert any(isinstance(record, ExpectCase) for record in bench.records)
    assert not bench.scanner.all(CaseChanged)
    bench.written()
    assert bench.scanner.all(CaseChanged) == [CaseChanged("c"), CaseChanged("c-v2")] == bench.admission.all(CaseChanged)
    assert settled(bench) == "done: it is computed again, as c-v2"


def test_files_that_are_others_now_refuse_it(bench: Bench) -> None:
    asked(bench)
    examined(bench)
    assert settled(bench) == "refused: its folder is gone: /share/c; nothing is computed again"
    assert not bench.scanner.all(CaseChanged)


def test_other_orders_go_on_while_the_files_are_read(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    read = threading.Event()

    def slow(_row: CaseRow, _cancelled: object) -> str:
        read.wait(10.0)
        return ""

    monkeypatch.setattr("actors.orders.actor.difference", slow)
    asked(bench)
    bench.standing(RECALCULATE, order("o2", "hold", "other"))
    assert bench.ledger.all(GetCase)[-1].case == "other"
    assert len(bench.ledger.all(GetReview)) == 1, "and it is not begun twice"
    read.set()
    examined(bench)
    assert admitted(bench.records) == "c-v2"


@pytest.mark.promise("P35")
def test_reading_that_fails_is_begun_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> str:
        raise StoppedError

    monkeypatch.setattr("actors.orders.actor.difference", failing)
    asked(bench)
    examined(bench, lambda: not any("the files" in thread.name for thread in threading.enumerate()))
    bench.pass_time(600.0)
    bench.standing(RECALCULATE)
    assert len(bench.ledger.all(GetReview)) == 2


@pytest.mark.promise("P34")
def test_after_a_crash_the_new_version_is_told_of_again(bench: Bench) -> None:
    newer = version(CaseState.QUEUED)
    asked(bench, newer=newer, latest=newer)
    assert bench.scanner.all(CaseChanged) == [CaseChanged("c"), CaseChanged("c-v2")]
    assert settled(bench).startswith("nothing to do: c-v2 was made for it already")


def test_a_review_is_no_matter_of_files(bench: Bench) -> None:
    asked(bench, given=order("o1", "review"))
    bench.written()
    assert settled(bench) == "done: it is reviewed by kim"
