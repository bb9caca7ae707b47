"""One thread that sees handlers that do not return."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from actors.supervision._incarnation import Incarnation


class Watchdog:
    """Tells the supervisor of each actor that is over its budget; the supervisor decides, as with every other death.

    Told again every period until it is out of the list, since the supervisor may find it back at work.
    """

    def __init__(self, living: Callable[[], Iterable[Incarnation]], period_s: float) -> None:
        self._living = living
        self._period_s = period_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Callable more than once, and without a start."""
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._period_s):
            for incarnation in self._living():
                if incarnation.overruns:
                    incarnation.report_overrun()
