"""The page as HTML: every word in every language, nothing of what comes from outside believed, nothing forgotten."""

from __future__ import annotations

import asyncio
import json
import re
import string
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from actors.console import caseview, pages, press
from actors.console.access import Access
from actors.console.pages import Pages
from actors.console.pictures import Pictures
from actors.console.timeline import timeline
from actors.console.words import LANGUAGES, Words, chosen_language, words_in
from actors.documents.orders import check_order
from actors.errors import MqiError
from messages.faults import Fault
from messages.hosts import GpuState, HostState
from messages.operators import Alarm, OrderKind
from messages.states import AttemptState, BeamState, CaseState
from tests.unit.console.stand_ins import (
    CASE,
    FAR,
    NOW,
    PAGE_KEY,
    TOKEN,
    Inside,
    PaperLedger,
    ask,
    attempt,
    beam,
    case,
    health,
)

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}${7}"
ROOT = Path(press.__file__).parent
VERDICT = json.dumps({"verdict": "review", "reasons": ["Beam 3: +0.70 %"], "manifest_sha256": "ab" * 32})


class Found(HTMLParser):
    """What a browser would make of it: elements, their attributes, and the words between them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def page(inside: Inside, where: str = "/", **headers: str) -> str:
    inside.look()
    answer = ask(inside, "GET", where, peer=FAR, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return answer.text


def whole_case(**changes: Any) -> Inside:
    """A case about which everything is known."""
    layer = {"layer": 1, "energy_mev": 150.0, "planned_mu": 4.0, "delivered_mu": 4.2, "mean_mm": 0.4, "max_mm": 2.5}
    beams = [
        {
            "number": number,
            "name": f"{number}:LAO",
            "planned_mu": 10.0,
            "delivered_mu": 10.07,
            "layers": [{**layer, "off_share": 0.001}, {**layer, "layer": 2, "off_share": 0.001, "delivered_mu": 4.0}],
            "fit": {"best": "identity"},
        }
        for number in (3, 5)
    ]
    interpretation = json.dumps({"beams": beams, "review": ["look"], "suspect": []})
    done = (beam(state=BeamState.DONE, progress=1.0), beam(5, BeamState.FAILED, reason="the budget is spent"))
    row = replace(case(state=CaseState.FAILED, beams=done, interpretation=interpretation, verdict=VERDICT), **changes)
    inside = Inside(PaperLedger(row))
    inside.ledger.tries = (attempt(1, AttemptState.FAILED, evidence='{"what": "the engine ended with 3"}'), attempt(2))
    for minutes, what in enumerate(
        (
            "case: incoming → queued, admitted",
            "beam 3: pending → interpreted",
            "beam 3: staged → running",
            "beam 3: running → ended",
            "beam 3: collected → done",
            "order: hold x",
            "beam 5: pending → failed",
        )
    ):
        inside.ledger.happened(what, at=NOW + timedelta(minutes=minutes), detail="d" * 900)
    return inside


# -- languages


def leaves(texts: Mapping[str, Any], above: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in texts.items():
        found |= leaves(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return found


def test_every_language_has_every_word_with_the_same_blanks() -> None:
    catalogues = {language: leaves(words_in(language)._texts) for language in LANGUAGES}
    for language, texts in catalogues.items():
        assert texts.keys() == catalogues["en"].keys(), language
        for key, text in texts.items():
            blanks = [field for _, field, _, _ in string.Formatter().parse(text) if field is not None]
            wanted = [field for _, field, _, _ in string.Formatter().parse(catalogues["en"][key]) if field is not None]
            assert sorted(blanks) == sorted(wanted), (language, key)
            assert text.strip(), (language, key)


def test_every_word_that_a_template_asks_for_exists_and_every_word_is_asked_for() -> None:
    templates = "".join(path.read_text() for path in (ROOT / "templates").glob("*.html"))
    asked = set(re.findall(r"w\(\"(\w+)\"", templates)) | set(re.findall(r"(?:other|words|self)\(\"(\w+)\"", templates))
    code = "".join(path.read_text() for path in ROOT.rglob("*.py"))
    asked |= set(re.findall(r"(?:words|self)\(\"(\w+)\"", code)) | {"seconds", "minutes", "hours", "days"}
    known = {key for key in words_in("en")._texts if not isinstance(words_in("en")._texts[key], Mapping)}
    assert asked - known == set()
    assert known - asked == set()


def test_every_state_and_order_has_its_word() -> None:
    enums = {
        "case_state": CaseState,
        "beam_state": BeamState,
        "attempt_state": AttemptState,
        "host_state": HostState,
        "gpu_state": GpuState,
    }
    for language in LANGUAGES:
        words = words_in(language)
        for group, states in enums.items():
            assert {str(state) for state in states} <= words.group(group).keys()
        kinds = set(map(str, OrderKind)) - {"submit"}
        assert words.group("order").keys() == words.group("order_what").keys() == kinds
    assert set(press.STATES) == set(map(str, CaseState))
    assert words_in("en").of("case_state", "of a later release") == "of a later release"


@pytest.mark.parametrize(
    ("asked", "accepted", "language"),
    [
        ("", "", "en"),
        ("ko", "en", "ko"),
        ("xx", "ko-KR,ko;q=0.9,en;q=0.8", "ko"),
        ("", "en-US;q=0.5,ko;q=0.6", "ko"),
        ("", "fr,de", "en"),
        ("", "ko;q=x,en;q=0.1", "en"),
    ],
)
def test_the_language_is_what_was_asked_for_or_what_the_browser_likes_best(
    asked: str, accepted: str, language: str
) -> None:
    assert chosen_language(asked, accepted) == language


def test_ages_are_told_in_whole_units() -> None:
    words = words_in("en")
    assert [words.age(s) for s in (-1, 59.9, 60, 3599, 7200, 200_000)] == [
        "0 s",
        "59 s",
        "1 min",
        "59 min",
        "2 h",
        "2 d",
    ]
    with pytest.raises(KeyError):
        words_in("fr")


@pytest.mark.parametrize("language", LANGUAGES)
def test_both_pages_speak_the_language(language: str) -> None:
    other = {"en": "진행", "ko": "Running now"}[language]
    for where in ("/", f"/cases/{CASE}"):
        text = page(whole_case(), f"{where}?lang={language}")
        assert f'<html lang="{language}">' in text
        assert words_in(language)("title") in text
        assert other not in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_script_is_given_its_words(language: str) -> None:
    text = page(Inside(), f"/?lang={language}")
    given = {name: value for _, attrs in Found(text).tags for name, value in attrs.items() if name.startswith("data-")}
    script = (ROOT / "assets" / "page.js").read_text()
    for unit in ("seconds", "minutes", "hours"):
        assert given[f"data-{unit}"] == words_in(language)(unit)
        assert f"words.{unit}" in script
    assert not re.search(r"`[^`]*\} (s|min|h)`", script)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_column_of_times_is_named_after_both_and_a_priority_reaches_as_far_as_the_api_takes_it(
    language: str,
) -> None:
    text, words = page(Inside(), f"/?lang={language}"), words_in(language)
    assert f"{words('ready')} / {words('ended')}" in text
    value = next(attrs for _, attrs in Found(text).tags if attrs.get("id") == "ask-value")
    for end in ("min", "max"):
        check_order("priority", CASE, value[end] or "")
        with pytest.raises(MqiError):
            check_order("priority", CASE, f"{value[end]}0")
    assert (value["min"], value["max"]) == ("-1000", "1000")


def test_the_switch_is_remembered() -> None:
    inside = Inside()
    inside.look()
    answer = ask(inside, "GET", "/?lang=ko", peer=FAR)
    assert "mqi_lang=ko" in answer.headers["set-cookie"]
    assert '<html lang="ko">' in page(inside, "/", cookie="mqi_lang=ko")


# -- what comes from outside


@pytest.mark.promise("P14")
def test_hostile_names_are_shown_and_do_nothing() -> None:
    inside = whole_case(reason=HOSTILE, beams=(beam(name=HOSTILE, reason=HOSTILE), beam(5, name=HOSTILE)))
    name = "<b>&\"'x"
    inside.ledger.rows = {name: replace(next(iter(inside.ledger.rows.values())), case=name, state=CaseState.RUNNING)}
    inside.ledger.history = [replace(event, case=name, detail=HOSTILE) for event in inside.ledger.history]
    inside.ledger.happened(HOSTILE, name)
    inside.heard = replace(inside.heard, report=health(Alarm("a", NOW, HOSTILE))) if inside.heard else None
    for where in ("/", "/?search=%3Cscript%3Ealert(1)%3C/script%3E", "/cases/%3Cb%3E%26%22'x"):
        text = page(inside, where)
        found = Found(text)
        scripts = [attributes for tag, attributes in found.tags if tag == "script"]
        assert [script["src"] for script in scripts] == [press.asset("page.js")]
        assert not any(attribute.startswith("on") for _, attributes in found.tags for attribute in attributes)
        assert not [1 for tag, attributes in found.tags if tag == "img" and attributes.get("src") == "x"]
        assert "49$" not in text
        if "search" not in where:
            assert HOSTILE in "".join(found.words)


@pytest.mark.promise("P37")
def test_no_patients_name_reaches_the_page() -> None:
    inside = whole_case(reason="a file of /share/DOE^JANE/x is missing")
    for where in ("/", f"/cases/{CASE}"):
        assert "DOE^JANE" not in page(inside, where)


def test_no_style_script_or_address_of_anybody_else() -> None:
    for where in ("/", f"/cases/{CASE}", "/login"):
        text = page(whole_case(), where)
        found = Found(text)
        assert "style" not in {name for _, attributes in found.tags for name in attributes}
        assert not re.search(r"https?://", text.replace("http://www.w3.org", ""))
    for name in press.ASSETS:
        text = press.asset_bytes(name).decode()
        assert not re.search(r"https?://|@import|url\(|eval\(|innerHTML", text.replace("http://www.w3.org", ""))


def test_every_button_has_a_name_and_every_id_is_one() -> None:
    for where in ("/", f"/cases/{CASE}"):
        found = Found(page(whole_case(), where))
        ids = [attributes["id"] for _, attributes in found.tags if attributes.get("id")]
        assert len(ids) == len(set(ids))
        assert all(attributes.get("alt") for tag, attributes in found.tags if tag == "img")


# -- what is shown


def test_everything_at_a_glance() -> None:
    inside = Inside(PaperLedger(case(), case("20260302-080000-0000000a", CaseState.DONE, verdict=VERDICT)))
    inside.ledger.happened("beam 3: collected → done", "20260302-080000-0000000a")
    inside.ledger.happened("case: running → done", "20260302-080000-0000000a")
    inside.heard = replace(inside.heard, report=health(Alarm("a", NOW, "Host gpu3 is away."))) if inside.heard else None
    text = page(inside)
    for wanted in (
        "2c87b654",
        "40 %",
        "71<small> °C",
        "40.0 / 80 GB",
        "train.py (pid 4711)",
        "Host gpu3 is away.",
        "review",
    ):
        assert wanted in text
    assert re.search(r"<b>1</b>\s*cases done", text)
    assert 'data-order="drain" data-subject="gpu1"' in text
    assert f'content="{PAGE_KEY}"' in text


def test_a_ledger_that_cannot_be_read_is_said_and_the_page_stands() -> None:
    inside = Inside()
    inside.ledger.fault = MqiError(Fault("The ledger is damaged.", "/s", "mqi-actors restore /b"))
    text = page(inside)
    assert "The ledger is damaged." in text
    assert "mqi-actors restore /b" in text
    assert words_in("en")("none_found") in text


def test_the_list_is_paged_and_keeps_what_was_asked() -> None:
    rows = [case(f"20260302-{n:06d}-0000000a", CaseState.DONE) for n in range(120)]
    text = page(Inside(PaperLedger(*rows)), "/?state=done&search=2026&offset=50")
    assert "51 to 100 of 120" in text
    links = [attributes for tag, attributes in Found(text).tags if tag == "a" and attributes.get("rel")]
    assert [link["href"] for link in links] == [
        "/?state=done&search=2026#list",
        "/?state=done&search=2026&offset=100#list",
    ]


def test_one_case_with_all_that_is_known() -> None:
    text = page(whole_case(), f"/cases/{CASE}")
    for wanted in (
        "+0.70 %",
        "2.50 mm",
        "0.100 %",
        "as planned",
        "Beam 3: +0.70 %",
        "the engine ended with 3",
        "dose/sum.png",
        "dose/beam_3.png",
        'data-order="retry"',
        'data-log="3"',
        "the budget is spent",
        "order: hold x",
    ):
        assert wanted in text, wanted
    assert 'class="off"' in text  # the layer that is over tolerance
    assert '<svg class="time"' in text


def test_figures_are_marked_by_the_tolerances_of_the_site() -> None:
    def marked(report: str) -> tuple[bool, bool, bool]:
        inside = Inside(whole_case().ledger, f"[report]\n{report}")
        found = Found(page(inside, f"/cases/{CASE}")).tags
        cells = [
            attrs.get("class") == "n off" for tag, attrs in found if tag == "td" and "n" in (attrs.get("class") or "")
        ]
        layers = [attrs.get("class") == "off" for tag, attrs in found if tag == "rect" and attrs.get("width") == "6"]
        return cells[2], cells[4], layers[0]

    assert marked("") == (True, True, True)
    assert marked("beam_mu_percent = [0.8, 1.0]") == (False, True, True)
    assert marked("position_max_mm = 2.6") == (True, False, True)
    assert marked("layer_mu_percent = [6.0, 8.0]") == (True, True, False)
    assert marked("layer_mu_floor = 0.3") == (True, True, False)
    assert marked("layer_mu_percent = [0.0, 0.0]") == (True, True, True)


def test_a_case_before_anything_is_known() -> None:
    text = page(Inside(PaperLedger(case(state=CaseState.INCOMING, beams=(), started=None))), f"/cases/{CASE}")
    assert words_in("en")("not_interpreted") in text
    assert words_in("en")("no_dose") in text
    assert '<svg class="time"' not in text
    inside = Inside()
    inside.look()
    none = ask(inside, "GET", "/cases/gone", peer=FAR)
    assert none.status_code == 404
    assert words_in("en")("not_found") in none.text


def test_interpretations_of_another_release_are_no_figures() -> None:
    for odd in ("[]", "{}", '{"beams": [{"number": 1}]}', '{"beams": 3}', "no json"):
        text = page(Inside(PaperLedger(case(interpretation=odd, verdict=odd))), f"/cases/{CASE}")
        assert words_in("en")("not_interpreted") in text


def test_a_page_that_many_look_at_is_made_once() -> None:
    inside = Inside()
    inside.look()
    door = inside.door()
    made = Pages(door, Access(names=frozenset(), token="", secret=b"s"))

    def request(query: str = "") -> Request:
        scope = {"type": "http", "method": "GET", "path": "/", "query_string": query.encode(), "headers": []}
        return Request({**scope, "server": ("127.0.0.1", 80), "scheme": "http", "path_params": {}})

    async def many() -> int:
        for _ in range(10):
            await made.home(request())
        before = inside.ledger.reads
        await made.home(request("state=held"))
        inside.look()
        await made.home(request())
        return before

    reads = asyncio.run(many())
    door.books.close()
    assert reads - 1 <= 8  # the look itself and one page
    assert inside.ledger.reads > reads


def test_pictures_are_of_what_was_published(tmp_path: Path) -> None:
    inside = whole_case()
    inside.picture = tmp_path / "p.png"
    inside.picture.write_bytes(b"\x89PNG")
    answer = ask(inside, "GET", f"/cases/{CASE}/dose/beam_3.png", peer=FAR)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert inside.calls == [("draw", CASE, "beam_3.dcm", "ab" * 32)]
    for name in ("beam_4", "manifest", "..%2fsum", "sum.dcm"):
        assert ask(inside, "GET", f"/cases/{CASE}/dose/{name}.png", peer=FAR).status_code == 404
    assert ask(Inside(), "GET", f"/cases/{CASE}/dose/sum.png", peer=FAR).status_code == 404


def test_who_waits_no_longer_for_a_picture_leaves_it_to_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work: Future[Any] = Future()
    drawn, inside = Pictures(tmp_path, tmp_path), whole_case()
    door = replace(inside.door(), draw=lambda *asked: drawn.ask(*asked, lambda _: work))
    monkeypatch.setattr(inside, "door", lambda: door)
    monkeypatch.setattr(pages, "PICTURE_S", 0.01)
    assert ask(inside, "GET", f"/cases/{CASE}/dose/sum.png", peer=FAR).status_code == 504
    other = drawn.ask(CASE, "sum.dcm", "ab" * 32, lambda _: Future())
    work.set_result(None)
    assert other.result(0).parent == tmp_path


def test_assets_are_kept_for_ever_under_an_address_of_their_content() -> None:
    for name, media in press.ASSETS.items():
        answer = ask(Inside(), "GET", press.asset(name), peer=FAR)
        assert answer.headers["content-type"].startswith(media)
        assert "immutable" in answer.headers["cache-control"]
    assert ask(Inside(), "GET", "/assets/x/secret", peer=FAR).status_code == 404


def test_the_token_opens_a_session() -> None:
    form = {"content": f"token={TOKEN}", "headers": {"content-type": "application/x-www-form-urlencoded"}}
    answer = ask(Inside(), "POST", "/login", peer=FAR, token=TOKEN, **form)
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "samesite=strict" in cookie.lower()
    inside = Inside()
    inside.look()
    headers = {"cookie": cookie.split(";")[0]}
    assert ask(inside, "GET", "/", peer=FAR, token=TOKEN, headers=headers).status_code == 200
    wrong = ask(Inside(), "POST", "/login", peer=FAR, token=TOKEN, content="token=guess")
    assert wrong.status_code == 403
    assert words_in("en")("login_wrong") in wrong.text
    assert ask(Inside(), "POST", "/login", peer=FAR, token=TOKEN, content="x" * 90000).status_code == 400
    assert words_in("en")("login_why") in ask(Inside(), "GET", "/login", peer=FAR, token=TOKEN).text


@pytest.mark.promise("P37")
@pytest.mark.parametrize(
    ("headers", "secure"),
    [
        ({}, False),
        ({"origin": "http://console.example", "x-forwarded-proto": "http"}, False),
        ({"origin": "https://console.example"}, True),
        ({"x-forwarded-proto": "https"}, True),
        ({"x-forwarded-proto": "HTTPS, http"}, True),
        ({"x-forwarded-proto": "http, https"}, False),
    ],
)
def test_behind_tls_the_session_never_leaves_it(headers: dict[str, str], secure: bool) -> None:
    headers = {"host": "console.example", **headers}
    answer = ask(Inside(), "POST", "/login", peer=FAR, token=TOKEN, content=f"token={TOKEN}", headers=headers)
    assert answer.status_code == 303
    assert ("secure" in answer.headers["set-cookie"].lower()) is secure


# -- the parts of it


def test_the_timeline_has_a_span_for_every_state() -> None:
    history = whole_case().ledger.history
    events = [{"at": event.at.isoformat(), "what": event.what} for event in history]
    line = timeline([{"number": 3, "name": "LAO"}, {"number": 5, "name": "RPO"}], events, NOW + timedelta(hours=9))
    assert line is not None
    first, second = line.lanes
    assert [span.state for span in first.spans] == ["pending", "interpreted", "running", "ended", "done"]
    assert [span.seconds for span in first.spans][:4] == [60, 60, 60, 60]
    assert all(span.x >= 150 and span.x + span.width <= 1000.1 for lane in line.lanes for span in lane.spans)
    assert [span.state for span in second.spans] == ["pending", "failed"]
    assert len(line.ticks) <= 9
    assert line.end == events[-1]["at"]


def test_what_is_open_goes_on_until_now() -> None:
    events = [{"at": NOW.isoformat(), "what": "beam 3: staged → running"}]
    line = timeline([{"number": 3, "name": "LAO"}], events, NOW + timedelta(days=30))
    assert line is not None
    assert line.lanes[0].spans[-1].width == pytest.approx(850, abs=1)
    assert timeline([{"number": 3, "name": "LAO"}], [], NOW) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ""),
        ("a sentence", "a sentence"),
        ('{"what": "it failed"}', "it failed"),
        ('{"exit_code": 0, "signal": null}', "exit code 0"),
        ('{"exit_code": 3, "signal": null}', "exit code 3"),
        ('{"exit_code": null, "signal": 9}', "signal 9"),
        ('{"maximum": 1.5, "notes": []}', "maximum 1.5"),
        ('[{"path": "a"}, {"path": "b"}]', "a, b"),
        ("x" * 300, "x" * 239 + "…"),
    ],
)
def test_evidence_is_words(text: str, said: str) -> None:
    assert caseview.evidence(text) == said


def test_numbers_and_times_for_people() -> None:
    assert [press.percent(share) for share in (0, 0.999, 1)] == ["0 %", "99 %", "100 %"]
    assert press.gigabytes(None) == "?"
    assert press.share(None, 10) == 0
    assert press.share(20, 10) == 1
    assert press.share(1, None) == 0
    assert press.clock(None) == ""
    assert press.clock("no time") == "no time"
    assert re.fullmatch(r"\d\d-\d\d \d\d:\d\d", press.clock("2020-01-02T03:04:05+00:00"))
    assert press.shape("gpu_state", "of a later release") == "unknown"
    with pytest.raises(KeyError):
        press.asset_bytes("../actor.py")


def test_words_fill_their_blanks() -> None:
    assert Words("en", {"a": "{n} of {m}", "b": "{plain}"})("a", n=1, m=2) == "1 of 2"
    assert Words("en", {"b": "{plain}"})("b") == "{plain}"


def test_before_the_first_look_nobody_says_that_all_is_well() -> None:
    inside = Inside()
    calm = words_in("en")("no_alarms")
    assert calm not in ask(inside, "GET", "/", peer=FAR).text
    inside.look()
    assert calm in ask(inside, "GET", "/", peer=FAR).text
