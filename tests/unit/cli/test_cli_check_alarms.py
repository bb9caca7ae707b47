"""``check`` on how alarms reach people: what it says, and what it never repeats."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from actors.cli.doctor.alarms import check_alarms
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


def test_nobody_told_is_said() -> None:
    assert "shown only" in finding().text
