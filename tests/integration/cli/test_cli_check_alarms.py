"""``check`` on how alarms reach people: what it says, and what it never repeats."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from actors.cli.doctor.alarms import check_alarms, check_telling
from actors.cli.doctor.finding import Finding
from actors.settings import Alarms


def finding(**values: Any) -> Finding:
    settings: Any = SimpleNamespace(alarms=Alarms.model_validate(values))
    (found,) = check_alarms(settings, Path("x"))
    return found


def test_a_command_that_is_there_and_one_that_is_not() -> None:
    assert finding(command=["sh", "-c", "x"]).ok
    missing = finding(command=["/no/such/pager"])
    assert not missing.ok
    assert "/no/such/pager" in missing.line()
    assert "[alarms]" in missing.remedy


@pytest.mark.promise("P32")
def test_a_webhook_is_named_by_its_host_alone() -> None:
    found = finding(webhook="https://user:pass@chat.example.org/hooks/SECRET?key=SECRET")
    assert found.ok
    assert "chat.example.org" in found.text
    assert not found.remedy
    assert "SECRET" not in found.line()
    assert "pass" not in found.line()
    assert "https" in finding(webhook="http://chat.example.org/").remedy
    assert not finding(webhook="http://127.0.0.1:9/").remedy


def trial(**values: Any) -> Finding:
    settings: Any = SimpleNamespace(alarms=Alarms.model_validate(values))
    (found,) = check_telling(settings, Path("x"))
    return found


def test_a_trial_is_told_in_earnest(tmp_path: Path) -> None:
    told = tmp_path / "told"
    assert trial(command=["sh", "-c", f"cat > {told}"]).ok
    document = json.loads(told.read_text())
    assert document["push"] == 0
    assert "This is a trial" in document["text"]
    failed = trial(command=["sh", "-c", "echo no pager >&2; exit 4"])
    assert not failed.ok
    assert failed.text == "the command ended with 4: no pager"
    assert not trial(webhook="http://127.0.0.1:1/SECRET").ok
    assert "SECRET" not in trial(webhook="http://127.0.0.1:1/SECRET").line()
    assert not trial().ok


def test_nobody_told_is_said() -> None:
    assert "shown only" in finding().text
