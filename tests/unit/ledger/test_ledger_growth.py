"""Years of cases cost nothing but disk: what is asked again and again takes no more steps, the more cases have ended.

Counted are the instructions that SQLite's virtual machine executes: the same on every machine, under any load.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path

import pytest

from actors.ledger import course, figures, glances, pruning, reads, reports
from actors.ledger import queries as q
from actors.ledger.codec import time_text
from actors.ledger.facts import Known, read_facts
from actors.ledger.migrations import migrate
from messages.ledger import (
    AddReview,
    BeginReport,
    BeginSending,
    CasesReport,
    Figures,
    Followed,
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
    KnownCasesReport,
    MarkCleaned,
    MoveBeam,
    MoveCase,
    NoteVerdict,
    Record,
    SendingState,
    SetNodes,
    SetPriority,
    SettleReport,
    SettleSending,
)
from messages.states import OPEN_ATTEMPTS, AttemptState, BeamState, CaseState, ReviewState
from tests.integration.ledger.ledger_cases import NOW, admission, memory_ledger, must, whole_attempt
from tests.kit.probe import Probe

INTEGRATION = Path(__file__).resolve().parents[2] / "integration"
FEW, MANY = 10, 130
"""Ended cases."""
SLACK = 60
"""Instructions: of a search by halves that takes some steps more."""
YOUNG = datetime(2026, 11, 20, tzinfo=UTC)


def whole_case(case: str, plan: str) -> tuple[Record, ...]:
    """From its admission to what follows its end."""
    return (
        admission(case, (2,), plan_uid=plan),
        MoveBeam(case, 2, BeamState.INTERPRETED),
        MoveCase(case, CaseState.RUNNING),
        *whole_attempt(case, 2),
        NoteVerdict(case, '{"verdict": "accepted"}'),
        MoveCase(case, CaseState.DONE),
        MarkCleaned(case),
        BeginReport(case),
        SettleReport(case, "made", "good", "pass", "/r", "ff", "G1", (Figures(0, 0, "{}"),)),
        AddReview(case, ReviewState.REVIEWED, "kim", "seen"),
        AddReview(case, ReviewState.APPROVED, "lee", "good"),
        BeginSending(case, "pacs", ReviewState.APPROVED, ""),
        SettleSending(case, "pacs", SendingState.COMMITTED, "all of it"),
        BeginReport(case),
        SettleReport(case, "made", "good", "pass", "/r", "ff", "G1", (Figures(0, 0, "{}"),)),
    )


def brought_forward() -> sqlite3.Connection:
    """An empty ledger of the first release as it is today: its indexes were made in another order, which decides among
    equals."""
    database = sqlite3.connect(":memory:", isolation_level=None)
    database.row_factory = sqlite3.Row
    database.executescript((INTEGRATION / "ledger" / "schema_1.sql").read_text())
    database.execute("INSERT INTO meta VALUES ('schema', '1')")
    migrate(database, 1)
    return database


@cache
def filled(cases: int, make: Callable[[], sqlite3.Connection]) -> bytes:
    """A ledger in which so many cases have ended, one a minute; the last of them lately."""
    with closing(make()) as database:
        must(database, SetNodes((("pacs", "approved"),)))
        for number in range(cases):
            at = YOUNG - timedelta(minutes=cases - number)
            must(database, *whole_case(f"c{number:04}", f"1.2.{number}"), at=time_text(at))
            database.execute("UPDATE figures SET delivered = ? WHERE delivered < '2026'", (time_text(at),))
        return database.serialize()


@pytest.fixture(params=[memory_ledger, brought_forward], ids=["new", "brought forward"])
def ledgers(request: pytest.FixtureRequest) -> Iterator[tuple[sqlite3.Connection, sqlite3.Connection]]:
    """One of few cases, one of many."""
    with closing(memory_ledger()) as few, closing(memory_ledger()) as many:
        few.deserialize(filled(FEW, request.param))
        many.deserialize(filled(MANY, request.param))
        yield few, many


def steps(database: sqlite3.Connection, work: Callable[[sqlite3.Connection], object]) -> int:
    """Instructions that the work takes."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    database.set_progress_handler(step, 1)
    try:
        work(database)
    finally:
        database.set_progress_handler(None, 1)
    return count


def last(database: sqlite3.Connection) -> str:
    """The case that ended last."""
    return str(database.execute('SELECT max("case") FROM cases').fetchone()[0])


def facts(database: sqlite3.Connection) -> object:
    return read_facts(database, Path("/nowhere"), Known(glances.last_event(database) - 5, NOW))


