"""Reading the configuration: all of it right, or every error of it at once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from actors.settings.environment import overridden
from actors.settings.lines import key_lines
from actors.settings.model import Settings
from actors.settings.places import SHIPPED
from actors.settings.problems import SettingsError, sentence


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """The settings of ``path`` with the overrides of ``environ``. Raises SettingsError with every problem."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        remedy = '"mqi-actors init" writes one.' if isinstance(error, FileNotFoundError) else ""
        raise SettingsError(str(path), [f"{path}: cannot be read: {_why(error)}. {remedy}".strip()]) from error
    return parse(text, path, environ)


def parse(text: str, path: Path, environ: Mapping[str, str]) -> Settings:
    """The settings that ``text`` would give if it stood in ``path``."""
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # no more than a TOMLDecodeError, or too many digits or brackets
        raise SettingsError(str(path), [_syntax(path, str(error))]) from error
    given = overridden(raw, environ)
    problems = [(0, problem) for problem in given.problems]
    for section, key in (("hosts", "name"), ("send", "name"), ("send", "commitment_port")):
        problems += _doubled(given.raw, path, section, key)
    settings = None
    try:
        settings = Settings.model_validate(dict(given.raw), context={"base": path.absolute().parent})
    except ValidationError as error:
        lines = key_lines(text)
        problems += [sentence(e, str(path), lines, given.origins) for e in error.errors(include_url=False)]
    problems += _needed_by_kind(given.raw, path)
    if settings is None or problems:
        raise SettingsError(str(path), list(dict.fromkeys(problem for _, problem in sorted(problems))))
    return settings


def template() -> str:
    """The annotated configuration that ``init`` writes."""
    return (SHIPPED / "mqi-actors.toml").read_text(encoding="utf-8")


def _why(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "it is not UTF-8 text"


def _syntax(path: Path, message: str) -> str:
    found = re.search(r"\(at line (\d+), column (\d+)\)", message)
    if not found:
        return f"{path}: is no TOML: {message}"
    return f"{path}:{found[1]}: is no TOML: {message[: found.start()].strip()} (column {found[2]})"


def _tables(raw: Mapping[str, Any], section: str) -> list[tuple[int, dict[str, Any]]]:
    given = raw.get(section)
    return [(i, t) for i, t in enumerate(given) if isinstance(t, dict)] if isinstance(given, list) else []


def _doubled(raw: Mapping[str, Any], path: Path, section: str, key: str = "name") -> Iterator[tuple[int, str]]:
    """Tables of a list that would have one name, or whatever else only one may have, twice."""
    seen: dict[str, int] = {}
    for index, table in _tables(raw, section):
        value = str(table.get(key) or "")
        if value and value in seen:
            shown = f'"{value}"' if key == "name" else value
            yield 0, f"{path}: [[{section}]] #{index + 1} {key} {shown} is already that of #{seen[value] + 1}"
        seen.setdefault(value, index)


def _needed_by_kind(raw: Mapping[str, Any], path: Path) -> Iterator[tuple[int, str]]:
    """What a table's kind and launcher need; seen on the raw tables, so that other errors do not hide it."""
    for index, host in _tables(raw, "hosts"):
        place = f"{path}: [[hosts]] #{index + 1}"
        if host.get("kind", "ssh") == "ssh" and not host.get("address"):
            yield 0, f'{place} address is missing; a host of kind "ssh" needs it'
        if host.get("launcher") == "slurm" and not host.get("slurm"):
            yield 0, f'{place} needs a [hosts.slurm] table, because its launcher is "slurm"'
    for index, node in _tables(raw, "send"):
        kind = node.get("kind", "dicom")
        for key in {"dicom": ("host", "called"), "folder": ("folder",)}.get(str(kind), ()):
            if not node.get(key):
                yield 0, f'{path}: [[send]] #{index + 1} {key} is missing; a node of kind "{kind}" needs it'
        if bool(node.get("cert_file")) != bool(node.get("key_file")):
            yield 0, f"{path}: [[send]] #{index + 1} needs both cert_file and key_file, or neither"
