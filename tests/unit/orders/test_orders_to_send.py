"""Orders to send: what is written for them, and what is refused with which words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from actors.documents.orders import check_order, right_form
from actors.errors import MqiError
from actors.orders.sending import decide
from messages.ledger import (
    CaseRow,
    ExpectCase,
    OrderRow,
    OrderSending,
    ReviewReport,
    ReviewRow,
    VersionRow,
)
from messages.operators import OrderKind
from messages.states import CaseState, ReviewState

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
NODES = {"pacs": "approved", "drop": "accepted", "qa": "ordered"}
ROW = CaseRow(
    case="c",
    state=CaseState.DONE,
    reason="",
    priority=0,
    path="/share/c",
    plan_uid="",
    study_uid="",
    identity="",
    seen=NOW,
    admitted=NOW,
    started=NOW,
    ended=NOW,
    source=None,
    interpretation="",
    verdict='{"verdict": "suspect", "gray": true}',
    cleaned=False,
    beams=(),
)


def order(node: str = "") -> OrderRow:
    return OrderRow("send-1", "send", "c", node, "physicist", NOW, "")


def report(
    row: CaseRow | None = ROW, state: ReviewState | None = None, latest: VersionRow | None = None
) -> ReviewReport:
    reviews = (ReviewRow(1, "c", state, "p", NOW, "", "", ""),) if state else ()
    return ReviewReport("1", row, reviews, latest=latest, last_event=7)


def test_it_goes_where_the_rules_let_it_and_the_rest_is_said() -> None:
    decision = decide(order(), report(), NODES)
    assert decision.outcome.startswith("done: it goes to drop, qa; not to pacs: the node takes approved results only")
    expected, *records = decision.records
    assert expected == ExpectCase("c", frozenset({CaseState.DONE}), 7)
    assert records == [OrderSending("c", node, "send-1", "physicist") for node in ("drop", "qa")]


def test_one_node_is_named_and_an_approved_result_goes_there() -> None:
    decision = decide(order("pacs"), report(state=ReviewState.APPROVED), NODES)
    assert decision.outcome == "done: it goes to pacs"


@pytest.mark.parametrize(
    ("row", "node", "state", "words"),
    [
        (None, "", None, "there is no case c"),
        (replace(ROW, state=CaseState.RUNNING), "", None, "it is running: there is no result yet"),
        (ROW, "tape", None, "there is no node tape; there are drop, pacs, qa"),
        (ROW, "pacs", None, "not to pacs: the node takes approved results only, and this one is computed"),
        (ROW, "qa", ReviewState.REJECTED, "not to qa: it was rejected"),
        (
            replace(ROW, verdict='{"verdict": "accepted", "uncommissioned": true}'),
            "qa",
            None,
            "not what was commissioned",
        ),
        (replace(ROW, verdict='{"verdict": "accepted", "gray": false}'), "qa", None, "no calibration is approved"),
        (replace(ROW, kind="planned"), "qa", None, "planned spots"),
    ],
)
def test_what_is_refused(row: CaseRow | None, node: str, state: ReviewState | None, words: str) -> None:
    decision = decide(order(node), report(row, state), NODES)
    assert decision.outcome.startswith("refused: ")
    assert words in decision.outcome
    assert decision.records == ()


def test_a_later_version_goes_in_its_place() -> None:
    later = VersionRow("c-2", CaseState.DONE, "c", partial=False, why="")
    assert "c-2 supersedes it" in decide(order("qa"), report(latest=later), NODES).outcome
    failed = replace(later, state=CaseState.FAILED)
    assert decide(order("qa"), report(latest=failed), NODES).outcome == "done: it goes to qa"


def test_without_nodes_there_is_nowhere_to_send_to() -> None:
    assert "[[send]] of the configuration names them" in decide(order(), report(), {}).outcome


def test_the_form_of_the_order_is_checked() -> None:
    assert check_order("send", "c", "pacs-1.b") is OrderKind.SEND
    assert check_order("send", "c") is OrderKind.SEND
    assert right_form(OrderKind.SEND) == "Its form is: mqi-actors send CASE [NODE]."
    for node in ("a b", "../x", "-x", "x" * 64):
        with pytest.raises(MqiError, match="no name of a node"):
            check_order("send", "c", node)
