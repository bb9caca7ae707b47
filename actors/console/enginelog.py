"""An engine's own log, in parts that a page can follow."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from actors.console.asking import NotFoundError
from actors.jobs.engine_logs import open_log, places
from messages.ledger import AttemptRow, CaseRow
from messages.states import OPEN_ATTEMPTS

PART = 65536
"""Bytes told at a time, at most: whole lines, but for a line that is longer than this."""
_ENDS = ((b"\n", b"\r"), (b" ", b"\t"))
"""Of lines, a progress that overwrites itself among them, and of words."""


def read_engine_log(
    row: CaseRow, beam: int, attempts: Sequence[AttemptRow], results: Path, offset: int
) -> dict[str, Any]:
    """The part of the log of the beam's latest attempt from byte ``offset``; below 0: the end. Raises NotFoundError.

    ``text``, ``offset`` (where to go on), ``size`` (bytes so far), ``attempt``, ``growing``. A line that is still being
    written is told when it is at its end, or when the log is.
    """
    tries = [attempt for attempt in attempts if attempt.beam == beam]
    if not tries:
        known = ", ".join(str(one.number) for one in row.beams) or "none yet"
        raise NotFoundError(f"Beam {beam} of {row.case} has not run yet.", f"Its beams: {known}.", "no-engine-log")
    latest = tries[-1]
    for place, ours in places(latest, results):
        with suppress(OSError), open_log(place, os.getuid() if ours else None) as file:
            growing = latest.state in OPEN_ATTEMPTS
            return {**_part(file, offset, growing=growing), "attempt": latest.attempt, "growing": growing}
    raise NotFoundError(
        f"The log of beam {beam} is not on this machine (yet).",
        f"While it runs it lies at {latest.host}:{latest.run_dir}/engine.log.",
        "no-engine-log",
    )


def _part(file: BinaryIO, offset: int, *, growing: bool) -> dict[str, Any]:
    size = os.fstat(file.fileno()).st_size
    begin = max(size - PART, 0) if offset < 0 or offset > size else offset
    cut = begin > 0 and begin != offset
    file.seek(begin)
    data = file.read(PART) or b""
    whole = not growing and begin + len(data) >= size
    skipped = _first_whole(data) if cut else 0
    kept = data[skipped : len(data) if whole else max(_last_whole(data), skipped)]
    return {"text": kept.decode("utf-8", "replace"), "offset": begin + skipped + len(kept), "size": size}


def _first_whole(data: bytes) -> int:
    """Where the first line begins that is there from its beginning; in one long line, the first word."""
    for ends in _ENDS:
        if found := [at for end in ends if (at := data.find(end)) >= 0]:
            return min(found) + 1
    return 0


def _last_whole(data: bytes) -> int:
    """Where the last line ends that is there to its end: what is told goes through a filter that must see names whole.

    In a line that is longer than a part, the last word; without any, the last character.
    """
    full = len(data) >= PART
    for ends in _ENDS if full else _ENDS[:1]:
        if last := max(map(data.rfind, ends)) + 1:
            return last
    return len(data) - _begun(data) if full else 0


def _begun(data: bytes) -> int:
    """Bytes at the end that begin a character of UTF-8 and do not end it."""
    for back in range(1, 4):
        if data[-back] >= 0xC0:
            length = 2 + (data[-back] >= 0xE0) + (data[-back] >= 0xF0)
            return back if length > back else 0
    return 0
