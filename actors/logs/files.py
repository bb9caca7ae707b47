"""A log file that loses nothing while it is rotated, and never stops the work when it cannot be written."""

from __future__ import annotations

import os
import re
import time
from datetime import datetime
from pathlib import Path

_MODE = 0o640


class LineFile:
    """Appends whole lines; beyond ``rotate_bytes`` the file is renamed and a new one begun.

    One ``write`` per line on an append-only descriptor, so that a reader never sees half a line. A file that someone
    else renamed or removed is begun anew, which is what ``tail -F`` and logrotate expect. For one thread at a time.
    """

    def __init__(self, path: Path, rotate_bytes: int) -> None:
        self.path = path
        self.lost = 0
        """Lines that could not be written since the last one that could."""
        self._rotate_bytes = rotate_bytes
        self._fd = -1

    def append(self, line: bytes) -> bool:
        """Write one line (with its newline). False, and counted, when the disk will not have it."""
        try:
            self._ready(len(line))
            self._write(line)
        except OSError:
            self.lost += 1
            self.close()
            return False
        return True

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _ready(self, more: int) -> None:
        """Have the descriptor of the file that bears the name now, with room for ``more`` bytes."""
        if self._fd >= 0 and not self._is_current():
            self.close()
        if self._fd < 0:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)
        size = os.fstat(self._fd).st_size
        if size and size + more > self._rotate_bytes:
            self.path.rename(_free_name(self.path))
            self.close()
            self._ready(more)

    def _is_current(self) -> bool:
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return False
        mine = os.fstat(self._fd)
        return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)

    def _write(self, line: bytes) -> None:
        """The whole line or nothing of it: on a full disk a short write is taken back."""
        before = os.fstat(self._fd).st_size
        written = os.write(self._fd, line)
        if written != len(line):
            os.ftruncate(self._fd, before)
            raise OSError(f"only {written} of {len(line)} bytes were taken")


_ROTATED = re.compile(r".+-\d{8}T\d{6}(\.\d+)?\.[a-z]+$")


def _free_name(path: Path) -> Path:
    """``operators.log`` → ``operators-20261123T101500.log``, with a number where that is taken."""
    stamp = datetime.now().astimezone().strftime("%Y%m%dT%H%M%S")
    name = path.with_name(f"{path.stem}-{stamp}{path.suffix}")
    number = 1
    while name.exists():
        name = path.with_name(f"{path.stem}-{stamp}.{number}{path.suffix}")
        number += 1
    return name


def old_logs(log_dir: Path, keep_days: float) -> list[Path]:
    """Renamed logs, and logs of cases, that were last written more than ``keep_days`` ago."""
    oldest = time.time() - keep_days * 86400
    candidates = [path for path in _files(log_dir) if _ROTATED.match(path.name)] + _files(log_dir / "cases")
    return [path for path in candidates if _written(path) < oldest]


def sweep(log_dir: Path, keep_days: float) -> int:
    """Remove the old logs; how many went."""
    gone = 0
    for path in old_logs(log_dir, keep_days):
        try:
            path.unlink()
            gone += 1
        except OSError:
            continue
    return gone


def _written(path: Path) -> float:
    """When it was last written; never old where that cannot be told."""
    try:
        return path.stat().st_mtime
    except OSError:
        return float("inf")


def _files(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.suffix in (".log", ".jsonl") and path.is_file()]
    except OSError:
        return []