def the_course(database: sqlite3.Connection) -> object:
    row = reads.one_case(database, last(database))
    assert row is not None
    found = course.course_of(database, row.plan_uid)
    assert [one.reviewer for one in found] == ["lee"]
    return found


def listed(states: frozenset[CaseState], database: sqlite3.Connection) -> object:
    return glances.find_cases(database, states, "", 5, 0)


def asked(query: reads.Query, database: sqlite3.Connection) -> object:
    return reads.answer(database, query)


def asked_of_last(query: Callable[[str, Probe, str], reads.Query], database: sqlite3.Connection) -> object:
    return reads.answer(database, query("q", ASKER, last(database)))


def latest(query: str, database: sqlite3.Connection) -> object:
    return database.execute(query, {"limit": 5}).fetchall()


def prune(before: datetime, database: sqlite3.Connection) -> object:
    return pruning.prune_events(database, before, 10)


def one_more(database: sqlite3.Connection) -> None:
    must(database, *whole_case("d0001", "9.9"))


ASKER = Probe("asker")
OPEN = frozenset({CaseState.QUEUED, CaseState.RUNNING, CaseState.HELD})
WORK: dict[str, Callable[[sqlite3.Connection], object]] = {
    "a whole case is written": one_more,
    "admission looks for cases to work on and to clean": partial(asked, GetCases("q", ASKER, OPEN, uncleaned=True)),
    "the scanner asks for news": lambda database: reads.answer(
        database, GetCases("q", ASKER, frozenset({CaseState.FAILED}), after=glances.last_event(database) - 5)
    ),
    "the scanner learns a part of what is known": partial(asked, GetKnownCases("q", ASKER)),
    "a case asks how it stands": partial(asked_of_last, GetCase),
    "a worker asks for its runs": partial(asked, GetAttempts("q", ASKER, "h/gpu-0")),
    "a worker asks for its record": partial(asked, GetGpuRecord("q", ASKER, "h", 0, "slot-0")),
    "a worker asks for the record of a new GPU": partial(asked, GetGpuRecord("q", ASKER, "h", 0, "GPU-new")),
    "orders": partial(asked, GetOrders("q", ASKER)),
    "orders that a cluster's queue is to follow": partial(asked, GetSteering("q", ASKER)),
    "halts": partial(asked, GetHalts("q", ASKER)),
    "pushes": partial(asked, GetPushes("q", ASKER)),
    "the reporter looks": partial(asked, GetNextReport("q", ASKER, NOW)),
    "the sender looks": partial(asked, GetNextSending("q", ASKER, "pacs", NOW)),
    "nodes": partial(asked, GetNodes("q", ASKER)),
    "a result is reviewed": partial(asked_of_last, GetReview),
    "a report shows the course": the_course,
    "metrics": facts,
    "counts": reads.counts,
    "what runs": lambda database: reads.cases_in(database, frozenset({CaseState.RUNNING})),
    "how long past runs took": partial(latest, q.GOOD_RUNS),
    "how long what follows a run took": partial(latest, q.AFTER_RUNS),
    "the charts of the last weeks": lambda database: figures.followed(
        database, Followed("G1", 0, YOUNG - timedelta(minutes=5), NOW, 100)
    ),
    "which GPUs have open runs": reads.open_gpus,
    "later reports of a course are due again": lambda database: database.execute(
        reports.LATER_IN_COURSE, {"case": "c0000"}
    ).fetchall(),
    "what runs on GPUs": lambda database: database.execute(q.RUNNING).fetchall(),
    "the list of the page": partial(listed, frozenset(CaseState)),
    "the list of failed cases": partial(listed, frozenset({CaseState.FAILED})),
    "what was finished since midnight": lambda database: glances.endings_after(
        database, glances.event_before(database, time_text(YOUNG + timedelta(hours=1)))
    ),
    "a part of the old history goes": partial(prune, YOUNG - timedelta(minutes=3)),
    "no history is old": partial(prune, YOUNG - timedelta(days=3)),
}


