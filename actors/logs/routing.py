"""The standard library's logging (pykka, paramiko, uvicorn), warnings and stray exceptions, led into loguru."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from loguru import logger

_QUIET = {"paramiko": logging.WARNING, "uvicorn": logging.WARNING, "asyncio": logging.WARNING, "httpx": logging.WARNING}
"""Libraries that talk too much below this level."""


class _ToLoguru(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        try:
            level: str | int = logger.level(record.levelname).name
        except ValueError:
            level = record.levelno
        bound = logger.bind(actor=f"library {record.name}")
        bound.opt(exception=record.exc_info or None).log(level, "{}", record.getMessage())


class Routing:
    """Takes the process's logging over and gives it back."""

    def __init__(self) -> None:
        self._before: tuple[list[logging.Handler], int] | None = None
        self._levels: dict[str, int] = {}
        self._hooks: tuple[Any, Any] | None = None

    def start(self) -> None:
        root = logging.getLogger()
        self._before = (list(root.handlers), root.level)
        root.handlers[:] = [_ToLoguru()]
        root.setLevel(logging.INFO)
        for name, level in _QUIET.items():
            self._levels[name] = logging.getLogger(name).level
            logging.getLogger(name).setLevel(level)
        logging.captureWarnings(True)
        self._hooks = (sys.excepthook, threading.excepthook)
        sys.excepthook = _unhandled
        threading.excepthook = _unhandled_in_thread

    def stop(self) -> None:
        if self._before is None or self._hooks is None:
            return
        root = logging.getLogger()
        root.handlers[:], level = self._before
        root.setLevel(level)
        for name, level in self._levels.items():
            logging.getLogger(name).setLevel(level)
        logging.captureWarnings(False)
        sys.excepthook, threading.excepthook = self._hooks
        self._before = self._hooks = None


_Hook = Callable[[type[BaseException], BaseException, TracebackType | None], None]


def _unhandled(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    logger.opt(exception=(kind, error, trace)).critical("nobody handled")


def _unhandled_in_thread(given: threading.ExceptHookArgs) -> None:
    name = given.thread.name if given.thread else "a thread"
    error = given.exc_value or given.exc_type()
    logger.opt(exception=(given.exc_type, error, given.exc_traceback)).error("{} ended by an error", name)
