"""What is wrong under the roots: each said once, not at each scan."""

from __future__ import annotations

from collections.abc import Iterable

from actors.formats.reading import shown
from actors.scanner.looks import Complaint


class Complaints:
    """Remembers what was said, so that only news are said again. After a complaint ended it is said anew."""

    def __init__(self) -> None:
        self._said: set[Complaint] = set()

    def news(self, complaints: Iterable[Complaint], *, all_there_are: bool) -> list[Complaint]:
        """Of these the ones not said yet; with ``all_there_are``, others that were said have ended."""
        now = set(complaints)
        fresh = sorted(now - self._said)
        self._said = now if all_there_are else self._said | now
        return fresh


class MissingRoots:
    """Which roots were missing at the last round; a share that is not mounted is told once, and its return too."""

    def __init__(self) -> None:
        self._missing: frozenset[str] = frozenset()

    def news(self, missing: Iterable[str]) -> tuple[list[str], list[str]]:
        """(lost since the last round, back since then), each as it is shown."""
        now = frozenset(shown(root) for root in missing)
        lost, back = sorted(now - self._missing), sorted(self._missing - now)
        self._missing = now
        return lost, back


def missing_root(root: str) -> str:
    """What to do about it."""
    return f"The watch root {root} is not there. Mount the share, or mend scan.roots."
