"""Reading the files of one folder without ever being led out of it: no symbolic link below its root is followed."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from actors.jobs.manifest import Item, check_path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe must not hold us


def survey(root: Path, names: tuple[str, ...] = ()) -> tuple[Item, ...]:
    """The regular files below ``root``, ordered by path; links, devices and sockets are left out.

    With ``names`` only these, a folder standing for all files below it; what is absent is left out. Raises OSError
    when ``root`` cannot be read, MqiError for a name that leads astray.
    """
    for name in names:
        check_path(name)
    with opened_folder(root) as folder:
        found = [item for name in names for item in _named(folder, name)] if names else list(_below(folder, ""))
    return tuple(sorted({item.path: item for item in found}.values(), key=lambda item: item.path))


@contextlib.contextmanager
def opened_folder(root: Path) -> Iterator[int]:
    """Descriptor of a folder that is no link itself."""
    descriptor = os.open(root, _FOLDER)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def opened_file(folder: int, path: str) -> Iterator[int]:
    """Descriptor of a regular file below ``folder``. Raises OSError for a link on the way, or anything but a file."""
    descriptor = _walk(folder, path)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{path} is no regular file")
        yield descriptor
    finally:
        os.close(descriptor)


def _walk(folder: int, path: str) -> int:
    *parents, name = path.split("/")
    here = os.dup(folder)
    try:
        for part in parents:
            there = os.open(part, _FOLDER, dir_fd=here)
            os.close(here)
            here = there
        return os.open(name, _FILE, dir_fd=here)
    finally:
        os.close(here)


def _named(folder: int, name: str) -> Iterator[Item]:
    try:
        descriptor = _walk(folder, name)
    except OSError:
        return
    try:
        facts = os.fstat(descriptor)
        if stat.S_ISREG(facts.st_mode):
            yield Item(name, facts.st_size, None, facts.st_mtime_ns)
        elif stat.S_ISDIR(facts.st_mode):
            yield from _below(descriptor, f"{name}/")
    finally:
        os.close(descriptor)


def _below(folder: int, prefix: str) -> Iterator[Item]:
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: entry.name)
    for entry in ordered:
        if entry.is_dir(follow_symlinks=False):
            descriptor = os.open(entry.name, _FOLDER, dir_fd=folder)
            try:
                yield from _below(descriptor, f"{prefix}{entry.name}/")
            finally:
                os.close(descriptor)
        elif entry.is_file(follow_symlinks=False):
            facts = entry.stat(follow_symlinks=False)
            yield Item(f"{prefix}{entry.name}", facts.st_size, None, facts.st_mtime_ns)
