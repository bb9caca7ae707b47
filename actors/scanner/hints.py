"""File-system events as hints: they only cause an earlier look. Nothing depends on them (P12)."""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

from actors.formats.reading import shown
from actors.scanner.paths import parent
from actors.supervision import TaskScope

DEBOUNCE_S = 0.03
"""Events of one copy come in bursts; the first is told at once, those that follow together after this time."""
MOST_HINTS = 2000
"""Folders that one message names; a burst beyond is left to the next scan."""
MOST_FOLDERS = 15_000
"""Above this the events' bookkeeping costs more memory than their seconds are worth."""
_EVENTS: list[type[FileSystemEvent]] = [
    FileCreatedEvent,
    FileModifiedEvent,
    FileClosedEvent,
    FileMovedEvent,
    FileDeletedEvent,
    DirCreatedEvent,
    DirMovedEvent,
    DirDeletedEvent,
]
_LIBRARY = logging.getLogger("watchdog.observers.inotify")
_FAREWELL = "called when the thread is inactive"
# Changes that another machine makes are not told by these.
_NETWORK = ("nfs", "cifs", "smb", "fuse", "9p", "afs", "ceph", "gluster", "lustre", "beegfs", "ncpfs")


@dataclass(frozen=True, slots=True)
class Hinted:
    """Something happened in these folders."""

    folders: frozenset[str]


@dataclass(frozen=True, slots=True)
class Following:
    """Events are told from now on; what came before is for one more scan to find."""


@dataclass(frozen=True, slots=True)
class NoHints:
    """A root whose events cannot be had; the interval's scan finds everything all the same."""

    root: str
    why: str


def follow(roots: Iterable[str], folders: int, scope: TaskScope) -> None:
    """Tell the actor Following, then Hinted until the task is cancelled; NoHints for each root without events.

    ``folders``: how many there are below the roots, case and delivery folders included.
    """
    # A folder that appears while its parent is being added is announced twice; watchdog copes, and says so at length.
    warnings.filterwarnings("ignore", "Callback with id", RuntimeWarning)
    _LIBRARY.addFilter(_is_news)
    bursts = _Bursts()
    scope.on_cancel(bursts.ring)
    try:
        observer = Observer()
        observer.start()
    except (OSError, RuntimeError) as error:
        _none(roots, f"no file-system events: {error}", scope.tell)
        return
    try:
        followed = [root for root in roots if _follows(observer.schedule, root, folders, bursts, scope.tell)]
        if followed:
            scope.tell(Following())
        while followed and not scope.cancelled:
            bursts.wait()
            taken = bursts.take()
            if taken and not scope.cancelled:
                scope.tell(Hinted(taken))
            scope.wait(DEBOUNCE_S)
    finally:
        observer.stop()
        observer.join()


def _is_news(record: logging.LogRecord) -> bool:
    """False for what the library calls an error when an event arrives while it is being stopped, as we asked it to."""
    return _FAREWELL not in record.msg


def _none(roots: Iterable[str], why: str, tell: Callable[[object], None]) -> None:
    for root in roots:
        tell(NoHints(root, why))


def _follows(
    schedule: Callable[..., object], root: str, folders: int, bursts: _Bursts, tell: Callable[[object], None]
) -> bool:
    why = _why_not(root, folders)
    if not why:
        try:
            schedule(bursts, root, recursive=True, event_filter=_EVENTS)
        except OSError as error:
            why = f"its events cannot be followed: {error.strerror or error} (see fs.inotify.max_user_watches)"
    if why:
        tell(NoHints(root, why))
    return not why


def _why_not(root: str, folders: int) -> str:
    if folders > MOST_FOLDERS:
        return f"it has more than {MOST_FOLDERS} folders"
    kind = file_system_of(root, _mounts())
    return (
        f"a network file system ({kind}) does not tell what other machines write" if kind.startswith(_NETWORK) else ""
    )


def _mounts() -> str:
    try:
        return Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


def file_system_of(path: str, mountinfo: str) -> str:
    """Type of the file system that holds ``path``, from the text of /proc/self/mountinfo; empty when not listed."""
    best, kind = "", ""
    for line in mountinfo.splitlines():
        fields = line.split(" ")
        if "-" not in fields[6:]:
            continue
        place = fields[4].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
        inside = path == place or path.startswith(place.rstrip("/") + "/")
        if inside and len(place) >= len(best):
            best, kind = place, fields[fields.index("-", 6) + 1]
    return kind


class _Bursts(FileSystemEventHandler):
    """Collects the folders of events between two tellings."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folders: set[str] = set()
        self._bell = threading.Event()

    def dispatch(self, event: FileSystemEvent) -> None:
        paths = [os.fsdecode(path) for path in (event.src_path, event.dest_path) if path]
        with self._lock:
            for path in paths:
                if len(self._folders) < MOST_HINTS:
                    self._folders.add(path if event.is_directory else parent(path))
        self._bell.set()

    def ring(self) -> None:
        self._bell.set()

    def wait(self) -> None:
        self._bell.wait()
        self._bell.clear()

    def take(self) -> frozenset[str]:
        with self._lock:
            taken, self._folders = frozenset(self._folders), set()
        return taken


def describe(hints: NoHints, interval_s: float) -> str:
    """The one log line about a root without events."""
    return f"{shown(hints.root)}: {hints.why}. Cases are found by the scan every {interval_s:g} s."
