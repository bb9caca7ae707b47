"""Progress out of an engine's log, read in pieces that may be cut anywhere."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from messages.engine import Progress

LONGEST_LINE = 4096
"""Characters of an unfinished line that are kept; an engine that never ends a line must not fill the memory."""
KEPT_TAIL = 4000
"""Characters of the log's end that are kept to name a failure."""
NEARLY = 0.99
"""Shown until the engine says that it has finished: steps count what was begun."""


@dataclass(slots=True)
class LogReader:
    """Feeds on the log's text; ``fraction`` is 0 to 1 and never goes back."""

    patterns: Progress
    fraction: float = 0.0
    tail: str = ""
    _rest: str = field(default="")

    def feed(self, text: str) -> None:
        """Take the next piece of text. A step pattern without two numbers, or with a total of 0, says nothing."""
        self.tail = (self.tail + text)[-KEPT_TAIL:]
        *lines, rest = re.split(r"[\r\n]+", self._rest + text)
        self._rest = rest[-LONGEST_LINE:]
        for line in lines:
            self.fraction = max(self.fraction, self._of(line))

    def _of(self, line: str) -> float:
        if self.patterns.finished and re.search(self.patterns.finished, line):
            return 1.0
        found = re.search(self.patterns.step, line) if self.patterns.step else None
        if found is None or len(found.groups()) < 2:
            return 0.0
        try:
            done, total = float(found.group(1)), float(found.group(2))
        except (TypeError, ValueError):
            return 0.0
        return min(NEARLY, max(0.0, done / total)) if total > 0 else 0.0

    def last_lines(self, count: int = 5) -> str:
        """The log's last lines, joined for a sentence."""
        lines = [line.strip() for line in re.split(r"[\r\n]+", self.tail) if line.strip()]
        return " | ".join(lines[-count:])
