"""What is told of a watched run, and when it is looked at again: offsets survive cuts, floods are thinned."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.ssh_connection.remote import facts_of
from actors.ssh_connection.watching import Run
from messages.jobs import Observation, WatchJob
from tests.kit.probe import Probe
from tests.unit.ssh_connection.test_answers_of_a_host import BOOT, ended, facts, started

RUNNING = facts("claim made", f"started {started()}", "wrapper 42", "lock held")
ENDED = facts("claim made", f"started {started()}", f"exit {ended()}", "lock free")


def a_run(offset: int = 0) -> Run:
    run = Run(WatchJob(Probe(), "c/1/1", "/ws/c/1/1", offset), 1, 0.0)
    run.facts = RUNNING
    return run


def test_news_come_once_and_an_unfinished_line_waits() -> None:
    run = a_run()
    first = run.news(b"one\ntw", 0)
    assert first is not None
    assert (first.text, first.offset, run.log.seen) == ("one\n", 4, 6)
    assert run.news(b"", 6) is None
    second = run.news(b"o\n", 6)
    assert second is not None
    assert (second.text, second.offset) == ("two\n", 8)
    run.facts = ENDED
    last = run.news(b"rest", 8)
    assert last is not None
    assert (last.text, last.observation, last.group_gone, run.over) == ("rest", Observation.ENDED, True, True)


def test_after_a_cut_what_was_not_told_is_asked_again() -> None:
    run = a_run(offset=10)
    run.news(b"one\ntw", 10)
    lost = run.lost("the link is gone")
    assert (lost.observation, lost.offset, run.log.seen) == (Observation.UNKNOWN, 14, 14)
    again = run.news(b"two\n", 14)
    assert again is not None
    assert (again.observation, again.text) == (Observation.RUNNING, "two\n")


def test_of_a_flood_the_newest_part_from_a_whole_line_on() -> None:
    run = a_run()
    run.news(b"one\nha", 0)
    news = run.news(b"lf a line\nlast\n", 100_000)
    assert news is not None
    assert (news.text, news.offset) == ("last\n", 100_015)


@given(st.binary(max_size=300), st.lists(st.integers(1, 40), max_size=20))
def test_however_the_text_is_cut_all_of_it_is_told_once(content: bytes, sizes: list[int]) -> None:
    run, at, told = a_run(), 0, ""
    for size in [*sizes, len(content)]:
        block = content[at : at + size]
        news = run.news(block, at)
        at += len(block)
        told += news.text if news else ""
    run.facts = ENDED
    news = run.news(b"", at)
    assert news is not None
    told += news.text
    assert news.offset == len(content)
    assert told.count("\n") == content.count(b"\n")


def test_a_run_whose_wrapper_lives_is_left_in_peace() -> None:
    run = a_run()
    assert run.pause_s(100.0) == 5.0
    run.facts = facts("claim made", f"started {started()}", "lock held")
    assert run.pause_s(1.0) < run.pause_s(100.0) < 1.0
    run.facts = facts_of((), "c/1/1", BOOT)
    assert run.pause_s(100.0) == 0.5
    run.facts = None
    assert run.news(b"", 0) is None
