"""What the engine can be told to do wrong, by its environment, so that the whole system can be tested against it.

=========================  =============================================================================================
``MQI_ENGINE_FAULT``       one of :class:`EngineFault`
``MQI_ENGINE_FAULT_ONLY``  the fault befalls only runs whose key matches one of these patterns (commas between them),
                           such as ``*/*/1`` for every first attempt; the key is ``MQI_ATTEMPT``, or, without it, the
                           last three parts of the working directory (case/beam/attempt)
``MQI_ENGINE_SECONDS``     stretch the run to about so many seconds, with progress all the way
``MQI_ENGINE_SPAWN_CHILD`` ``1``: keep a child process in the group while running (gone with the engine's own end, left
                           behind where the engine is killed)
=========================  =============================================================================================
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NoReturn, Self

CHILD_LIFE_S = 900
_FLOOD_LINE = "Warning: flooding the log as the environment asked for. " + "x" * 900
_FLOOD_LINES = 20_000


class EngineFault(StrEnum):
    """Ways to go wrong; each says in ``words`` what happens."""

    words: str

    def __new__(cls, value: str, words: str) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.words = words
        return member

    CRASH = "crash", "aborts half-way (SIGABRT, 134), text on stderr"
    SEGFAULT = "segfault", "dies of a segmentation fault (139) after half of the output was written"
    CUDA = "cuda", "ends with 255 and a CUDA error on stdout"
    OUT_OF_MEMORY = "out-of-memory", "ends with 2 and a GPUassert of an allocation that failed"
    NAN_TRACK = "nan-track", "ends with 1 and the message of a track that is not a number"
    HANG = "hang", "says nothing and never ends"
    DEAF = "deaf", "never ends and ignores SIGTERM"
    STALL = "stall", "makes progress to half its batches, then stands still for ever"
    NO_OUTPUT = "no-output", "ends with 0 and the line of success, but writes nothing"
    EMPTY = "empty", "ends with 0; the output has no bytes"
    SHORT = "short", "ends with 0; the output is half as long as it should be"
    ZERO = "zero", "ends with 0; the dose is zero everywhere"
    NAN = "nan", "ends with 0; one voxel is not a number"
    NEGATIVE = "negative", "ends with 0; the dose is negative"
    WRONG_GRID = "wrong-grid", "ends with 0; the dose has one plane of voxels too many"
    STALE = "stale", "ends with 0; the output's time is long before the start"
    TWO_OUTPUTS = "two-outputs", "ends with 0; two files of output"
    BAD_EXIT = "bad-exit", "writes a good dose, says success, and ends with 3"
    LEAK_CHILD = "leak-child", "ends well, and leaves a child process in its group"
    FLOOD = "flood", "writes 20 MB into its log, then ends well"


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """What the environment of this run asks for."""

    fault: EngineFault | None = None
    seconds: float = 0.0
    spawn_child: bool = False

    @classmethod
    def asked(cls, environment: Mapping[str, str], directory: Path) -> Misbehaviour:
        """Read the environment; ValueError for a fault that does not exist."""
        key = environment.get("MQI_ATTEMPT") or "/".join(directory.parts[-3:])
        patterns = [part.strip() for part in environment.get("MQI_ENGINE_FAULT_ONLY", "*").split(",")]
        named = environment.get("MQI_ENGINE_FAULT", "")
        meant = bool(named) and any(fnmatchcase(key, pattern) for pattern in patterns)
        fault = next((known for known in EngineFault if known == named), None)
        if named and fault is None:
            raise ValueError(f"MQI_ENGINE_FAULT {named!r}: there are {', '.join(EngineFault)}")
        return cls(
            fault=fault if meant else None,
            seconds=float(environment.get("MQI_ENGINE_SECONDS") or 0.0),
            spawn_child=environment.get("MQI_ENGINE_SPAWN_CHILD", "") not in ("", "0"),
        )

    def at_start(self) -> None:
        if self.fault in (EngineFault.HANG, EngineFault.DEAF):
            if self.fault is EngineFault.DEAF:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            _stand_still()
        if self.fault is EngineFault.OUT_OF_MEMORY:
            print("GPUassert: out of memory mqi_upload_data.hpp 61", file=sys.stderr)
            sys.exit(2)
        if self.fault is EngineFault.FLOOD:
            for _ in range(_FLOOD_LINES):
                print(_FLOOD_LINE)

    def half_way(self) -> None:
        if self.fault is EngineFault.STALL:
            sys.stdout.flush()
            _stand_still()
        if self.fault is EngineFault.CRASH:
            die(
                signal.SIGABRT,
                "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc",
            )
        if self.fault is EngineFault.CUDA:
            print("(transport particle table) CUDA error: an illegal memory access was encountered")
            sys.exit(255)
        if self.fault is EngineFault.NAN_TRACK:
            print("A track became NaN: exiting")
            sys.exit(1)


def child_in_group() -> subprocess.Popen[bytes]:
    """A process that outlives its parent if the parent does not end it, but not for ever."""
    return subprocess.Popen(["sleep", str(CHILD_LIFE_S)], stdin=subprocess.DEVNULL)


def die(number: signal.Signals, text: str = "") -> NoReturn:
    """End by a signal as a C++ program does: what stdout still buffers is lost, and no core is left."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if text:
        os.write(2, (text + "\n").encode())
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    time.sleep(5.0)
    os._exit(128 + number)


def _stand_still() -> None:
    while True:
        time.sleep(3600.0)
