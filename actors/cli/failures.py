"""How a command fails: its exit code, and one to three lines: what is wrong, where, what to do."""

from __future__ import annotations

import json
import sys
import traceback
from enum import IntEnum
from typing import Any

from actors.errors import MqiError
from messages.faults import Blame, Fault


class ExitCode(IntEnum):
    """What outside programs rely on."""

    DONE = 0
    FAILED = 1
    """A check or a demo failed."""
    USAGE = 2
    """Wrong usage or configuration."""
    NO_DAEMON = 3
    """No daemon is running where one is needed."""
    NOT_FOUND = 4
    """No such case, beam or host."""
    LOCKED = 5
    """Another daemon holds the state folder."""
    GAVE_UP = 70
    """The daemon gave up; its process supervisor starts it again."""


class CommandError(MqiError):
    """A command cannot do what it was asked to."""

    def __init__(self, code: ExitCode, what: str, where: str = "", remedy: str = "", kind: str = "") -> None:
        self.code = code
        super().__init__(Fault(what, where, remedy, Blame.OURS, kind))

    def __reduce__(self) -> tuple[Any, ...]:
        fault = self.fault
        return type(self), (self.code, fault.what, fault.where, fault.remedy, fault.kind)


class ReaderLeftError(Exception):
    """Whoever read our output has gone, as ``head`` does: nothing is wrong."""


def code_of(error: BaseException) -> ExitCode:
    """The exit code of an error that ended a command."""
    if isinstance(error, CommandError):
        return error.code
    return ExitCode.USAGE if isinstance(error, MqiError) else ExitCode.FAILED


def tell(error: BaseException, *, as_json: bool, debug: bool) -> None:
    """Say it on stderr; with ``--json`` also as the one document on stdout."""
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    for line in lines(error):
        print(line, file=sys.stderr)
    if as_json:
        print(json.dumps({"error": _document(error)}))


def lines(error: BaseException) -> list[str]:
    """One to three lines; a refused configuration has one for each of its errors."""
    if problems := _problems(error):
        return problems
    if isinstance(error, MqiError):
        fault = error.fault
        return [f"mqi-actors: {fault.what}", *(f"  {part}" for part in (fault.where, fault.remedy) if part)]
    frames = traceback.extract_tb(error.__traceback__, limit=-1)
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return [
        f"mqi-actors: an error of the program itself: {type(error).__name__}: {error}{place}",
        "  Run it again with --debug, and report what it prints.",
    ]


def _document(error: BaseException) -> dict[str, Any]:
    code = int(code_of(error))
    if isinstance(error, MqiError):
        fault = error.fault
        document = {"code": code, "what": fault.what, "where": fault.where, "remedy": fault.remedy, "kind": fault.kind}
        return document | ({"problems": problems} if (problems := _problems(error)) else {})
    return {"code": code, "what": f"{type(error).__name__}: {error}"}


def _problems(error: BaseException) -> list[str]:
    """The sentences of a SettingsError (whose module takes its time to import: not for every ``--help``)."""
    return [str(problem) for problem in getattr(error, "problems", ())]
