"""What was ordered while nothing ran is in force before anything goes on, also where the orders' actor is not up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actors.ledger import Reader
from actors.ledger.placing import place_order
from actors.supervision import Actor, Context
from messages.ledger import GetCase, OrderCommand
from messages.states import CaseState
from tests.integration.case.case_house import WELL, House, Physics, house
from tests.kit import wait_until

BROKEN: Any = []
"""Where a name is expected: a fault of ours in the middle of a handler."""


class Deaf(Actor):
    """In an actor's place: does nothing."""

    def __init__(self, context: Context, **_: object) -> None:
        super().__init__(context)

    def receive(self, message: object) -> None: ...


class Broken(Deaf):
    """In the orders' place: crashes at every start but the last of a few."""

    left = 5

    def started(self) -> None:
        Broken.left -= 1
        if Broken.left:
            raise RuntimeError("orders cannot start")


def give(folder: Path, kind: str, subject: str = "", argument: str = "") -> str:
    """As a command does while no daemon runs."""
    order = f"{kind}-{subject.replace('/', '-')}-{argument}"
    command = OrderCommand(order, kind, subject, argument, "kim")
    place_order(folder / "state" / "ledger.sqlite", folder / "state" / "backups", command, alone=True)
    return order


def queued(folder: Path, *cases: str) -> None:
    """A house that was stopped with these cases admitted, no beam of them given to a GPU."""
    with house(folder, parts={"scheduler": Deaf}) as before:
        for case in cases:
            before.admit(case, 1)
            wait_until(lambda name=case: before.row(name).interpretation, what=f"{case} is interpreted")  # type: ignore[misc]


def decided(built: House, order: str) -> str:
    row = Reader(built.ledger_path).order(order)
    assert row is not None
    return row.decided


@pytest.mark.promise("P34")
@pytest.mark.parametrize("orders", [Deaf, Broken])
def test_orders_of_cases_come_before_their_first_launch(tmp_path: Path, orders: Callable[..., Actor]) -> None:
    Broken.left = 5
    queued(tmp_path, "held", "cancelled", "free", "changed")
    give(tmp_path, "hold", "held")
    give(tmp_path, "cancel", "cancelled")
    given = [give(tmp_path, kind, "changed") for kind in ("hold", "release", "cancel")]
    with house(tmp_path, boot=2, parts={"orders": orders}) as again:
        again.until("free", CaseState.DONE)
        assert again.row("held").state is CaseState.HELD
        assert {again.row(case).state for case in ("cancelled", "changed")} == {CaseState.CANCELLED}
        assert not [again.attempts(case) for case in ("held", "cancelled", "changed") if again.attempts(case)]
        assert [decided(again, order).partition(":")[0] for order in given] == ["done"] * 3, "in their order"
        assert len(Reader(again.ledger_path).orders()) == 5, "to be settled by the orders' actor, once it is up"
    with house(tmp_path, boot=3) as well:
        assert well.outcome(given[0]).startswith("done: it is held")
        assert well.outcome(given[2]).startswith("done: it is cancelled")
        well.until_cleaned("changed")
        assert well.row("changed").state is CaseState.CANCELLED, "the hold is not carried out a second time"


@pytest.mark.promise("P34")
@pytest.mark.parametrize("halt", [("drain", "here"), ("pause", "")], ids=["drain", "pause"])
def test_nothing_begins_where_it_was_forbidden(tmp_path: Path, halt: tuple[str, str]) -> None:
    queued(tmp_path, "first")
    give(tmp_path, *halt)
    with house(tmp_path, boot=2, parts={"orders": Deaf}) as again:
        assert [row.place for row in Reader(again.ledger_path).halts()] == [halt[1]]
        again.admit("second", 1)
        if halt[0] == "pause":
            again.until("first", CaseState.DONE)  # it was begun
        wait_until(lambda: again.heard(3), what="some time has passed")
        assert not again.attempts("second")
        assert halt[0] == "pause" or not again.attempts("first")


@pytest.mark.promise("P34")
def test_also_where_the_pipeline_starts_again(tmp_path: Path) -> None:
    """A command that found the console silent wrote its order into the ledger itself."""
    gate, begun = tmp_path / "gate", tmp_path / "begun"
    engine = f"echo $$ >>'{begun}'; while [ ! -e '{gate}' ]; do sleep 0.02; done; {WELL}"
    try:
        with house(tmp_path, slots=1, physics=Physics(lambda _beam: engine), parts={"orders": Deaf}) as built:
            built.admit("running", 1)
            wait_until(begun.exists, what="it runs")
            built.admit("waiting", 1)
            wait_until(lambda: built.row("waiting").interpretation, what="it is interpreted")
            command = OrderCommand("o1", "hold", "waiting", "", "kim")
            place_order(built.ledger_path, tmp_path / "state" / "backups", command, alone=False)
            built.at("ledger").tell(GetCase("", BROKEN, "waiting"))
            built.until("waiting", CaseState.HELD)
            gate.touch()
            built.until("running", CaseState.DONE)
            wait_until(lambda: built.heard(3), what="some time has passed")
            assert len(begun.read_text().split()) == 1
    finally:
        gate.touch()
