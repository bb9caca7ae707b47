"""An engine's own log, in parts that a page can follow."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from actors.console.asking import NotFoundError
from messages.ledger import AttemptRow, CaseRow
from messages.states import OPEN_ATTEMPTS

PART = 65536
"""Bytes told at a time."""


def read_engine_log(
    row: CaseRow, beam: int, attempts: Sequence[AttemptRow], results: Path, offset: int
) -> dict[str, Any]:
    """The part of the log of the beam's latest attempt from byte ``offset``; below 0: the end. Raises NotFoundError.

    ``text``, ``offset`` (where to go on), ``size`` (bytes so far), ``attempt``, ``growing``.
    """
    tries = [attempt for attempt in attempts if attempt.beam == beam]
    if not tries:
        known = ", ".join(str(one.number) for one in row.beams) or "none yet"
        raise NotFoundError(f"Beam {beam} of {row.case} has not run yet.", f"Its beams: {known}.", "no-engine-log")
    latest = tries[-1]
    for place, ours in places(latest, results):
        with suppress(OSError):
            part = _part(place, offset, ours=ours)
            return {**part, "attempt": latest.attempt, "growing": latest.state in OPEN_ATTEMPTS}
    raise NotFoundError(
        f"The log of beam {beam} is not on this machine (yet).",
        f"While it runs it lies at {latest.host}:{latest.run_dir}/engine.log.",
        "no-engine-log",
    )


def places(attempt: AttemptRow, results: Path) -> Iterator[tuple[Path, bool]]:
    """Where the engine's log of an attempt may lie: in its run directory, where it was collected, with the result.

    With it: only a file of this user counts. A run directory of another host need not be ours on this machine, and
    whoever may make it here must not have us show a file of his choice.
    """
    yield Path(attempt.run_dir) / "engine.log", True
    with suppress(ValueError, KeyError, TypeError):
        yield Path(json.loads(attempt.request)["output_dir"]) / "engine.log", False
    yield results / attempt.case / f"engine_{attempt.beam}.log", False


def _part(place: Path, offset: int, *, ours: bool) -> dict[str, Any]:
    """Raises OSError where there is no such file, also for one that is no regular file, or not ours."""
    descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a FIFO of that name must not hold us up
        there = os.fstat(descriptor)
        if not stat.S_ISREG(there.st_mode) or (ours and there.st_uid != os.getuid()):
            raise PermissionError(place)
        size = there.st_size
        begin = max(size - PART, 0) if offset < 0 or offset > size else offset
        file.seek(begin)
        data = file.read(PART) or b""
    return {"text": data.decode("utf-8", "replace"), "offset": begin + len(data), "size": size}
