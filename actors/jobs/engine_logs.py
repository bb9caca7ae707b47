"""Where the engine's log of an attempt lies on this machine, and how it is opened without trusting who made it."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from messages.ledger import AttemptRow


def places(attempt: AttemptRow, results: Path) -> Iterator[tuple[Path, bool]]:
    """Where the engine's log of an attempt may lie: in its run directory, where it was collected, with the result.

    With it: only a file of the daemon's user counts. A run directory of another host need not be ours on this machine,
    and whoever may make it here must not have us show a file of his choice.
    """
    yield Path(attempt.run_dir) / "engine.log", True
    with suppress(ValueError, KeyError, TypeError):
        yield Path(json.loads(attempt.request)["output_dir"]) / "engine.log", False
    yield results / attempt.case / f"engine_{attempt.beam}.log", False


def open_log(place: Path, owner: int | None) -> BinaryIO:
    """A log for reading. ``owner``: the user whose file it must be; None: anybody's.

    Raises OSError where there is none, also for a link, for what is no regular file, and for a file of somebody else.
    """
    descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    file = open(descriptor, "rb")  # noqa: PTH123, SIM115 - a FIFO of that name must not hold us up
    there = os.fstat(descriptor)
    if not stat.S_ISREG(there.st_mode) or owner not in (None, there.st_uid):
        file.close()
        raise PermissionError(place)
    return file
