"""What a review or a later version means for a result on its way: nothing leaves on a judgement that is over."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from actors.ledger import reads, sendings
from messages.ledger import (
    AddReview,
    AdmitCase,
    BeginSending,
    MoveBeam,
    MoveCase,
    NoteVerdict,
    OrderCommand,
    OrderSending,
    SendingState,
    SetNodes,
    SettleCommand,
    SettleSending,
)
from messages.states import BeamState, CaseState, ReviewState
from tests.integration.ledger.ledger_cases import admission, memory_ledger, must, running_case, whole_attempt, write

DUE, STORED, SENT, WITHHELD = SendingState.DUE, SendingState.STORED, SendingState.SENT, SendingState.WITHHELD
REVIEWED, APPROVED, REJECTED = ReviewState.REVIEWED, ReviewState.APPROVED, ReviewState.REJECTED
REJECT = AddReview("c1", REJECTED, "kim", "wrong CT")


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    with closing(memory_ledger()) as opened:
        must(opened, SetNodes((("pacs", "accepted"),)))
        must(opened, *running_case("c1", (2,)), *whole_attempt("c1", 2), MoveBeam("c1", 2, BeamState.DONE))
        must(opened, NoteVerdict("c1", '{"verdict": "accepted"}'), MoveCase("c1", CaseState.DONE))
        yield opened


def again() -> AdmitCase:
    return admission(
        "c1-v2",
        (2,),
        keys=("c1-a", "c1-b"),
        supersedes="c1",
        recalculated_because="new model",
        recalculated_by="kim",
    )


def state(database: sqlite3.Connection, node: str = "pacs") -> SendingState:
    return next(row.state for row in sendings.sendings_of(database, "c1") if row.node == node)


def recalled(database: sqlite3.Connection) -> list[str]:
    events = reads.events_of(database, "c1")
    return [event.detail for event in events if event.what == "sending: rejected where it was sent"]


def refusal(database: sqlite3.Connection, record: BeginSending) -> str:
    fault = write(database, record)
    assert fault is not None
    assert fault.kind == "case-changed"
    return fault.what


def test_no_try_begins_on_a_judgement_that_a_rejection_has_overtaken(database: sqlite3.Connection) -> None:
    must(database, REJECT)
    assert "c1 is rejected by now" in refusal(database, BeginSending("c1", "pacs"))
    assert [row.tries for row in sendings.sendings_of(database, "c1")] == [0]
    must(database, BeginSending("c1", "pacs", REJECTED))  # the sender's rules knew it, and have the word


def test_no_try_begins_on_a_judgement_that_a_later_version_has_overtaken(database: sqlite3.Connection) -> None:
    must(database, again())
    assert "superseded by c1-v2 by now" in refusal(database, BeginSending("c1", "pacs"))
    must(database, BeginSending("c1", "pacs", superseded_by="c1-v2"))


@pytest.mark.promise("P34")
def test_no_try_begins_once_a_rejection_is_ordered(database: sqlite3.Connection) -> None:
    """As it was while no daemon ran: the sender may come to the case before who carries orders out."""
    must(database, OrderCommand("r-1", "reject", "c1", "wrong CT", "kim"))
    assert "is being carried out" in refusal(database, BeginSending("c1", "pacs"))
    must(database, SettleCommand("r-1", "refused: it is rejected already"))
    must(database, BeginSending("c1", "pacs"))


def test_what_a_node_has_taken_is_asked_for_whatever_became_of_it(database: sqlite3.Connection) -> None:
    must(database, BeginSending("c1", "pacs"), SettleSending("c1", "pacs", STORED, "2 files"), REJECT)
    must(database, BeginSending("c1", "pacs"))


@pytest.mark.parametrize(("there", "named"), [(STORED, True), (SENT, True), (WITHHELD, False)])
def test_a_rejection_names_the_nodes_that_have_it(
    database: sqlite3.Connection, there: SendingState, *, named: bool
) -> None:
    must(database, OrderSending("c1", "tape", "send-1", "kim"), SettleSending("c1", "pacs", there, "said"), REJECT)
    assert recalled(database) == (["pacs has it: have it removed there"] if named else [])


def test_what_was_on_its_way_as_it_was_rejected_is_named_as_it_arrives(database: sqlite3.Connection) -> None:
    must(database, BeginSending("c1", "pacs"), REJECT)
    assert recalled(database) == []
    must(database, SettleSending("c1", "pacs", STORED, "2 files"))
    must(database, SettleSending("c1", "pacs", SendingState.COMMITTED, "keeps all"))
    assert recalled(database) == ["pacs has it: have it removed there"], "once"


@pytest.mark.parametrize("end", [CaseState.FAILED, CaseState.CANCELLED])
def test_what_was_kept_back_for_a_later_version_is_judged_anew_as_that_comes_to_nothing(
    database: sqlite3.Connection, end: CaseState
) -> None:
    must(database, again(), SettleSending("c1", "pacs", WITHHELD, "c1-v2 supersedes it"))
    must(database, MoveCase("c1-v2", end, "no host"))
    assert state(database) is DUE
    must(database, BeginSending("c1", "pacs"))


def test_what_was_sent_is_not_sent_again_as_a_later_version_comes_to_nothing(database: sqlite3.Connection) -> None:
    must(database, SettleSending("c1", "pacs", SENT, "2 files"), again(), MoveCase("c1-v2", CaseState.CANCELLED))
    assert state(database) is SENT
