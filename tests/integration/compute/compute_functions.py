"""Functions that the tests have worker processes call."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from actors.errors import CaseError


def double(number: int) -> int:
    return 2 * number


def noisy(number: int) -> int:
    print("not a frame")
    os.write(1, b"nor this")
    print("an error", file=sys.stderr)
    return number


def pid(_argument: object) -> int:
    return os.getpid()


def wrong_case(where: str) -> None:
    raise CaseError("Layer 3 of beam 2 is missing.", where, "Copy it again.", "layer-missing")


def our_bug(_argument: object) -> None:
    raise KeyError("beam 7")


def leave(status: int) -> None:
    sys.exit(status)


def die(marker: str) -> str:
    """Killed the first time, fine the second."""
    path = Path(marker)
    if not path.exists():
        path.write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    return path.read_text()


def always_die(_argument: object) -> None:
    print("about to fall over", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGSEGV)


def sleep(arguments: tuple[str, float]) -> str:
    """Leave one's pid in a file and sleep."""
    marker, seconds = arguments
    Path(marker).write_text(str(os.getpid()))
    time.sleep(seconds)
    return marker


def hold(megabytes: int) -> int:
    """Hold memory for good."""
    kept.append(bytes(bytearray(os.urandom(1)) * (megabytes * 2**20)))
    return os.getpid()


kept: list[bytes] = []


def facts(_argument: object) -> dict[str, Any]:
    """What a worker finds around it."""
    ignored = [signal.getsignal(number) == signal.SIG_IGN for number in (signal.SIGINT, signal.SIGTERM)]
    return {
        "niceness": os.nice(0),
        "threads": os.environ["OPENBLAS_NUM_THREADS"],
        "ignores": all(ignored),
        "warm": "numpy" in sys.modules and "pydicom" in sys.modules,
        "group": os.getpgid(0) == os.getpid(),
    }


def heavy(_argument: object) -> object:
    import numpy as np  # noqa: PLC0415 - as a real function might return by oversight

    return {"dose": np.float64(2.0)}


def unpicklable(_argument: object) -> object:
    return lambda: None


def append(arguments: tuple[str, str]) -> None:
    """Note the order of calls."""
    path, word = arguments
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(f"{word}\n")


def full_disk(path: str) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)


def enter_and_leave(arguments: tuple[str, str, float]) -> None:
    """Write down one's coming, with the pid, and one's going, so many seconds later."""
    log, name, seconds = arguments
    with Path(log).open("a") as file:
        file.write(f"{name} {os.getpid()}\n")
    time.sleep(seconds)
    with Path(log).open("a") as file:
        file.write("left\n")
