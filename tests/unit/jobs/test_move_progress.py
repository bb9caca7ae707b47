"""How far a long move is, told seldom."""

from __future__ import annotations

from actors.jobs.progress import EVERY_S, FIRST_AFTER_S, Teller

SIZE = 400_000_000


def test_of_a_quick_move_nothing_is_told() -> None:
    teller = Teller("r", 100.0)
    assert [teller.news(SIZE * n // 10, SIZE, 100.0 + FIRST_AFTER_S * n / 11) for n in range(11)] == [None] * 11


def test_a_long_move_is_told_every_few_seconds_with_its_speed_since_then() -> None:
    teller = Teller("r", 0.0)
    told = [news for n in range(401) if (news := teller.news(n * 1_000_000, SIZE, n / 10)) is not None]
    assert len(told) == 1 + int((40.0 - FIRST_AFTER_S) / EVERY_S)
    assert {round(news.bytes_per_s / 1e6, 3) for news in told} == {10.0}
    assert told[0].words == "8 % of 400 MB, 10.0 MB/s"


def test_what_an_earlier_try_left_is_no_speed_of_this_one() -> None:
    teller = Teller("r", 0.0)
    assert teller.news(300_000_000, SIZE, 0.0) is None
    news = teller.news(330_000_000, SIZE, FIRST_AFTER_S)
    assert news is not None
    assert news.bytes_per_s == 10e6


def test_a_move_that_had_to_go_back_has_no_negative_speed() -> None:
    teller = Teller("r", 0.0)
    assert teller.news(SIZE // 2, SIZE, 0.0) is None
    first = teller.news(SIZE, SIZE, FIRST_AFTER_S)
    again = teller.news(SIZE // 2, SIZE, FIRST_AFTER_S + EVERY_S)
    assert first is not None
    assert again is not None
    assert again.bytes_per_s == 0.0
