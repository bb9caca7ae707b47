"""One round over the roots, or over single folders, as it runs in the scanner's task thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass

from actors.scanner.looks import Complaint, Look, look_at, nothing_new, unreadable
from actors.scanner.walk import Walk, Walker


@dataclass(frozen=True, slots=True)
class Scanned:
    """What one round found; told to the actor."""

    full: bool
    """It went over every root."""
    looks: tuple[Look, ...]
    gone: frozenset[str]
    """Case folders that are no more."""
    missing_roots: tuple[str, ...]
    complaints: tuple[Complaint, ...]
    """With ``full``: all that there are now."""
    folders: int
    """Folders that the walk remembers."""
    began: float
    """Monotonic time."""
    took_s: float


def scan(
    walker: Walker,
    open_folders: Iterable[str],
    settled: Container[str],
    marker: str,
    cancelled: Callable[[], bool],
) -> Scanned:
    """Walk over every root; look at the open folders, and at those that changed unless all in them is settled."""
    began = time.monotonic()
    walk = walker.walk(began, time.time(), cancelled)
    looks = _Looks(settled, marker, cancelled)
    looks.take(open_folders, walk)
    return looks.scanned(walker, walk, began, full=True)


def scan_hinted(walker: Walker, hinted: Iterable[str], open_folders: Iterable[str], marker: str) -> Scanned:
    """Visit the folders that a hint names, and look at these open folders."""
    began = time.monotonic()
    walk = walker.visit(hinted, began, time.time())
    looks = _Looks(frozenset(), marker, lambda: False)
    looks.take(open_folders, walk)
    return looks.scanned(walker, walk, began, full=False)


class _Looks:
    """The looks of one round."""

    def __init__(self, settled: Container[str], marker: str, cancelled: Callable[[], bool]) -> None:
        self._settled, self._marker, self._cancelled = settled, marker, cancelled
        self._looks: list[Look] = []
        self._gone: set[str] = set()
        self._complaints: list[Complaint] = []

    def take(self, open_folders: Iterable[str], walk: Walk) -> None:
        """Look at the open folders, and at those of the walk in which something is not settled."""
        wanted = dict.fromkeys(open_folders)
        for path, deliveries in walk.changed.items():
            if path not in wanted and not nothing_new(path, deliveries, self._settled.__contains__):
                wanted[path] = None
        for path in wanted:
            if self._cancelled():
                return
            self._look(path)

    def _look(self, path: str) -> None:
        try:
            look = look_at(path, self._marker)
        except (FileNotFoundError, NotADirectoryError):
            self._gone.add(path)
        except OSError as error:
            self._complaints.append(unreadable(path, error))
        else:
            self._looks.append(look)
            self._complaints += look.complaints

    def scanned(self, walker: Walker, walk: Walk, began: float, *, full: bool) -> Scanned:
        # A share that is not mounted takes no case away: what was there is kept until it is back.
        gone = {path for path in (*self._gone, *walk.gone) if walker.root_is_there(path)}
        # The newest first: what is being treated now is seen before what lies there from long ago.
        self._looks.sort(key=lambda look: look.newest, reverse=True)
        return Scanned(
            full=full,
            looks=tuple(self._looks),
            gone=frozenset(gone),
            missing_roots=tuple(walk.missing_roots),
            complaints=tuple(dict.fromkeys([*walk.complaints, *self._complaints])),
            folders=walker.folders,
            began=began,
            took_s=time.monotonic() - began,
        )
