"""What is told of alarms, and when: pure, times in, sentences and seconds out."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from actors.logs import Redaction
from actors.notifier.document import LISTED, OWN_ALARM, document, news_of
from actors.notifier.pace import LONGEST_RETRY_S, again_s, retry_s, wait_s
from messages.ledger import EventRow

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SENDER = {"host": "mqi1", "version": "1.2"}


def event(number: int, what: str, detail: str = "", at: datetime = NOW) -> EventRow:
    return EventRow(number, at, "", what, detail)


def test_the_last_word_of_every_alarm_is_told_and_what_stands_comes_first() -> None:
    news = news_of(
        [
            event(1, "alarm disk:state: raised", "full"),
            event(2, "alarm host:gpu1: raised", "away"),
            event(3, "alarm disk:state: cleared", "full"),
            event(4, f"alarm {OWN_ALARM}: raised", "never this way"),
            event(5, "alarm host:gpu1: cleared", "away"),
            event(6, "alarm host:gpu1: raised", "away again"),
            event(7, "host gpu1: up → suspended"),
        ],
        NOW,
    )
    assert [(entry.alarm, entry.raised, entry.changes) for entry in news] == [
        ("host:gpu1", True, 3),
        ("disk:state", False, 2),
    ]
    told = json.loads(document(7, 2, news, sender=SENDER, clean=str))
    assert (told["push"], told["attempt"], told["host"], told["more"]) == (7, 2, "mqi1", 0)
    assert told["text"] == "ALARM host:gpu1: away again 1 over."
    assert [entry["kind"] for entry in told["alarms"]] == ["host", "disk"]
    assert [entry["state"] for entry in told["alarms"]] == ["raised", "cleared"]


def test_what_is_over_since_long_is_no_news_and_what_stands_always_is() -> None:
    old = NOW - timedelta(days=3)
    news = news_of([event(1, "alarm a:1: cleared", "x", old), event(2, "alarm b:1: raised", "y", old)], NOW)
    assert [entry.alarm for entry in news] == ["b:1"]
    over = news_of([event(1, "alarm a:1: raised", "x"), event(2, "alarm a:1: cleared", "x")], NOW)
    assert json.loads(document(1, 1, over, sender=SENDER, clean=str))["text"] == "Over: a:1."


def test_a_flood_is_counted_not_listed() -> None:
    news = news_of([event(n, f"alarm case:{n}: raised", "x" * 5000) for n in range(LISTED + 7)], NOW)
    told = json.loads(document(1, 1, news, sender=SENDER, clean=str))
    assert len(told["alarms"]) == LISTED
    assert told["more"] == 7
    assert len(told["alarms"][0]["text"]) == 1000


def test_names_of_patients_and_secrets_do_not_leave_this_machine() -> None:
    text = "/data/in/KIM^CHULSOO/plan cannot be read; password=hunter2"
    news = news_of([event(1, "alarm scan-root:/data/in: raised", text)], NOW)
    sent = document(1, 1, news, sender=SENDER, clean=Redaction(["/data/in"])).decode()
    assert "KIM" not in sent
    assert "hunter2" not in sent
    assert "/data/in/" in sent


def test_pauses_grow_to_ten_minutes() -> None:
    assert [retry_s(n) for n in (0, 1, 2, 3, 4)] == [0.0, 5.0, 15.0, 45.0, 135.0]
    assert retry_s(1000) == LONGEST_RETRY_S
    assert again_s(1, NOW, NOW + timedelta(seconds=3)) == 2.0
    assert again_s(1, NOW, NOW + timedelta(seconds=30)) == 0.0
    assert again_s(1, NOW + timedelta(days=9), NOW) == 5.0, "the clock was set back"


def test_news_wait_for_company_and_for_the_limit_of_the_hour() -> None:
    assert wait_s(NOW, (), NOW, group_s=10, per_hour=5) == 10.0
    assert wait_s(NOW - timedelta(seconds=8), (), NOW, group_s=10, per_hour=5) == 2.0
    assert wait_s(NOW + timedelta(days=1), (), NOW, group_s=10, per_hour=5) == 10.0
    lately = tuple(NOW - timedelta(minutes=n) for n in (10, 20, 30))
    assert wait_s(NOW, lately, NOW, group_s=0, per_hour=4) == 0.0
    assert wait_s(NOW, lately, NOW, group_s=0, per_hour=3) == 30 * 60
    assert wait_s(NOW, lately, NOW, group_s=0, per_hour=1) == 50 * 60


@given(st.lists(st.floats(0, 7200), max_size=40), st.integers(1, 10))
def test_never_more_than_the_limit_within_any_hour(arrivals: list[float], per_hour: int) -> None:
    """Told one after the other as the pace allows: no hour has more than its limit."""
    now, sent = NOW, []
    for arrival in sorted(arrivals):
        now = max(now, NOW + timedelta(seconds=arrival))
        now += timedelta(seconds=wait_s(now, tuple(reversed(sent)), now, group_s=0, per_hour=per_hour) + 0.001)
        sent.append(now)
    for at in sent:
        assert sum(at <= other < at + timedelta(hours=1) for other in sent) <= per_hour
