"""Pickled objects on a pipe, each after its length; what the daemon and its worker processes say to one another.

The two are of one program and one version, so pickle is safe and exact here. Only light values may come back:
unpickling a numpy scalar in the daemon would load numpy there, which costs 30 MB for good.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import IO, Any

from messages.faults import Blame, Fault

HEADER = struct.Struct(">Q")
LONGEST_FRAME = 1 << 30
"""Bytes; the largest interpretation is some hundred kilobytes."""
HEAVY = frozenset({"numpy", "scipy", "pydicom", "matplotlib"})


@dataclass(frozen=True, slots=True)
class Ready:
    """Worker → daemon, once: the heavy imports are done."""

    pid: int


@dataclass(frozen=True, slots=True)
class Call:
    """Daemon → worker. The argument is pickled by itself, so that its imports happen where its errors can be told."""

    function: str
    argument: bytes


@dataclass(frozen=True, slots=True)
class Returned:
    """Worker → daemon: the pickled value, and the memory that the worker holds after it."""

    value: bytes
    rss_mb: float


@dataclass(frozen=True, slots=True)
class Raised:
    """Worker → daemon: the function raised one of our errors, or anything else made into a fault."""

    fault: Fault
    rss_mb: float


_NAMES_PLACES = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
"""Protocol 4 and later have MEMOIZE, which takes the next place."""
_FRAMES: Mapping[str, type] = {kind.__name__: kind for kind in (Ready, Call, Returned, Raised, Fault, Blame)}


class BrokenValueError(Exception):
    """What came back is no value."""


class HeavyValue(Exception):  # noqa: N818 - names what came back
    """A value holds an object of a package that must not be loaded in the daemon."""


class _FrameUnpickler(pickle.Unpickler):
    """Knows the frames and what they hold, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("builtins", "getattr"):
            return _member
        known = _FRAMES.get(name)
        if known is None or known.__module__ != module:
            raise pickle.UnpicklingError(f"{module}.{name} is no part of a frame")
        return known


def _member(kind: Any, name: Any) -> Any:
    """A member of an enumeration: Python before 3.11.4 writes it as ``getattr(kind, name)``."""
    if not (isinstance(kind, type) and issubclass(kind, Enum) and isinstance(name, str)):
        raise pickle.UnpicklingError("getattr of anything but an enumeration is no part of a frame")
    return kind[name]


class _LightUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module.split(".", maxsplit=1)[0] in HEAVY:
            raise HeavyValue(f"the value holds a {module}.{name}; functions return plain values")
        return super().find_class(module, name)


def send(stream: IO[bytes], frame: object) -> None:
    """Write one frame. Raises OSError when the other side is gone."""
    body = pickle.dumps(frame, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(HEADER.pack(len(body)) + body)
    stream.flush()


def receive(stream: IO[bytes]) -> object:
    """Read one frame, waiting for it.

    Raises EOFError when the other side is gone, also in the middle of a frame, or says what is no frame: with nothing
    to tell where the next one begins, it is as good as gone.
    """
    (length,) = HEADER.unpack(_exactly(stream, HEADER.size))
    if length > LONGEST_FRAME:
        raise EOFError(f"a frame of {length} bytes is none")
    try:
        frame = _FrameUnpickler(io.BytesIO(_bounded(_exactly(stream, length)))).load()
    except EOFError:
        raise
    except Exception as error:  # a decoder fed with damage raises whatever it stumbles over
        raise EOFError(f"not a frame: {type(error).__name__}: {error}") from error
    if not _is_frame(frame):
        raise EOFError(f"not a frame: {type(frame).__name__}")
    return frame


def _is_frame(frame: object) -> bool:
    match frame:
        case Ready(int()) | Call(str(), bytes()) | Returned(bytes(), float()) | Raised(Fault(), float()):
            return True
    return False


def load_light(data: bytes) -> object:
    """Unpickle a value in the daemon. Raises HeavyValue or BrokenValueError."""
    try:
        return _LightUnpickler(io.BytesIO(_bounded(data))).load()
    except HeavyValue:
        raise
    except Exception as error:
        raise BrokenValueError(f"not a value: {type(error).__name__}: {error}") from error


def _bounded(data: bytes) -> bytes:
    """The same bytes, if they can be decoded in little more memory than they have. ValueError.

    An unpickler takes memory for as much as is announced, and for as many places of its memo as the highest one named;
    what we write announces what is there, and names none.
    """
    for opcode, _, _ in pickletools.genops(data):
        if opcode.name in _NAMES_PLACES:
            raise ValueError(f"{opcode.name} is not ours")
    return data


def _exactly(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError("the other side of the pipe is gone")
    return data
