"""Exceptions and stacks in one line, innermost place first."""

from __future__ import annotations

import sys
import threading
import traceback
from itertools import takewhile
from pathlib import Path
from types import FrameType

PLACES = 4
RUNTIME = Path(__file__).parent


def describe(error: BaseException | None, causes: int = 3) -> str:
    """``ValueError: no such beam [survey.py:88 read < actor.py:41 receive]``; causes follow after ``from``."""
    if error is None:
        return "by itself"
    text = f"{type(error).__name__}: {_one_line(str(error))}" if str(error) else type(error).__name__
    places = _places(traceback.extract_tb(error.__traceback__))
    text = " ".join([text, *([f"[{places}]"] if places else []), *getattr(error, "__notes__", ())])
    cause = error.__cause__ if causes else None
    return text if cause is None else f"{text} from {describe(cause, causes - 1)}"


def stack_of(thread: threading.Thread | None) -> str:
    """Where a thread is right now; empty if it is nowhere."""
    frame: FrameType | None = sys._current_frames().get(thread.ident or 0) if thread is not None else None
    return _places(traceback.extract_stack(frame)) if frame is not None else ""


def long_form(error: BaseException | None) -> str:
    """The whole traceback, for machines."""
    return "".join(traceback.format_exception(error)) if error is not None else ""


def _places(stack: traceback.StackSummary) -> str:
    """Down to where the runtime called: its own frames are the same in every crash, unless the crash is its own."""
    frames = list(reversed(stack))
    theirs = list(takewhile(lambda frame: Path(frame.filename).parent != RUNTIME, frames))
    return " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in (theirs or frames)[:PLACES])


def _one_line(text: str) -> str:
    return " ".join(text.split())
