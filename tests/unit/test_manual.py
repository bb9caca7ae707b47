"""docs/operations.md names what exists, and what exists and an operator may meet stands in it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from actors.cli.app import app
from actors.settings import Settings
from tests.kit.manual import TEXT, frames

ROOT = Path(__file__).resolve().parents[2]
MODULES = {
    path: ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "actors").rglob("*.py"))
    if path.relative_to(ROOT / "actors").parts[0] not in ("demo", "supervision")
}
QUOTED = set(re.findall(r"`([^`\n]+)`", TEXT))
KEBAB = re.compile(r"[a-z]+(?:-[a-z]+)+")


# -- commands


def commands() -> set[str]:
    return set(get_command(app).commands)  # type: ignore[attr-defined]


def test_commands_that_are_named_exist() -> None:
    named = set(re.findall(r"mqi-actors ([a-z]+)\b", TEXT))
    named |= {words.split()[0] for words in re.findall(r"`(release|resume|unpause)[ `]", TEXT)}
    assert named - commands() == set()


def test_every_command_of_daily_life_stands_in_it() -> None:
    elsewhere = {"demo", "init", "start"}  # README
    written = {name for name in commands() if re.search(rf"mqi-actors {name}\b|`{name}[ `]", TEXT)}
    assert commands() - elsewhere - written == set()


# -- settings


def test_settings_that_are_named_exist() -> None:
    sections = Settings.model_fields
    for section, key in re.findall(r"`(\w+)\.(\w+)`", TEXT):
        if section in sections:
            assert key in sections[section].annotation.model_fields, f"{section}.{key}"  # type: ignore[union-attr]
    for section, key in re.findall(r"`\[(\w+)\] (\w+)`", TEXT):
        assert key in sections[section].annotation.model_fields, f"[{section}] {key}"  # type: ignore[union-attr]
    for section in re.findall(r"`\[(\w+)\]`", TEXT):
        assert section in sections, section
    assert len(re.findall(r"`\[?(?:scan|retry|backup|console|alarms|compute)\b", TEXT)) > 5


def test_files_and_headings_that_are_linked_exist() -> None:
    headings = {
        re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in TEXT.splitlines()
        if line.startswith("#")
    }
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        if target.startswith("#"):
            assert target[1:] in headings, target
        else:
            assert (ROOT / "docs" / target).exists(), target


# -- alarms


def _leading(node: ast.expr) -> str | None:
    """``kind:`` of an id, or all of it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
        return str(node.values[0].value)
    return None


def _named(module: ast.Module, name: str) -> Iterator[str]:
    """What a name of the module stands for: a constant, a variable, or what a function of that name returns."""
    for node in ast.walk(module):
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            yield from filter(None, [_leading(node.value)])
        if isinstance(node, ast.FunctionDef) and node.name == name:
            returned = [r.value for r in ast.walk(node) if isinstance(r, ast.Return) and r.value]
            either = [part for one in returned if isinstance(one, ast.IfExp) for part in (one.body, one.orelse)]
            yield from filter(None, map(_leading, (*returned, *either)))


def alarm_ids() -> set[str]:
    """The beginning of every alarm id that the code can raise."""
    found: set[str] = set()
    for module in MODULES.values():
        for node in ast.walk(module):
            for id_ in _ids(node):
                name = id_.func if isinstance(id_, ast.Call) else id_
                direct = _leading(id_)
                if direct:
                    found.add(direct)
                elif isinstance(name, ast.Name):
                    where = MODULES.values() if name.id.isupper() else [module]  # a constant may be another module's
                    found |= {value for place in where for value in _named(place, name.id)}
    shared = ast.parse((ROOT / "messages" / "alarming.py").read_text(encoding="utf-8"))  # ids that several rooms raise
    for function in (node for node in shared.body if isinstance(node, ast.FunctionDef)):
        found |= set(_named(shared, function.name))
    return {id_ for id_ in found if id_}


