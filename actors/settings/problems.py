"""A validation's complaints in words: which key, on which line or from which variable, what is wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from actors.errors import MqiError, printable
from actors.settings.lines import Location, line_of
from actors.settings.model import Settings
from actors.settings.nearest import did_you_mean
from messages.faults import Blame, Fault


class SettingsError(MqiError):
    """The configuration was refused; every problem of it is in ``problems``, one sentence each."""

    def __init__(self, path: str, problems: Sequence[str]) -> None:
        self.path, self.problems = path, tuple(printable(problem, self.LONGEST) for problem in problems)
        count = f"{len(self.problems)} errors" if len(self.problems) != 1 else "an error"
        what = f"The configuration has {count}: " + " | ".join(self.problems)
        remedy = "Correct it; nothing was started or changed."
        super().__init__(Fault(what, where=path, remedy=remedy, blame=Blame.OURS, kind="settings"))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.problems)


_WANTED = {
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "string_type": "must be text in quotes",
    "tuple_type": "must be a list",
    "bool_type": "must be true or false",
    "model_type": "must be a table",
    "dict_type": "must be a table",
    "too_short": "needs at least one entry",
}


def sentence(
    error: ErrorDetails, file: str, lines: Mapping[Location, int], origins: Mapping[Location, str]
) -> tuple[int, str]:
    """(line for sorting, one sentence) of one pydantic error."""
    location: Location = tuple(error["loc"])
    line = line_of(location, lines)
    origin = _origin(location, origins)
    place = origin or (f"{file}:{line}" if line else file)
    return (line or 0, f"{place}: {_named(location)}{_complaint(error, location)}")


def _origin(location: Location, origins: Mapping[Location, str]) -> str:
    while location:
        if location in origins:
            return origins[location]
        location = location[:-1]
    return ""


def _named(location: Location) -> str:
    """``("hosts", 1, "gpus")`` → ``[[hosts]] #2 gpus ``; ``("scan", "quiet_s")`` → ``[scan] quiet_s ``."""
    if not location:
        return ""
    section, *rest = location
    if section in ("hosts", "send"):
        number = f" #{rest[0] + 1}" if rest and isinstance(rest[0], int) else ""
        return f"[[{section}]]{number} " + "".join(f"{part} " for part in rest[1:] if isinstance(part, str))
    if not rest:
        return f"[{section}] "
    return f"[{section}] " + ".".join(str(part) for part in rest if isinstance(part, str)) + " "


def _complaint(error: ErrorDetails, location: Location) -> str:
    kind = error["type"]
    if kind == "extra_forbidden":
        known = _keys_at(location[:-1])
        what = "section" if len(location) == 1 else "key"
        return f"is no {what} of the configuration{did_you_mean(str(location[-1]), known)}"
    if kind == "missing":
        return "is missing"
    given = error.get("input")
    shown = f", not {given!r}" if isinstance(given, str | int | float | bool) else ""
    if kind in _WANTED:
        return _WANTED[kind] + shown
    text = error["msg"].removeprefix("Value error, ")
    return text if kind == "value_error" else text.replace("Input should", "must", 1) + shown


def _keys_at(location: Location) -> list[str]:
    """Names of the keys that the table at ``location`` may have."""
    model: type[BaseModel] | None = Settings
    for part in location:
        if isinstance(part, str) and model is not None:
            model = _model_of(model.model_fields[part].annotation) if part in model.model_fields else None
    return list(model.model_fields) if model is not None else []


def _model_of(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (tuple, Union, UnionType):
        found = (_model_of(part) for part in get_args(annotation))
        return next((model for model in found if model is not None), None)
    return None
