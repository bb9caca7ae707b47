"""One event as one line: for people, and as JSON for machines."""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any

_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\u2028": "\\u2028", "\u2029": "\\u2029", "\x85": "\\x85"}
_TABLE = str.maketrans({chr(code): f"\\x{code:02x}" for code in (*range(0x20), 0x7F, *range(0x80, 0xA0))} | _ESCAPES)
_OF_A_CASE = re.compile(r"/cases/(?P<case>[^/]+)$")
_KNOWN = frozenset({"actor", "case", "beam"})


@dataclass(frozen=True, slots=True)
class Event:
    """What happened, ready to be written: redacted, nothing in it that would break a line."""

    at: datetime
    """Aware."""
    level: str
    case: str
    beam: str
    actor: str
    text: str
    """For people: one line, with the cause of a crash."""
    details: Mapping[str, str]
    """What else was bound to the event."""
    trace: str

    def line(self) -> bytes:
        """``<time with offset> <level> <case> [beam <n>] | <text>``"""
        about = f"{self.case} beam {self.beam}" if self.beam else self.case
        at = self.at.isoformat(sep=" ", timespec="milliseconds")
        return f"{at} {self.level:<7} {about or '-'} | {self.text}\n".encode(errors="backslashreplace")

    def json(self) -> bytes:
        """The same event as one JSON object a line."""
        fields: dict[str, object] = {"at": self.at.isoformat(timespec="milliseconds"), "level": self.level}
        fields |= {"case": self.case or None, "beam": self.beam or None, "actor": self.actor or None}
        fields |= {"text": self.text} | dict(self.details)
        if self.trace:
            fields["trace"] = self.trace
        return json.dumps(fields, ensure_ascii=True).encode() + b"\n"


def event(record: Mapping[str, Any], redact: Callable[[str], str]) -> Event:
    """The event of one loguru record."""
    extra: Mapping[str, object] = record["extra"]
    text, trace = str(record["message"]), ""
    if (crash := record["exception"]) is not None and crash.value is not None:
        text = f"{text}: {cause(crash.value, crash.traceback)}" if text else cause(crash.value, crash.traceback)
        trace = redact("".join(traceback.format_exception(crash.type, crash.value, crash.traceback)))
    return Event(
        at=record["time"],
        level=record["level"].name,
        case=_plain(extra, "case") or _case_of(_plain(extra, "actor")),
        beam=_plain(extra, "beam"),
        actor=_plain(extra, "actor"),
        text=redact(text).translate(_TABLE),
        details={key: redact(str(value)) for key, value in extra.items() if key not in _KNOWN},
        trace=trace,
    )


def cause(error: BaseException, trace: TracebackType | None) -> str:
    """``ZeroDivisionError: division by zero (at control.py:12)``: where it came from, in one line."""
    frames = traceback.extract_tb(trace, limit=-1)
    place = f" (at {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno})" if frames else ""
    said = str(error)
    return f"{type(error).__name__}{': ' if said else ''}{said}{place}"


def _case_of(actor: str) -> str:
    """The case whose actor it is: what is told of it (a crash, a restart) concerns the case."""
    match = _OF_A_CASE.search(actor)
    return match["case"] if match is not None and match["case"] != "admission" else ""


def _plain(extra: Mapping[str, object], key: str) -> str:
    value = extra.get(key)
    return "" if value is None else str(value).translate(_TABLE)
