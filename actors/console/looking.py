"""The console's look at everything: one thread reads the ledger when it changed, and tells all who listen."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from actors.console.books import LedgerReader
from actors.documents import (
    Around,
    Today,
    health_document,
    look_around,
    midnight,
    overview_document,
    status_document,
    tally,
)
from actors.errors import MqiError
from messages.ledger import CaseRow
from messages.operators import HealthReport, Holder
from messages.states import CaseState

PERIOD_S = 0.1
"""Between two looks at whether anything changed."""
REST_S = 0.4
"""After something did."""
UNWATCHED_S = 1.0
"""Between two looks while nobody listens."""
SLOWEST_S = 5.0
"""Without any change, so often everything is read again."""
FORETOLD_S = 5.0
"""So often what will be is foretold anew; it takes more than a look."""
_SETTLED_NS = 20_000_000
"""A file that was written less than this ago may be written again without a new time of change."""
_STORM = 2000
"""More new events than this are not told one by one."""


@dataclass(frozen=True, slots=True)
class Sight:
    """One moment, as everybody who listens is told it."""

    revision: int
    """Counts up with every change."""
    document: Mapping[str, Any]
    """The overview; never changed."""
    changed: frozenset[str]
    """Cases about which something is new."""
    around: Around = field(default_factory=Around)
    """What cases are seen against: GPUs, halts, and what is foretold."""


@dataclass(frozen=True, slots=True)
class Health:
    """The monitor's last word."""

    report: HealthReport
    at: datetime
    """For people."""
    heard_s: float = field(default_factory=time.monotonic)
    """By the clock that nobody sets."""


class Look:
    """For one thread.

    ``facts``: of the daemon, None: there is none; ``health``: the monitor's last word; ``clean``: takes names out;
    ``attempts``: runs of a beam that may fail; ``active_cases``: worked on at once.
    """

    def __init__(
        self,
        reader: LedgerReader,
        ledger: Path,
        *,
        facts: Callable[[], dict[str, Any] | None],
        health: Callable[[], Health | None],
        configured: Sequence[tuple[str, str]],
        attempts: int,
        active_cases: int = 0,
        clean: Callable[[str], str],
        clock: Callable[[], datetime] = lambda: datetime.now().astimezone(),
    ) -> None:
        self._reader, self._files = reader, (ledger, ledger.with_name(f"{ledger.name}-wal"))
        self._facts, self._health, self._configured, self._clean = facts, health, tuple(configured), clean
        self._attempts, self._active_cases, self._clock = attempts, active_cases, clock
        self._around = Around()
        self._stamp: object = None
        self._told: object = None
        self._read_s = self._foretold_s = float("-inf")
        self._event = -1
        self._today: Today | None = None
        self._running: dict[str, CaseRow] = {}
        self._last: tuple[CaseRow, ...] = ()
        self._revision = 0

    def look(self) -> Sight | None:
        """What is new; None: nothing. A ledger that cannot be read is told in the overview, not raised."""
        now, health = self._clock(), self._health()
        stamp = self._stamp_of_files()
        heard = (health.report.alarms, health.report.hosts, health.report.gpus, health.report.disks) if health else None
        old = time.monotonic() - self._read_s >= SLOWEST_S
        if stamp is not None and (stamp, heard) == (self._stamp, self._told) and not old:
            return None
        self._stamp, self._told, self._read_s = stamp, heard, time.monotonic()
        self._revision += 1
        try:
            changed = self._read_news(now)
            self._around = self._look_around(now)
            document = self._document(now, health)
        except MqiError as error:
            changed, document = frozenset(), self._blind(now, error)
        return Sight(self._revision, cleaned(document, self._clean), changed, self._around)

    def _stamp_of_files(self) -> object:
        """Sizes and times of the ledger's files; None: one changed so lately that the next change may look the same."""
        found = []
        for path in self._files:
            try:
                there = path.stat()
            except OSError:
                found.append((0, 0, 0))
                continue
            found.append((there.st_ino, there.st_size, there.st_mtime_ns))
        newest = max(entry[2] for entry in found)
        settled = abs(int(self._clock().timestamp() * 1e9) - newest) > _SETTLED_NS
        return tuple(found) if settled else None

    def _read_news(self, now: datetime) -> frozenset[str]:
        day = midnight(now)
        if self._today is None or self._today.since != day:
            self._today = Today(day)
            self._event = self._reader.event_before(day)
            self._last = ()
        changed = self._read_events()
        running = {row.case: row for row in self._reader.cases(CaseState.RUNNING)}
        changed |= {name for name, row in running.items() if self._running.get(name) != row}
        self._running = running
        return frozenset(changed)

    def _look_around(self, now: datetime) -> Around:
        if time.monotonic() - self._foretold_s >= FORETOLD_S:
            self._foretold_s = time.monotonic()
            hosts = tuple(name for name, _ in self._configured)
            return look_around(self._reader, now, self._attempts, self._active_cases, hosts)
        return replace(self._around, gpus=self._reader.gpus(), halts=self._reader.halts())

    def _read_events(self) -> set[str]:
        """Cases with new events; what ended among them is counted, each event once."""
        assert self._today is not None
        upto = self._reader.last_event()
        if upto == self._event:
            return set()
        changed: set[str] = set()
        if upto - self._event <= _STORM:
            changed = {event.case for event in self._reader.events_after(self._event, _STORM) if event.case}
        endings = [event for event in self._reader.endings_after(self._event) if event.number <= upto]
        self._today, self._event = tally(self._today, endings), upto
        if endings:
            rows = (self._reader.case(name) for name in self._today.last)
            self._last = tuple(row for row in rows if row is not None)
        return changed

    def _document(self, now: datetime, health: Health | None) -> dict[str, Any]:
        assert self._today is not None
        facts = self._facts()
        live = {**facts, **(health_document(health.report) if health else {})} if facts else None
        status = status_document(
            Holder(facts["pid"], facts["since"], facts["boot"], facts["socket"]) if facts else None,
            None if facts and facts.get("silent") else live,
            counts=self._reader.counts(),
            planned=self._reader.planned_counts(),
            configured=self._configured,
            hosts=self._reader.hosts(),
            gpus=self._around.gpus,
            alarms=self._reader.alarms(),
            boot=facts["boot"] if facts else None,
            halts=self._around.halts,
        )
        return overview_document(
            status,
            running=tuple(self._running.values()),
            last=self._last,
            today=self._today,
            health=health.report if health else None,
            health_at=health.at if health else None,
            around=self._around,
            now=now,
        )

    def _blind(self, now: datetime, error: MqiError) -> dict[str, Any]:
        return {"at": now.isoformat(timespec="seconds"), "fault": str(error.fault), "process": os.getpid()}


def cleaned(value: Any, clean: Callable[[str], str]) -> Any:
    """The document with every text cleaned."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {key: cleaned(entry, clean) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(entry, clean) for entry in value]
    return value
