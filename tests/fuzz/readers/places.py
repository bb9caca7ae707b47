"""Where readers of files get their files from."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

_KEPT: list[tempfile.TemporaryDirectory[str]] = []


@cache
def scratch(name: str) -> Path:
    """A folder of this process for this reader, gone with the process."""
    folder = tempfile.TemporaryDirectory(prefix=f"mqi-fuzz-{name}-")
    _KEPT.append(folder)
    return Path(folder.name)


def placed(name: str, file: str, data: bytes) -> Path:
    """The input as a file."""
    path = scratch(name) / file
    path.write_bytes(data)
    return path
