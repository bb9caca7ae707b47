"""The walk over the roots: finds case folders at any depth, and lists again only folders that changed.

A folder's entries are remembered with its modification time. A folder is listed again when that time differs, and for a
few seconds after it was seen to differ: on a share with coarse times a second change can leave the same time behind.
A rolling share of all folders is listed at each walk whatever their times say, so that nothing is missed for ever.
Delivery folders are not visited by the walk: the look at a case folder does that.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice

from actors.scanner.looks import Complaint, Listing, list_folder, unreadable
from actors.scanner.paths import below, parent

COARSE_S = 3.0
"""Longer than the tick of any file system's clock that is in use (FAT: 2 s)."""
OLD_S = 3600.0
"""A modification time this far back needs no second listing, even if the share's clock is off by minutes."""
MAX_DEPTH = 32
SKIPPED = frozenset({".snapshot", ".snapshots", ".zfs", "lost+found", "#recycle", "@eaDir", "$RECYCLE.BIN"})
"""Folders of file servers that hold older copies of everything."""
ROLLING_WALKS = 2000
"""Every folder is listed at least once in so many walks (at 10 s a walk: 6 hours)."""
ROLLING_LEAST = 10
"""Folders that every walk lists at least."""


class Kind(Enum):
    """What a folder is to its parent."""

    GONE = "gone"
    OTHER = "other"
    ANNOUNCED = "announced"
    """Named as a delivery, still empty."""
    DELIVERY = "delivery"


@dataclass(slots=True)
class _Folder:
    """What is remembered of one folder."""

    mtime_ns: int
    place: tuple[int, int]
    """(device, inode)."""
    listed: float
    settles: float
    """Until it was listed at this monotonic time or later, its modification time proves nothing."""
    kind: Kind
    dicom: bool
    children: tuple[str, ...]
    """Folders below that are visited: all but deliveries."""
    deliveries: tuple[str, ...] = ()
    announced: bool = False
    complaints: tuple[Complaint, ...] = ()

    @property
    def is_case(self) -> bool:
        return self.dicom or self.announced or bool(self.deliveries)


