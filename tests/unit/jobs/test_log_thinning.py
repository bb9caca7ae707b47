"""New text of a log: whole lines, nothing twice, of a flood the newest part."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.jobs.log_text import NEWEST_BYTES, News, thin


@pytest.mark.parametrize(
    ("data", "skipped", "ended", "news"),
    [
        (b"one\ntwo\nthr", False, False, News("one\ntwo\n", 108)),
        (b"one\ntwo\nthr", False, True, News("one\ntwo\nthr", 111)),
        (b"thr", False, False, News("", 100)),
        (b"thr", False, True, News("thr", 103)),
        (b"half\nwhole\n", True, False, News("whole\n", 111)),
        (b"half\n", True, False, News("", 105)),
        (b"half\nrest", True, True, News("rest", 109)),
        (b"bad \xff byte\n", False, False, News("bad \ufffd byte\n", 111)),
    ],
)
def test_lines_are_told_whole(data: bytes, skipped: bool, ended: bool, news: News) -> None:
    assert thin(data, 100, skipped=skipped, ended=ended) == news


def test_a_line_without_end_is_told_when_it_fills_all() -> None:
    assert thin(b"x" * NEWEST_BYTES, 0, skipped=False, ended=False).offset == NEWEST_BYTES


@given(st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=("Cs",)), max_size=20)), st.data())
def test_a_log_read_in_pieces_is_the_log(lines: list[str], data: st.DataObject) -> None:
    log = "".join(f"{line}\n" for line in lines).encode()
    told, offset, size = "", 0, 0
    while size < len(log):
        size = data.draw(st.integers(size + 1, len(log)))
        news = thin(log[offset:size], offset, skipped=False, ended=size == len(log))
        told, offset = told + news.text, news.offset
    assert told == log.decode()
    assert offset == len(log)
