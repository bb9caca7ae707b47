"""A value or one of our errors, whatever a reader is fed: right inputs, those that once failed, and edited ones.

The long run, led by coverage, is ``bin/test --fuzz``.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.corpus_files import committed
from tests.fuzz.edits import ODD, Edit, edited, random_edits
from tests.fuzz.reader import Reader, attempt
from tests.fuzz.readers import console
from tests.fuzz.registry import READERS

EDITED = 60
"""Of each reader; the seed is the reader's name, so that a run is like the last."""
DRAWN = 15


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    console.end()


every_reader = pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)


def edits(words: tuple[bytes, ...]) -> st.SearchStrategy[list[Edit]]:
    put = st.one_of(st.binary(max_size=8), st.sampled_from((*ODD, *words)))
    edit = st.builds(Edit, st.floats(0.0, 1.0), st.integers(0, 64), put, copied=st.integers(0, 32))
    return st.lists(edit, min_size=1, max_size=4)


@every_reader
def test_right_inputs_are_read_and_old_faults_stay_mended(reader: Reader) -> None:
    assert {attempt(reader, data).kind for data in reader.seeds()} & {"value"}
    for data in (*reader.seeds(), *committed(reader.name), b""):
        assert not attempt(reader, data).fault


@every_reader
def test_edited_inputs_are_read_or_refused(reader: Reader) -> None:
    random = Random(reader.name)
    seeds = list(reader.seeds())
    for _ in range(EDITED):
        data = edited(random.choice(seeds), random_edits(random, reader.words), reader.longest)
        assert not attempt(reader, data).fault, data


@every_reader
def test_drawn_inputs_are_read_or_refused(reader: Reader) -> None:
    seeds = list(reader.seeds())

    @settings(max_examples=DRAWN, database=None)
    @given(st.sampled_from(seeds), edits(reader.words))
    def check(seed: bytes, changes: list[Edit]) -> None:
        assert not attempt(reader, edited(seed, changes, reader.longest)).fault

    check()
