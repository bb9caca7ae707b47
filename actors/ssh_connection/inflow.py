"""Output of a script, kept as it came: packet by packet, in order."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from paramiko.buffered_pipe import BufferedPipe, PipeTimeout

__all__ = ["Inflow", "PipeTimeout"]

_MOMENT_S = 0.005
if TYPE_CHECKING:
    _Pipe = BufferedPipe[bytes]
else:
    _Pipe = BufferedPipe  # generic in its stubs only


class Inflow(_Pipe):
    """What a channel of paramiko receives into, in place of its own pipe.

    That one copies every byte into one array and out again, and grows and shrinks the array as it does: of a large
    file half the time. Here a packet is handed on as it is. How much may wait is the channel's window, not ours.

    ``gather``: a reader that waits is woken only when so many bytes are there, or a moment has passed, so that a large
    file does not cost two changes of threads for each of its packets.
    """

    def __init__(self) -> None:
        super().__init__()
        self._blocks: deque[bytes] = deque()
        self._waiting = 0
        self._over = False
        self._changed = threading.Condition()
        self._told: threading.Event | None = None
        self.gather = 1

    def __len__(self) -> int:
        return self._waiting

    def set_event(self, event: threading.Event) -> None:
        """To be set while there is something to read, or nothing will come any more."""
        with self._changed:
            self._told = event
            self._tell()

    def feed(self, data: bytes | str) -> None:
        """One packet more."""
        block = data.encode() if isinstance(data, str) else data
        if not block:
            return
        with self._changed:
            self._blocks.append(block)
            self._waiting += len(block)
            self._tell()
            if self._waiting >= self.gather:
                self._changed.notify_all()

    def read_ready(self) -> bool:
        """Something can be read without waiting."""
        return self._waiting > 0

    def read(self, nbytes: int, timeout: float | None = None) -> bytes:
        """What came first, no more than ``nbytes`` of it; empty at the end. Raises PipeTimeout."""
        with self._changed:
            self._wait(timeout)
            block = self._first(nbytes)
            if self.gather > 1:
                block = self._more(block, nbytes)
            self._waiting -= len(block)
            self._tell()
            return block

    def empty(self) -> bytes:
        """All that waits, taken out."""
        with self._changed:
            everything = b"".join(self._blocks)
            self._blocks.clear()
            self._waiting = 0
            self._tell()
            return everything

    def close(self) -> None:
        """Nothing will come any more; what waits can still be read."""
        with self._changed:
            self._over = True
            self._tell()
            self._changed.notify_all()

    def _first(self, nbytes: int) -> bytes:
        if not self._blocks:
            return b""
        block = self._blocks.popleft()
        if len(block) > nbytes:
            self._blocks.appendleft(block[nbytes:])
            block = block[:nbytes]
        return block

    def _more(self, block: bytes, nbytes: int) -> bytes:
        """With what else is there: a copy costs less than going over each packet."""
        blocks, size = [block], len(block)
        while self._blocks and size + len(self._blocks[0]) <= nbytes:
            blocks.append(self._blocks.popleft())
            size += len(blocks[-1])
        return b"".join(blocks) if len(blocks) > 1 else block

    def _wait(self, timeout: float | None) -> None:
        """Until something is there or will never be. Raises PipeTimeout."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._blocks and not self._over:
            left_s = None if deadline is None else deadline - time.monotonic()
            if left_s is not None and left_s <= 0:
                raise PipeTimeout
            pause_s = left_s if self.gather <= 1 else min(_MOMENT_S, _MOMENT_S if left_s is None else left_s)
            self._changed.wait(pause_s)

    def _tell(self) -> None:
        if self._told is None:
            return
        if self._blocks or self._over:
            self._told.set()
        else:
            self._told.clear()
