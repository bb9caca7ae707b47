"""Read the ledger from outside its actor: commands and the page, whether the daemon is up or down."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from actors.ledger import course, figures, glances, halts, past, reads, reports, reviews, sendings
from actors.ledger.backups import default_backups
from actors.ledger.codec import time_text
from actors.ledger.damage import damage_named, damaged
from actors.ledger.facts import Known, read_facts
from actors.ledger.migrations import create_schema
from actors.ledger.planned import PLANNED
from actors.ledger.pruning import doubt_of_clock, old_events
from actors.ledger.schema import SCHEMA_VERSION, refuse_newer, schema_version
from actors.ledger.transitions import refused
from messages.ledger import (
    AlarmRow,
    AttemptRow,
    CaseRow,
    EventRow,
    FigureRow,
    Followed,
    FractionRow,
    GantryRow,
    GpuRow,
    HaltRow,
    HostRow,
    KnownCase,
    OrderRow,
    OutcomeRow,
    PastRuns,
    ReportRow,
    ReviewRow,
    SendingRow,
)
from messages.metrics import LedgerFacts
from messages.states import CaseState

T = TypeVar("T")
_BUSY_S = 5.0


class Reader:
    """Read-only; holds no connection between calls, so it may be used from any thread and outlives a restore.

    Every call sees one moment of the ledger. A ledger that was never made reads as an empty one. Raises MqiError when
    the file is damaged, newer, older, or may not be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def cases(self, state: CaseState | None = None) -> tuple[CaseRow, ...]:
        """All cases, or those in one state, by priority then age."""
        if state is None:
            return self._read(reads.all_cases)
        return self._read(lambda database: reads.cases_in(database, frozenset({state})))

    def case(self, case: str) -> CaseRow | None:
        """One case with its beams; None: no such case."""
        return self._read(lambda database: reads.one_case(database, case))

    def attempts(self, case: str) -> tuple[AttemptRow, ...]:
        """The attempts of a case, oldest first."""
        return self._read(lambda database: reads.attempts_of(database, case))

    def open_gpus(self) -> Mapping[str, tuple[tuple[int, str], ...]]:
        """Host → index and UUID (or slot) of its GPUs on which attempts are open."""
        return self._read(reads.open_gpus)

    def events(self, case: str) -> tuple[EventRow, ...]:
        """The history of a case (empty name: of the system), oldest first."""
        return self._read(lambda database: reads.events_of(database, case))

    def events_after(self, number: int, limit: int = 1000) -> tuple[EventRow, ...]:
        """The history of everything after event ``number``, oldest first."""
        return self._read(lambda database: reads.events_after(database, number, limit))

    def find(
        self, states: frozenset[CaseState], search: str = "", limit: int = 50, offset: int = 0
    ) -> tuple[int, tuple[CaseRow, ...]]:
        """How many cases in these states match, and a part of them: open ones in the order in which they will run,
        then ended ones, newest first. ``search``: part of a case's name, plan UID or reason."""
        return self._read(lambda database: glances.find_cases(database, states, search, limit, offset))

    def last_event(self) -> int:
        """Number of the newest event; 0 before the first."""
        return self._read(glances.last_event)

    def event_before(self, at: datetime) -> int:
        """Number of the last event before that time; 0: there is none."""
        return self._read(lambda database: glances.event_before(database, time_text(at)))

    def endings_after(self, number: int) -> tuple[EventRow, ...]:
        """Of the history after event ``number``: beams and cases that were done or failed, oldest first."""
        return self._read(lambda database: glances.endings_after(database, number))

    def hosts(self) -> tuple[HostRow, ...]:
        """Every host, by name."""
        return self._read(reads.hosts)

    def gpus(self) -> tuple[GpuRow, ...]:
        """Every GPU, by host and index."""
        return self._read(reads.gpus)

    def report(self, case: str) -> ReportRow | None:
        """The physicist's report of a case; None: the case is not done."""
        return self._read(lambda database: reports.report_of(database, case))

    def reports(self) -> tuple[ReportRow, ...]:
        """Every report, by case."""
        return self._read(reports.all_reports)

    def course(self, plan_uid: str) -> tuple[FractionRow, ...]:
        """Every case that was admitted for a plan, by name."""
        return self._read(lambda database: course.course_of(database, plan_uid))

    def reviews(self, case: str) -> tuple[ReviewRow, ...]:
        """The review of a case, oldest step first; empty: nobody has reviewed it."""
        return self._read(lambda database: reviews.reviews_of(database, case))

    def followed(self, wanted: Followed) -> tuple[FigureRow, ...]:
        """What reports found of cases (beam 0) and their beams, in the order of their delivery."""
        return self._read(lambda database: figures.followed(database, wanted))

    def gantries(self) -> tuple[GantryRow, ...]:
        """Every gantry of which a report was made, by name."""
        return self._read(figures.gantries)

    def figures(self, cases: Sequence[str]) -> tuple[FigureRow, ...]:
        """What the reports of these cases found, by case, beam and band."""
        return self._read(lambda database: figures.figures_of(database, cases))

    def outcomes(self, after: str = "", limit: int = 500) -> tuple[OutcomeRow, ...]:
        """Up to ``limit`` deliveries' cases whose names follow ``after``, by name, without their documents."""
        return self._read(lambda database: figures.outcomes(database, after, limit))

    def sendings(self, case: str) -> tuple[SendingRow, ...]:
        """Where the result of a case was sent, or is to be, by node."""
        return self._read(lambda database: sendings.sendings_of(database, case))

    def alarms(self) -> tuple[AlarmRow, ...]:
        """The alarms that stand, oldest first."""
        return self._read(reads.alarms)

    def orders(self) -> tuple[OrderRow, ...]:
        """Operators' orders without an outcome, oldest first."""
        return self._read(reads.open_orders)

    def order(self, order: str) -> OrderRow | None:
        """One order; None: no such order."""
        return self._read(lambda database: reads.order(database, order))

    def halts(self) -> tuple[HaltRow, ...]:
        """Where operators want nothing new to start."""
        return self._read(halts.halts)

    def open_cases(self) -> tuple[CaseRow, ...]:
        """Cases that are queued or running, by priority then age."""
        begun = frozenset({CaseState.QUEUED, CaseState.RUNNING})
        return self._read(lambda database: reads.cases_in(database, begun))

    def past_runs(self) -> PastRuns:
        """What the durations of later runs are learned from, and what runs now."""
        return self._read(past.past_runs)

    def known_cases(self) -> tuple[KnownCase, ...]:
        """Every case as the scanner sees it, oldest first."""
        return self._read(reads.known_cases)

    def counts(self) -> Mapping[CaseState, int]:
        """How many cases are in each state, states without a case included."""
        return self._read(reads.counts)

    def planned_counts(self) -> Mapping[CaseState, int]:
        """How many runs of planned spots are in each state."""
        return self._read(lambda database: reads.counts(database, PLANNED))

    def check(self) -> None:
        """Raises MqiError when SQLite finds the file damaged, in whatever part: some seconds for a very large one."""
        findings = self._read(lambda database: [str(row[0]) for row in database.execute("PRAGMA quick_check(1)")])
        if findings != ["ok"]:
            raise damaged(self._path, default_backups(self._path), " ".join("; ".join(findings).split()))

    def meta(self) -> Mapping[str, str]:
        """Schema version (``schema``), boot counter (``boot``), writes dropped by a fence (``stale_writes``)."""
        return self._read(reads.meta)

    def facts(self, backups: Path, upto: int, began: datetime) -> LedgerFacts | None:
        """What is, and what has happened after event ``upto`` (states left: since ``began``); None: nothing has."""
        return self._read(lambda database: read_facts(database, backups, Known(upto, began)))

    def old_events(self, before: datetime) -> tuple[int, str]:
        """How many lines of the history, settled orders and told documents are older and needed by nothing, and the
        time (ISO 8601) of the oldest line."""
        return self._read(lambda database: old_events(database, before))

    def doubt_of_clock(self, now: datetime) -> str:
        """Why the daemon would remove no history now, in one sentence; empty: it would."""
        return self._read(lambda database: doubt_of_clock(database, now))

    def _read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        try:
            with damage_named(self._path, default_backups(self._path)), _snapshot(self._path) as database:
                return read(database)
        except (sqlite3.DatabaseError, OSError) as error:
            raise refused(
                f"The ledger cannot be read: {error}.",
                kind="ledger-unreadable",
                where=str(self._path),
                remedy="Run this as the daemon's user, or let this user read the state folder.",
            ) from error


