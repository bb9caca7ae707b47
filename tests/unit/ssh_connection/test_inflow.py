"""What a channel receives into does as paramiko's own pipe does."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paramiko.buffered_pipe import BufferedPipe

from actors.ssh_connection.inflow import Inflow, PipeTimeout

FEED = st.tuples(st.just("feed"), st.binary(max_size=9))
READ = st.tuples(st.just("read"), st.integers(1, 12))
STEPS = st.lists(FEED | READ, max_size=30)


@given(STEPS)
def test_the_same_bytes_in_the_same_order(steps: list[tuple[str, bytes | int]]) -> None:
    ours, theirs = Inflow(), BufferedPipe()
    events = threading.Event(), threading.Event()
    ours.set_event(events[0])
    theirs.set_event(events[1])
    taken = b"", b""
    for word, what in steps:
        for pipe in (ours, theirs):
            if isinstance(what, bytes):
                pipe.feed(what)
        if word == "read" and ours.read_ready():
            block = ours.read(int(what), 0.0)
            assert 0 < len(block) <= int(what)  # as much as came together, never more than was asked for
            taken = taken[0] + block, taken[1] + theirs.read(len(block), 0.0)
        assert taken[0] == taken[1]
        assert (len(ours), ours.read_ready()) == (len(theirs), theirs.read_ready())
        assert events[0].is_set() == ours.read_ready()
    assert ours.empty() == theirs.empty()
    assert len(ours) == 0
    with pytest.raises(PipeTimeout):
        ours.read(1, 0.0)


@given(st.lists(st.binary(min_size=1, max_size=5), max_size=5))
def test_what_waits_can_be_read_after_the_end(blocks: list[bytes]) -> None:
    pipe, event = Inflow(), threading.Event()
    pipe.set_event(event)
    for block in blocks:
        pipe.feed(block)
    pipe.close()
    assert b"".join(iter(lambda: pipe.read(100), b"")) == b"".join(blocks)
    assert event.is_set()  # the end is news, too
    assert pipe.read(1, 0.0) == b""


@pytest.mark.parametrize("gather", [1, 1000])
def test_little_is_not_waited_for_either(gather: int) -> None:
    pipe = Inflow()
    pipe.gather = gather
    pipe.feed(b"a")
    assert pipe.read(10, 0.0) == b"a"
    with pytest.raises(PipeTimeout):
        pipe.read(10, 0.01)


def test_text_is_taken_as_bytes() -> None:
    pipe = Inflow()
    pipe.feed("é")
    assert pipe.read(10) == "é".encode()


@given(st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=12), st.integers(1, 40))
def test_in_bulk_what_waits_comes_together_and_never_more_than_was_asked_for(blocks: list[bytes], most: int) -> None:
    pipe = Inflow()
    pipe.gather = 4
    for block in blocks:
        pipe.feed(block)
    pipe.close()
    found = list(iter(lambda: pipe.read(most), b""))
    assert b"".join(found) == b"".join(blocks)
    assert max(map(len, found)) <= most
    if most >= sum(map(len, blocks)):
        assert len(found) == 1
    assert len(pipe) == 0
