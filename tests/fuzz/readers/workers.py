"""Frames between the daemon and its worker processes."""

from __future__ import annotations

import io
import pickle

from actors.compute.frames import BrokenValueError, Call, HeavyValue, Raised, Ready, Returned, load_light, receive, send
from messages.faults import Fault
from tests.fuzz.reader import Reader
from tests.integration.results.run_maker import interpretation


def _frames() -> list[bytes]:
    value = pickle.dumps(interpretation())
    return [_frame(one) for one in (Ready(7), Returned(value, 80.0), Raised(Fault("Wrong."), 80.0), Call("a:b", value))]


def _frame(value: object) -> bytes:
    stream = io.BytesIO()
    send(stream, value)
    return stream.getvalue()


def _read(data: bytes) -> object:
    frame = receive(io.BytesIO(data))
    if isinstance(frame, Returned):
        load_light(frame.value)
    return frame


READERS = (
    Reader(
        "frames",
        "frames of a worker process",
        _frames,
        _read,
        ("actors.compute",),
        refusals=(EOFError, BrokenValueError, HeavyValue),
        longest=8192,
    ),
)
