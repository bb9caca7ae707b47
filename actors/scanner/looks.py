"""One look at a case folder: names, sizes and times of its files, nothing of their content but each PlanInfo.

Symbolic links are never followed and nothing but regular files is opened. Names are decoded with surrogateescape.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b

from actors.errors import CaseError
from actors.formats.plan_info import NAME as PLAN_INFO
from actors.formats.plan_info import PlanInfo, read_plan_info, stamp_time
from actors.formats.plan_range import NAME as PLAN_RANGE
from actors.formats.reading import shown
from actors.scanner.identity import delivery_key
from actors.scanner.paths import base, below

DICOM_SUFFIX = ".dcm"
LAYER_SUFFIXES = (".ptn", ".mgn")
_TABLES = {PLAN_INFO.casefold(), PLAN_RANGE.casefold()}
_STAMP = re.compile(r"\d{16}")


@dataclass(frozen=True, slots=True, order=True)
class Complaint:
    """Something under a root that is left alone, and why; logged once, not at each scan."""

    path: str
    why: str

    def __str__(self) -> str:
        return f"{shown(self.path)}: {self.why}"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells that a file changed."""

    size: int
    mtime_ns: int
    ctime_ns: int


@dataclass(slots=True)
class Listing:
    """One folder: regular files with their stamps (when asked for), folders, and what is neither."""

    path: str
    files: dict[str, Stamp | None] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    odd: list[Complaint] = field(default_factory=list)

    @property
    def dicom(self) -> bool:
        return any(name.casefold().endswith(DICOM_SUFFIX) for name in self.files)

    @property
    def delivered(self) -> bool:
        """Whether it holds files that only a delivery folder has."""
        return any(name.casefold() in _TABLES or name.casefold().endswith(LAYER_SUFFIXES) for name in self.files)

    @property
    def announced(self) -> bool:
        """Whether it may become a delivery folder: named as one, with nothing in it that tells otherwise."""
        return not self.folders and not self.dicom and stamp_of_name(base(self.path)) is not None


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a case folder saw."""

    path: str
    digest: bytes
    """Of every file's name, size and modification time: differs when anything changed. 16 bytes."""
    newest: float
    """Latest change (modification or status) of any file or folder by the share's clock, seconds since 1970."""
    dicom: bool
    marker: bool
    deliveries: tuple[str, ...]
    """Names of delivery folders."""
    keys: tuple[str, ...]
    """Keys of the deliveries whose PlanInfo can be read, sorted."""
    complaints: tuple[Complaint, ...] = ()

    @property
    def is_case(self) -> bool:
        return self.dicom or bool(self.deliveries)


def stamp_of_name(name: str) -> datetime | None:
    """Time that a delivery folder's name states (YYYYMMDDhhmmssff, no zone meant); None: it is not named so."""
    if not _STAMP.fullmatch(name):
        return None
    try:
        return stamp_time(name, "UTC")
    except ValueError:
        return None


def list_folder(path: str, *, stamps: bool) -> Listing:
    """Entries of one folder; OSError as os.scandir raises it."""
    listing = Listing(path)
    with os.scandir(path) as entries:
        for entry in entries:
            _sort_in(listing, entry, stamps=stamps)
    listing.folders.sort()
    return listing


def _sort_in(listing: Listing, entry: os.DirEntry[str], *, stamps: bool) -> None:
    try:
        if entry.is_symlink():
            listing.odd.append(Complaint(entry.path, "a symbolic link; it is not followed."))
        elif entry.is_dir(follow_symlinks=False):
            listing.folders.append(entry.name)
        elif entry.is_file(follow_symlinks=False):
            listing.files[entry.name] = _stamp(entry.stat(follow_symlinks=False)) if stamps else None
        else:
            listing.odd.append(Complaint(entry.path, "neither a file nor a folder; it is not opened."))
    except FileNotFoundError:
        return  # Gone between the listing and the question: what is not there is not listed.


def _stamp(status: os.stat_result) -> Stamp:
    return Stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@dataclass(slots=True)
