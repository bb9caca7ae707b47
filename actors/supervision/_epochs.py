"""Fencing tokens: numbers that only grow, over incarnations and over boots."""

from __future__ import annotations

from itertools import count

PER_BOOT = 2**32


class Epochs:
    """``boot * 2**32 + counter``: of two incarnations, the later one has the greater number, whatever was restarted."""

    def __init__(self, boot: int) -> None:
        if boot < 0:
            raise ValueError(f"the boot counter {boot} is negative")
        self._counter = count(boot * PER_BOOT + 1)

    def next(self) -> int:
        """The next epoch. Callable from any thread: one C call under the interpreter's lock."""
        return next(self._counter)
