"""A reader under test, and the judgement of what it made of one input."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.errors import MqiError

ROOT = Path(__file__).resolve().parents[2]
LONGEST_SENTENCE = 1000
"""Characters of an error that a person is to read; what a file holds must not fill the log."""


@dataclass(frozen=True, slots=True)
class Reader:
    """``read`` takes bytes and returns a value, or raises one of ``refusals``; anything else is a fault."""

    name: str
    what: str
    """What it reads, for a table."""
    seeds: Callable[[], Iterable[bytes]]
    """Whole and right inputs, from the project's own factory: mutations begin here."""
    read: Callable[[bytes], Any]
    """Parses, and does with the value what the program does next with it."""
    guide: tuple[str, ...]
    """Packages whose branches guide the search."""
    refusals: tuple[type[Exception], ...] = (MqiError,)
    words: tuple[bytes, ...] = ()
    """Words of the format, for the search to try."""
    longest: int = 4096
    """Bytes of an input."""
    limit_s: float = 2.0
    """Of one input; some ten times what the slowest right one takes under load."""
    memory_mb: int = 1024
    """Of the whole process, libraries and harness included."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one input."""

    kind: str
    """``value``, or the kind of the error."""
    fault: str = ""
    """What is wrong with the reader; empty: nothing."""
    seconds: float = 0.0


def attempt(reader: Reader, data: bytes) -> Outcome:
    """Give one input to the reader and judge what it does."""
    began = time.process_time()
    kind, fault = _read(reader, data)
    seconds = time.process_time() - began
    if not fault and seconds > reader.limit_s:
        fault = f"took {seconds:.1f} s"
    return Outcome(kind, fault, seconds)


def _read(reader: Reader, data: bytes) -> tuple[str, str]:
    try:
        reader.read(data)
    except reader.refusals as error:
        if isinstance(error, MqiError):
            return error.fault.kind or "unnamed", badly_told(error)
        return type(error).__name__, ""
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return "fault", _place(error)
    return "value", ""


def badly_told(error: MqiError) -> str:
    """What is wrong with how an error speaks; empty: nothing."""
    problems = getattr(error, "problems", None)
    sentences = list(problems) if problems is not None else [str(error.fault)]
    for sentence in sentences:
        if not sentence.strip():
            return "an error without a word"
        if len(sentence) > LONGEST_SENTENCE:
            return f"too long an error: {len(sentence)} characters, {sentence[:80]!r}"
        if not sentence.isprintable():
            return f"an error that cannot be printed: {sentence[:200]!r}"
    return ""


def _place(error: BaseException) -> str:
    """Type and the last line of ours that it passed: one name for one fault, whatever the input."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/actors/" in frame.filename or "/messages/" in frame.filename]
    last = (ours or frames)[-1]
    name = Path(last.filename)
    name = name.relative_to(ROOT) if name.is_relative_to(ROOT) else Path(name.name)
    return f"{type(error).__name__} at {name}:{last.lineno} in {last.name}: {str(error)[:200]}"


def name_of(fault: str) -> str:
    """What makes two findings one: the place, without the words that hold a piece of the input."""
    return fault.split(": ", 1)[0]