class Contents:
    """Everything that a look and a survey need of one case folder."""

    top: Listing
    deliveries: dict[str, Listing] = field(default_factory=dict)
    """By folder name."""
    folder_times: list[float] = field(default_factory=list)
    complaints: list[Complaint] = field(default_factory=list)

    def digest(self) -> bytes:
        return digest_of([self.top, *self.deliveries.values()])

    def newest(self) -> float:
        """Seconds since 1970, of the share's clock; 0.0 for an empty folder."""
        stamps = [
            stamp for listing in (self.top, *self.deliveries.values()) for stamp in listing.files.values() if stamp
        ]
        times = [max(stamp.mtime_ns, stamp.ctime_ns) / 1e9 for stamp in stamps]
        return max([*times, *self.folder_times], default=0.0)


def contents_of(path: str) -> Contents:
    """List a case folder and its delivery folders; OSError if the case folder itself cannot be listed."""
    contents = Contents(list_folder(path, stamps=True))
    contents.folder_times.append(_folder_time(path))
    for name in contents.top.folders:
        folder = below(path, name)
        try:
            listing = list_folder(folder, stamps=True)
            time = _folder_time(folder)
        except OSError as error:
            contents.complaints.append(unreadable(folder, error))
            continue
        if listing.delivered or listing.announced:
            contents.deliveries[name] = listing
            contents.folder_times.append(time)
    for listing in (contents.top, *contents.deliveries.values()):
        contents.complaints += listing.odd
    return contents


def _folder_time(path: str) -> float:
    status = os.lstat(path)
    return max(status.st_mtime, status.st_ctime)


def look_at(path: str, marker: str) -> Look:
    """Look at a case folder; OSError if it cannot be listed."""
    contents = contents_of(path)
    keys = (key_of(info) for info in map(plan_info_in, contents.deliveries.values()) if info is not None)
    return Look(
        path=path,
        digest=contents.digest(),
        newest=contents.newest(),
        dicom=contents.top.dicom,
        marker=bool(marker) and marker in contents.top.files,
        deliveries=tuple(sorted(contents.deliveries)),
        keys=tuple(sorted(keys)),
        complaints=tuple(contents.complaints),
    )


def nothing_new(path: str, deliveries: Iterable[str], settled: Callable[[str], bool]) -> bool:
    """Whether every delivery folder's PlanInfo names a delivery that is settled: such a case folder needs no look."""
    names = tuple(deliveries)
    return bool(names) and all(_is_settled(below(below(path, name), PLAN_INFO), settled) for name in names)


def _is_settled(plan_info: str, settled: Callable[[str], bool]) -> bool:
    try:
        return settled(key_of(read_plan_info(plan_info)))
    except CaseError:
        return False


def plan_info_in(listing: Listing) -> PlanInfo | None:
    """PlanInfo of a delivery folder; None while it cannot be read."""
    if PLAN_INFO not in listing.files:
        return None
    try:
        return read_plan_info(below(listing.path, PLAN_INFO))
    except CaseError:
        return None


def key_of(info: PlanInfo) -> str:
    return delivery_key(info.study_uid, info.beam_number, info.stamp, info.start_layer)


def digest_of(listings: Iterable[Listing]) -> bytes:
    """16 bytes that change with any file's name, size or modification time."""
    digest = blake2b(digest_size=16)
    for listing in listings:
        digest.update(os.fsencode(base(listing.path)) + b"/\0")
        for name, stamp in sorted(listing.files.items()):
            state = f"{stamp.size} {stamp.mtime_ns}" if stamp is not None else ""
            digest.update(os.fsencode(name) + b"\0" + state.encode() + b"\0")
    return digest.digest()


def unreadable(path: str, error: OSError) -> Complaint:
    """The complaint about a folder that cannot be listed."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return Complaint(path, "vanished while it was looked at.")
    return Complaint(path, f"cannot be read: {error.strerror or error}. Check the share and the folder's rights.")
