"""What is told of alarms: one JSON document for several of them. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from messages.ledger import EventRow

OWN_ALARM = "alarm-push"
"""The alarm that alarms cannot be told: it is never told that way itself."""
LISTED = 50
"""Alarms in one document; the rest is counted."""
LONGEST = 1000
"""Characters of one alarm's text."""
STALE = timedelta(days=1)
"""What is over since longer than this is no news any more."""
_RAISED, _CLEARED = ": raised", ": cleared"


@dataclass(frozen=True, slots=True)
class News:
    """What became of one alarm since it was last told of."""

    alarm: str
    raised: bool
    """It stands; otherwise it is over."""
    at: datetime
    text: str
    changes: int
    """How often it was raised or cleared: more than two means that it comes and goes."""

    def document(self) -> dict[str, Any]:
        """Its entry in the document."""
        return {
            "id": self.alarm,
            "kind": self.alarm.partition(":")[0],
            "state": "raised" if self.raised else "cleared",
            "at": self.at.astimezone().isoformat(timespec="seconds"),
            "text": self.text,
            "changes": self.changes,
        }


def news_of(events: Iterable[EventRow], now: datetime) -> tuple[News, ...]:
    """The last word of every alarm in these events (oldest first), those that stand before those that are over."""
    latest: dict[str, News] = {}
    for event in events:
        alarm, raised = _subject(event.what)
        if not alarm or alarm == OWN_ALARM:
            continue
        changes = latest[alarm].changes if alarm in latest else 0
        latest[alarm] = News(alarm, raised, event.at, event.detail[:LONGEST], changes + 1)
    told = [news for news in latest.values() if news.raised or now - news.at < STALE]
    return tuple(sorted(told, key=lambda news: (not news.raised, news.at, news.alarm)))


def document(
    push: int, attempt: int, news: tuple[News, ...], *, sender: Mapping[str, str], clean: Callable[[str], str]
) -> bytes:
    """The document as JSON in UTF-8. ``clean`` takes out of texts what must not leave this machine."""
    listed = [{**entry.document(), "text": clean(entry.text), "id": clean(entry.alarm)} for entry in news[:LISTED]]
    told = {
        "push": push,
        "attempt": attempt,
        **sender,
        "text": clean(_headline(news)),
        "alarms": listed,
        "more": max(0, len(news) - LISTED),
    }
    return json.dumps(told, ensure_ascii=False).encode()


def _headline(news: tuple[News, ...]) -> str:
    """One line for a pager or a chat."""
    raised = [entry for entry in news if entry.raised]
    over = len(news) - len(raised)
    if not raised:
        ids = ", ".join(entry.alarm for entry in news[:3])
        return f"Over: {ids}{' and more' if over > 3 else ''}."
    more = f" And {len(raised) - 1} more." if len(raised) > 1 else ""
    ended = f" {over} over." if over else ""
    return f"ALARM {raised[0].alarm}: {raised[0].text}{more}{ended}"


def _subject(what: str) -> tuple[str, bool]:
    """(alarm, raised) of an event such as ``alarm disk:state: raised``; an empty name where it is none."""
    words = what.removeprefix("alarm ")
    if words == what:
        return "", False
    for suffix in (_RAISED, _CLEARED):
        if words.endswith(suffix):
            return words.removesuffix(suffix), suffix == _RAISED
    return "", False
