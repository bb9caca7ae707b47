"""Reading a case's files without trusting them: regular files only, never more than a stated size, never blocking."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from actors.errors import CaseError, printable

KIB = 1024
MIB = 1024 * KIB


def shown(path: str | Path) -> str:
    """The path for a message: undecodable bytes and control characters visible, on one line."""
    text = os.fsencode(str(path)).decode("utf-8", "backslashreplace")
    return printable(text, len(text))


def input_name(path: str | Path, case_folder: str) -> str:
    """How a manifest names a file of a case: relative to the case folder.

    A delivery outside of that keeps its own folder's name: a manifest's path never climbs.
    """
    name = shown(os.path.relpath(path, case_folder))
    return "/".join(Path(shown(path)).parts[-2:]) if name.startswith("..") else name


def read_bounded(path: str | Path, limit: int, what: str, *, follow: bool = True) -> bytes:
    """Whole content of a regular file of at most ``limit`` bytes; ``what`` names it in errors.

    ``follow``: a symbolic link in its place is read through; False for files of a share. A named pipe or device is
    refused before it can block; a file that is cut while it is read is refused.
    """
    try:
        links = 0 if follow else os.O_NOFOLLOW
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | links)
    except FileNotFoundError:
        raise CaseError(f"{what} is missing.", shown(path), "Send the file again.", "file-missing") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CaseError(
            f"{what} cannot be read: {reason}.",
            shown(path),
            "Check the share and the file's rights.",
            "file-unreadable",
        ) from None
    try:
        size = _checked_size(os.fstat(handle), limit, what, path)
        with open(handle, "rb", closefd=False) as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise CaseError(
            f"{what} cannot be read: {error.strerror}.", shown(path), "Check the share.", "file-unreadable"
        ) from None
    finally:
        os.close(handle)
    if len(data) != size:
        raise CaseError(
            f"{what} changed while it was read ({size} bytes became {len(data)}).",
            shown(path),
            "Wait until the sender has finished.",
            "file-changing",
        )
    return data


def read_head(path: str | Path, size: int) -> bytes:
    """At most ``size`` first bytes of a regular file; empty when it is none, is a link, or cannot be read."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except (OSError, ValueError):
        return b""
    try:
        return os.read(handle, size) if stat.S_ISREG(os.fstat(handle).st_mode) else b""
    except OSError:
        return b""
    finally:
        os.close(handle)


def _checked_size(status: os.stat_result, limit: int, what: str, path: str | Path) -> int:
    if not stat.S_ISREG(status.st_mode):
        raise CaseError(
            f"{what} is not a regular file.", shown(path), "Remove it and send the file.", "file-not-regular"
        )
    if status.st_size > limit:
        raise CaseError(
            f"{what} has {status.st_size} bytes; more than {limit} cannot be one.",
            shown(path),
            "Check what was sent.",
            "file-too-large",
        )
    return status.st_size


def text_of(data: bytes, what: str, where: str) -> str:
    """Text of a machine's file: UTF-8 (with or without mark), else CP949 as the machine's Windows writes it."""
    for encoding in ("utf-8-sig", "cp949"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" not in text:
            return text
    raise CaseError(f"{what} is not text.", where, "Send the file again.", "text-damaged")
