"""One run of the binary: its lines and its end are ours, and so are the signals that reach us."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import numpy as np
from numpy.typing import NDArray

from actors.mcsquare.engine_files import CONFIG, DOSE, MATERIALS
from actors.mcsquare.errors import DriverError

_PERCENT = re.compile(r"^\s*(\d+)\.\d+ %")
_SIMULATED = re.compile(r"Nbr primaries simulated: (\d+)(?: \((\d+) generated outside the geometry\))?")
_TAIL = 20
MOST_OUTSIDE = 0.2
"""Share of the protons that may miss the image: more, and the beam is not where the plan has it."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def simulate(
    binary: Path, folder: Path, *, size: tuple[int, int, int], primaries: int, threads: int, tell: Callable[[int], None]
) -> NDArray[np.float32]:
    """The dose [z, y, x] in eV/g per proton, as in MCsquare's image files. ``tell`` gets the percentage done.

    DriverError where the binary fails, or says that it ended well and left no whole dose. Where it is ended by a
    signal, its own or one that reached us, this process ends by the same signal.
    """
    environment = os.environ | {"MCsquare_Materials_Dir": MATERIALS, "OMP_NUM_THREADS": str(threads)}
    with _forwarding() as forward_to:
        process = subprocess.Popen(
            [binary, CONFIG],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        with process:
            forward_to(process)
            said = list(_followed(process, tell))
            code = process.wait()
    if code < 0:
        _end_by(-code)
    if code:
        raise DriverError(f"MCsquare ended with {code}: {' '.join(' '.join(said[-_TAIL:]).split())}")
    _check(said, primaries)
    return _dose(folder / DOSE, size)


def _followed(process: subprocess.Popen[str], tell: Callable[[int], None]) -> Iterator[str]:
    """Its lines, passed through; a percentage also becomes our progress."""
    assert process.stdout is not None
    for line in process.stdout:
        if found := _PERCENT.match(line):
            tell(int(found[1]))
        elif line.strip():
            print(line.rstrip(), flush=True)
            yield line


@contextmanager
def _forwarding() -> Iterator[Callable[[subprocess.Popen[str]], None]]:
    """While the binary runs, what would end us ends it first; then us. Begins before there is a binary, for a signal
    that comes as it is started would end us alone."""
    running: list[subprocess.Popen[str]] = []
    early: list[int] = []

    def forward(number: int, _frame: FrameType | None) -> None:
        if running:
            running[0].send_signal(number)
        else:
            early.append(number)

    def forward_to(process: subprocess.Popen[str]) -> None:
        running.append(process)
        for number in early:
            process.send_signal(number)

    before = {number: signal.signal(number, forward) for number in _SIGNALS}
    try:
        yield forward_to
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for process in running:
            process.kill()  # nothing, where it has ended
        if early and not running:
            _end_by(early[0])


def _end_by(number: int) -> None:
    if number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _check(said: list[str], primaries: int) -> None:
    """Did it do what it was asked? Its exit status alone does not say."""
    text = "".join(said)
    for wrong in ("Unknown tag", "Error:", "ERROR:"):
        if wrong in text:
            line = next(line.strip() for line in said if wrong in line)
            raise DriverError(f"MCsquare complains, though it ended well: {line}")
    found = _SIMULATED.search(text)
    if found is None or int(found[1]) < primaries:
        raise DriverError(f"MCsquare does not say that it simulated {primaries} protons, though it ended well.")
    outside = int(found[2] or 0) / int(found[1])
    if outside > MOST_OUTSIDE:
        raise DriverError(
            f"{outside:.0%} of the protons miss the image. Look at isocentre, angles and extent of the CT."
        )


def _dose(path: Path, size: tuple[int, int, int]) -> NDArray[np.float32]:
    nx, ny, nz = size
    if not path.is_file() or path.stat().st_size != 4 * nx * ny * nz:
        raise DriverError(f"MCsquare left no whole {path.name}, though it ended well. Is the disk full?")
    return np.fromfile(path, dtype="<f4").reshape(nz, ny, nx)
