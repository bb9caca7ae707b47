"""What is written for orders that stand in the ledger as it is opened."""

from __future__ import annotations

import functools
from datetime import UTC, datetime

import pytest

from actors.orders import decide_standing
from messages.ledger import (
    CaseReport,
    CaseRow,
    DecideCommand,
    ExpectCase,
    HaltPlace,
    HaltRow,
    MoveCase,
    OrderRow,
    Record,
)
from messages.states import CaseState

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def order(kind: str, subject: str = "c", argument: str = "") -> OrderRow:
    return OrderRow("o1", kind, subject, argument, "kim", NOW, "")


def decide(one: OrderRow, state: CaseState | None = CaseState.QUEUED, *halts: HaltRow) -> tuple[Record, ...]:
    fields = ("c", state, "", 0, "/p", "", "", "", NOW, NOW, None, None, None, "", "")
    row = None if state is None else CaseRow(*fields, cleaned=False, beams=())  # type: ignore[arg-type, misc]
    case_of = functools.partial(CaseReport, "", row, (), last_event=7)
    return decide_standing(one, lambda _: case_of(), lambda: halts, hosts=("gpu1",))


@pytest.mark.promise("P34")
def test_the_outcome_is_written_with_what_it_changes() -> None:
    assert decide(order("hold")) == (
        DecideCommand("o1", "done: it is held, nothing new starts for it"),
        ExpectCase("c", frozenset({CaseState.QUEUED}), 7),
        MoveCase("c", CaseState.HELD, "held by kim"),
    )
    drained = decide(order("drain", "gpu1/0"))
    assert [type(record) for record in drained] == [DecideCommand, HaltPlace]
    assert drained[1] == HaltPlace("gpu1/0", "kim")
    assert decide(order("pause", ""))[1:] == (HaltPlace("", "kim"),)


@pytest.mark.promise("P34")
@pytest.mark.parametrize(
    ("one", "state", "begins"),
    [
        (order("hold"), CaseState.HELD, "nothing to do:"),
        (order("cancel"), CaseState.DONE, "refused:"),
        (order("priority", argument="3"), None, "refused: there is no case c"),
        (order("drain", "gpu7"), None, "refused: there is no host gpu7"),
        (order("unpause", ""), None, "nothing to do:"),
    ],
)
def test_an_outcome_that_changes_nothing_is_written_too(one: OrderRow, state: CaseState | None, begins: str) -> None:
    """Or a hold of what was held would be carried out after the release that was ordered later."""
    (decided,) = decide(one, state)
    assert isinstance(decided, DecideCommand)
    assert decided.outcome.startswith(begins)


@pytest.mark.parametrize(
    "one",
    [
        order("prune", ""),
        order("submit", "/folder"),
        order("recalculate", argument="a new engine"),
        order("approve"),
        order("send"),
        order("priority", argument="much"),
        order("hold", ""),
        order("dance"),
    ],
    ids=lambda one: one.kind,
)
def test_what_neither_holds_nor_ends_anything_waits_for_the_orders_actor(one: OrderRow) -> None:
    assert decide(one, CaseState.DONE) == ()
