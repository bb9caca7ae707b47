"""Paths as plain strings, decoded with surrogateescape: thousands of them are kept and compared at every scan."""

from __future__ import annotations


def below(folder: str, name: str) -> str:
    """Path of an entry of a folder."""
    return f"{folder}{name}" if folder.endswith("/") else f"{folder}/{name}"


def parent(path: str) -> str:
    """Folder that holds the entry; the root holds itself."""
    return path.rpartition("/")[0] or "/"


def base(path: str) -> str:
    """Name of the entry."""
    return path.rpartition("/")[2]
