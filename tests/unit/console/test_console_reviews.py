"""The page and the API where somebody answers for a result: by name, and only with what its state allows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from actors.console.caseview import offers
from messages.ledger import ReviewRow
from messages.states import CaseState, ReviewState
from tests.unit.console.stand_ins import CASE, FAR, NOW, TOKEN, Inside, PaperLedger, ask, case, fraction


@pytest.fixture
def inside() -> Inside:
    row = case(state=CaseState.DONE, review=ReviewState.APPROVED, superseded_by=f"{CASE}-v2")
    return Inside(PaperLedger(row))


@pytest.mark.parametrize(
    ("review", "newer", "offered"),
    [
        ("computed", None, ("review", "reject", "recalculate")),
        ("reviewed", None, ("review", "approve", "reject", "recalculate")),
        ("approved", None, ("reject", "recalculate")),
        ("rejected", None, ("recalculate",)),
        ("reviewed", "c-v2", ("review", "reject")),
    ],
)
def test_what_is_offered_is_what_the_state_allows(review: str, newer: str | None, offered: tuple[str, ...]) -> None:
    assert offers({"state": "done", "review": review, "superseded_by": newer}) == offered


def test_what_is_not_done_has_nothing_to_review() -> None:
    assert not {"review", "approve", "recalculate"} & set(offers({"state": "failed", "review": None}))


def test_a_case_tells_who_said_what_of_it(inside: Inside) -> None:
    inside.ledger.reviewed = (
        ReviewRow(1, CASE, ReviewState.REVIEWED, "kim", NOW, "", "r", ""),
        ReviewRow(2, CASE, ReviewState.APPROVED, "lee", NOW, "film measured", "r", ""),
    )
    told = ask(inside, "GET", f"/api/cases/{CASE}").json()
    assert (told["review"], told["superseded_by"]) == ("approved", f"{CASE}-v2")
    assert [(one["state"], one["user"], one["reason"]) for one in told["reviews"]] == [
        ("reviewed", "kim", ""),
        ("approved", "lee", "film measured"),
    ]


@pytest.mark.parametrize("person", ["", "   "])
@pytest.mark.parametrize("kind", ["approve", "send"])
def test_a_token_names_nobody(inside: Inside, kind: str, person: str) -> None:
    body = {"kind": kind, "subject": CASE, "person": person}
    refused = far(inside, body)
    assert refused.status_code == 400
    assert refused.json()["error"]["kind"] == "order-nobody"
    assert not inside.calls


def test_who_answers_for_a_result_says_his_name(inside: Inside) -> None:
    assert far(inside, {"kind": "reject", "subject": CASE, "argument": "why", "person": " Kim  Y."}).status_code == 200
    assert inside.calls == [("order", "reject", CASE, "why", "Kim Y. (token at 10.1.2.3)", "")]


def test_who_has_a_result_sent_says_his_name(inside: Inside) -> None:
    assert far(inside, {"kind": "send", "subject": CASE, "argument": "pacs", "person": "Kim"}).status_code == 200
    assert inside.calls == [("order", "send", CASE, "pacs", "Kim (token at 10.1.2.3)", "")]


@pytest.mark.parametrize("person", [3, "a\nb", "x" * 81])
def test_what_is_no_name_is_refused(inside: Inside, person: Any) -> None:
    assert far(inside, {"kind": "review", "subject": CASE, "person": person}).status_code == 400


def far(inside: Inside, body: dict[str, Any]) -> Any:
    bearer = {"authorization": f"Bearer {TOKEN}"}
    return ask(inside, "POST", "/api/orders", peer=FAR, token=TOKEN, headers=bearer, json=body)


def test_a_plan_tells_its_sessions_and_what_counts(inside: Inside, tmp_path: Path) -> None:
    report = tmp_path / "report"
    report.mkdir()
    course = {"counted": [CASE], "dose": {"maximum": 1.9, "units": "Gy", "reason": "", "structures": []}}
    (report / "report.json").write_text(json.dumps({"course": course}))
    amounts = '[{"number": 2, "name": "B2", "planned_mu": 10.0, "delivered_mu": 9.9}]'
    inside.ledger.fractions = (
        fraction(CASE, path=str(tmp_path), amounts=amounts),
        fraction("later", CaseState.RUNNING),
    )
    answer = ask(inside, "GET", "/api/plans/1.2.3")
    description = ask(inside, "GET", "/openapi.json").json()
    schema = {"$ref": "#/components/schemas/Plan", "components": description["components"]}
    jsonschema.validate(answer.json(), schema)
    told = answer.json()
    assert told["statement"] == "1 whole fraction of 30 planned; 1 session does not count"
    assert told["beams"] == [{"number": 2, "name": "B2", "delivered_mu": 9.9, "planned_mu": 10.0}]
    assert (told["dose"]["maximum"], told["dose"]["current"]) == (1.9, True)
    assert ask(inside, "GET", "/api/plans/9.9").status_code == 404
