"""Which round comes next: over all roots, or to single folders that a hint, a timer or the ledger names."""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterable, Mapping
from pathlib import Path

from actors.scanner.folder import Folder
from actors.scanner.paths import parent
from actors.scanner.scan import Scanned, scan, scan_hinted
from actors.scanner.walk import Walker

DEEP_LOOKS = 200
"""Open folders that every full round looks into: so many that changed lately, and so many of the others in turn."""
LATELY_S = 600.0

Work = Callable[[Callable[[], bool]], Scanned]
"""What a task runs; its argument says whether it was cancelled."""


class Rounds:
    """One round at a time, for the walker belongs to one thread at a time."""

    def __init__(self, roots: Iterable[Path], marker: str) -> None:
        self._roots, self._marker = tuple(os.fspath(root) for root in roots), marker
        self._walker: Walker | None = None
        self._under_way = False
        self._full_due = False
        self._hinted: set[str] = set()
        self._wanted: set[str] = set()
        self._rolling = 0

    @property
    def begun(self) -> bool:
        return self._walker is not None

    @property
    def roots(self) -> tuple[str, ...]:
        """Real paths of the roots, once begun."""
        return self._walker.roots if self._walker is not None else ()

    def begin(self) -> None:
        """From now on there are rounds; the first one goes over everything."""
        self._walker, self._full_due = Walker(self._roots), True

    def full(self) -> None:
        """A round over all roots is due."""
        self._full_due = True

    def hint(self, folders: Iterable[str]) -> None:
        """Something happened in these folders."""
        self._hinted.update(folders)

    def want(self, folders: Iterable[str]) -> None:
        """Look into these case folders."""
        self._wanted.update(folders)

    def done(self) -> None:
        """The round under way has ended."""
        self._under_way = False

    def next(self, folders: Mapping[str, Folder], settled: Container[str], now: float) -> Work | None:
        """The work of the next round; None: one is under way, or nothing is to be done."""
        walker, marker = self._walker, self._marker
        if walker is None or self._under_way or not (self._full_due or self._hinted or self._wanted):
            return None
        self._under_way = True
        hinted, wanted = frozenset(self._hinted), list(self._wanted)
        self._hinted.clear()
        self._wanted.clear()
        if self._full_due:
            self._full_due = False
            deep = [*wanted, *self._deep(folders, now)]
            return lambda cancelled: scan(walker, deep, settled, marker, cancelled)
        near = (path for hint in hinted for path in (hint, parent(hint)))
        deep = [*wanted, *(path for path in near if path in folders)]
        return lambda _cancelled: scan_hinted(walker, hinted, deep, marker)

    def _deep(self, folders: Mapping[str, Folder], now: float) -> list[str]:
        """Folders that changed lately, and of the others so many that a round stays short."""
        newest_first = sorted(folders, key=lambda path: folders[path].changed_at, reverse=True)
        lately = [path for path in newest_first[:DEEP_LOOKS] if now - folders[path].changed_at < LATELY_S]
        others = sorted(folders.keys() - set(lately))
        if len(others) > DEEP_LOOKS:
            self._rolling %= len(others)
            others = (others + others)[self._rolling : self._rolling + DEEP_LOOKS]
            self._rolling += DEEP_LOOKS
        return lately + others
