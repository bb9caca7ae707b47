"""The API without a socket: answers in words, limits kept, its description true, whatever is asked (P33, P34, P35)."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from actors.console import api, enginelog, steering, vitals
from actors.console.access import Access
from actors.console.app import make_app
from actors.console.asking import NotFoundError
from actors.console.catalogue import operations
from actors.console.looking import Health
from actors.console.peers import user_name
from actors.console.sockets import LONGEST, control_socket
from actors.errors import MqiError
from messages.cases import FolderTaken
from messages.faults import Fault
from messages.operators import Alarm, SettingsReloaded
from messages.states import AttemptState, CaseState
from tests.unit.console.stand_ins import (
    CASE,
    FAR,
    NOW,
    PAGE_KEY,
    SECRET,
    TOKEN,
    Inside,
    PaperLedger,
    ask,
    attempt,
    case,
    fraction,
    health,
)

ALARM = Alarm("disk:state", datetime(2026, 3, 1, tzinfo=UTC), "full")


@pytest.fixture
def inside() -> Inside:
    return Inside()


def error_of(answer: httpx.Response) -> dict[str, str]:
    told: dict[str, str] = answer.json()["error"]
    return told


def test_status_is_what_the_command_prints(inside: Inside) -> None:
    inside.health = health(ALARM, low=True)
    answer = ask(inside, "GET", "/api/status").json()
    assert (answer["daemon"]["state"], answer["daemon"]["pid"]) == ("running", 7)
    assert answer["cases"]["running"] == 1
    assert answer["alarms"] == [{"id": "disk:state", "since": answer["alarms"][0]["since"], "text": "full"}]
    assert answer["disks"][0]["low"] is True
    assert [host["name"] for host in answer["hosts"]] == ["gpu1", "gpu2"]
    assert answer["actors"][0]["phase"] == "up"


def test_a_monitor_that_does_not_answer_does_not_hold_up_the_status(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "HEALTH_S", 0.01)
    inside.health = None
    answer = ask(inside, "GET", "/api/status").json()
    assert answer["daemon"]["pid"] == 7
    assert answer["alarms"] == []


def test_the_list_is_filtered_searched_and_cut() -> None:
    rows = [case(f"2026030{n}-x", CaseState.DONE if n % 2 else CaseState.HELD) for n in range(1, 6)]
    inside = Inside(PaperLedger(*rows))
    everything = ask(inside, "GET", "/api/cases").json()
    assert (everything["total"], len(everything["cases"])) == (5, 5)
    held = ask(inside, "GET", "/api/cases?state=held,failed&limit=1&offset=1").json()
    assert (held["total"], held["offset"], [row["case"] for row in held["cases"]]) == (2, 1, ["20260304-x"])
    assert ask(inside, "GET", "/api/cases?search=0305").json()["total"] == 1


@pytest.mark.parametrize(
    "query",
    [
        *("state=gone", "limit=x", "limit=-1", "limit=100000", "offset=1.5", "offset=٣"),
        f"offset={'0' * 12}{'9' * 30}",
        f"offset={'9' * 5000}",
    ],
)
def test_a_wrong_question_is_refused_in_words(inside: Inside, query: str) -> None:
    answer = ask(inside, "GET", f"/api/cases?{query}")
    assert answer.status_code == 400
    assert error_of(answer)["what"]


def test_a_case_is_found_by_its_name_or_the_beginning_that_only_it_has(inside: Inside) -> None:
    assert ask(inside, "GET", f"/api/cases/{CASE}").json()["case"] == CASE
    assert ask(inside, "GET", "/api/cases/20260302").json()["case"] == CASE
    other = case("20260302-100000-00000000")
    inside.ledger.rows[other.case] = other
    many = ask(inside, "GET", "/api/cases/20260302")
    assert (many.status_code, error_of(many)["kind"]) == (404, "case-many")
    none = ask(inside, "GET", "/api/cases/gone")
    assert (none.status_code, error_of(none)["kind"]) == (404, "no-case")


@pytest.mark.promise("P33")
def test_why_is_one_sentence(inside: Inside) -> None:
    inside.heard = Health(health(ALARM), NOW)
    answer = ask(inside, "GET", f"/api/cases/{CASE}/why").json()
    assert answer["case"] == CASE
    assert "beam 3" in answer["why"].lower()
    assert "full" in answer["why"]


@pytest.mark.promise("P37")
def test_names_in_paths_are_told_to_the_daemons_own_user_only(inside: Inside) -> None:
    for where in ("/api/cases", f"/api/cases/{CASE}"):
        assert "DOE^JANE" in ask(inside, "GET", where).text
        assert "DOE^JANE" not in ask(inside, "GET", where, peer=FAR).text


@pytest.mark.promise("P37")
def test_names_in_errors_and_sentences_are_told_to_the_daemons_own_user_only(inside: Inside) -> None:
    bearer = {"authorization": f"Bearer {TOKEN}"}
    told = Fault("no /share/DOE^JANE", "/share/DOE^JANE", "copy /share/DOE^JANE", kind="folder")
    for taken in (
        FolderTaken("1", (), ("/share/DOE^JANE waits for beam 3",)),
        MqiError(told),
        NotFoundError("no /share/DOE^JANE", "look into /share/DOE^JANE"),
        RuntimeError("/share/DOE^JANE"),
    ):
        inside.taken = taken
        folder = {"json": {"path": "/share/DOE^JANE"}}
        assert "DOE^JANE" in ask(inside, "POST", "/api/submit", **folder).text
        far = ask(inside, "POST", "/api/submit", peer=FAR, token=TOKEN, headers=bearer, **folder)
        assert "DOE^JANE" not in far.text and "/share/…" in far.text
    inside.taken = MqiError(told)
    far = ask(inside, "POST", "/api/submit", peer=FAR, token=TOKEN, headers=bearer, json={"path": "/a"})
    assert (far.status_code, error_of(far)["kind"]) == (400, "folder")
    inside.reloaded = SettingsReloaded("1", (), (), ("/share/DOE^JANE is no folder",))
    assert "DOE^JANE" in ask(inside, "POST", "/api/reload").text
    assert "DOE^JANE" not in ask(inside, "POST", "/api/reload", peer=FAR, token=TOKEN, headers=bearer).text


def test_the_log_goes_on_where_it_was_left(inside: Inside, tmp_path: Path) -> None:
    path = tmp_path / "engine.log"
    path.write_bytes(b"one\ntwo\n")
    inside.ledger.tries = (attempt(1, AttemptState.FAILED), attempt(2, run_dir=str(tmp_path)))
    first = ask(inside, "GET", f"/api/cases/{CASE}/log/3").json()
    assert first == {"text": "one\ntwo\n", "offset": 8, "size": 8, "attempt": 2, "growing": True}
    path.write_bytes(b"one\ntwo\nthree\n")
    more = ask(inside, "GET", f"/api/cases/{CASE}/log/3?offset=8").json()
    assert (more["text"], more["offset"]) == ("three\n", 14)
    path.write_bytes(b"new\n")  # shorter than before: another log, told from its beginning
    assert ask(inside, "GET", f"/api/cases/{CASE}/log/3?offset=14").json()["text"] == "new\n"


def whole_log(inside: Inside, offset: int = 0, **more: Any) -> list[str]:
    """Every part of the log of beam 3 from a byte on, as long as there is more."""
    parts: list[str] = []
    while True:
        said = ask(inside, "GET", f"/api/cases/{CASE}/log/3?offset={offset}", **more).json()
        if not said["text"]:
            return parts
        parts.append(said["text"])
        offset = said["offset"]


@pytest.mark.promise("P37")
@pytest.mark.parametrize("end", [b"\n", b"\r", b" "])
def test_no_name_and_no_character_is_cut_between_two_parts_of_a_log(
    inside: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: bytes
) -> None:
    monkeypatch.setattr(enginelog, "PART", 64)
    line = "선량 /share/DOE^JANE/a".encode() + end
    (tmp_path / "engine.log").write_bytes(line * 40)
    inside.ledger.tries = (attempt(1, AttemptState.FAILED, run_dir=str(tmp_path)),)
    parts = whole_log(inside, peer=FAR)
    assert "".join(parts) == (line * 40).decode().replace("DOE^JANE", "…")
    assert len(parts) > 10
    tail = ask(inside, "GET", f"/api/cases/{CASE}/log/3", peer=FAR).json()
    assert "JANE" not in tail["text"] and "\ufffd" not in tail["text"]
    assert tail["offset"] == tail["size"]


def test_a_line_that_is_being_written_is_told_when_it_ends_or_the_log_does(inside: Inside, tmp_path: Path) -> None:
    (tmp_path / "engine.log").write_bytes(b"one\n/share/DOE^JA")
    inside.ledger.tries = (attempt(run_dir=str(tmp_path)),)
    first = ask(inside, "GET", f"/api/cases/{CASE}/log/3").json()
    assert (first["text"], first["offset"], first["size"]) == ("one\n", 4, 17)
    inside.ledger.tries = (attempt(1, AttemptState.FAILED, run_dir=str(tmp_path)),)
    rest = ask(inside, "GET", f"/api/cases/{CASE}/log/3?offset=4").json()
    assert (rest["text"], rest["offset"], rest["growing"]) == ("/share/DOE^JA", 17, False)


@pytest.mark.parametrize("character", ["a", "é", "量", "😀"])
def test_a_line_without_end_and_without_words_is_told_in_whole_characters(
    inside: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, character: str
) -> None:
    monkeypatch.setattr(enginelog, "PART", 61)
    (tmp_path / "engine.log").write_text(character * 200, encoding="utf-8")
    inside.ledger.tries = (attempt(1, AttemptState.FAILED, run_dir=str(tmp_path)),)
    assert "".join(whole_log(inside)) == character * 200


def test_what_lies_where_the_log_should_be_is_shown_only_if_it_is_a_file_of_ours(
    inside: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, log = tmp_path / "secret", tmp_path / "engine.log"
    secret.write_text("not for everybody")
    inside.ledger.tries = (attempt(run_dir=str(tmp_path)),)
    log.symlink_to(secret)
    assert ask(inside, "GET", f"/api/cases/{CASE}/log/3").status_code == 404
    log.unlink()
    log.write_text("an engine's words\n")
    assert ask(inside, "GET", f"/api/cases/{CASE}/log/3").json()["text"] == "an engine's words\n"
    monkeypatch.setattr(os, "getuid", lambda: log.stat().st_uid + 1)
    assert ask(inside, "GET", f"/api/cases/{CASE}/log/3").status_code == 404
    log.unlink()
    os.mkfifo(log)
    assert ask(inside, "GET", f"/api/cases/{CASE}/log/3").status_code == 404


def test_a_log_that_is_nowhere_says_where_it_will_be(inside: Inside) -> None:
    assert "has not run yet" in error_of(ask(inside, "GET", f"/api/cases/{CASE}/log/5"))["what"]
    inside.ledger.tries = (attempt(),)
    answer = error_of(ask(inside, "GET", f"/api/cases/{CASE}/log/3"))
    assert "gpu1:/data/mqi/x/engine.log" in answer["remedy"]


def test_a_ledger_that_cannot_be_read_is_told(inside: Inside) -> None:
    inside.ledger.fault = MqiError(Fault("The ledger is damaged.", "/s", "mqi-actors restore x", kind="ledger-damaged"))
    answer = ask(inside, "GET", "/api/cases")
    assert (answer.status_code, error_of(answer)["remedy"]) == (400, "mqi-actors restore x")


@pytest.mark.promise("P34")
def test_an_order_is_answered_when_it_is_on_the_disk(inside: Inside) -> None:
    answer = ask(inside, "POST", "/api/orders", json={"kind": "priority", "subject": CASE, "argument": "-3"})
    assert answer.json() == {"order": "order-1", "kind": "priority", "subject": CASE, "argument": "-3"}
    assert ask(inside, "POST", "/api/orders", json={"kind": "drain", "subject": "gpu1/0"}).status_code == 200
    assert ask(inside, "POST", "/api/orders", json={"kind": "pause"}).status_code == 200
    assert inside.calls == [
        ("order", "priority", CASE, "-3", "operator", ""),
        ("order", "drain", "gpu1/0", "", "operator", ""),
        ("order", "pause", "", "", "operator", ""),
    ]


@pytest.mark.promise("P34")
def test_an_order_may_bear_an_id_of_the_clients_own(inside: Inside) -> None:
    assert ask(inside, "POST", "/api/orders", json={"kind": "pause", "order": "pause-0123456789ab"}).status_code == 200
    assert inside.calls == [("order", "pause", "", "", "operator", "pause-0123456789ab")]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"kind": "explode"}, 400),
        ({"kind": "submit", "subject": "/a", "argument": "x"}, 400),
        ({"kind": 3}, 400),
        ({"kind": "hold"}, 400),
        ({"kind": "pause", "subject": CASE}, 400),
        ({"kind": "hold", "subject": CASE, "argument": "x"}, 400),
        ({"kind": "priority", "subject": CASE, "argument": "high"}, 400),
        ({"kind": "retry", "subject": CASE, "argument": "three"}, 400),
        ({"kind": "hold", "subject": "x" * 5000}, 400),
        ({"kind": "hold", "subject": "a\nb"}, 400),
        ({"kind": "hold", "subject": CASE, "order": "console-9-1"}, 400),
        ({"kind": "hold", "subject": CASE, "order": "pause-0123456789ab"}, 400),
        ({"kind": "hold", "subject": CASE, "order": 7}, 400),
        ({"kind": "hold", "subject": "gone"}, 404),
        ({"kind": "drain", "subject": "elsewhere/0"}, 404),
    ],
)
def test_an_order_that_makes_no_sense_is_refused_and_not_written(
    inside: Inside, body: dict[str, Any], status: int
) -> None:
    answer = ask(inside, "POST", "/api/orders", json=body)
    assert answer.status_code == status
    assert error_of(answer)["what"]
    assert not inside.calls


def test_an_order_that_the_ledger_does_not_take_is_no_success(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    inside.written = MqiError(Fault("The disk is full.", "/s", "Make room."))
    answer = ask(inside, "POST", "/api/orders", json={"kind": "hold", "subject": CASE})
    assert (answer.status_code, error_of(answer)["remedy"]) == (400, "Make room.")
    monkeypatch.setattr(steering, "ORDER_S", 0.01)
    inside.written = None
    assert ask(inside, "POST", "/api/orders", json={"kind": "hold", "subject": CASE}).status_code == 504


def test_stop_reload_and_submit_reach_the_actors(inside: Inside) -> None:
    assert ask(inside, "POST", "/api/stop").json() == {"stopping": True}
    assert ask(inside, "POST", "/api/reload").json() == {
        "changed": ["scan.quiet_s"],
        "needs_restart": ["results.dir"],
        "errors": [],
    }
    taken = ask(inside, "POST", "/api/submit", json={"path": "/in/a", "partial": True})
    assert taken.json()["cases"] == ["20260301-1"]
    assert inside.calls == [("stop", "operator"), ("submit", "/in/a", True, "operator")]


@pytest.mark.parametrize(
    "body",
    [
        {"content": b"no json"},
        {"content": b"\xff"},
        {"content": b"[" * 60000},
        {"json": []},
        {"json": {"path": 3}},
        {"json": {"path": "relative"}},
        {"json": {"path": "/a\0b"}},
        {"json": {"path": "/a", "partial": "yes"}},
        {"content": b'{"path": "/' + b"a" * 70000 + b'"}'},
    ],
)
def test_what_is_no_submission_is_refused_in_words(inside: Inside, body: dict[str, Any]) -> None:
    answer = ask(inside, "POST", "/api/submit", **body)
    assert answer.status_code == 400
    assert error_of(answer)["what"]
    assert not inside.calls


@pytest.mark.promise("P35")
def test_a_slow_or_failing_actor_is_an_answer_in_words(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steering, "SUBMIT_S", 0.01)
    inside.taken = None
    assert ask(inside, "POST", "/api/submit", json={"path": "/a"}).status_code == 504
    inside.taken = RuntimeError("boom")
    assert "boom" in error_of(ask(inside, "POST", "/api/submit", json={"path": "/a"}))["what"]
    inside.taken = MqiError(Fault("no such folder", "/a", "copy it", kind="folder"))
    assert error_of(ask(inside, "POST", "/api/submit", json={"path": "/a"})) == {
        "what": "no such folder",
        "where": "/a",
        "remedy": "copy it",
        "kind": "folder",
    }


def test_the_process_is_well_and_the_pipeline_ready(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask(inside, "GET", "/healthz").json() == {"ok": True}
    assert ask(inside, "GET", "/readyz").json() == {"ready": True, "troubles": []}
    monkeypatch.setattr(vitals, "LEDGER_S", 0.01)
    inside.pulse = None
    inside.phases["scanner"] = "down"
    inside.heard = replace(inside.heard, heard_s=time.monotonic() - 300) if inside.heard else None
    answer = ask(inside, "GET", "/readyz")
    assert answer.status_code == 503
    assert answer.json()["troubles"] == [
        "root/pipeline/scanner is down",
        "the ledger does not answer",
        "the monitor does not answer",
    ]


def test_low_disks_and_hosts_that_are_all_away_are_no_readiness(inside: Inside) -> None:
    report = health(low=True)
    away = tuple(replace(host, state="suspended") for host in report.hosts)  # type: ignore[arg-type]
    inside.heard = Health(replace(report, hosts=away), datetime.now().astimezone())
    assert ask(inside, "GET", "/readyz").json()["troubles"] == ["disk state is low", "no host is up: gpu1"]


def test_roots_that_are_not_scanned_are_no_readiness(inside: Inside) -> None:
    now = datetime.now().astimezone()
    interval_s = inside.settings.scan.interval_s
    limit_s = max(vitals.SCAN_S, vitals.SCANS * interval_s)
    inside.heard = Health(replace(health(), scan_age_s=limit_s - 5), now)
    assert ask(inside, "GET", "/readyz").json()["troubles"] == []
    inside.heard = Health(replace(health(), scan_age_s=limit_s + 5), now)
    answer = ask(inside, "GET", "/readyz")
    assert answer.status_code == 503
    assert answer.json()["troubles"] == [f"no scan of the roots has ended for {limit_s + 5:.0f} s"]


def test_metrics_are_the_monitors(inside: Inside) -> None:
    answer = ask(inside, "GET", "/metrics")
    assert answer.text == "mqi_up 1\n"
    assert answer.headers["content-type"].startswith("text/plain; version=1.0.0")


def test_what_is_not_there_is_said_in_words(inside: Inside) -> None:
    for method, where, status in (("GET", "/api/nothing", 404), ("DELETE", "/api/status", 405), ("GET", "/", 404)):
        answer = ask(inside, method, where) if where != "/" else ask(inside, method, "/page")
        assert answer.status_code == status
        assert error_of(answer)["remedy"]


# -- the description


def test_every_route_is_described_and_nothing_else(inside: Inside) -> None:
    described = ask(inside, "GET", "/openapi.json").json()
    told = {(path, method) for path, methods in described["paths"].items() for method in methods}
    door = inside.door()
    known = {(one.path.replace(":int}", "}"), one.method.lower()) for one in operations(door)}
    app: Any = make_app(door, Access(names=frozenset(), token="", secret=SECRET))
    pages = ("/", "/cases/", "/trend", "/live", "/assets/", "/login")
    served = {
        (route.path.replace(":int}", "}"), method.lower())
        for route in app._app.routes
        for method in route.methods - {"HEAD"}
        if not (route.path == "/" or route.path.startswith(pages[1:]))
    }
    door.books.close()
    assert told == known == served


def test_answers_are_what_the_description_says(inside: Inside, tmp_path: Path) -> None:
    (tmp_path / "engine.log").write_text("x")
    inside.ledger.tries = (attempt(run_dir=str(tmp_path)),)
    inside.ledger.happened("beam 3: staged → running")
    inside.ledger.fractions = (fraction(),)
    inside.look()
    description = ask(inside, "GET", "/openapi.json").json()
    asked: dict[str, tuple[str, dict[str, Any]]] = {
        "/api/cases/{case}": (f"/api/cases/{CASE}", {}),
        "/api/cases/{case}/why": (f"/api/cases/{CASE}/why", {}),
        "/api/cases/{case}/log/{beam}": (f"/api/cases/{CASE}/log/3", {}),
        "/api/plans/{plan}": ("/api/plans/1.2.3", {}),
        "/api/orders": ("/api/orders", {"json": {"kind": "hold", "subject": CASE}}),
        "/api/submit": ("/api/submit", {"json": {"path": "/a"}}),
    }
    checked = 0
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            good = operation["responses"]["200"]["content"]
            if "application/json" not in good:
                continue
            where, more = asked.get(path, (path, {}))
            answer = ask(inside, method.upper(), where, **more)
            assert answer.status_code == 200, (path, answer.text)
            check(answer.json(), good["application/json"]["schema"], description)
            if more:
                check(more["json"], operation["requestBody"]["content"]["application/json"]["schema"], description)
            checked += 1
    assert checked >= 13
    refused = ask(inside, "GET", "/api/cases/gone").json()
    check(refused, {"$ref": "#/components/schemas/Error"}, description)


def check(value: Any, schema: dict[str, Any], description: dict[str, Any]) -> None:
    jsonschema.validate(value, {**schema, "components": description["components"]})


# -- over TCP


def test_over_tcp_an_order_needs_our_own_page(inside: Inside) -> None:
    order = {"json": {"kind": "hold", "subject": CASE}}
    assert ask(inside, "POST", "/api/orders", peer=FAR, **order).status_code == 403
    from_elsewhere = {"x-mqi-page": PAGE_KEY, "origin": "http://evil.example"}
    assert ask(inside, "POST", "/api/orders", peer=FAR, headers=from_elsewhere, **order).status_code == 403
    ours = {"x-mqi-page": PAGE_KEY, "origin": "http://127.0.0.1:8080"}
    refused = ask(inside, "POST", "/api/orders", peer=FAR, headers=ours, **order)
    assert "Orders by an unknown user are not taken here" in error_of(refused)["what"]
    assert not inside.calls


def test_with_a_token_everything_asks_for_it_and_an_order_bears_the_address(inside: Inside) -> None:
    assert ask(inside, "GET", "/api/status", peer=FAR, token=TOKEN).status_code == 401
    assert ask(inside, "GET", "/healthz", peer=FAR, token=TOKEN).status_code == 200
    assert ask(inside, "GET", "/api/status", token=TOKEN).status_code == 200  # the control socket needs none
    bearer = {"authorization": f"Bearer {TOKEN}"}
    assert ask(inside, "GET", "/api/status", peer=FAR, token=TOKEN, headers=bearer).status_code == 200
    order = {"json": {"kind": "hold", "subject": CASE}}
    assert ask(inside, "POST", "/api/orders", peer=FAR, token=TOKEN, headers=bearer, **order).status_code == 200
    assert inside.calls == [("order", "hold", CASE, "", "token at 10.1.2.3", "")]


def test_browsers_are_bound_to_our_own_files(inside: Inside) -> None:
    for where in ("/healthz", "/api/status", "/nothing"):
        headers = ask(inside, "GET", where, peer=FAR).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"


def test_the_socket_lies_in_the_state_folder_or_where_it_is_short(tmp_path: Path) -> None:
    assert control_socket(Path("/var/lib/mqi"), {}) == Path("/var/lib/mqi/control.sock")
    long = Path("/" + "x" * 120)
    short = control_socket(long, {"XDG_RUNTIME_DIR": str(tmp_path)[:0] or "/run"})
    assert short.is_relative_to("/run")
    assert len(str(control_socket(long, {"XDG_RUNTIME_DIR": "/nowhere"}))) <= LONGEST
    assert control_socket(long, {}) == control_socket(long, {})
    assert control_socket(long, {}) != control_socket(Path(f"{long}y"), {})


def test_a_user_without_a_name_is_a_number() -> None:
    assert user_name(0) == "root"
    assert user_name(4_000_000_000) == "uid 4000000000"
