"""The order in which requests get a process, and the frames that carry them."""

from __future__ import annotations

import io
import pickle
from decimal import Decimal

import pytest

from actors.compute.frames import Call, HeavyValue, Ready, load_light, receive, send
from actors.compute.waiting import Job, Waiting
from messages.compute import Compute
from tests.kit import Probe


def job(name: str, *, urgent: bool = False, deaths: int = 0) -> Job:
    return Job(Compute(name, Probe(), "module:function", None, urgent=urgent), deaths)


def order(waiting: Waiting) -> list[str]:
    return [job.request.request_id for job in waiting.drain()]


def test_urgent_first_then_first_come():
    waiting = Waiting()
    for name in ("a", "b", "URGENT", "c", "URGENT2"):
        waiting.add(job(name, urgent=name.startswith("URGENT")))
    assert len(waiting) == 5
    assert order(waiting) == ["URGENT", "URGENT2", "a", "b", "c"]
    assert waiting.take() is None


def test_the_same_request_again_keeps_its_place():
    waiting = Waiting()
    for name in ("a", "b", "a"):
        waiting.add(job(name))
    assert order(waiting) == ["a", "b"]


def test_one_that_lost_its_turn_is_next():
    waiting = Waiting()
    waiting.add(job("a"))
    waiting.add_first(job("b", deaths=1))
    assert order(waiting) == ["b", "a"]


def test_dropped_is_gone():
    waiting = Waiting()
    waiting.add(job("a"))
    assert waiting.drop("a")
    assert not waiting.drop("a")
    assert order(waiting) == []


def test_frames_travel_whole_or_not_at_all():
    stream = io.BytesIO()
    frames = [Ready(7), Call("m:f", b"x" * 100_000)]
    for frame in frames:
        send(stream, frame)
    whole = stream.getvalue()
    stream.seek(0)
    assert [receive(stream), receive(stream)] == frames
    with pytest.raises(EOFError):
        receive(stream)
    for cut in (0, 3, 8, 20, len(whole) - 1):
        broken = io.BytesIO(whole[:cut])
        with pytest.raises(EOFError):
            while True:
                receive(broken)


def test_values_of_heavy_packages_are_refused_by_name():
    assert load_light(pickle.dumps({"dose": Decimal("1.5")})) == {"dose": Decimal("1.5")}
    scalar = b"cnumpy\nfloat64\n."  # what a numpy scalar begins with; loading it would import numpy
    with pytest.raises(HeavyValue, match=r"numpy\.float64"):
        load_light(scalar)
