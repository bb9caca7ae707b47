"""Reading logs as they grow: the last lines, then what comes, across rotations."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from actors.cli.failures import CommandError, ExitCode
from actors.cli.site import Site
from actors.jobs.engine_logs import open_log, places

POLL_S = 0.2
_BLOCK = 65536


Opener = Callable[[Path], BinaryIO]


def plainly(path: Path) -> BinaryIO:
    """For files that only we can have put there. Raises OSError."""
    return path.open("rb")


def last_lines(path: Path, count: int, opened: Opener = plainly) -> list[bytes]:
    """The last ``count`` lines of a file, without reading all of it; none where there is no file."""
    try:
        file = opened(path)
    except FileNotFoundError:
        return []
    with file:
        end = file.seek(0, os.SEEK_END)
        data = b""
        while end > 0 and data.count(b"\n") <= count:
            step = min(_BLOCK, end)
            end = file.seek(end - step)
            data = file.read(step) + data
    return data.splitlines(keepends=True)[-count:] if count else []


def follow(
    path: Path, lines: int, opened: Opener = plainly, *, on: Callable[[], bool] = lambda: True
) -> Iterator[bytes]:
    """The last ``lines`` lines, and then all that is written, by that name, until ``on`` says no."""
    file: BinaryIO | None = None
    try:
        if path.exists():
            file = opened(path)
            yield from _seek_last(file, lines)
        while on():
            if file is not None and (data := file.read(_BLOCK)):
                yield data
            elif _replaced(path, file):
                # what was written between the last read and the rename is read before the file is left
                if file is not None:
                    yield from iter(file.read, b"")
                    file.close()
                file = opened(path)
            else:
                time.sleep(POLL_S)
    finally:
        if file is not None:
            file.close()


def _seek_last(file: BinaryIO, lines: int) -> Iterator[bytes]:
    """The last lines of the open file, which then stands at its end."""
    found: deque[bytes] = deque(maxlen=lines)
    for line in file:
        found.append(line)
    yield from found


def _replaced(path: Path, file: BinaryIO | None) -> bool:
    """Whether another file bears the name now (or this one was cut short)."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    if file is None:
        return True
    mine = os.fstat(file.fileno())
    if (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino) and there.st_size < file.tell():
        return True
    return (there.st_dev, there.st_ino) != (mine.st_dev, mine.st_ino)


def events_of(path: Path, case: str, count: int) -> list[dict[str, object]]:
    """The last events of the JSON log, of one case or (empty) of all; lines that are no JSON are passed over."""
    found: deque[dict[str, object]] = deque(maxlen=count)
    try:
        with path.open("rb") as file:
            for line in file:
                if case.encode() in line:
                    _keep(found, line, case)
    except FileNotFoundError:
        pass
    return list(found)


def _keep(found: deque[dict[str, object]], line: bytes, case: str) -> None:
    try:
        event = json.loads(line)
    except ValueError:
        return
    if isinstance(event, dict) and (not case or event.get("case") == case):
        found.append(event)


def daemon_user(site: Site) -> int:
    """The user whose daemon it is, who need not be the one that asks. Raises OSError."""
    return site.settings.ledger_path.stat().st_uid


def engine_log(site: Site, case: str, beam: int) -> tuple[Path, Opener]:
    """Where the engine's log of a beam's latest attempt is now, and how it is opened.

    On the host while it runs, then where it was put.
    """
    attempts = [attempt for attempt in site.reader.attempts(case) if attempt.beam == beam]
    if not attempts:
        known = sorted(row.number for row in site.case(case).beams)
        remedy = f"Beams of this case: {', '.join(map(str, known)) or 'none yet'}."
        raise CommandError(ExitCode.NOT_FOUND, f"Beam {beam} of {case} has not run yet.", "", remedy, "no-engine-log")
    there = list(places(attempts[-1], site.settings.results.dir))
    for place, ours in there:
        opened = partial(open_log, owner=daemon_user(site) if ours else None)
        with contextlib.suppress(OSError), opened(place):
            return place, opened
    where = ", ".join(str(place) for place, _ in there)
    raise CommandError(ExitCode.NOT_FOUND, f"The engine of beam {beam} has no log (yet).", where, kind="no-engine-log")
