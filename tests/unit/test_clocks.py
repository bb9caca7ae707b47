"""Durations are measured by a clock that nobody sets: the wall clock is for people and for the times of files (P21)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

WALL = {
    "actors/monitor/actor.py:_look": "jumps of the wall clock are counted",
    "actors/unfinished.py:_age": "the age of a file on a disk that may be another machine's",
    "actors/logs/files.py:old_logs": "ages of files on a disk; days",
    "actors/scanner/cases.py:read": "times of files on a share, beside the monotonic one",
    "actors/scanner/scan.py:scan": "the same",
    "actors/scanner/scan.py:scan_hinted": "the same",
    "actors/ssh_connection/examining.py:_asked": "the clock of a host is compared with ours",
}
"""Where ``time.time`` may be called, and why."""

SUBTRACTED: dict[str, str] = {
    "actors/cli/doctor/machine.py:_clock": "the clock itself is examined",
    "actors/logs/files.py:old_logs": "ages of files on a disk; days",
    "actors/case/actor.py:_loaded": "how many days ago a case ended, as the ledger has it",
    "actors/case/admission.py:_answered": "the same",
    "actors/reporter/actor.py:_ask": "how many hours ago a case ended, as the ledger has it",
    "actors/console/trend/endpoints.py:read": "the weeks that a chart shows, as the ledger has them",
}
"""Where the difference of two readings of the wall clock may be formed, and why."""


def functions() -> Iterator[tuple[str, ast.AST]]:
    for path in sorted((ROOT / "actors").rglob("*.py")):
        if "demo" in path.parts:
            continue
        name = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{name}:{node.name}", node


def is_call(node: ast.AST, owner: str, name: str) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == name
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == owner
    )


def of_wall_clock(node: ast.AST, names: set[str]) -> bool:
    """The expression is, or directly comes from, a reading of the wall clock."""
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "astimezone":
        node = node.func.value
    return (
        is_call(node, "datetime", "now")
        or is_call(node, "time", "time")
        or (isinstance(node, ast.Name) and node.id in names)
    )


def differences(function: ast.AST) -> bool:
    """Whether a reading of the wall clock, or a name that holds one, is an operand of a subtraction."""
    names: set[str] = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and of_wall_clock(node.value, names):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return any(
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Sub)
        and (of_wall_clock(node.left, names) or of_wall_clock(node.right, names))
        for node in ast.walk(function)
    )


@pytest.mark.promise("P21")
def test_only_those_who_must_read_the_wall_clock_as_a_number() -> None:
    found = {
        name for name, function in functions() if any(is_call(node, "time", "time") for node in ast.walk(function))
    }
    assert found <= WALL.keys(), "a new use: is it a duration? then time.monotonic; else say why in WALL"


@pytest.mark.promise("P21")
def test_no_duration_is_a_difference_of_wall_clock_times() -> None:
    found = {name for name, function in functions() if differences(function)}
    assert found - WALL.keys() <= SUBTRACTED.keys()


def test_the_check_finds_what_it_is_for() -> None:
    bad = (
        "def f():\n    began = datetime.now(UTC)\n    return datetime.now(UTC) - began\n",
        "def f(x):\n    return datetime.now().astimezone() - x.at > STALE\n",
        "def f(x):\n    return time.time() - x\n",
    )
    assert all(differences(ast.parse(text)) for text in bad)
    assert not differences(ast.parse("def f():\n    began = time.monotonic()\n    return time.monotonic() - began\n"))
