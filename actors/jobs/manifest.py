"""What is to be moved: relative paths that cannot lead astray, and the name of an unfinished move. Pure."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass

from actors.errors import MqiError
from messages.faults import Blame, Fault
from messages.files import FileProof


@dataclass(frozen=True, slots=True)
class Item:
    """One file to move."""

    path: str
    """Relative, as in FileProof."""
    size: int
    sha256: str | None = None
    """As the manifest has it; None: the file was only listed, its hash is found while it is read."""
    mtime_ns: int = 0


def manifest(files: Iterable[FileProof]) -> tuple[Item, ...]:
    """Items of a manifest, ordered by path. Raises MqiError (kind ``path-unsafe``, ``path-twice``)."""
    items = tuple(sorted((Item(file.path, file.size, file.sha256) for file in files), key=lambda item: item.path))
    check_paths(item.path for item in items)
    return items


def check_paths(paths: Iterable[str]) -> None:
    """Every path stays below its root, and none is a folder of another. Raises MqiError."""
    every = list(paths)
    files = set(every)
    for path in every:
        check_path(path)
        if any(parent in files for parent in _parents(path)):
            raise _unfit("path-twice", path, "lies below another file of the same manifest")
    if len(files) != len(every):
        raise _unfit("path-twice", next(path for path in every if every.count(path) > 1), "stands twice in a manifest")


def check_path(path: str) -> None:
    """A relative path with forward slashes, without ``..``, ``.``, empty parts or NUL. Raises MqiError."""
    if "\0" in path or any(part in ("", ".", "..") for part in path.split("/")):
        raise _unfit("path-unsafe", path, "is no plain relative path")


def unfinished_name(target: str, items: Iterable[Item]) -> str:
    """Name beside ``target`` (its last part) under which these very items are gathered; the same move finds it."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(os.fsencode(f"{item.path}\0{item.size}\0{item.sha256}\0{item.mtime_ns}\0"))
    return f".{target}.part-{digest.hexdigest()[:16]}"


def _parents(path: str) -> Iterable[str]:
    parts = path.split("/")
    return ("/".join(parts[:depth]) for depth in range(1, len(parts)))


def _unfit(kind: str, path: str, why: str) -> MqiError:
    return MqiError(Fault(what=f"The path {path!r} {why}: nothing was moved.", where=path, blame=Blame.OURS, kind=kind))
