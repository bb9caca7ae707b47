"""One event is one line, and neither a patient nor a secret is in it (P37, P32)."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.logs.lines import event
from actors.logs.redaction import Redaction

AT = datetime(2026, 3, 1, 12, 0, 0, 5000, tzinfo=timezone(timedelta(hours=9)))
ROOT = "/data/in"


def record(message: str, error: BaseException | None = None, **extra: object) -> dict[str, Any]:
    crash = SimpleNamespace(type=type(error), value=error, traceback=error.__traceback__) if error else None
    return {"time": AT, "level": SimpleNamespace(name="INFO"), "message": message, "extra": extra, "exception": crash}


def told(message: str, error: BaseException | None = None, **extra: object) -> tuple[str, dict[str, Any]]:
    happened = event(record(message, error, **extra), Redaction([ROOT]))
    return happened.line().decode(), json.loads(happened.json())


@pytest.mark.promise("P37")
def test_time_with_offset_then_level_then_case_and_beam_then_text() -> None:
    line, twin = told("engine started", case="20260301-a1b2c3d4", beam=3, actor="root/x", host="gpu1")
    assert line == "2026-03-01 12:00:00.005+09:00 INFO    20260301-a1b2c3d4 beam 3 | engine started\n"
    assert twin == {
        "at": "2026-03-01T12:00:00.005+09:00",
        "level": "INFO",
        "case": "20260301-a1b2c3d4",
        "beam": "3",
        "actor": "root/x",
        "text": "engine started",
        "host": "gpu1",
    }
    assert told("up")[0].endswith("INFO    - | up\n")


@pytest.mark.promise("P35")
@pytest.mark.parametrize(
    ("actor", "case"),
    [
        ("root/pipeline/cases/20260301-a1b2c3d4", "20260301-a1b2c3d4"),
        ("root/pipeline/cases/admission", "-"),
        ("root/pipeline/cases", "-"),
        ("root/pipeline/hosts/gpu1/gpu-0", "-"),
    ],
)
def test_what_is_told_of_a_cases_actor_concerns_the_case(actor: str, case: str) -> None:
    assert told("it crashed", ZeroDivisionError(), actor=actor)[0].split()[3] == case


@pytest.mark.promise("P37")
@given(st.text(), st.text())
def test_whatever_is_in_it_one_event_is_one_line(message: str, case: str) -> None:
    line, twin = told(message, case=case)
    assert line.splitlines() == [line[:-1]]
    assert line.endswith("\n")
    assert isinstance(twin["text"], str)


def test_names_that_are_no_unicode_are_written_all_the_same() -> None:
    line, twin = told("folder caf\udce9\x1b[31m")
    assert "caf\\udce9\\x1b[31m" in line
    assert "caf" in twin["text"]


@pytest.mark.promise("P35")
def test_a_crash_is_one_line_with_its_cause_and_place() -> None:
    try:
        raise KeyError("beam\n3")
    except KeyError as error:
        line, twin = told("control restarts", error)
    assert "control restarts: KeyError: 'beam\\n3' (at test_log_lines.py:" in line
    assert line.count("\n") == 1
    assert "Traceback" in twin["trace"]
    assert told("", ValueError())[0].endswith("| ValueError\n")


@pytest.mark.promise("P37")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no plan (/data/in/KIM GILDONG/1.2.840.1.2) copy it", "no plan (/data/in/…/1.2.840.1.2) copy it"),
        (
            "/data/in/R1/KIM_01234/1.2.3.4/2026030112000000/PlanInfo.txt: no beam",
            "/data/in/…/…/1.2.3.4/2026030112000000/PlanInfo.txt: no beam",
        ),
        ("/data/in/KIM GILDONG has no plan", "/data/in/… has no plan"),
        ("/data/in/01234567: no plan", "/data/in/…: no plan"),
        ("'/data/in/김길동/1.2.3.4' vanished", "'/data/in/…/1.2.3.4' vanished"),
        ("/data/in/A B/C D/E F, and /data/in/G/x/y", "/data/in/…/…/…, and /data/in/…/…/…"),
        ("/data/in/KIM, 3 beams (of 4/5)", "/data/in/…/…)"),
        ("/data/in/KIM, GILDONG has none", "/data/in/… has none"),
        ("/data/in/KIM, none of 4/5", "/data/in/…, none of 4/5"),
        ("/data/in/KIM/02_KIM123_001_002_001.ptn is short", "/data/in/…/02_…_001_002_001.ptn is short"),
        ("/data/in/KIM/02_KIM 12_001_002_001.ptn is short", "/data/in/…/… is short"),
        ("layer file 02_0123456_001_002_001.mgn", "layer file 02_…_001_002_001.mgn"),
        ("patient KIM^GILDONG^^ came", "patient … came"),
        ("/data/in/", "/data/in/"),
        ("/data/in", "/data/in"),
        ("/data/other/KIM and 10^9", "/data/other/KIM and 10^9"),
    ],
)
def test_names_below_a_watch_root_are_masked(text: str, expected: str) -> None:
    assert Redaction([ROOT, "/", ""])(text) == expected


@pytest.mark.promise("P37")
@given(
    st.lists(st.sampled_from(["KIM", "GIL DONG", "김", "01234567", "Kim, G", "K'im"]), min_size=1, max_size=3),
    st.sampled_from(["", "/1.2.840.99.1", "/2026030112000000/PlanRange.txt"]),
)
def test_no_folder_above_the_study_is_ever_written(names: list[str], rest: str) -> None:
    text = Redaction([ROOT])(f"cannot read {ROOT}/{'/'.join(names)}/study{rest}")
    for word in ("KIM", "GIL", "DONG", "김", "0123", "Kim", "im"):
        assert word not in text


@pytest.mark.promise("P32")
@pytest.mark.parametrize(
    "text",
    [
        "password=hunter2 for gpu1",
        'passphrase: "hunter2"',
        "Authorization: Bearer hunter2hunter2",
        "https://user:hunter2@gpu1/x",
        "api_key='hunter2'",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n-----END OPENSSH PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nhunter2",
    ],
)
def test_secrets_are_masked_in_text_trace_and_details(text: str) -> None:
    try:
        raise RuntimeError(text)
    except RuntimeError as error:
        line, twin = told(text, error, note=text)
    assert "hunter2" not in line
    assert "hunter2" not in json.dumps({k: v for k, v in twin.items() if k != "trace"})
    assert "hunter2" not in twin["trace"]


def test_harmless_text_is_left_alone() -> None:
    assert Redaction()("beam 3: passed 12 of 12") == "beam 3: passed 12 of 12"
