"""Folders that are not whole yet: hidden beside their final name, named by the process that writes them.

Several daemons, and a report beside a publication, may write into one folder: what another is just about to rename must
not be cleared away as a leftover.
"""

from __future__ import annotations

import glob
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

ABANDONED_S = 86400.0
"""So long after its last change an unfinished folder of another machine is nobody's."""


def unfinished(folder: Path, name: str) -> Path:
    """Where this process writes what will be ``folder/name``, or part of it."""
    return folder / f".{name}.{writer(os.getpid())}.partial"


def abandoned(folder: Path, name: str) -> Iterator[Path]:
    """What was left unfinished under this name, by this process or by one that is gone; never what is being written."""
    for leftover in sorted(folder.glob(f".{glob.escape(name)}.*.partial")):
        if not _is_being_written(leftover):
            yield leftover


def _is_being_written(partial: Path) -> bool:
    """Another process is at it; of one on another machine only the age tells."""
    mark = partial.name.removesuffix(".partial").rpartition(".")[2]
    of_machine, *process = mark.split("~")
    if len(process) != 2:
        return False
    if of_machine != machine():
        return _age(partial) < ABANDONED_S
    pid = process[0]
    return pid.isdecimal() and int(pid) != os.getpid() and writer(int(pid)) == mark


def _age(path: Path) -> float:
    """Seconds since its last change; 0 where its writer has renamed it meanwhile."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def writer(pid: int) -> str:
    """Names one process of one machine; with an empty start where there is none that could still write."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        state, *rest = stat.rpartition(")")[2].split()
        start = rest[18] if state not in "ZX" else ""  # a zombie waits for its parent, and writes nothing
    except (OSError, IndexError):
        start = ""
    return f"{machine()}~{pid}~{start}"


def machine() -> str:
    """Its name, fit for a file's."""
    return re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())
