"""Alarms told outside, and what is measured of the ledger: on a real database, in memory."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from actors.ledger.codec import time_text
from actors.ledger.commit import commit
from actors.ledger.facts import AT_ONCE, Known, read_facts
from actors.ledger.pace import Pace
from actors.ledger.pushes import pushes_report
from messages.ledger import (
    ClearAlarm,
    MoveCase,
    NoteEvent,
    NoteVerdict,
    OpenPush,
    PushesReport,
    RaiseAlarm,
    Record,
    ReleaseCase,
    SetPriority,
    SettlePush,
    TryPush,
    Write,
)
from messages.metrics import LedgerFacts, StateLeft
from messages.states import CaseState
from tests.integration.ledger.ledger_cases import memory_ledger, must, running_case, write

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    with closing(memory_ledger()) as opened:
        yield opened


def report(database: sqlite3.Connection) -> PushesReport:
    return pushes_report(database, "r")


def kind(database: sqlite3.Connection, record: Record) -> str:
    fault = write(database, record)
    return fault.kind if fault else ""


# -- pushes


def test_before_the_first_push_what_stands_is_news_and_what_is_over_is_history(database: sqlite3.Connection) -> None:
    assert (report(database).upto, report(database).news) == (0, ())
    must(database, RaiseAlarm("a:1", "x"), ClearAlarm("a:1"), RaiseAlarm("b:1", "y"), RaiseAlarm("c:1", "z"))
    now = report(database)
    assert [event.what for event in now.news] == ["alarm b:1: raised", "alarm c:1: raised"]
    must(database, ClearAlarm("b:1"), ClearAlarm("c:1"))
    assert report(database).news == (), "nothing stands: all of it is history"


def test_a_push_from_its_intent_to_its_outcome(database: sqlite3.Connection) -> None:
    must(database, RaiseAlarm("a:1", "x"))
    first = report(database)
    must(database, OpenPush(first.upto, first.news[-1].number))
    must(database, NoteEvent("", "something else"), RaiseAlarm("b:1", "y"))
    now = report(database)
    assert now.open is not None
    assert (now.open.push, now.open.tries, now.open.outcome) == (1, 0, "")
    assert [event.what for event in now.told] == ["alarm a:1: raised"]
    assert [event.what for event in now.news] == ["alarm b:1: raised"]
    assert kind(database, OpenPush(now.upto, now.news[-1].number)) == "push-open"
    must(database, TryPush(1))
    must(database, TryPush(1))
    tried = report(database)
    assert tried.open is not None
    assert tried.open.tries == 2
    assert len(tried.lately) == 1
    must(database, SettlePush(1, "told at try 2"))
    must(database, SettlePush(1, "another word"))
    over = report(database)
    assert over.open is None
    assert [event.what for event in over.news] == ["alarm b:1: raised"], "the next, and nothing twice"
    assert kind(database, OpenPush(0, 5)) == "push-told"
    assert kind(database, OpenPush(over.upto, over.upto - 1)) == "push-told"
    assert kind(database, TryPush(7)) == "no-such-push"
    assert kind(database, SettlePush(7, "")) == "no-such-push"
    assert database.execute("SELECT outcome FROM pushes").fetchall()[0][0] == "told at try 2"


# -- facts


def facts(database: sqlite3.Connection, upto: int = 0, began: datetime = START) -> LedgerFacts:
    found = read_facts(database, Path("/nowhere"), Known(upto, began))
    assert found is not None
    return found


def at(database: sqlite3.Connection, seconds: float, *records: Record) -> None:
    """Written so many seconds after the start."""
    done = commit(database, [Write("w", None, "w", 1, records)], time_text(START + timedelta(seconds=seconds)))
    assert done.faults == (None,)


def test_what_happened_is_told_once(database: sqlite3.Connection) -> None:
    at(database, 0, *running_case())
    at(database, 5, NoteVerdict("c1", '{"verdict": "review"}'), RaiseAlarm("disk:state", "x"), SetPriority("c1", 3))
    first = facts(database)
    happened = dict(first.happened)
    assert happened["case: verdict review"] == 1
    assert happened["alarm disk:state: raised"] == 1
    assert dict(first.cases) == {"running": 1}
    assert sum(dict(first.beams).values()) > 0
    assert [state for state, _ in first.oldest] == ["running"]
    assert not first.more
    assert read_facts(database, Path("/nowhere"), Known(first.upto, START)) is None, "nothing new"
    at(database, 6, ClearAlarm("disk:state"))
    assert facts(database, first.upto).happened == (("alarm disk:state: cleared", 1),)


def test_a_long_history_comes_in_pieces_that_add_up(
    database: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert AT_ONCE > 1000
    monkeypatch.setattr("actors.ledger.facts.AT_ONCE", 3)
    at(database, 0, *running_case())
    whole: Counter[str] = Counter()
    upto, pieces = 0, 0
    while True:
        piece = facts(database, upto)
        whole.update(dict(piece.happened))
        upto, pieces = piece.upto, pieces + 1
        if not piece.more:
            break
    assert pieces > 1
    counted = Counter(row["what"] for row in database.execute("SELECT what FROM events"))
    assert whole == counted


def test_how_long_states_lasted_since_the_process_began(database: sqlite3.Connection) -> None:
    at(database, 0, *running_case())
    upto = facts(database).upto
    at(database, 10, SetPriority("c1", 5))
    at(database, 30, MoveCase("c1", CaseState.HELD, "by order"))
    at(database, 42, ReleaseCase("c1"))
    left = facts(database, upto).left
    assert [(one.of_beam, one.state, round(one.seconds, 3)) for one in left] == [
        (False, "running", 30.0),
        (False, "held", 12.0),
    ]
    assert facts(database, upto, began=START + timedelta(seconds=31)).left == (
        StateLeft(False, "held", pytest.approx(12.0, abs=1e-3)),
    )
    assert facts(database, upto, began=START + timedelta(days=1)).left == ()


def test_pushes_are_counted(database: sqlite3.Connection) -> None:
    must(database, RaiseAlarm("a:1", "x"), OpenPush(0, 1))
    assert (facts(database).pushes_waiting, facts(database).pushes_told) == (1, 0)
    must(database, TryPush(1), SettlePush(1, "told at try 1"), NoteEvent("", "on"))
    assert (facts(database).pushes_waiting, facts(database).pushes_told) == (0, 1)


def test_commits_are_told_of_once_a_second_and_none_is_left_out() -> None:
    pace, told = Pace(), []
    for number in range(50):
        told += list(pace.took(number * 0.1, number * 0.1 + 0.01))
        assert len(told) >= number - 10
    assert len(told) + len(pace.took(1000.0, 1000.5)) == 51
