"""What operators' orders leave in the ledger: barriers, halts, fresh budgets, and what is held against a GPU."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from actors.ledger import reads
from messages.ledger import (
    CaseReport,
    CaseRow,
    DecideCommand,
    ExpectCase,
    ExplainCase,
    ForgiveBeam,
    GetCase,
    GetGpuRecord,
    GpuRecordReport,
    HaltPlace,
    LiftHalt,
    MoveAttempt,
    MoveBeam,
    MoveCase,
    NoteEvent,
    OpenAttempt,
    OrderCommand,
    PardonGpu,
    Record,
    SettleCommand,
)
from messages.states import AttemptState, BeamState, CaseState
from tests.integration.ledger.ledger_cases import attempt, memory_ledger, must, running_case, whole_attempt, write
from tests.kit import Probe


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    with closing(memory_ledger()) as opened:
        yield opened


def the_case(database: sqlite3.Connection) -> CaseRow:
    row = reads.one_case(database, "c1")
    assert row is not None
    return row


def refusal(database: sqlite3.Connection, *records: Record) -> str:
    fault = write(database, *records)
    assert fault is not None, "it was written"
    return fault.kind


def what(database: sqlite3.Connection, case: str = "c1") -> list[str]:
    return [event.what for event in reads.events_of(database, case)]


@pytest.mark.promise("P34")
@pytest.mark.parametrize("to", [CaseState.HELD, CaseState.CANCELLED])
def test_what_an_operator_stopped_launches_nothing_more(database: sqlite3.Connection, to: CaseState) -> None:
    """Whatever a worker has in its mailbox: once the order is on the disk no engine is started for the case."""
    key = "c1/2/1"
    must(database, *running_case(), attempt(), MoveAttempt(key, AttemptState.STAGED), MoveCase("c1", to, "by kim"))
    assert refusal(database, MoveAttempt(key, AttemptState.LAUNCHING)) == "case-not-running"
    assert refusal(database, attempt(beam=3)) == "case-not-running"
    must(database, MoveAttempt(key, AttemptState.WITHDRAWN))


def test_a_decision_counts_only_for_what_it_was_made_on(database: sqlite3.Connection) -> None:
    must(database, *running_case())
    seen = reads.answer(database, GetCase("r", Probe(), "c1"))
    assert isinstance(seen, CaseReport)
    running = frozenset({CaseState.RUNNING})
    must(database, ExpectCase("c1", running, seen.last_event))
    must(database, NoteEvent("c1", "something else"))
    assert refusal(database, ExpectCase("c1", running, seen.last_event)) == "case-changed"
    must(database, ExpectCase("c1", running))
    assert refusal(database, ExpectCase("c1", frozenset({CaseState.HELD}))) == "case-changed"
    assert refusal(database, ExpectCase("c9", running)) == "no-such-case"


def test_why_a_case_waits_is_no_history_and_changes_nothing_that_is_held(database: sqlite3.Connection) -> None:
    must(database, *running_case())
    before = what(database)
    must(database, ExplainCase("c1", "no host is up"))
    assert the_case(database).reason == "no host is up"
    assert what(database) == before
    must(database, MoveCase("c1", CaseState.HELD, "by kim"), ExplainCase("c1", "no host is up"))
    assert the_case(database).reason == "by kim"


def test_a_fresh_budget_is_kept_with_the_beam(database: sqlite3.Connection) -> None:
    must(database, *running_case(), attempt(), ForgiveBeam("c1", 2), ForgiveBeam("c1", 3))
    assert [beam.forgiven for beam in the_case(database).beams] == [1, 0]
    assert what(database)[-1] == "beam 2: its 1 attempts count no more"


def test_a_place_is_halted_once_and_lifted_once(database: sqlite3.Connection) -> None:
    must(database, HaltPlace("gpu1", "kim"), HaltPlace("gpu1", "lee"), HaltPlace("", "kim"), HaltPlace("gpu1/0", "kim"))
    rows = reads.halts(database)
    assert [(row.place, row.user) for row in rows] == [("", "kim"), ("gpu1", "kim"), ("gpu1/0", "kim")]
    must(database, LiftHalt("gpu1"), LiftHalt("gpu1"), LiftHalt(""))
    assert [row.place for row in reads.halts(database)] == ["gpu1/0"]
    assert what(database, "") == [
        "host gpu1: nothing new starts",
        "intake: nothing new starts",
        "gpu gpu1/0: nothing new starts",
        "host gpu1: takes work again",
        "intake: takes work again",
    ]


def failed_run(case: str, beam: int, number: int, worker: str) -> tuple[Record, ...]:
    """A run of an engine that failed on that worker's GPU, which is named like the worker."""
    key = f"{case}/{beam}/{number}"
    opened = OpenAttempt(key, case, beam, number, worker.split("/", maxsplit=1)[0], worker, worker, "/ws", "{}")
    fault = json.dumps({"what": "exit 139", "blame": "engine"})
    return (
        opened,
        MoveAttempt(key, AttemptState.FAILED, fault),
        MoveBeam(case, beam, BeamState.STAGED),
        MoveBeam(case, beam, BeamState.INTERPRETED),
    )


