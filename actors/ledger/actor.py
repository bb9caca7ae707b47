"""The ledger's actor: the only writer of the SQLite file. What it has acknowledged is on the disk."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

from actors.ledger import queries as q
from actors.ledger.backups import clear_unfinished, last_scheduled, scheduled_backup
from actors.ledger.codec import time_text
from actors.ledger.commit import Committed, DiskRefusedError, SupersededError, commit, probe_room
from actors.ledger.damage import damage_named
from actors.ledger.narration import narrate
from actors.ledger.pace import Pace
from actors.ledger.pruning import LEAST_DAYS, doubt_of_clock, prune_events
from actors.ledger.reads import Query, answer
from actors.ledger.standing import Decide, carry_out
from actors.ledger.store import open_store
from actors.supervision import Actor, Context, TaskFailed, TaskScope
from messages.address import Mailbox
from messages.faults import Blame, Fault
from messages.ledger import Record, Write, WriteRefused, Written
from messages.metrics import CommitsTimed
from messages.operators import AlarmCleared, AlarmRaised, PruneNow

BATCH = 256
"""Messages of one commit at most: what bounds the time of one handler."""
NOTE_DELAY_S = 0.2
"""How long notes that nobody waits for may wait for company."""
BUSY_MS = 1000
"""How long a commit waits for another program that has the file locked: whoever wants to read waits with it."""
PROBE_S = 2.0
PROBE_BYTES = 64 * 1024
"""How often a disk that refused a write is tried again while nobody writes."""
EVENTS_A_TIME = 2000
"""Events told to the log after one commit at most; the rest is told after the next."""
PRUNE_FIRST_S, PRUNE_AGAIN_S = 60.0, 86_400.0
PRUNE_PAUSE_S, PRUNE_ROWS = 0.2, 1000
"""Old history goes once a day, so many lines at a time: nobody waits for it."""
BACKUP_AGAIN_S = 600.0
"""A backup that failed is tried again so soon: whoever made room need not wait for the next one."""
_QUERIES = get_args(Query)
_WRITE_ALARM = "ledger-write"
_BACKUP_ALARM = "ledger-backup"


@dataclass(frozen=True, slots=True)
class _Flush:
    """To myself, behind all that lies in the mailbox by now: commit this batch."""

    batch: int


@dataclass(frozen=True, slots=True)
class _Probe:
    """To myself: is there room again?"""


@dataclass(frozen=True, slots=True)
class _PruneDue:
    """To myself: remove old history, and the next time after so long."""

    again_s: float = PRUNE_AGAIN_S


@dataclass(frozen=True, slots=True)
class _BackupDue:
    """To myself: take the scheduled backup."""


@dataclass(frozen=True, slots=True)
class _BackupAgain:
    """To myself: try once more the one that failed."""


@dataclass(frozen=True, slots=True)
class _BackupTaken:
    """From the backup's task."""

    file: Path