@dataclass(slots=True)
class Walk:
    """What one walk over the roots found."""

    changed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Case folders that are new, whose entries changed, or whose turn it is → names of their delivery folders."""
    gone: list[str] = field(default_factory=list)
    """Case folders that are no more."""
    missing_roots: list[str] = field(default_factory=list)
    complaints: list[Complaint] = field(default_factory=list)
    listed: int = 0


class Walker:
    """The memory of the walks; used by one thread at a time."""

    def __init__(
        self, roots: Iterable[str], *, rolling_walks: int = ROLLING_WALKS, rolling_least: int = ROLLING_LEAST
    ) -> None:
        self._rolling_walks, self._rolling_least = rolling_walks, rolling_least
        self._roots = tuple(dict.fromkeys(os.path.realpath(root) for root in roots))
        self._folders: dict[str, _Folder] = {}
        self._rolling: list[str] = []
        self._complained: dict[str, tuple[Complaint, ...]] = {}

    @property
    def roots(self) -> tuple[str, ...]:
        """Real paths of the roots."""
        return self._roots

    @property
    def folders(self) -> int:
        """How many folders are remembered."""
        return len(self._folders)

    def walk(self, now: float, wall: float, cancelled: Callable[[], bool] = lambda: False) -> Walk:
        """Visit every root. ``now`` monotonic, ``wall`` seconds since 1970."""
        visit = _Visit(self, now, wall, cancelled, frozenset(self._next_rolling()))
        for root in self._roots:
            if visit.root(root) is Kind.GONE:
                visit.walk.missing_roots.append(root)
        visit.walk.complaints += [complaint for group in self._complained.values() for complaint in group]
        return visit.walk

    def visit(self, folders: Iterable[str], now: float, wall: float) -> Walk:
        """List these folders now whatever their times say, and what is new below them; nothing else is visited."""
        wanted = {path for folder in folders for path in self._known_way(folder)}
        visit = _Visit(self, now, wall, lambda: False, frozenset(wanted), only_new=True)
        for path in sorted(wanted):
            visit.folder(path, self._depth(path))
        return visit.walk

    def _known_way(self, folder: str) -> tuple[str, ...]:
        """The folder if it is remembered, and its nearest remembered ancestor; () outside the roots."""
        way = []
        path = folder
        while self._root_of(path):
            if path in self._folders:
                way.append(path)
                if path != folder or path in self._roots:
                    break
            path = parent(path)
        return tuple(way)

    def _root_of(self, path: str) -> str:
        return next((root for root in self._roots if path == root or path.startswith(root.rstrip("/") + "/")), "")

    def root_is_there(self, path: str) -> bool:
        """Whether the root above this path can be seen (true for a path below none)."""
        root = self._root_of(path)
        return not root or os.path.lexists(root)

    def _depth(self, path: str) -> int:
        return path.count("/") - self._root_of(path).count("/")

    def _next_rolling(self) -> list[str]:
        if not self._rolling:
            self._rolling = list(self._folders)
        share = max(self._rolling_least, len(self._folders) // self._rolling_walks)
        taken, self._rolling = self._rolling[:share], self._rolling[share:]
        return taken

    def get(self, path: str) -> _Folder | None:
        return self._folders.get(path)

    def put(self, path: str, folder: _Folder) -> None:
        self._folders[path] = folder
        self.complain(path, folder.complaints)

    def complain(self, path: str, complaints: tuple[Complaint, ...]) -> None:
        """Replace what is complained about in this folder."""
        if complaints:
            self._complained[path] = complaints
        else:
            self._complained.pop(path, None)

    def forget(self, path: str) -> list[str]:
        """Drop a folder and all below it; the case folders among them."""
        pending, gone = [path], []
        while pending:
            path = pending.pop()
            self._complained.pop(path, None)
            folder = self._folders.pop(path, None)
            if folder is None:
                continue
            if folder.is_case:
                gone.append(path)
            pending += [below(path, name) for name in folder.children]
        return gone


class _Visit:
    """One walk on its way."""

    def __init__(
        self,
        walker: Walker,
        now: float,
        wall: float,
        cancelled: Callable[[], bool],
        again: frozenset[str],
        *,
        only_new: bool = False,
    ) -> None:
        self.walk = Walk()
        self._walker, self._now, self._wall, self._cancelled = walker, now, wall, cancelled
        self._again, self._only_new = again, only_new
        self._above: list[tuple[int, int]] = []

    def root(self, path: str) -> Kind:
        try:
            os.lstat(path)
        except OSError:
            # A share that is not mounted is no proof that its cases are gone: what was seen there is kept.
            return Kind.GONE
        return self.folder(path, 0)

    def folder(self, path: str, depth: int) -> Kind:
        """Visit one folder and what is below it."""
        try:
            status = os.lstat(path)
        except OSError as error:
            return self._lost(path, error)
        place = (status.st_dev, status.st_ino)
        known = self._walker.get(path)
        if known is None or self._stale(path, known, status, place):
            found = self._list(path, status, depth, known)
            if found is None:
                return Kind.OTHER if known is None else known.kind
            changed = known is None or _differs(known, found, status)
        else:
            found, changed = known, False
        self._above.append(place)
        grown = self._children(path, found, depth, new_only=self._only_new and known is not None)
        self._above.pop()
        rolled = path in self._again and not self._only_new
        if (changed or grown or rolled) and found.is_case:
            self.walk.changed[path] = found.deliveries
        return found.kind

    def _lost(self, path: str, error: OSError) -> Kind:
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            self.walk.gone += self._walker.forget(path)
            return Kind.GONE
        self._walker.complain(path, (unreadable(path, error),))
        return Kind.OTHER

    def _stale(self, path: str, known: _Folder, status: os.stat_result, place: tuple[int, int]) -> bool:
        return (
            known.mtime_ns != status.st_mtime_ns
            or known.place != place
            or known.listed < known.settles
            or path in self._again
        )

    def _list(self, path: str, status: os.stat_result, depth: int, known: _Folder | None) -> _Folder | None:
        place = (status.st_dev, status.st_ino)
        trouble = self._refusal(path, place, depth)
        if trouble is not None:
            self._walker.complain(path, (trouble,))
            return None
        try:
            listing = list_folder(path, stamps=False)
        except OSError as error:
            self._walker.complain(path, (unreadable(path, error),))
            return None
        self.walk.listed += 1
        found = self._remembered(listing, status, known)
        self._walker.put(path, found)
        if known is not None:
            for name in set(known.children) - set(found.children) - set(found.deliveries):
                self.walk.gone += self._walker.forget(below(path, name))
        return found

    def _refusal(self, path: str, place: tuple[int, int], depth: int) -> Complaint | None:
        if place in self._above:
            return Complaint(path, "a loop: this folder holds itself; it is not followed.")
        if depth > MAX_DEPTH:
            return Complaint(path, f"more than {MAX_DEPTH} folders deep; nothing below is looked at.")
        if self._cancelled():
            raise InterruptedError
        return None

    def _remembered(self, listing: Listing, status: os.stat_result, known: _Folder | None) -> _Folder:
        kind = Kind.DELIVERY if listing.delivered else Kind.ANNOUNCED if listing.announced else Kind.OTHER
        same_time = known is not None and known.mtime_ns == status.st_mtime_ns
        coarse_s = 0.0 if self._wall - status.st_mtime > OLD_S else COARSE_S
        settles = known.settles if known is not None and same_time else self._now + coarse_s
        was = set(known.deliveries) if known is not None else set()
        return _Folder(
            mtime_ns=status.st_mtime_ns,
            place=(status.st_dev, status.st_ino),
            listed=self._now,
            settles=settles,
            kind=kind,
            dicom=listing.dicom and kind is not Kind.DELIVERY,
            children=tuple(name for name in listing.folders if name not in was and name not in SKIPPED),
            deliveries=tuple(name for name in listing.folders if name in was),
            complaints=tuple(islice(listing.odd, 20)),
        )

    def _children(self, path: str, found: _Folder, depth: int, *, new_only: bool) -> bool:
        """Visit the folders below; True when delivery folders were found among them."""
        kinds = {name: self._child(below(path, name), depth, new_only=new_only) for name in found.children}
        delivered = tuple(name for name, kind in kinds.items() if kind is Kind.DELIVERY)
        announced = any(kind is Kind.ANNOUNCED for kind in kinds.values())
        grown = bool(delivered) or announced != found.announced
        found.announced = announced
        if delivered:
            found.deliveries = tuple(sorted({*found.deliveries, *delivered}))
            found.children = tuple(name for name in found.children if name not in delivered)
            for name in delivered:
                self._walker.forget(below(path, name))
        return grown

    def _child(self, path: str, depth: int, *, new_only: bool) -> Kind:
        if new_only:
            known = self._walker.get(path)
            if known is not None and path not in self._again:
                return known.kind
        return self.folder(path, depth + 1)


def _differs(known: _Folder, found: _Folder, status: os.stat_result) -> bool:
    return (
        known.mtime_ns != status.st_mtime_ns
        or known.dicom != found.dicom
        or {*known.children, *known.deliveries} != {*found.children, *found.deliveries}
    )
