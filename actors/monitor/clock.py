"""The clock of this machine: whether something keeps it, and whether it jumped."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

JUMP_S = 2.0
"""A step of the time of day against the monotonic clock by more than this is a jump."""
_TIMEX_BYTES = 208
_TIME_ERROR = 5


def synchronised() -> bool | None:
    """Whether the kernel's clock is kept by NTP or PTP (``adjtimex``); None: it would not say."""
    try:
        answer = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return None
    return None if answer < 0 else answer != _TIME_ERROR


@dataclass(slots=True)
class Jumps:
    """Counts the jumps. ``monotonic`` and ``wall`` are seconds of the two clocks, read together."""

    count: int = 0
    _offset: float | None = None

    def look(self, monotonic: float, wall: float) -> None:
        offset = wall - monotonic
        if self._offset is not None and abs(offset - self._offset) > JUMP_S:
            self.count += 1
        self._offset = offset