class Ledger(Actor):
    """One writer, group commit.

    The first write of a batch tells me to flush, behind whatever is in the mailbox: all of that joins the same
    transaction, and a single write costs one fsync and no waiting. Queries see everything that was sent before them.

    ``standing`` decides orders that stand in the file when it is opened: they are in force before those who start
    after me read it.
    """

    def __init__(
        self,
        context: Context,
        *,
        path: Path,
        backups: Path,
        backup_hours: float,
        events_days: float = 0.0,
        monitor: Mailbox | None = None,
        standing: Decide | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(context)
        self._path = path
        self._backups = backups
        self._backup_every = timedelta(hours=backup_hours)
        self._keep = timedelta(days=max(LEAST_DAYS, events_days)) if events_days else None
        self._monitor = monitor
        self._standing = standing
        self._clock = clock
        self._database: sqlite3.Connection | None = None
        self._waiting: list[Write | Query] = []
        self._batch = 0
        self._urgent = False
        self._refusing, self._refusal = False, ""
        self._backup_failed = self._backup_again = False
        self._pace = Pace()
        self._told = 0
        """Number of the last event that the log has."""

    def started(self) -> None:
        """Open the file, or fail with what is wrong with it."""
        self._database = open_store(self._path, self._backups)
        self._database.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        with suppress(DiskRefusedError):  # then the first commit says it
            commit(self._database, (), time_text(self._clock()), self._owner)
        self._told = int(self._database.execute(q.LAST_EVENT).fetchone()[0])
        clear_unfinished(self._backups)
        self._carry_out_standing()
        self._plan_backup()
        if self._keep is not None:
            self.after(PRUNE_FIRST_S, _PruneDue())

    def receive(self, message: object) -> None:
        """Writes and queries wait for the flush behind them."""
        match message:
            case Write():
                self._take(message, urgent=message.reply_to is not None)
            case query if isinstance(query, _QUERIES):
                self._ask(query)
            case _Flush(batch):
                if batch == self._batch:
                    self._flush()
            case _Probe():
                self._probe()
            case _BackupDue() | _BackupAgain() | _BackupTaken() | TaskFailed():
                self._backup(message)
            case _PruneDue() | PruneNow():
                self._prune(message)
            case _:
                self.log.warning(f"the ledger has no use for {type(message).__name__}")

    def stopped(self) -> None:
        """Commit what was taken from the mailbox; close the file."""
        if self._database is None:
            return
        try:
            self._flush()
        finally:
            self._database.close()
            self._database = None

    # --- orders that stood in the file ---

    def _carry_out_standing(self) -> None:
        if self._standing is None:
            return
        try:
            left = carry_out(self._open(), self._standing, self._write_own)
        except DiskRefusedError as refusal:  # nothing can be begun either: no intent can be written
            self.log.warning("the orders that stand wait for the orders' actor: {}", refusal)
            return
        for one in left:
            self.log.error("the order {} {} waits for the orders' actor: {}", one.order.kind, one.order.order, one.why)
        self._narrate()

    def _write_own(self, writes: Sequence[tuple[Record, ...]]) -> Sequence[Fault | None]:
        writer, epoch = self._owner
        mine = [Write("standing orders", None, writer, epoch, records) for records in writes]
        return commit(self._open(), mine, time_text(self._clock()), self._owner).faults

    # --- writes and queries ---

    def _take(self, item: Write | Query, *, urgent: bool) -> None:
        self._waiting.append(item)
        if len(self._waiting) >= BATCH:
            self._flush()
        elif urgent and not self._urgent:
            self._urgent = True
            if not self.address.tell(_Flush(self._batch)):
                self._flush()  # the mailbox is full: no flush would come
        elif not urgent and len(self._waiting) == 1:
            self.after(NOTE_DELAY_S, _Flush(self._batch))

    def _ask(self, query: Query) -> None:
        if self._waiting:
            self._take(query, urgent=True)
        else:
            self._answer(query)

    def _answer(self, query: Query) -> None:
        with damage_named(self._path, self._backups):
            report = answer(self._open(), query)
        query.reply_to.tell(report)

    def _flush(self) -> None:
        """Commit, then acknowledge, then answer."""
        waiting, self._waiting, self._urgent = self._waiting, [], False
        self._batch += 1
        writes = [item for item in waiting if isinstance(item, Write)]
        if writes:
            self._commit(writes)
        for item in waiting:
            if not isinstance(item, Write):
                self._answer(item)

    def _commit(self, writes: list[Write]) -> None:
        at, begun = time_text(self._clock()), time.perf_counter()
        try:
            with damage_named(self._path, self._backups):
                done = commit(self._open(), writes, at, self._owner)
        except DiskRefusedError as refusal:
            self._refuse(writes, str(refusal))
            return
        except SupersededError as superseded:
            # I was given up for dead: what I was sent, my successor is sent again by those who still want it
            self.log.warning("{}; {} writes that reached me late are dropped", superseded, len(writes))
            return
        if timed := self._pace.took(begun, time.perf_counter()):
            self._tell_monitor(CommitsTimed(timed))
        self._acknowledge(writes, done)
        self._narrate()

    @property
    def _owner(self) -> tuple[str, int]:
        return self.address.id, self.epoch

    def _probe(self) -> None:
        """Whether there is room again: only a write of some size proves it, as a small one may find some by chance."""
        try:
            probe_room(self._open(), PROBE_BYTES)
        except DiskRefusedError:
            self._tell_monitor(AlarmRaised(_WRITE_ALARM, self._refusal))  # it may be another one than was told
            self.after(PROBE_S, _Probe())
            return
        self._refusing = False
        self.log.info("the ledger can be written again")
        self._tell_monitor(AlarmCleared(_WRITE_ALARM))

    def _acknowledge(self, writes: list[Write], done: Committed) -> None:
        for write, fault, stale in zip(writes, done.faults, done.stale, strict=True):
            if stale:
                self.log.info(f"dropped a write of an older {write.writer} (epoch {write.epoch})")
            elif fault is not None:
                self.log.warning(f"refused a write of {write.writer}: {fault}")
                _tell(write, WriteRefused(write.request_id, fault))
            else:
                _tell(write, Written(write.request_id))

    def _narrate(self) -> None:
        """The log tells what is on the disk, after those who wait for it were told."""
        for row in self._open().execute(q.EVENTS_AFTER, {"after": self._told, "limit": EVENTS_A_TIME}):
            self._told = row["number"]
            line = narrate(row["case"], row["what"], row["detail"])
            names = {name: value for name, value in (("case", line.case), ("beam", line.beam)) if value}
            self.log.bind(**names).log(line.level, "{}", line.text)

    def _refuse(self, writes: list[Write], evidence: str) -> None:
        """The disk does not take it: nobody is told that it is written, and all goes on when there is room."""
        fault = Fault(
            what=f"The ledger cannot be written: {evidence}.",
            where=str(self._path),
            remedy=f"{_remedy(evidence, self._path)}; everything goes on by itself.",
            blame=Blame.OURS,
            kind="ledger-full",
        )
        if not self._refusing:
            self._refusing, self._refusal = True, str(fault)
            self.log.error(self._refusal)
            self._tell_monitor(AlarmRaised(_WRITE_ALARM, self._refusal))
            self.after(PROBE_S, _Probe())
        for write in writes:
            _tell(write, WriteRefused(write.request_id, fault))

    def _open(self) -> sqlite3.Connection:
        assert self._database is not None, "opened in started"
        return self._database

    def _tell_monitor(self, message: AlarmRaised | AlarmCleared | CommitsTimed) -> None:
        if self._monitor is not None:
            self._monitor.tell(message)

    # --- old history ---

    def _prune(self, message: _PruneDue | PruneNow) -> None:
        """A part of it; the rest after a pause. What cannot be written now goes another day."""
        gone = self._prune_part(self._keep) if self._keep is not None else 0
        if gone:
            self.log.info(f"{gone} lines of the history were older than is kept, and are gone")
        if gone == PRUNE_ROWS:
            self.after(PRUNE_PAUSE_S, message)
        elif isinstance(message, _PruneDue):
            self.after(message.again_s, message)

    def _prune_part(self, keep: timedelta) -> int:
        now = self._clock()
        with damage_named(self._path, self._backups):
            try:
                if doubt := doubt_of_clock(self._open(), now):
                    self.log.warning(f"no old history is removed: {doubt}; if the clock is wrong, set it right")
                    return 0
                return prune_events(self._open(), now - keep, PRUNE_ROWS, self._owner)
            except (sqlite3.OperationalError, SupersededError) as error:
                self.log.info(f"old history is not removed now: {error}")
        return 0

    # --- backups ---

    def _plan_backup(self) -> None:
        if self._backup_every <= timedelta(0):
            self._tell_monitor(AlarmCleared(_BACKUP_ALARM))  # who takes none any more misses none
            return
        now = self._clock()
        # A clock that was set back must not postpone the next backup, however often we are started again.
        last = last_scheduled(self._backups, now)
        due = now if last is None else max(now, last + self._backup_every)
        self.after((due - now).total_seconds(), _BackupDue())

    def _backup(self, message: _BackupDue | _BackupAgain | _BackupTaken | TaskFailed) -> None:
        match message:
            case _BackupDue():
                self.after(self._backup_every.total_seconds(), _BackupDue())
                self.task("backup", self._take_backup)
            case _BackupAgain():
                self._backup_again = False
                if self._backup_failed:
                    self.task("backup", self._take_backup)
            case _BackupTaken(file):
                self._backup_failed = False
                self.log.info(f"backup taken: {file}")
                self._tell_monitor(AlarmCleared(_BACKUP_ALARM))
            case TaskFailed():
                text = f"The ledger's backup failed: {message.error}. Make room in {self._backups}; it is tried again."
                self.log.error(text)
                self._tell_monitor(AlarmRaised(_BACKUP_ALARM, text))
                self._backup_failed = True
                if not self._backup_again:
                    self._backup_again = True
                    self.after(BACKUP_AGAIN_S, _BackupAgain())

    def _take_backup(self, scope: TaskScope) -> _BackupTaken:
        del scope  # seconds at most, on a connection of its own
        return _BackupTaken(scheduled_backup(self._path, self._backups, self._clock()))


def _tell(write: Write, message: Written | WriteRefused) -> None:
    if write.reply_to is not None:
        write.reply_to.tell(message)


def _remedy(evidence: str, path: Path) -> str:
    if "locked" in evidence:
        return f"Another program has it locked: end that (fuser -v {path} names it)"
    return "Make its disk writable" if "readonly" in evidence else "Make room on its disk"
