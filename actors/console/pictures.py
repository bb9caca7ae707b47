"""Pictures of published doses: drawn once, by a worker process, and kept as files that may be removed at any time."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

from actors.console.asking import BusyError
from messages.pictures import DrawDose

WORK = "actors.results.picture:draw_dose"
AT_A_TIME = 4
KEPT = 400
"""Files; those not looked at for longest go first."""


class Pictures:
    """``folder``: where they are kept; ``results``: below which the published cases lie. For any thread."""

    def __init__(self, folder: Path, results: Path) -> None:
        self._folder, self._results = folder, results
        self._lock = Lock()
        self._drawing: dict[Path, Future[Path]] = {}

    def ask(self, case: str, name: str, publication: str, draw: Callable[[DrawDose], Future[Any]]) -> Future[Path]:
        """The picture of one RT Dose of a case. ``publication``: what was published; another one is drawn anew.

        All who ask while it is drawn get the same future: it is nobody's to cancel. Raises BusyError when
        too many are being drawn.
        """
        target = self._folder / f"{case}-{publication[:12]}-{name}.png"
        with self._lock:
            if (under_way := self._drawing.get(target)) is not None:
                return under_way
            future: Future[Path] = Future()
            if target.is_file():
                with suppress(OSError):
                    os.utime(target)
                future.set_result(target)
                return future
            if len(self._drawing) >= AT_A_TIME:
                raise BusyError
            self._drawing[target] = future
            self._make_room()
        work = draw(DrawDose(str(self._results / case / name), str(target)))
        work.add_done_callback(lambda done: self._drawn(target, future, done))
        return future

    def _drawn(self, target: Path, future: Future[Path], work: Future[Any]) -> None:
        with self._lock:
            self._drawing.pop(target, None)
        if not future.set_running_or_notify_cancel():
            return
        error = None if work.cancelled() else work.exception()
        if work.cancelled() or error is not None:
            future.set_exception(error or TimeoutError("the console ended"))
        else:
            future.set_result(target)

    def _make_room(self) -> None:
        with suppress(OSError):
            kept = sorted(self._folder.glob("*.png"), key=lambda path: path.stat().st_mtime_ns)
            for path in kept[: max(len(kept) - KEPT + 1, 0)]:
                path.unlink(missing_ok=True)