@pytest.mark.parametrize("work", WORK.values(), ids=WORK.keys())
def test_it_takes_no_more_steps_after_many_cases(
    ledgers: tuple[sqlite3.Connection, sqlite3.Connection],
    work: Callable[[sqlite3.Connection], object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(q, "GPU_GOOD", q.GPU_GOOD.replace("256", "5"))  # so many runs are read, and no more
    monkeypatch.setattr(reads, "KNOWN_AT_ONCE", 5)
    few, many = ledgers
    before, after = steps(few, work), steps(many, work)
    assert after <= before * 1.1 + SLACK, f"{before} instructions after {FEW} cases, {after} after {MANY}"


def counted(database: sqlite3.Connection) -> dict[tuple[str, str, str], int]:
    return {(row[0], row[1], row[2]): row[3] for row in database.execute("SELECT * FROM counts WHERE number != 0")}


def there(database: sqlite3.Connection) -> dict[tuple[str, str, str], int]:
    """The same, by a look at every row."""
    rows = database.execute(
        "SELECT 'case', kind, state, count(*) FROM cases GROUP BY 2, 3 "
        "UNION ALL SELECT 'beam', '', state, count(*) FROM beams GROUP BY 2, 3 "
        "UNION ALL SELECT 'sending', node, state, count(*) FROM sendings GROUP BY 2, 3"
    )
    return {(row[0], row[1], row[2]): row[3] for row in rows}


def test_what_is_counted_is_what_is_there() -> None:
    with closing(memory_ledger()) as database:
        must(database, SetNodes((("pacs", "approved"), ("archive", "accepted"))))
        seen = set()
        for number, records in enumerate((whole_case("c1", "1"), whole_case("c2", "1"), whole_case("c3", "2")[:9])):
            for record in records:
                must(database, record)
                assert counted(database) == there(database)
                seen |= set(counted(database))
            assert reads.counts(database)[CaseState.DONE] == min(number + 1, 2)
    assert {("case", "delivery", "running"), ("beam", "", "staged"), ("sending", "archive", "due")} <= seen


def test_the_pages_of_the_list_are_the_list() -> None:
    """Open cases as they will run, then ended ones, newest first: wherever a page begins or ends."""
    with closing(memory_ledger()) as database:
        ends = (CaseState.CANCELLED, CaseState.FAILED, None)
        for number in range(12):
            must(database, admission(f"c{number:02}"))
            if end := ends[number % 3]:
                must(database, MoveCase(f"c{number:02}", end))
        must(database, SetPriority("c08", 5))
        states = frozenset(CaseState)
        total, whole = glances.find_cases(database, states, "", 100, 0)
        names = [row.case for row in whole]
        open_ones, ended = names[:4], names[4:]
        assert open_ones == ["c08", "c02", "c05", "c11"]
        assert ended == sorted(ended, reverse=True)
        assert total == len(set(names)) == 12
        for size in (1, 3, 5):
            parts = [glances.find_cases(database, states, "", size, at)[1] for at in range(0, 12, size)]
            assert [row.case for part in parts for row in part] == names
        both = glances.find_cases(database, frozenset({CaseState.FAILED, CaseState.QUEUED}), "", 3, 3)
        assert (both[0], [row.case for row in both[1]]) == (8, ["c11", "c10", "c07"])
        assert glances.find_cases(database, frozenset({CaseState.QUEUED}), "", 5, 9) == (4, ())


def test_known_cases_come_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oldest first, each once; which part it is, and whether there is more, is told with each."""
    monkeypatch.setattr(reads, "KNOWN_AT_ONCE", 2)
    with closing(memory_ledger()) as database:
        for name in ("b", "a", "d", "c"):
            must(database, admission(name))
        parts, after, more = [], 0, True
        while more:
            report = reads.answer(database, GetKnownCases("q", ASKER, after))
            assert isinstance(report, KnownCasesReport)
            assert report.after == after
            parts.append([known.case for known in report.cases])
            after, more = report.upto, report.more
    assert parts == [["b", "a"], ["d", "c"], []]


def test_news_are_of_cases_to_which_something_happened() -> None:
    with closing(memory_ledger()) as database:
        for name in ("c1", "c2", "c3"):
            must(database, admission(name), MoveCase(name, CaseState.FAILED, "refused"))

        def news(after: int) -> CasesReport:
            report = reads.answer(database, GetCases("q", ASKER, frozenset({CaseState.FAILED}), after=after))
            assert isinstance(report, CasesReport)
            return report

        first = news(0)
        assert [row.case for row in first.rows] == ["c1", "c2", "c3"]
        assert first.upto == glances.last_event(database)
        assert news(first.upto).rows == ()
        must(database, MoveCase("c2", CaseState.FAILED, "for another reason"))
        must(database, MoveCase("c3", CaseState.QUEUED))
        (row,) = news(first.upto).rows
        assert (row.case, row.reason, len(row.beams)) == ("c2", "for another reason", 2)


def test_open_runs_are_found_in_every_open_state() -> None:
    """The query names the states, so that it is answered from the index of open attempts."""
    for state in AttemptState:
        with closing(memory_ledger()) as database:
            must(database, admission("c1", (2,)), MoveBeam("c1", 2, BeamState.INTERPRETED), *whole_attempt("c1", 2)[:1])
            database.execute("UPDATE attempts SET state = ?", (state,))
            assert bool(reads.open_gpus(database)) == (state in OPEN_ATTEMPTS), state
