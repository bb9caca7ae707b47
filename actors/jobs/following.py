"""How far a growing log is known: pieces come as they cross a link, whole lines are told. Pure."""

from __future__ import annotations

from actors.jobs.log_text import NEWEST_BYTES, thin


class Follower:
    """One log. ``offset``: bytes told so far."""

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self._held = b""
        """An unfinished line, from the offset on."""

    @property
    def seen(self) -> int:
        """Bytes of the log that have come, or were passed over."""
        return self.offset + len(self._held)

    def begin_again(self) -> None:
        """What was not told is sent anew."""
        self._held = b""

    def take(self, data: bytes, start: int, *, ended: bool) -> str:
        """Whole lines that are new with ``data``, which begins at byte ``start``; may be empty."""
        held, base, skipped = self._held, self.offset, False
        if data and start == self.seen:
            held += data
        elif data:
            held, base, skipped = data, start, True
        if len(held) > NEWEST_BYTES:
            base, held, skipped = base + len(held) - NEWEST_BYTES, held[-NEWEST_BYTES:], True
        found = thin(held, base, skipped=skipped, ended=ended)
        self.offset, self._held = found.offset, held[found.offset - base :]
        return found.text
