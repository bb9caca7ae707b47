"""What is asked of the ledger: in few threads of its own, a bounded number at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import BoundedSemaphore
from typing import Protocol, TypeVar

from actors.console.asking import BusyError
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
    PastRuns,
    ReportRow,
    ReviewRow,
    SendingRow,
)
from messages.states import CaseState

T = TypeVar("T")

THREADS = 2
WAITING = 24
"""Questions asked at a time, those being answered included; more are refused."""


class LedgerReader(Protocol):
    """What the console reads of the ledger; every call sees one moment and may be made from any thread."""

    def cases(self, state: CaseState | None = None) -> tuple[CaseRow, ...]: ...
    def case(self, case: str) -> CaseRow | None: ...
    def find(
        self, states: frozenset[CaseState], search: str = "", limit: int = 50, offset: int = 0
    ) -> tuple[int, tuple[CaseRow, ...]]: ...
    def attempts(self, case: str) -> tuple[AttemptRow, ...]: ...
    def events(self, case: str) -> tuple[EventRow, ...]: ...
    def events_after(self, number: int, limit: int = 1000) -> tuple[EventRow, ...]: ...
    def last_event(self) -> int: ...
    def event_before(self, at: datetime) -> int: ...
    def endings_after(self, number: int) -> tuple[EventRow, ...]: ...
    def hosts(self) -> tuple[HostRow, ...]: ...
    def gpus(self) -> tuple[GpuRow, ...]: ...
    def alarms(self) -> tuple[AlarmRow, ...]: ...
    def halts(self) -> tuple[HaltRow, ...]: ...
    def open_cases(self) -> tuple[CaseRow, ...]: ...
    def past_runs(self) -> PastRuns: ...
    def counts(self) -> Mapping[CaseState, int]: ...
    def planned_counts(self) -> Mapping[CaseState, int]: ...
    def course(self, plan_uid: str) -> tuple[FractionRow, ...]: ...
    def reviews(self, case: str) -> tuple[ReviewRow, ...]: ...
    def sendings(self, case: str) -> tuple[SendingRow, ...]: ...
    def report(self, case: str) -> ReportRow | None: ...
    def followed(self, wanted: Followed) -> tuple[FigureRow, ...]: ...
    def gantries(self) -> tuple[GantryRow, ...]: ...


class Books:
    """The ledger, for the console's event loops."""

    def __init__(self, reader: LedgerReader) -> None:
        self.reader = reader
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="console-books")
        self._room = BoundedSemaphore(WAITING)

    async def ask(self, question: Callable[[LedgerReader], T]) -> T:
        """The answer. Raises BusyError, or what the question raises."""
        if not self._room.acquire(blocking=False):
            raise BusyError
        try:
            future = self._threads.submit(question, self.reader)
        except BaseException:
            self._room.release()
            raise
        future.add_done_callback(lambda _: self._room.release())
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """No more questions; those under way end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)
