"""Every order about a case in every state of a case: by real actors, with real engines, given while they run and while
they are down (P34)."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from actors.documents.orders import DONE, NOTHING, REFUSED
from actors.ledger import Reader
from actors.ledger.placing import place_order
from messages.ledger import MoveCase, OrderCommand, SightCase
from messages.operators import CaseChanged
from messages.states import AttemptState, BeamState, CaseState
from tests.integration.case.case_house import WELL, House, Physics, house
from tests.kit import wait_until as wait_for

PATIENCE_S = 30.0
"""On a machine that does much else meanwhile."""


def settled(condition: Callable[[], object], what: str = "") -> object:
    """Wait until it is so."""
    return wait_for(condition, PATIENCE_S, what)


S = CaseState
SLOTS = 3


def sighting(case: str) -> SightCase:
    return SightCase(case, f"{case}-id", f"/cases/{case}", "beam 3 is missing", "1.2", "1.3", (f"{case}-key",))


@dataclass
class Stage:
    """A house with one case in each state; beam 3 is the one whose engine runs until it is let go."""

    folder: Path
    physics: Physics = field(init=False)

    def __post_init__(self) -> None:
        self.physics = Physics(self._engine, beams=(1, 2, 3))

    def _engine(self, beam: int) -> str:
        if beam == 2:
            return f"[ -e '{self.folder}/mended' ] || exit 3; {WELL}"
        if beam == 3:
            waits = f"while [ ! -e '{self.folder}/gate' ]; do sleep 0.02; done"
            return f"echo $$ >>'{self.folder}/pids'; echo step 1 of 2; {waits}; {WELL}"
        return WELL

    @property
    def pids(self) -> list[int]:
        file = self.folder / "pids"
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    def alive(self) -> list[int]:
        return [pid for pid in self.pids if Path(f"/proc/{pid}").exists()]

    def let_go(self) -> None:
        """Engines end well, interpretation goes on."""
        (self.folder / "gate").touch()
        self.physics.gate.set()

    def set(self, built: House) -> None:
        built.write(sighting("incoming"), sighting("incomplete"), MoveCase("incomplete", S.INCOMPLETE, "late"))
        built.write(sighting("held-incoming"), MoveCase("held-incoming", S.HELD, "held by kim"))
        built.write(sighting("failed-incoming"), MoveCase("failed-incoming", S.FAILED, "no plan"))
        built.admit("done", 1)
        built.admit("failed", 1, 2)
        built.until("done", S.DONE)
        built.until("failed", S.FAILED)
        for case in ("running", "held"):
            built.admit(case, 3)
            runs_beam(built, case)
        built.write(MoveCase("held", S.HELD, "held by kim"))
        built.at("cases/held").tell(CaseChanged("held"))
        self.physics.gate.clear()
        for case in ("cancelled", "queued"):
            built.admit(case, 1)
            is_active(built, case)
        assert built.order("cancel", "cancelled").startswith(DONE)
        built.until_cleaned("cancelled")
        for case in ("running", "queued"):
            assert built.row(case).state == case
        settled(lambda: len(self.alive()) == 2, what="two engines run")
        (self.folder / "mended").touch()  # before any order is given: a retry may be launched at once

    def end(self) -> None:
        self.let_go()
        for pid in self.alive():
            with suppress(ProcessLookupError):
                os.kill(pid, 9)


def runs_beam(built: House, case: str) -> None:
    settled(lambda: built.row(case).beams[0].state is BeamState.RUNNING, what=f"{case} runs")


def is_active(built: House, case: str) -> None:
    settled(lambda: built.alive(f"cases/{case}"), what=f"{case} has an actor")


CASES = (
    "incoming",
    "incomplete",
    "queued",
    "running",
    "held",
    "held-incoming",
    "done",
    "failed",
    "failed-incoming",
    "cancelled",
)
Table = Mapping[str, tuple[str, CaseState]]
"""Case → how the order's outcome begins, and the state that the case is in once all has settled."""

CANCEL: Table = {
    **dict.fromkeys(CASES, (DONE, S.CANCELLED)),
    "done": (REFUSED, S.DONE),
    "cancelled": (NOTHING, S.CANCELLED),
}
HOLD: Table = {
    **dict.fromkeys(("incoming", "incomplete", "queued", "running"), (DONE, S.HELD)),
    **dict.fromkeys(("held", "held-incoming"), (NOTHING, S.HELD)),
    "done": (REFUSED, S.DONE),
    "failed": (REFUSED, S.FAILED),
    "failed-incoming": (REFUSED, S.FAILED),
    "cancelled": (REFUSED, S.CANCELLED),
}
RELEASE: Table = {
    "incoming": (NOTHING, S.INCOMING),
    "incomplete": (NOTHING, S.INCOMPLETE),
    "queued": (NOTHING, S.DONE),
    "running": (NOTHING, S.DONE),
    "held": (DONE, S.DONE),
    "held-incoming": (DONE, S.INCOMING),
    "done": (NOTHING, S.DONE),
    "failed": (NOTHING, S.FAILED),
    "failed-incoming": (NOTHING, S.FAILED),
    "cancelled": (NOTHING, S.CANCELLED),
}
PRIORITY: Table = {
    "incoming": (DONE, S.INCOMING),
    "incomplete": (DONE, S.INCOMPLETE),
    "queued": (DONE, S.DONE),
    "running": (DONE, S.DONE),
    "held": (DONE, S.HELD),
    "held-incoming": (DONE, S.HELD),
    "done": (REFUSED, S.DONE),
    "failed": (DONE, S.FAILED),
    "failed-incoming": (DONE, S.FAILED),
    "cancelled": (DONE, S.CANCELLED),
}
RETRY: Table = {
    "incoming": (REFUSED, S.INCOMING),
    "incomplete": (REFUSED, S.INCOMPLETE),
    "queued": (NOTHING, S.DONE),
    "running": (NOTHING, S.DONE),
    "held": (NOTHING, S.HELD),
    "held-incoming": (REFUSED, S.HELD),
    "done": (REFUSED, S.DONE),
    "failed": (DONE, S.DONE),
    "failed-incoming": (DONE, S.INCOMING),
    "cancelled": (DONE, S.DONE),
}
ORDERS: dict[str, tuple[str, Table]] = {
    "cancel": ("", CANCEL),
    "hold": ("", HOLD),
    "release": ("", RELEASE),
    "priority": ("7", PRIORITY),
    "retry": ("", RETRY),
}
Given = Callable[[Stage, str, str], AbstractContextManager[tuple[House, dict[str, str]]]]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    try:
        yield made
    finally:
        made.end()


