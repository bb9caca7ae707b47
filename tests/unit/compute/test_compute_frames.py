"""What a frame may hold, whichever Python wrote it."""

from __future__ import annotations

import io
import pickle
from typing import Any

import pytest

from actors.compute.frames import HEADER, Call, Raised, receive
from messages.faults import Blame, Fault


class Reduced:
    """Pickled as ``getattr(owner, name)``."""

    def __init__(self, owner: object, name: object) -> None:
        self.reduced = (getattr, (owner, name))

    def __reduce__(self) -> Any:
        return self.reduced


def framed(value: object) -> io.BytesIO:
    body = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    return io.BytesIO(HEADER.pack(len(body)) + body)


def test_an_enumeration_may_be_written_as_python_before_3_11_4_does() -> None:
    fault = Fault("what", blame=Blame.HOST)
    object.__setattr__(fault, "blame", Reduced(Blame, "HOST"))
    assert receive(framed(Raised(fault, 1.0))) == Raised(Fault("what", blame=Blame.HOST), 1.0)


@pytest.mark.parametrize(("owner", "name"), [(Blame, "__class__"), (Call, "__init__"), (Blame, 3), (Fault, "what")])
def test_nothing_else_is_reached_that_way(owner: object, name: object) -> None:
    with pytest.raises(EOFError):
        receive(framed(Reduced(owner, name)))
