"""The page of charts, its document, and what a case's page says of its report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from actors.console.words import LANGUAGES, words_in
from messages.ledger import FigureRow, GantryRow, ReportRow
from messages.states import CaseState
from tests.unit.console.stand_ins import CASE, FAR, NOW, TOKEN, Inside, PaperLedger, ask, case

AT = datetime.now(UTC)
MADE = ReportRow(CASE, "made", 1, "review", "because", "/nowhere/results/x/report", "ab" * 32, NOW)


def figures(number: int, gantry: str = "G1", band: int = 0, **values: Any) -> FigureRow:
    told: Mapping[str, Any] = {"mu_percent": 0.1, "energy_mev": 150.0, **values}
    return FigureRow(f"2026-{number}", 3, band, gantry, AT - timedelta(hours=100 - number), told)


def inside_of(*rows: FigureRow, more: str = "") -> Inside:
    ledger = PaperLedger(case(state=CaseState.DONE))
    ledger.followed_rows = rows
    ledger.gantry_rows = (GantryRow("G1", (70, 150), 30, AT), GantryRow("G2", (), 1, AT))
    made = Inside(ledger, more)
    made.look()
    return made


def test_the_document_tells_what_was_asked_and_what_there_is() -> None:
    inside = inside_of(*(figures(number) for number in range(30)))
    told = ask(inside, "GET", "/api/trend?weeks=4&gantry=G1").json()
    assert (told["gantry"], told["weeks"], told["band"], told["cut"]) == ("G1", 4, 0, False)
    assert [(one["gantry"], one["bands"], one["cases"]) for one in told["gantries"]] == [
        ("G1", [70, 150], 30),
        ("G2", [], 1),
    ]
    mu = next(one for one in told["charts"] if one["figure"] == "mu")
    assert len(mu["points"]) == 30
    assert mu["limits"]["centre"] == pytest.approx(0.1)
    wanted = inside.ledger.wanted
    assert wanted is not None
    assert timedelta(weeks=4) < wanted.until - wanted.since < timedelta(weeks=4, days=2)


def test_without_a_name_it_is_the_first_gantry_and_a_band_must_be_there() -> None:
    inside = inside_of(figures(1))
    assert ask(inside, "GET", "/api/trend?band=110").json()["band"] == 0
    assert ask(inside, "GET", "/api/trend?band=70").json()["band"] == 70
    assert ask(inside, "GET", "/api/trend").json()["gantry"] == "G1"
    other = ask(inside, "GET", "/api/trend?gantry=G9").json()
    assert (other["gantry"], sum(len(one["points"]) for one in other["charts"])) == ("G9", 0)


@pytest.mark.parametrize("query", ["weeks=0", "weeks=53", "weeks=x", "band=-1", "band=70.5"])
def test_what_cannot_be_asked_is_refused_in_words(query: str) -> None:
    assert ask(inside_of(), "GET", f"/api/trend?{query}").status_code == 400


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_has_every_chart_in_every_language(language: str) -> None:
    rows = [figures(number, size_percent=float(number % 2)) for number in range(30)]
    inside = inside_of(*rows, figures(40, mu_percent=7.0))
    text = ask(inside, "GET", f"/trend?lang={language}").text
    words = words_in(language)
    for name in ("mu", "position_mean", "position_p95", "size", "r80", "gamma"):
        assert f'id="chart-{name}"' in text
        assert words.of("figure", name) in text
    assert 'href="/cases/2026-40"' in text
    assert text.count("+7.00 %") >= 2  # its mark and the list of what is beyond the action level
    assert words("no_points") in text
    assert 'style="' not in text


def test_a_size_without_a_baseline_is_explained() -> None:
    assert words_in("en")("no_baseline").replace("'", "&#39;") in ask(inside_of(figures(1)), "GET", "/trend").text


def test_links_take_along_what_was_chosen() -> None:
    text = ask(inside_of(figures(1)), "GET", "/trend?gantry=G1&weeks=13&band=70").text
    assert 'href="/trend?gantry=G1&amp;weeks=26&amp;band=70"' in text
    assert 'href="/trend?gantry=G2&amp;weeks=13"' in text
    assert 'href="?gantry=G1&amp;weeks=13&amp;band=70&amp;lang=ko"' in text


def test_before_the_first_report_it_says_so() -> None:
    inside = Inside()
    inside.look()
    assert words_in("en")("no_trend") in ask(inside, "GET", "/trend").text


def test_only_the_last_of_very_many_are_shown_and_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.console.trend.endpoints.MOST_ROWS", 2)
    inside = inside_of(figures(1), figures(2))
    assert words_in("en")("trend_cut") in ask(inside, "GET", "/trend").text
    assert inside.ledger.wanted is not None
    assert inside.ledger.wanted.limit == 2


def test_a_token_is_needed_for_it_too() -> None:
    assert ask(inside_of(), "GET", "/trend", peer=FAR, token=TOKEN).status_code == 401
    assert ask(inside_of(), "GET", "/api/trend", peer=FAR, token=TOKEN).status_code == 401


@pytest.mark.parametrize(
    ("report", "seen", "unseen"),
    [
        (MADE, (f"/cases/{CASE}/report/report.html", f"/cases/{CASE}/report/report.pdf", "r-review"), ("being made",)),
        (replace(MADE, state="due", verdict="", manifest_sha256=""), ("The report is being made.",), ("report.pdf",)),
        (
            replace(MADE, state="failed", verdict="", manifest_sha256=""),
            ("No report could be made.", "because"),
            ("report.pdf",),
        ),
        (None, (), ("report.pdf", 'id="report"')),
    ],
)
def test_a_cases_page_leads_to_its_report(
    report: ReportRow | None, seen: tuple[str, ...], unseen: tuple[str, ...]
) -> None:
    inside = inside_of()
    inside.ledger.reports = {CASE: report} if report else {}
    text = ask(inside, "GET", f"/cases/{CASE}").text
    assert [word for word in seen if word not in text] == []
    assert [word for word in unseen if word in text] == []


def test_the_description_of_the_document_holds() -> None:
    inside = inside_of(*(figures(number) for number in range(30)))
    described = ask(inside, "GET", "/openapi.json").json()
    schema = {**described["components"]["schemas"]["Trend"], "components": described["components"]}
    Draft202012Validator(schema).validate(json.loads(ask(inside, "GET", "/api/trend").text))