@contextmanager
def _snapshot(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that sees one moment."""
    with _connection(path) as database:
        database.row_factory = sqlite3.Row
        database.execute("PRAGMA query_only = ON")
        database.execute("BEGIN")
        _check_version(database, path)
        yield database
        database.execute("ROLLBACK")


@contextmanager
def _connection(path: Path) -> Iterator[sqlite3.Connection]:
    if not path.exists():
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
            create_schema(database)
            yield database
        return
    try:
        database = _connect(path)
    except sqlite3.OperationalError:
        # While the daemon is down WAL wants to make files beside the ledger; who may only read makes a copy.
        with tempfile.TemporaryDirectory(prefix="mqi-ledger-") as folder:
            for suffix in ("", "-wal"):
                beside = path.with_name(path.name + suffix)
                if beside.exists():
                    shutil.copyfile(beside, Path(folder) / beside.name)
            with closing(_connect(Path(folder) / path.name)) as database:
                yield database
        return
    with closing(database):
        yield database


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=_BUSY_S)
    try:
        database.execute("SELECT 1 FROM sqlite_schema").fetchone()
    except BaseException:
        database.close()
        raise
    return database


def _check_version(database: sqlite3.Connection, path: Path) -> None:
    version = schema_version(database)
    if version is None:
        raise damaged(path, default_backups(path), "it has no tables of ours")
    refuse_newer(version, path)
    if version < SCHEMA_VERSION:
        raise refused(
            f"The ledger has version {version} of its tables; this program reads {SCHEMA_VERSION}.",
            kind="ledger-older",
            where=str(path),
            remedy="Start the daemon once: it brings the ledger forward.",
        )
