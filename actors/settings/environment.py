"""Overrides from the environment: ``MQI_<SECTION>__<KEY>``, checked as strictly as the file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_origin

from pydantic import BaseModel

from actors.settings.lines import Location
from actors.settings.model import HostSettings, Settings, Slurm
from actors.settings.nearest import did_you_mean
from actors.settings.send import SendNode

PREFIX = "MQI_"
LISTS: Mapping[str, type[BaseModel]] = MappingProxyType({"hosts": HostSettings, "send": SendNode})
"""Sections that are lists of tables, each with a name."""


@dataclass(frozen=True, slots=True)
class Overridden:
    """The raw tables with the environment's values in them."""

    raw: Mapping[str, Any]
    origins: Mapping[Location, str]
    """Which variable gave the value at a location."""
    problems: tuple[str, ...]


@dataclass(slots=True)
class _Work:
    raw: dict[str, Any]
    origins: dict[Location, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def put(self, table: dict[str, Any], location: Location, value: object, name: str) -> None:
        table[str(location[-1])] = value
        self.origins[location] = name


def overridden(raw: Mapping[str, Any], environ: Mapping[str, str]) -> Overridden:
    """``raw`` with every override in place; variables that override nothing are problems."""
    work = _Work(deepcopy(dict(raw)))
    for name, text in sorted(environ.items()):
        if name.startswith(PREFIX) and not _is_text(name + text):
            work.problems.append(f"{name}: is not UTF-8 text")
        elif name.startswith(PREFIX) and "__" in name:
            _apply(work, name, text)
        elif right := _one_underscore(name):
            work.problems.append(f'{name}: no such setting; did you mean "{right}"?')
    return Overridden(MappingProxyType(work.raw), MappingProxyType(work.origins), tuple(work.problems))


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _apply(work: _Work, name: str, text: str) -> None:
    section, *rest = name.removeprefix(PREFIX).split("__")
    section = section.lower()
    if section not in Settings.model_fields:
        known = [known.upper() for known in Settings.model_fields]
        work.problems.append(f"{name}: no such section{did_you_mean(section, known)}")
    elif section in LISTS:
        _apply_to_list(work, name, text, [section, *rest])
    elif section == "machines" and len(rest) == 2 and rest[0].lower() == "calibrations":
        _apply_calibration(work, name, text, rest[1])
    else:
        model = Settings.model_fields[section].annotation
        assert isinstance(model, type) and issubclass(model, BaseModel)
        _apply_key(work, _Target(work.raw, (), section, model), name, text, rest)


def _apply_calibration(work: _Work, name: str, text: str, gantry: str) -> None:
    machines = work.raw.setdefault("machines", {})
    table = machines.setdefault("calibrations", {}) if isinstance(machines, dict) else None
    if isinstance(table, dict):
        work.put(table, ("machines", "calibrations", gantry), text, name)


@dataclass(frozen=True, slots=True)
class _Target:
    """The table ``above[name]``, made when the file has none, described by ``model``."""

    above: dict[str, Any]
    location: Location
    name: str
    model: type[BaseModel]


def _apply_key(work: _Work, target: _Target, name: str, text: str, rest: list[str]) -> None:
    key = rest[0].lower() if len(rest) == 1 else ""
    if key not in target.model.model_fields:
        work.problems.append(f"{name}: [{target.name}] has no such key{did_you_mean('__'.join(rest), _keys(target))}")
        return
    table = target.above.setdefault(target.name, {})
    if isinstance(table, dict):
        work.put(table, (*target.location, target.name, key), _value(text, target.model, key), name)


def _keys(target: _Target) -> Iterator[str]:
    return (key.upper() for key in target.model.model_fields)


def _apply_to_list(work: _Work, name: str, text: str, parts: list[str]) -> None:
    """``MQI_HOSTS__KEY`` for every host; ``MQI_HOSTS__<NAME or number>__KEY`` for one; the same of other lists."""
    section, *rest = parts
    model = LISTS[section]
    given = work.raw.get(section)
    tables = [table for table in given if isinstance(table, dict)] if isinstance(given, list) else []
    chosen = list(enumerate(tables))
    if len(rest) > 1 and rest[0].lower() != "slurm":
        chosen = [(i, t) for i, t in chosen if rest[0].lower() in (str(i), _as_variable(str(t.get("name", ""))))]
        if not chosen:
            known = [_as_variable(str(table.get("name", ""))).upper() for table in tables]
            what = "host" if section == "hosts" else f"[[{section}]]"
            work.problems.append(f"{name}: no such {what}{did_you_mean(rest[0], known)}")
            return
        rest = rest[1:]
    key = rest[0].lower() if len(rest) == 1 else ""
    of_slurm = section == "hosts" and len(rest) == 2 and rest[0].lower() == "slurm"
    for index, table in chosen:
        if of_slurm:
            _apply_key(work, _Target(table, (section, index), "slurm", Slurm), name, text, rest[1:])
        elif key in model.model_fields:
            work.put(table, (section, index, key), _value(text, model, key), name)
    if not of_slurm and key not in model.model_fields:
        known = [field.upper() for field in model.model_fields]
        work.problems.append(f"{name}: [[{section}]] has no such key{did_you_mean('__'.join(rest), known)}")


def _as_variable(host: str) -> str:
    return re.sub(r"[^a-z0-9]", "_", host.lower())


def _value(text: str, model: type[BaseModel], key: str) -> object:
    """Text as it is where text is wanted, else as TOML would read it; what TOML cannot read stays text."""
    kind = model.model_fields[key].annotation
    if kind in (str, Path, Path | None) or get_origin(kind) is Literal:
        return text
    try:
        value: object = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        value = text
    return [value] if get_origin(kind) is tuple and not isinstance(value, list) else value


def _one_underscore(name: str) -> str:
    """``MQI_SCAN_QUIET_S`` → ``MQI_SCAN__QUIET_S``: the slip that would otherwise be ignored in silence."""
    if not name.startswith(PREFIX):
        return ""
    wanted = name.removeprefix(PREFIX).lower()
    for section, info in Settings.model_fields.items():
        model = LISTS.get(section, info.annotation)
        assert isinstance(model, type) and issubclass(model, BaseModel)
        for key in model.model_fields:
            if wanted == f"{section}_{key}":
                return f"{PREFIX}{section.upper()}__{key.upper()}"
    return ""
