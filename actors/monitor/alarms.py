"""Alarms: raised once when a condition holds for long enough, cleared once when it is over. No clock in here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from messages.operators import Alarm

OWN_PREFIXES = ("disk:", "host:", "gpus:", "gpu:", "machine:", "actor:", "dead-letters")
"""Ids of the alarms that the monitor itself judges: how those that an earlier run left behind are told apart."""
RETOLD = ("no-gpu:", "gpu-twice:", "scan-root:", "incomplete:", "console:listen", "alarm-push", "ledger-write")
"""Ids of alarms that whoever raised them raises again and again while they hold. One that is not raised again is over:
who raised it was restarted and knows of none before, or what it was about is gone."""
RETOLD_WITHIN_S = 1800.0
"""Longer than any of them pauses; the notifier does for a quarter of an hour between two tries."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that is wrong now."""

    text: str
    """What, where, what to do."""
    gist: str
    """What of the text matters: an alarm that stands is told again only when this changes."""
    grace_s: float = 0.0
    """It must hold for so long before it is an alarm."""


@dataclass(frozen=True, slots=True)
class Raised:
    alarm: Alarm


@dataclass(frozen=True, slots=True)
class Cleared:
    alarm: Alarm


Change = Raised | Cleared


class AlarmBook:
    """The alarms that stand. ``now`` is monotonic seconds, ``at`` the time of day."""

    def __init__(self) -> None:
        self._standing: dict[str, Alarm] = {}
        self._gists: dict[str, str] = {}  # of the monitor's own; all others are cleared by who raised them
        self._seen: dict[str, float] = {}
        self._doubted: dict[str, float] = {}
        """Of those that are raised again while they hold: since when each of them was not."""
        self._over: set[str] | None = set()
        """Cleared before it was known what stood; None: that is known."""

    @property
    def standing(self) -> tuple[Alarm, ...]:
        """Oldest first."""
        return tuple(sorted(self._standing.values(), key=lambda alarm: (alarm.since, alarm.id)))

    def adopt(self, alarms: Iterable[Alarm]) -> None:
        """Those that stood before this start; what has been raised or cleared since is newer and stays so."""
        over, self._over = self._over or (), None
        for alarm in alarms:
            if alarm.id in over:
                continue
            self._standing[alarm.id] = replace(self._standing.get(alarm.id, alarm), since=alarm.since)
            if alarm.id.startswith(OWN_PREFIXES):
                self._gists[alarm.id] = ""

    def look(
        self,
        conditions: Mapping[str, Condition],
        now: float,
        at: datetime,
        unheard: Callable[[str], bool] = lambda _id: False,
    ) -> tuple[Change, ...]:
        """Compare what is wrong with what stands: the monitor's own alarms follow the conditions.

        ``unheard``: nothing is known yet of what this alarm of an earlier run is about, so it stands.
        """
        self._seen = {id_: self._seen.get(id_, now) for id_ in conditions}
        self._doubted = {id_: self._doubted.get(id_, now) for id_ in self._standing if id_.startswith(RETOLD)}
        over = [id_ for id_ in self._gists if id_ not in conditions and not unheard(id_)]
        over += [id_ for id_, since in self._doubted.items() if now - since >= RETOLD_WITHIN_S]
        changes: list[Change] = [change for id_ in over for change in self.clear(id_)]
        for id_, condition in conditions.items():
            stands = id_ in self._standing
            ripe = now - self._seen[id_] >= condition.grace_s
            if (ripe or stands) and self._gists.get(id_) != condition.gist:
                changes += self.raise_(id_, condition.text, at)
                self._gists[id_] = condition.gist
        return tuple(changes)

    def raise_(self, id_: str, text: str, at: datetime) -> tuple[Change, ...]:
        """An alarm stands from now on; nothing to tell when it does already, with the same text."""
        if self._over is not None:
            self._over.discard(id_)
        self._doubted.pop(id_, None)
        known = self._standing.get(id_)
        if known is not None and known.text == text:
            return ()
        alarm = Alarm(id_, known.since if known else at, text)
        self._standing[id_] = alarm
        return (Raised(alarm),)

    def clear(self, id_: str) -> tuple[Change, ...]:
        """It is over; nothing to tell when it did not stand."""
        self._gists.pop(id_, None)
        if self._over is not None:
            self._over.add(id_)
        known = self._standing.pop(id_, None)
        return (Cleared(known),) if known else ()