def good_run(case: str, beam: int, number: int, worker: str) -> tuple[Record, ...]:
    key = f"{case}/{beam}/{number}"
    opened, *rest = whole_attempt(case, beam, number)
    assert isinstance(opened, OpenAttempt)
    return (replace(opened, key=key, host=worker.split("/", maxsplit=1)[0], gpu=worker, worker=worker), *rest)


def record_of(database: sqlite3.Connection, gpu: str) -> GpuRecordReport:
    host, _, index = gpu.partition("/gpu-")
    report = reads.answer(database, GetGpuRecord("r", Probe(), host, int(index), gpu))
    assert isinstance(report, GpuRecordReport)
    return report


def test_what_is_held_against_a_gpu_comes_from_its_runs(database: sqlite3.Connection) -> None:
    """Failed runs since the last good one, and which of them succeeded on another GPU; until an order forgives them."""
    bad, good = "h/gpu-0", "h/gpu-1"
    must(database, *running_case(), *running_case("c2"))
    must(database, *failed_run("c1", 2, 1, bad), *failed_run("c1", 3, 1, bad), *good_run("c1", 2, 2, good))
    assert record_of(database, bad).failed == ("c1/2/1", "c1/3/1")
    assert record_of(database, bad).blamed == {"c1/2/1"}
    assert record_of(database, good).failed == ()
    must(database, PardonGpu("h", 0), PardonGpu("h", 0))
    assert record_of(database, bad).failed == ()
    assert record_of(database, bad).over == {"c1/2/1", "c1/3/1"}
    assert what(database, "").count("gpu h/0: pardoned") == 1
    must(database, *failed_run("c1", 3, 2, bad))
    assert record_of(database, bad).failed == ("c1/3/2",)
    must(database, *good_run("c2", 2, 1, bad))
    assert record_of(database, bad).failed == ()
    assert record_of(database, bad).over == {"c1/2/1", "c1/3/1", "c1/3/2"}
    assert (record_of(database, bad).good, record_of(database, good).good) == ({"c2/2/1"}, {"c1/2/2"})


def test_a_folders_name_stays_out_of_what_is_told_of_a_submission(database: sqlite3.Connection) -> None:
    must(
        database,
        OrderCommand("o1", "submit", "/in/HONG GILDONG", "partial", "kim"),
        SettleCommand("o1", "done: c1; /in/HONG"),
    )
    must(database, OrderCommand("o2", "submit", "/in/HONG"), SettleCommand("o2", "nothing to do: /in/HONG is gone."))
    assert what(database, "") == [
        "order: submit partial",
        "order: submit: settled",
        "order: submit",
        "order: submit: settled",
    ]
    assert [event.detail for event in reads.events_of(database, "")][1::2] == ["done: c1", "nothing to do"]
    assert not any("HONG" in event.detail for event in reads.events_of(database, ""))


@pytest.mark.promise("P16")
def test_what_a_queue_is_to_follow_are_the_orders_of_cases_that_are_not_over(database: sqlite3.Connection) -> None:
    """Those that were carried out: not what was refused, what changed nothing, or what is still to be decided."""
    must(database, *running_case("c1"), *running_case("c2"))
    for name, kind, case in (
        ("o1", "hold", "c1"),
        ("o2", "hold", "c2"),
        ("o3", "release", "c1"),
        ("o4", "retry", "c1"),
    ):
        must(database, OrderCommand(name, kind, case), DecideCommand(name, "done"), SettleCommand(name, "done"))
    must(database, OrderCommand("o5", "hold", "c1"), SettleCommand("o5", "refused: it is done"))
    must(database, OrderCommand("o6", "priority", "c1", "5"), DecideCommand("o6", "done"))
    must(database, OrderCommand("o7", "hold", "c1"))
    must(database, MoveCase("c2", CaseState.CANCELLED))
    assert [(order.order, order.kind, order.argument) for order in reads.steering(database)] == [
        ("o1", "hold", ""),
        ("o3", "release", ""),
        ("o6", "priority", "5"),
    ]
