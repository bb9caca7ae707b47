"""Orders that stand in the ledger as it is opened: their order, and what one that fails holds up."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from actors.ledger.commit import commit
from actors.ledger.reads import order as order_row
from actors.ledger.standing import carry_out
from actors.ledger.store import open_store
from messages.faults import Fault
from messages.ledger import (
    CaseReport,
    DecideCommand,
    HaltPlace,
    HaltRow,
    MoveCase,
    OrderCommand,
    OrderRow,
    Record,
    Write,
)
from messages.states import CaseState

AT = "2026-03-01T12:00:00+00:00"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_store(tmp_path / "ledger.sqlite", tmp_path / "backups")) as opened:
        yield opened


class Bench:
    def __init__(self, database: sqlite3.Connection, *orders: tuple[str, str, str]) -> None:
        self.database = database
        self.turns: list[list[str]] = []
        self.saw: list[tuple[str, tuple[str, ...]]] = []
        self.broken: set[str] = set()
        self.illegal: set[str] = set()
        self.elsewhere: set[str] = set()
        for name, kind, subject in orders:
            self._commit([(OrderCommand(name, kind, subject, "", "kim"),)])

    def _commit(self, writes: Sequence[tuple[Record, ...]]) -> Sequence[Fault | None]:
        mine = [Write("test", None, "test", 1, records) for records in writes]
        return commit(self.database, mine, AT).faults

    def _record(self, writes: Sequence[tuple[Record, ...]]) -> Sequence[Fault | None]:
        self.turns.append([records[0].order for records in writes if isinstance(records[0], DecideCommand)])
        return self._commit(writes)

    def _decide(
        self, order: OrderRow, case_of: Callable[[str], CaseReport], halts: Callable[[], Iterable[HaltRow]]
    ) -> tuple[Record, ...]:
        self.saw.append((order.order, tuple(row.place for row in halts())))
        assert case_of(order.subject).row is None
        if order.order in self.broken:
            raise LookupError("a fault of ours")
        if order.order in self.elsewhere:
            return ()
        illegal = (MoveCase("nobody", CaseState.HELD, ""),) if order.order in self.illegal else ()
        return DecideCommand(order.order, "done: so"), *illegal, HaltPlace(order.order, "kim")

    def go(self) -> list[tuple[str, str]]:
        return [(left.order.order, left.why) for left in carry_out(self.database, self._decide, self._record)]

    def decided(self, name: str) -> str:
        row = order_row(self.database, name)
        assert row is not None
        return row.decided


@pytest.mark.promise("P34")
def test_of_one_subject_one_after_the_other_and_of_others_beside(database: sqlite3.Connection) -> None:
    bench = Bench(
        database,
        *(("o1", "hold", "a"), ("o2", "drain", "gpu1"), ("o3", "release", "a"), ("o4", "resume", "gpu1/0")),
    )
    assert bench.go() == []
    assert bench.turns == [["o1", "o2"], ["o3", "o4"]]
    assert bench.saw[2] == ("o3", ("o1", "o2")), "what was ordered before is in force"
    assert bench.decided("o4") == "done: so"
    assert bench.go() == []
    assert len(bench.saw) == 4, "nothing is decided twice"


@pytest.mark.promise("P34")
def test_one_that_fails_holds_up_only_what_was_ordered_of_the_same(database: sqlite3.Connection) -> None:
    bench = Bench(database, ("o1", "hold", "a"), ("o2", "hold", "b"), ("o3", "cancel", "a"), ("o4", "cancel", "b"))
    bench.broken, bench.illegal = {"o1"}, {"o2"}
    bench_left = bench.go()
    assert [name for name, _ in bench_left] == ["o1", "o2"]
    assert "a fault of ours" in bench_left[0][1]
    assert "nobody" in bench_left[1][1]
    assert [bench.decided(name) for name in ("o1", "o2", "o3", "o4")] == [""] * 4
    bench.broken, bench.illegal, bench.elsewhere = set(), set(), {"o1"}
    assert bench.go() == []
    assert [bool(bench.decided(name)) for name in ("o1", "o2", "o3", "o4")] == [False, True, True, True]