@contextmanager
def given_up(stage: Stage, kind: str, argument: str) -> Iterator[tuple[House, dict[str, str]]]:
    """The orders are given while everything runs."""
    with house(stage.folder, slots=SLOTS, physics=stage.physics, attempts=1) as built:
        stage.set(built)
        orders = {case: built.place(kind, case, argument) for case in CASES}
        yield built, orders


@contextmanager
def given_down(stage: Stage, kind: str, argument: str) -> Iterator[tuple[House, dict[str, str]]]:
    """The orders are given while nothing runs but the engines, and carried out at the next start."""
    with house(stage.folder, slots=SLOTS, physics=stage.physics, attempts=1) as built:
        stage.set(built)
        ledger = built.ledger_path
    stage.physics.gate.clear()
    orders = {case: f"down-{case}" for case in CASES}
    for case, order in orders.items():
        command = OrderCommand(order, kind, case, argument, "kim")
        for _ in ("once", "and again: one order"):
            place_order(ledger, stage.folder / "backups", command, alone=True)
    with house(stage.folder, slots=SLOTS, boot=2, physics=stage.physics, attempts=1) as again:
        yield again, orders


@pytest.mark.promise("P34")
@pytest.mark.parametrize("given", [given_up, given_down])
@pytest.mark.parametrize("kind", ORDERS)
def test_every_order_in_every_state(stage: Stage, kind: str, given: Given) -> None:
    argument, table = ORDERS[kind]
    with given(stage, kind, argument) as (built, orders):
        outcomes = {case: built.outcome(order) for case, order in orders.items()}
        told = {case: outcome.partition(":")[0] for case, outcome in outcomes.items()}
        assert told == {case: begins for case, (begins, _) in table.items()}, outcomes
        _while_engines_run(stage, built, kind)
        stage.let_go()
        for case, (_, state) in table.items():
            built.until(case, state, PATIENCE_S)
        _what_it_is_to_change(built, kind)
        again = {case: built.order(kind, case, argument) for case in CASES}
        assert not [one for one in again.values() if one.startswith(DONE)], "the same order twice changes nothing more"
        assert {case: built.row(case).state for case in CASES} == {case: state for case, (_, state) in table.items()}
    assert not stage.alive()
    assert set(users(built)) == {"kim"}
    assert Reader(built.ledger_path).orders() == ()


def _while_engines_run(stage: Stage, built: House, kind: str) -> None:
    """Before any engine is let go."""
    if kind == "cancel":
        settled(lambda: built.attempts("running")[0].state is AttemptState.WITHDRAWN, what="running is withdrawn")
        settled(lambda: built.attempts("held")[0].state is AttemptState.WITHDRAWN, what="held is withdrawn")
        settled(lambda: not stage.alive(), what="the engines' processes are gone")
    else:
        assert len(stage.alive()) == 2, "what runs goes on"
    if kind == "hold":
        assert built.row("running").beams[0].state is BeamState.RUNNING


def _what_it_is_to_change(built: House, kind: str) -> None:
    """Beside the state."""
    if kind == "cancel":
        for case in ("queued", "running", "held", "failed"):
            built.until_cleaned(case)
            assert not (built.workspace / case).exists()
    rows = {case: built.row(case) for case in CASES}
    if kind == "cancel":
        assert [beam.state for beam in rows["running"].beams] == [BeamState.CANCELLED]
        assert [beam.state for beam in rows["failed"].beams] == [BeamState.DONE, BeamState.FAILED]
    if kind == "hold":
        settled(lambda: built.row("running").beams[0].state is BeamState.DONE, what="it ran to its verified end")
        assert not (built.folder / "results" / "running").exists(), "nothing is published while it is held"
        assert built.attempts("queued") == ()
    if kind == "priority":
        assert {case for case in CASES if rows[case].priority == 7} == set(CASES) - {"done"}
    if kind == "retry":
        assert [one.attempt for one in built.attempts("failed") if one.beam == 1] == [1], "the good beam is kept"
        assert [one.attempt for one in built.attempts("failed") if one.beam == 2] == [1, 2]


def users(built: House) -> list[str]:
    """Who gave each order."""
    with closing(sqlite3.connect(built.ledger_path)) as database:
        return [row[0] for row in database.execute('SELECT "user" FROM commands')]
