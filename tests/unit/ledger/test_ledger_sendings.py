"""Sendings in the ledger: due by rule or order, tried, settled; what is next, and what is late."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import datetime

import pytest

from actors.errors import MqiError
from actors.ledger import reads, sendings, trying
from actors.ledger.journal import Journal
from actors.ledger.migrations import create_schema
from messages.ledger import (
    BeginSending,
    GetNextSending,
    GetNodes,
    NextSending,
    NodesReport,
    OrderSending,
    SendingState,
    SetNodes,
    SettleSending,
)
from messages.states import ReviewState
from tests.kit import Probe

AT = "2026-03-02T09:30:15.000000+00:00"
LATER = "2026-03-02T09:31:15.000000+00:00"
NODES = SetNodes((("drop", "accepted"), ("pacs", "approved"), ("qa", "ordered")))
DUE, STORED, SENT = SendingState.DUE, SendingState.STORED, SendingState.SENT


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    create_schema(connection)
    for case in ("a", "b"):
        connection.execute(
            'INSERT INTO cases ("case", identity, state, path, seen) VALUES (?, ?, ?, ?, ?)',
            (case, case, "done", "/", AT),
        )
    sendings.set_nodes(Journal(connection, AT, 1), NODES)
    yield connection
    connection.close()


def journal(database: sqlite3.Connection, at: str = AT) -> Journal:
    return Journal(database, at, 1)


def following(database: sqlite3.Connection, node: str, at: str = AT) -> NextSending:
    report = reads.answer(database, GetNextSending("1", Probe("p"), node, datetime.fromisoformat(at)))
    assert isinstance(report, NextSending)
    return report


def due_at(database: sqlite3.Connection, node: str, at: str = AT) -> str:
    found = following(database, node, at).sending
    return found.case if found else ""


def events(database: sqlite3.Connection) -> list[tuple[str, str]]:
    return [tuple(row) for row in database.execute("SELECT what, detail FROM events")]


def test_a_rule_wants_a_case_once_and_only_at_its_nodes(database: sqlite3.Connection) -> None:
    sendings.wanted(journal(database), "a", "accepted")
    assert [due_at(database, node) for node in ("drop", "pacs", "qa")] == ["a", "", ""]
    trying.begin_sending(journal(database), BeginSending("a", "drop"))
    sendings.settle_sending(journal(database), SettleSending("a", "drop", SENT, "5 files"))
    sendings.wanted(journal(database, LATER), "a", "accepted")
    assert due_at(database, "drop", LATER) == ""
    assert events(database) == [("sending: sent", "to drop: 5 files")]


def test_nodes_are_those_of_the_configuration(database: sqlite3.Connection) -> None:
    sendings.set_nodes(journal(database), SetNodes((("drop", "approved"),)))
    assert reads.answer(database, GetNodes("1", Probe("p"))) == NodesReport("1", ("drop",))
    sendings.wanted(journal(database), "a", "accepted")
    sendings.wanted(journal(database), "b", "approved")
    assert due_at(database, "drop") == "b"


def test_an_order_makes_it_due_whatever_was_before_and_said_again_nothing(database: sqlite3.Connection) -> None:
    order = OrderSending("a", "qa", "send-1", "physicist")
    sendings.order_sending(journal(database), order)
    trying.begin_sending(journal(database), BeginSending("a", "qa"))
    sendings.settle_sending(journal(database), SettleSending("a", "qa", SENT, "3 files", answers="[1]"))
    sendings.order_sending(journal(database), order)
    assert due_at(database, "qa") == ""
    sendings.order_sending(journal(database, LATER), OrderSending("a", "qa", "send-2", "physicist"))
    row = following(database, "qa", LATER).sending
    assert row is not None
    assert (row.state, row.tries, row.reason, row.user, row.order) == (DUE, 0, "", "physicist", "send-2")


def test_a_try_in_vain_waits_and_is_told_once(database: sqlite3.Connection) -> None:
    sendings.wanted(journal(database), "a", "accepted")
    for _ in range(2):
        trying.begin_sending(journal(database), BeginSending("a", "drop"))
        sendings.settle_sending(journal(database), SettleSending("a", "drop", DUE, "no folder", again_s=30.0))
    assert due_at(database, "drop") == ""
    assert due_at(database, "drop", LATER) == "a"
    assert events(database) == [("sending: in vain", "to drop: no folder")]
    late = following(database, "drop").late
    assert late is not None
    assert (late.case, late.tries, late.reason) == ("a", 2, "no folder")


def test_files_go_before_the_question_for_those_that_are_there(database: sqlite3.Connection) -> None:
    sendings.wanted(journal(database), "a", "approved")
    trying.begin_sending(journal(database), BeginSending("a", "pacs"))
    sendings.settle_sending(journal(database), SettleSending("a", "pacs", STORED, "3 files", answers="[]"))
    sendings.wanted(journal(database, LATER), "b", "approved")
    assert due_at(database, "pacs", LATER) == "b"
    row = next(iter(sendings.sendings_of(database, "a")))
    assert (row.state, row.tries, row.reason, row.answers) == (STORED, 1, "", "[]")
    assert following(database, "pacs").late is None, "a node that has taken everything does not fail"


def test_a_node_that_keeps_losing_is_late_in_the_end(database: sqlite3.Connection) -> None:
    sendings.wanted(journal(database), "a", "approved")
    for state, reason in ((STORED, "3 files"), (DUE, "it does not keep sum.dcm"), (STORED, "3 files"), (DUE, "again")):
        trying.begin_sending(journal(database, LATER), BeginSending("a", "pacs"))
        sendings.settle_sending(journal(database, LATER), SettleSending("a", "pacs", state, reason))
    late = following(database, "pacs").late
    assert late is not None
    assert (late.tries, late.reason, late.since) == (4, "again", datetime.fromisoformat(AT))


def test_what_was_withheld_goes_once_a_rule_wants_it(database: sqlite3.Connection) -> None:
    sendings.wanted(journal(database), "a", "approved")
    sendings.settle_sending(journal(database), SettleSending("a", "pacs", SendingState.WITHHELD, "it is PARTIAL"))
    sendings.wanted(journal(database, LATER), "a", "approved")
    assert due_at(database, "pacs", LATER) == "a"


@pytest.mark.parametrize("record", [BeginSending("a", "pacs"), SettleSending("a", "pacs", SENT)])
def test_what_is_not_due_is_neither_tried_nor_settled(database: sqlite3.Connection, record: object) -> None:
    apply = trying.begin_sending if isinstance(record, BeginSending) else sendings.settle_sending
    with pytest.raises(MqiError, match="nobody wants it there"):
        apply(journal(database), record)  # type: ignore[arg-type]
    sendings.wanted(journal(database), "a", "approved")
    sendings.settle_sending(journal(database), SettleSending("a", "pacs", SendingState.WITHHELD, "it is PARTIAL"))
    with pytest.raises(MqiError, match="it is withheld"):
        apply(journal(database), record)  # type: ignore[arg-type]
    assert sendings.sending_counts(database) == (("pacs", "withheld", 1),)


def test_what_the_rules_need_to_know_comes_with_it(database: sqlite3.Connection) -> None:
    database.execute("UPDATE cases SET supersedes = 'a', source = '' WHERE \"case\" = 'b'")
    sendings.wanted(journal(database), "a", "approved")
    found = following(database, "pacs")
    assert found.case is not None
    assert (found.case.case, found.review, found.superseded_by, found.earlier) == ("a", ReviewState.COMPUTED, "", None)
    sendings.settle_sending(journal(database), SettleSending("a", "pacs", SENT, "3 files"))
    earlier = sendings.taken(database, "a", "pacs")
    assert earlier is not None
    assert earlier.reason == "3 files"
    assert sendings.taken(database, "", "pacs") is None
