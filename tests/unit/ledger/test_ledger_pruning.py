"""Old history goes, and nothing that anything needs; every figure counted from the history stays what it was."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from actors.ledger.codec import time_text
from actors.ledger.commit import SupersededError, own
from actors.ledger.facts import AT_ONCE, Known, read_facts
from actors.ledger.pruning import counted_as, doubt_of_clock, old_events, prune_events
from actors.monitor.history import Tally, tally_of
from messages.ledger import (
    ClearAlarm,
    MarkCleaned,
    MoveBeam,
    MoveCase,
    NoteEvent,
    NoteHost,
    NoteVerdict,
    OpenPush,
    OrderCommand,
    RaiseAlarm,
    Record,
    SetPriority,
    SettleCommand,
    SettlePush,
)
from messages.states import BeamState, CaseState
from tests.integration.ledger.ledger_cases import memory_ledger, must, running_case, whole_attempt

LONG_AGO = datetime(2020, 3, 2, tzinfo=UTC)
BEFORE = datetime(2025, 1, 1, tzinfo=UTC)
LATELY = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    with closing(memory_ledger()) as opened:
        yield opened


def at(database: sqlite3.Connection, when: datetime, *records: Record) -> None:
    must(database, *records, at=time_text(when))


def ended(case: str) -> tuple[Record, ...]:
    verdict = NoteVerdict(case, '{"verdict": "review"}')
    return (
        *running_case(case, (2,)),
        *whole_attempt(case, 2),
        SetPriority(case, 3),
        verdict,
        MoveBeam(case, 2, BeamState.DONE),
        MoveCase(case, CaseState.DONE),
        MarkCleaned(case),
    )


def reported(database: sqlite3.Connection, case: str) -> None:
    database.execute("UPDATE reports SET state = 'made' WHERE \"case\" = ?", (case,))


def tallies(database: sqlite3.Connection) -> Counter[Tally]:
    """What the metrics count: all of the history, block by block, as a daemon reads it after its start."""
    counted: Counter[Tally] = Counter()
    upto = 0
    while facts := read_facts(database, Path("/nowhere"), Known(upto, LONG_AGO)):
        upto = facts.upto
        for happened, times in facts.happened:
            if tally := tally_of(happened):
                counted[tally] += times
    return counted


def whats(database: sqlite3.Connection) -> list[str]:
    return [row[0] for row in database.execute("SELECT what FROM events ORDER BY number")]


def old_life(database: sqlite3.Connection) -> None:
    """Long ago: a case from end to end, a host that was lost, alarms, orders. Lately: one more case."""
    at(database, LONG_AGO, *ended("old"))
    reported(database, "old")
    at(database, LONG_AGO, NoteHost("h", "ssh", "up"), NoteHost("h", "ssh", "suspended", "link"))
    at(database, LONG_AGO, RaiseAlarm("case-failed:old", "x"), ClearAlarm("case-failed:old"))
    at(database, LONG_AGO, OrderCommand("o1", "hold", "old", "", "kim"), SettleCommand("o1", "done: it is held"))
    at(database, LATELY, *ended("recent"))


def test_no_figure_changes(database: sqlite3.Connection) -> None:
    old_life(database)
    before, lines = tallies(database), len(whats(database))
    assert before[Tally("case", "done")] == 2
    assert before[Tally("alarm", "case-failed")] == before[Tally("order", "hold")] == 1
    assert before[Tally("link-loss", "h")] == 1
    assert before[Tally("verdict", "review")] == 2
    number, oldest = old_events(database, BEFORE)
    assert number > 20
    assert datetime.fromisoformat(oldest) == LONG_AGO
    assert prune_events(database, BEFORE, 7) == 7, "a part at a time"
    assert tallies(database) == before
    assert prune_events(database, BEFORE, 1000) == number - 7
    assert tallies(database) == before
    assert len(whats(database)) == lines - (number - 1), "one of them is the order itself"
    assert old_events(database, BEFORE) == (0, "")
    assert prune_events(database, BEFORE, 1000) == 0
    assert database.execute("SELECT count(*) FROM cases").fetchone()[0] == 2, "rows of cases stay"


def test_figures_stay_over_many_blocks_for_who_has_read_a_part(database: sqlite3.Connection) -> None:
    rows = ((time_text(LONG_AGO), "", "host h: up → suspended") for _ in range(AT_ONCE + 500))
    database.executemany('INSERT INTO events (at, "case", what) VALUES (?, ?, ?)', rows)
    at(database, LATELY, NoteEvent("", "something"))
    first = read_facts(database, Path("/nowhere"), Known(0, LONG_AGO))
    assert first is not None
    assert (first.upto, first.more) == (AT_ONCE, True)
    assert prune_events(database, BEFORE, AT_ONCE + 100) == AT_ONCE + 100
    rest = read_facts(database, Path("/nowhere"), Known(first.upto, LONG_AGO))
    assert rest is not None
    assert dict(first.happened)["host h: up → suspended"] == AT_ONCE
    assert dict(rest.happened)["host h: up → suspended"] == 500
    assert tallies(database)[Tally("link-loss", "h")] == AT_ONCE + 500


def test_what_is_needed_stays(database: sqlite3.Connection) -> None:
    at(database, LONG_AGO, *running_case("open", (2,)))
    at(database, LONG_AGO, *ended("unreported"))
    database.execute('UPDATE reports SET at = ? WHERE "case" = ?', (time_text(LATELY), "unreported"))
    at(database, LONG_AGO, *ended("uncleaned")[:-1])
    reported(database, "uncleaned")
    at(database, LONG_AGO, RaiseAlarm("disk:state", "full"), NoteEvent("", "the newest"))
    before = whats(database)
    assert prune_events(database, BEFORE, 1000) == 0
    assert whats(database) == before


def test_history_goes_where_no_reports_are_made(database: sqlite3.Connection) -> None:
    """Every report of such a site is due for ever."""
    at(database, LONG_AGO, *ended("unreported"))
    at(database, LATELY, NoteEvent("", "the newest"))
    assert prune_events(database, BEFORE, 1000) > 0
    assert whats(database) == ["the newest"]


def test_alarms_that_are_still_to_be_told_outside_stay(database: sqlite3.Connection) -> None:
    at(database, LONG_AGO, RaiseAlarm("a:1", "x"), ClearAlarm("a:1"), NoteEvent("", "x"), OpenPush(0, 2))
    assert prune_events(database, BEFORE, 1000) == 0
    database.execute("UPDATE pushes SET outcome = 'told at try 1'")
    assert prune_events(database, BEFORE, 1000) == 2
    assert whats(database)[0] == "x", "what came after the last push may be news"


def test_young_history_cannot_be_removed_whoever_tries(database: sqlite3.Connection) -> None:
    old_life(database)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        database.execute("DELETE FROM events")
    prune_events(database, BEFORE, 1000)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        database.execute("DELETE FROM events WHERE at >= ?", (time_text(BEFORE),))
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        database.execute("UPDATE events SET what = ''")


@pytest.mark.promise("P21")
def test_a_clock_that_is_ahead_of_the_history_is_doubted(database: sqlite3.Connection) -> None:
    def happens(when: datetime) -> None:
        at(database, when, NoteEvent("", "something"))

    day = timedelta(days=1)
    assert doubt_of_clock(database, LATELY) == "", "nothing has happened yet, and nothing can go"
    happens(LATELY)
    assert doubt_of_clock(database, LATELY + 1.9 * day) == ""
    assert doubt_of_clock(database, LATELY + 2.1 * day).endswith("nothing has happened since " + time_text(LATELY))
    jumped = LATELY + 4000 * day
    happens(jumped)
    assert "nothing since 2026-03-02" in doubt_of_clock(database, jumped), "what bears the jumped time is no proof"
    assert "nothing since 2026-03-02" in doubt_of_clock(database, jumped + 1.9 * day)
    happens(jumped + 2.1 * day)
    assert doubt_of_clock(database, jumped + 2.1 * day) == "", "nobody has set it right: so it is"


def test_a_predecessor_that_was_given_up_for_dead_removes_nothing(database: sqlite3.Connection) -> None:
    old_life(database)
    before = whats(database)
    own(database, "ledger", 2)
    with pytest.raises(SupersededError):
        prune_events(database, BEFORE, 1000, ("ledger", 1))
    assert whats(database) == before
    assert not database.in_transaction
    assert prune_events(database, BEFORE, 1000, ("ledger", 2)) > 0


def test_what_fails_on_its_way_has_removed_nothing(database: sqlite3.Connection) -> None:
    old_life(database)
    before = whats(database)
    database.execute("CREATE TRIGGER full BEFORE INSERT ON tallies BEGIN SELECT RAISE(ABORT, 'disk'); END")
    with pytest.raises(sqlite3.Error, match="disk"):
        prune_events(database, BEFORE, 1000)
    assert whats(database) == before
    assert not database.in_transaction


@pytest.mark.parametrize(
    ("what", "detail", "kept"),
    [
        ("case: verdict", '{"verdict": "suspect"}', "case: verdict suspect"),
        ("case: verdict", "no JSON", "case: verdict"),
        ("case: verdict", "[]", "case: verdict"),
        ("case: priority 0 → 3", "", "other"),
        ("alarm gpu:h/gpu-0: raised", "", "alarm gpu: raised"),
        ("alarm gpu:h/gpu-0: cleared", "", "other"),
        ("order: retry c1 3", "", "order: retry"),
        ("order: retry c1: settled", "done", "other"),
        ("beam 12 attempt 3: running → ended", "", "beam 12 attempt 3: running → ended"),
        ("gpu h/0: idle → quarantined", "", "other"),
        ("whatever /home/of/somebody", "", "other"),
    ],
)
def test_totals_keep_what_figures_are_made_of_and_no_names_without_end(what: str, detail: str, kept: str) -> None:
    assert counted_as(what, detail) == kept
    if what != "case: verdict":
        assert tally_of(kept) == tally_of(what)


def orders(database: sqlite3.Connection) -> list[str]:
    return [row[0] for row in database.execute('SELECT "order" FROM commands ORDER BY rowid')]


def test_orders_go_once_they_are_settled_and_old(database: sqlite3.Connection) -> None:
    at(database, LONG_AGO, OrderCommand("settled", "hold", "a", "", "kim"), SettleCommand("settled", "done"))
    at(database, LONG_AGO, OrderCommand("open", "hold", "a", "", "kim"))
    at(database, LATELY, OrderCommand("young", "hold", "a", "", "kim"), SettleCommand("young", "done"))
    before, _ = old_events(database, BEFORE)
    assert prune_events(database, BEFORE, 1000) == before
    assert orders(database) == ["open", "young"]
    assert old_events(database, BEFORE) == (0, "")


def test_documents_about_alarms_go_but_the_newest_and_are_counted_all_the_same(database: sqlite3.Connection) -> None:
    def told() -> int:
        facts = read_facts(database, Path("/nowhere"), Known(0, LONG_AGO))
        assert facts is not None
        return facts.pushes_told

    for number, outcome in enumerate(("told at try 1", "given up", "told at try 2", "told at try 1"), 1):
        at(database, LONG_AGO, NoteEvent("", "x"), OpenPush(number - 1, number), SettlePush(number, outcome))
    assert told() == 3
    for _ in range(5):  # in small commits
        prune_events(database, BEFORE, 2)
    assert [row[0] for row in database.execute("SELECT push FROM pushes")] == [4]
    assert told() == 3
    at(database, LATELY, NoteEvent("", "x"), OpenPush(4, 5))
    assert told() == 3
    assert [row[0] for row in database.execute("SELECT push FROM pushes")] == [4, 5], "numbers go on"