def _ids(node: ast.AST) -> Iterator[ast.expr]:
    """Expressions that become the id of an alarm: of a message, or the key under which a condition is kept."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("AlarmRaised", "Alarmed"):
        yield from node.args[:1]
    elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and _is_condition(node.value):
        yield from (target.slice for target in node.targets if isinstance(target, ast.Subscript))
    elif isinstance(node, ast.DictComp) and isinstance(node.value, ast.Call) and _is_condition(node.value):
        yield node.key


def _is_condition(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id == "Condition"


def test_every_alarm_that_can_be_raised_stands_in_it() -> None:
    ids = alarm_ids()
    assert {"disk:", "host:", "gpu:", "no-gpu:", "incomplete:", "ledger-write", "case-failed:"} <= ids
    missing = {id_ for id_ in ids if not any(quoted.startswith(id_) for quoted in QUOTED)}
    assert missing == set()


def test_every_alarm_in_its_table_can_be_raised() -> None:
    table = TEXT.partition("| alarm | what it means")[2].partition("\n\n")[0]
    ids = alarm_ids()
    for row in table.splitlines()[2:]:
        for quoted in re.findall(r"`([^`]+)`", row.split("|")[1]):
            assert any(quoted.startswith(id_) for id_ in ids), quoted


# -- rules


def test_every_alert_rule_stands_in_it_and_no_other() -> None:
    rules = yaml.safe_load((ROOT / "conf" / "prometheus-alerts.yml").read_text(encoding="utf-8"))
    names = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    assert {quoted for quoted in QUOTED if re.fullmatch(r"Mqi[A-Z]\w+", quoted)} == names


# -- faults


def fault_kinds() -> set[str]:
    """Every kind that is given to a fault: by keyword, or as a word such as ``layer-missing`` to what makes one."""
    found = set()
    for module in MODULES.values():
        for node in ast.walk(module):
            if isinstance(node, ast.Call):
                found |= set(_kinds(node))
    return found


MAKERS = {
    *("Fault", "CaseError", "CommandError", "NotFoundError", "NoReport", "refused", "trouble", "refusal", "error"),
    *("engine_error", "_error", "_layer_error", "_source_fault", "source", "_unfit", "_fail", "_fault", "_bad_exit"),
    *("_refused", "_wrong"),
}


def _kinds(call: ast.Call) -> Iterator[str]:
    given = [keyword.value for keyword in call.keywords if keyword.arg == "kind"]
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name in MAKERS:
        given += [arg for arg in call.args if isinstance(arg, ast.Constant) and KEBAB.fullmatch(str(arg.value))]
    yield from (node.value for node in given if isinstance(node, ast.Constant) and isinstance(node.value, str))


HTTP_HOST_KINDS = {"local", "ssh"}
"""``kind`` of a host is no kind of fault."""


def test_every_kind_of_fault_stands_in_it() -> None:
    kinds = fault_kinds() - HTTP_HOST_KINDS
    assert len(kinds) > 100
    assert kinds - QUOTED == set()


def test_every_kind_of_fault_in_its_tables_exists() -> None:
    tables = TEXT.partition("## Faults by kind")[2]
    first = [row.split("|")[1] for row in tables.splitlines() if row.startswith("| `")]
    named = {kind for cell in first for kind in re.findall(r"`([^`]+)`", cell)}
    source = "\n".join(path.read_text(encoding="utf-8") for path in MODULES)
    assert {kind for kind in named if f'"{kind}"' not in source} == set()


# -- mends


@pytest.mark.parametrize("mend", ["full disk", "changed host key", "quarantined GPU", "damaged ledger"])
def test_what_is_tried_is_there(mend: str) -> None:
    assert {(mend, "mend"), (mend, "see")} <= set(frames())


def test_every_frame_is_tried_or_plain_shell() -> None:
    """No prompt signs, no dots for what is left out: each line can be taken as it is."""
    for lines in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL):
        for line in lines.splitlines():
            assert not re.match(r"\s*[$#>] ", line), line
            assert "…" not in line, line
