"""A large file goes to the disk while it is written, so that its end does not have to wait for all of it."""

from __future__ import annotations

import os
from queue import SimpleQueue
from threading import Thread

FLUSHED = 64 << 20
"""Bytes that are flushed at a time."""


class Flushing:
    """Flushes a file that grows, in a thread of its own, until ``end``."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._at = 0
        self._orders: SimpleQueue[bool] = SimpleQueue()
        self._fault: OSError | None = None
        self._thread = Thread(target=self._run, name="flush", daemon=True)
        self._thread.start()

    def grew(self, at: int) -> None:
        """It was written up to here."""
        if at - self._at >= FLUSHED:
            self._at = at
            self._orders.put(True)

    def end(self) -> None:
        """Nothing is flushed any more. Raises OSError when the disk did not take something: it says so only once."""
        self._orders.put(False)
        self._thread.join()
        if self._fault is not None:
            raise self._fault

    def _run(self) -> None:
        try:
            while self._orders.get():
                os.fdatasync(self._descriptor)
        except OSError as error:
            self._fault = error
