"""Progress is read from the log's text, in pieces that are cut anywhere, and never goes back."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from actors.gpu_worker.progress import LONGEST_LINE, LogReader
from messages.engine import Progress

PATTERNS = Progress(
    step=r"Generating particles for \((\d+) of (\d+) batches\)", finished=r"Particle transportation complete!"
)
LOG = "".join(f"Generating particles for ({step} of 8 batches)\n noise\r\n" for step in range(1, 9))


def test_steps_and_end() -> None:
    reader = LogReader(PATTERNS)
    reader.feed("Generating particles for (2 of 8 batches)\n")
    assert reader.fraction == 0.25
    reader.feed("Generating particles for (1 of 8 batches)\n")
    assert reader.fraction == 0.25
    reader.feed("Generating particles for (8 of 8 batches)\n")
    assert reader.fraction < 1.0
    reader.feed("Particle transportation complete!\n")
    assert reader.fraction == 1.0


@given(st.lists(st.integers(0, len(LOG)), max_size=30))
def test_cut_anywhere_it_says_the_same_and_never_goes_back(cuts: list[int]) -> None:
    whole = LogReader(PATTERNS)
    whole.feed(LOG)
    reader, last = LogReader(PATTERNS), 0.0
    places = [0, *sorted(cuts), len(LOG)]
    for begin, end in pairwise(places):
        reader.feed(LOG[begin:end])
        assert reader.fraction >= last
        last = reader.fraction
    assert reader.fraction == whole.fraction
    assert reader.tail == whole.tail


def test_nonsense_says_nothing() -> None:
    for patterns, text in (
        (Progress(), "Generating particles for (2 of 8 batches)\n"),
        (Progress(step=r"(\d+)"), "17\n"),
        (Progress(step=r"(\w+) of (\w+)"), "two of eight\n"),
        (Progress(step=r"(\d+) of (\d+)"), "3 of 0\n"),
    ):
        reader = LogReader(patterns)
        reader.feed(text)
        assert reader.fraction == 0.0


def test_a_line_without_end_fills_no_memory() -> None:
    reader = LogReader(PATTERNS)
    for _ in range(50):
        reader.feed("x" * 1000)
    assert len(reader._rest) == LONGEST_LINE
    assert reader.last_lines() == "x" * 4000


def test_the_last_lines_are_one_sentence() -> None:
    reader = LogReader(PATTERNS)
    reader.feed("one\n\ntwo\r\nthree\n")
    assert reader.last_lines(2) == "two | three"
