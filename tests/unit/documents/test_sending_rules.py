"""May a result be sent? Every rule, by itself and by order; and the words for where it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from actors.cli.views import show_view
from actors.console.caseview import offers
from actors.documents import show_document, why
from actors.documents.sending import Standing, sending_documents, sending_words, why_not
from messages.ledger import SendingRow, SendingState
from messages.states import CaseState, ReviewState
from tests.unit.cli.test_cli_documents import case as a_case

GOOD = Standing("accepted", uncommissioned=False, partial=False, gray=True, phantom=False)
APPROVED = replace(GOOD, review=ReviewState.APPROVED)
AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def test_what_is_good_goes_by_itself() -> None:
    assert why_not(GOOD, "accepted", ordered=False) == ""
    assert why_not(APPROVED, "approved", ordered=False) == ""
    assert why_not(replace(APPROVED, verdict="review"), "approved", ordered=False) == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"phantom": True}, "in a phantom"),
        ({"partial": True}, "PARTIAL"),
        ({"verdict": "suspect"}, "suspect"),
    ],
)
@pytest.mark.parametrize("rule", ["accepted", "approved", "ordered"])
def test_what_goes_by_order_only(change: dict[str, object], words: str, rule: str) -> None:
    standing = replace(APPROVED, **change)  # type: ignore[arg-type]
    assert why_not(standing, rule, ordered=True) == ""
    told = why_not(standing, rule, ordered=False)
    assert (words in told) or rule == "ordered"
    assert "by order only" in told


def test_a_verdict_of_review_is_not_accepted() -> None:
    assert "verdict is review" in why_not(replace(GOOD, verdict="review"), "accepted", ordered=False)
    assert why_not(replace(GOOD, verdict="review"), "accepted", ordered=True) == ""
    assert "by order only" in why_not(GOOD, "ordered", ordered=False)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"uncommissioned": True}, "not what was commissioned"),
        ({"gray": False}, "no calibration is approved"),
        ({"review": ReviewState.REJECTED}, "rejected"),
        ({"superseded_by": "c-2"}, "c-2 supersedes it"),
        ({"planned": True}, "planned spots"),
    ],
)
@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("rule", ["accepted", "approved", "ordered"])
def test_what_never_goes(change: dict[str, object], words: str, rule: str, *, ordered: bool) -> None:
    assert words in why_not(replace(APPROVED, **change), rule, ordered=ordered)  # type: ignore[arg-type]


def test_a_node_of_approved_results_takes_no_others() -> None:
    assert "approved results only, and this one is computed" in why_not(GOOD, "approved", ordered=True)


@pytest.mark.parametrize(
    ("state", "tries", "words"),
    [
        (SendingState.DUE, 0, "to be sent to pacs"),
        (SendingState.DUE, 4, "to be sent to pacs, tried 4 times in vain (why)"),
        (SendingState.STORED, 0, "sent to pacs, which has not said yet that it keeps it (why)"),
        (SendingState.SENT, 1, "sent to pacs"),
        (SendingState.COMMITTED, 1, "sent to pacs, which keeps it"),
        (SendingState.WITHHELD, 0, "not sent to pacs: why"),
    ],
)
def test_where_it_is_in_words_and_as_a_document(state: SendingState, tries: int, words: str) -> None:
    row = SendingRow("c", "pacs", state, "", "", tries, "why", '[{"file": "sum.dcm"}]', AT, AT, AT)
    assert sending_words((row,)) == words
    (document,) = sending_documents((row,))
    assert (document["node"], document["state"], document["ordered_by"]) == ("pacs", str(state), None)
    assert document["answers"] == [{"file": "sum.dcm"}]


def test_why_and_show_say_where_it_is() -> None:
    done = a_case(CaseState.DONE)
    kept = SendingRow("c", "pacs", SendingState.COMMITTED, "send-1", "physicist", 1, "A keeps all", "", AT, AT, AT)
    sentence = why(done, running=True, results=Path("/r"), sendings=(kept,))
    assert sentence.endswith("; sent to pacs, which keeps it.")
    assert "sent" not in why(a_case(CaseState.FAILED), running=True, results=Path("/r"), sendings=(kept,))
    document = show_document(done, (), (), AT, sendings=(kept,))
    assert document["sendings"][0]["ordered_by"] == "physicist"
    assert "committed at pacs, ordered by physicist  A keeps all" in show_view(document).splitlines()


def test_the_page_offers_to_send_what_may_go() -> None:
    case = {"state": "done", "review": "reviewed", "superseded_by": None}
    assert "send" in offers(case, sends=True)
    assert "send" not in offers(case)
    for change in ({"review": "rejected"}, {"review": None}, {"superseded_by": "c-2"}):
        assert "send" not in offers({**case, **change}, sends=True)
