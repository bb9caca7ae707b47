"""docs/api and docs/reference.md are what the program is now; ``bin/docs`` writes them."""

from __future__ import annotations

import ast
import sys
import tomllib
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import get_args

import pytest
from pydantic import BaseModel
from typer.main import get_command

from actors.cli.app import app
from actors.cli.export import TABLES, columns_of
from actors.monitor.catalogue import CATALOGUE
from actors.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def script(name: str) -> ModuleType:
    spec = spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


make_api, make_reference = script("make_api"), script("make_reference")


def test_the_api_is_up_to_date(tmp_path: Path) -> None:
    made = {path.name: path.read_text(encoding="utf-8") for path in make_api.write(tmp_path)}
    there = {path.name: path.read_text(encoding="utf-8") for path in (DOCS / "api").iterdir()}
    old = [name for name in made.keys() | there.keys() if made.get(name) != there.get(name)]
    assert old == [], "run bin/docs"


def test_the_reference_is_up_to_date() -> None:
    assert make_reference.page() == (DOCS / "reference.md").read_text(encoding="utf-8"), "run bin/docs"


def keys(model: type[BaseModel], prefix: str = "") -> set[str]:
    found = set()
    for name, field in model.model_fields.items():
        inner = [field.annotation, *get_args(field.annotation)]
        inner += [deep for one in inner for deep in get_args(one)]
        models = [one for one in inner if isinstance(one, type) and issubclass(one, BaseModel)]
        found |= keys(models[0], f"{prefix}{name}.") if models else {f"{prefix}{name}"}
    return found


def test_every_command_setting_and_metric_stands_in_it_and_no_other() -> None:
    sections = make_reference.page().split("\n## ")
    named = [{row.split("`")[1] for row in part.splitlines() if row.startswith("| `")} for part in sections[1:]]
    assert {usage.split()[0] for usage in named[0]} == set(get_command(app).commands)  # type: ignore[attr-defined]
    assert named[1] == keys(Settings)
    assert {name.removesuffix("_total") for name in named[2]} == {measure.name for measure in CATALOGUE}
    assert named[3] == {column.name for table in TABLES for column in columns_of(table, [(3.0, 2.0)])}


def test_settings_are_read_off_the_annotated_configuration() -> None:
    text = '[a]\nkey = "x # y" # says\n                # more\n# [a.b]\n# other = [1]\n'
    assert list(make_reference.settings(text)) == [("a.key", '"x # y"', "says more"), ("a.b.other", "[1]", "")]
    shipped = (ROOT / "conf" / "mqi-actors.toml").read_text(encoding="utf-8")
    for key, value, _ in make_reference.settings(shipped):
        assert tomllib.loads(f"value = {value}"), key


def test_a_room_in_words(tmp_path: Path) -> None:
    room = tmp_path / "actors" / "room"
    room.mkdir(parents=True)
    (room / "__init__.py").write_text('"""The room."""\n__all__ = ["One", "do", "VALUE"]\n')
    (room / "one.py").write_text(
        '"""One thing.\n\nAnd more."""\nclass One(Base):\n    """It."""\n    size_mm: float\n    """Its size."""\n'
        '    _secret: int\n    def go(self, to: str) -> None:\n        """Go there."""\n'
        "    def _not(self) -> None: ...\n"
        'def do(n: int = 3) -> bool:\n    """Does."""\ndef hidden() -> None: ...\n'
    )
    (made, index) = make_api.write(tmp_path / "api", tmp_path)
    text = made.read_text()
    assert made.name == "actors.room.md"
    assert (
        "### `class One(Base)`\n\nIt.\n\n* `size_mm: float`: Its size.\n* `go(self, to: str) -> None`: Go there."
        in text
    )
    assert "### `do(n: int=3) -> bool`\n\nDoes." in text
    assert "Also: `VALUE`." in text
    assert "* `actors.room.one`: One thing." in text
    assert "hidden" not in text and "_secret" not in text and "_not" not in text
    assert "actors.room.md" in index.read_text()
    (tmp_path / "api" / "gone.md").write_text("")
    make_api.write(tmp_path / "api", tmp_path)
    assert not (tmp_path / "api" / "gone.md").exists()


@pytest.mark.parametrize("name", ["make_api", "make_reference"])
def test_the_scripts_are_small_and_typed(name: str) -> None:
    tree = ast.parse((DOCS / f"{name}.py").read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert all(node.returns is not None for node in functions)
