"""Writes docs/reference.md, every command, setting, metric and exported column.

``bin/docs``, or ``python docs/make_reference.py FILE``.

Settings are told as the annotated configuration tells them, commands as their own help, metrics as /metrics.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMMON = ("--conf", "--json", "--debug")
"""Options that nearly every command has."""
_SECTION = re.compile(r"(?:# )?\[{1,2}([a-z_.]+)\]{1,2}(?:\s+#.*)?$")
_KEY = re.compile(r'(?:# )?(?P<key>[a-z_0-9]+) = (?P<value>(?:"[^"]*"|[^"#])*?)(?:\s+# (?P<says>.*))?$')
_MORE = re.compile(r"(?:# )?\s{8,}# (?P<says>.*)$")


def settings(text: str) -> Iterator[tuple[str, str, str]]:
    """(section.key, value in the annotated configuration, what it says) in its order."""
    section, found = "", None
    for line in text.splitlines():
        if match := _SECTION.match(line):
            section = match[1]
        elif section and (match := _KEY.match(line)):
            if found:
                yield found
            found = (f"{section}.{match['key']}", match["value"], match["says"] or "")
        elif found and (match := _MORE.match(line)):
            found = (*found[:2], f"{found[2]} {match['says']}")
    if found:
        yield found


def metrics() -> Iterator[tuple[str, str, str, str]]:
    """(name, kind, labels, meaning) of every metric."""
    from actors.monitor.catalogue import CATALOGUE  # noqa: PLC0415 - main puts the project on the path first

    for measure in CATALOGUE:
        name = f"{measure.name}_total" if measure.kind == "counter" else measure.name
        yield name, measure.kind, ", ".join(measure.labels), measure.help


def commands() -> Iterator[tuple[str, str]]:
    """(usage, what it does) of every command."""
    from typer.main import get_command  # noqa: PLC0415

    from actors.cli.app import app  # noqa: PLC0415

    for name, command in sorted(get_command(app).commands.items()):  # type: ignore[attr-defined]
        pieces = " ".join(one.make_metavar() if not one.metavar else one.metavar for one in _arguments(command))
        own = [one.opts[0] for one in command.params if one.param_type_name == "option" and one.opts[0] not in COMMON]
        options = " ".join(f"[{option}]" for option in own)
        first = (command.help or command.callback.__doc__ or "").strip().partition("\n")[0]
        yield " ".join(f"{name} {pieces} {options}".split()), first


def _arguments(command: object) -> list[object]:
    return [one for one in command.params if one.param_type_name == "argument"]  # type: ignore[attr-defined]


def exports() -> Iterator[tuple[str, str, str, str]]:
    """(column, tables that have it, kind, meaning) of ``export``."""
    from actors.cli.export import TABLES, columns_of  # noqa: PLC0415

    tables: dict[tuple[str, str, str], list[str]] = {}
    for table in TABLES:
        for column in columns_of(table, [(3.0, 2.0)]):
            tables.setdefault((column.name, column.kind, column.meaning), []).append(table)
    for (name, kind, meaning), found in tables.items():
        yield name, ", ".join(found), kind, meaning


def page() -> str:
    """The whole file."""
    text = (ROOT / "conf" / "mqi-actors.toml").read_text(encoding="utf-8")
    lines = [
        "# Reference",
        "",
        "Written by `bin/docs` from the program: every command, setting, metric and exported column.",
        "",
    ]
    lines += [
        "## Commands",
        "",
        "Nearly all take `--conf FILE`, `--json` and `--debug` too.",
        "",
        "| command | does |",
        "| --- | --- |",
    ]
    lines += [f"| `{_cell(usage)}` | {_cell(does)} |" for usage, does in commands()]
    lines += ["", "## Settings", "", "| key | as shipped | meaning |", "| --- | --- | --- |"]
    lines += [f"| `{key}` | `{_cell(value)}` | {_cell(says)} |" for key, value, says in settings(text)]
    lines += ["", "## Metrics", "", "| metric | kind | labels | meaning |", "| --- | --- | --- | --- |"]
    lines += [f"| `{name}` | {kind} | {labels} | {_cell(says)} |" for name, kind, labels, says in metrics()]
    lines += [
        "",
        "## Exports",
        "",
        "Columns of `export`, in their order. Gamma has one for each criterion that is configured.",
        "",
    ]
    lines += ["| column | tables | kind | meaning |", "| --- | --- | --- | --- |"]
    lines += [f"| `{name}` | {tables} | {kind} | {_cell(says)} |" for name, tables, kind, says in exports()]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "reference.md"
    target.write_text(page(), encoding="utf-8")
    print(target)
