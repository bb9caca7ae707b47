"""Admission: keeps a Case actor for every case that is to be worked on, up to a number of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from actors.case.intake import ASKED_FOR, Intake
from actors.supervision import Actor, Context, Exited, Spec, StartChild, Up
from messages.address import Mailbox
from messages.cases import AdmissionsMissed, CaseAdmitted
from messages.ledger import CasesReport, GetCases, GetHalts, HaltsReport
from messages.operators import CaseChanged, DiskState, PlacesChanged, PruneNow, SubscribeDisk

LOOK_AGAIN_S = 600.0
"""Cases whose cleaning was given up (a host that could not be reached) are taken up again after so long, and
those that failed so long ago that their working files go."""
LOOK_FULL_S = 60.0
"""While every place is taken the ledger is asked so often which of those cases have ended: nobody tells of one that
waits only for a host to remove its files from."""


@dataclass(frozen=True, slots=True)
class _LookAgain:
    """Time to ask the ledger."""


@dataclass(frozen=True, slots=True)
class _LookFull:
    """Time to ask whether every place is still taken."""


class Admission(Actor):
    """``start_case`` gives the spec of a case's actor; it becomes a child of the supervisor ``cases``."""

    def __init__(
        self,
        context: Context,
        *,
        ledger: Mailbox,
        start_case: Callable[[str], Spec],
        cases: Mailbox,
        monitor: Mailbox,
        work_days: float = 90.0,
        max_active: int = 64,
    ) -> None:
        super().__init__(context)
        self._ledger, self._cases, self._monitor = ledger, cases, monitor
        self._start_case = start_case
        self._intake = Intake(max_active)
        self._keep_work = timedelta(days=work_days)
        self._names: dict[str, str] = {}
        """Path of a case's actor → case."""
        self._asked = 0
        self._waiting = False
        """Asked the ledger, not answered yet."""
        self._stale = False
        """Something changed since it was asked."""
        self._known = False
        """Whether an operator has paused intake."""
        self._disk = DiskState(roomy=True, reason="")
        self._early: list[tuple[object, str]] | None = []
        """What was to be told to cases before I knew which have an actor; None: I know."""

    def started(self) -> None:
        self._monitor.tell(SubscribeDisk(self.address))
        self._ask_halts()
        self.after(LOOK_AGAIN_S, _LookAgain())
        self.after(LOOK_FULL_S, _LookFull())

    def receive(self, message: object) -> None:
        match message:
            case CasesReport():
                self._answered(message)
            case CaseAdmitted() | AdmissionsMissed():
                self._look()
            case CaseChanged() | PlacesChanged() | HaltsReport():
                self._ordered(message)
            case Exited() if message.cause is None:
                self._ended(message.id)
            case DiskState():
                self._disk = message
                self._tell_all(message)
            case _LookAgain() | _LookFull() | PruneNow():
                self._time_to_look(message)
            case Up() | Exited():
                pass
            case _:
                self.log.warning(f"admission does not know {type(message).__name__}")

    def _time_to_look(self, message: _LookAgain | _LookFull | PruneNow) -> None:
        if isinstance(message, _LookFull):
            if not self._intake.room:
                self._look(full=True)
            self.after(LOOK_FULL_S, message)
            return
        self._intake.look_again()
        self._look()
        if isinstance(message, _LookAgain):
            self.after(LOOK_AGAIN_S, message)

    def _ordered(self, message: CaseChanged | PlacesChanged | HaltsReport) -> None:
        """An operator's order: those whom it concerns read the ledger."""
        match message:
            case HaltsReport():
                self._halted(message)
            case PlacesChanged():
                self._ask_halts()
                self._tell_all(message)
            case CaseChanged(case):
                self._intake.wake(case)
                self._tell_all(message, case)
                self._look()

    def _tell_all(self, message: object, only: str = "") -> None:
        if self._early is not None:
            self._early.append((message, only))
        for path, case in self._names.items():
            if not only or case == only:
                self.context.system.address(path).tell(message)

    def _ask_halts(self) -> None:
        self._ledger.tell(GetHalts(f"halts#{self.epoch}", self.address))

    def _halted(self, report: HaltsReport) -> None:
        """Before the first answer nothing is begun: intake may be paused."""
        known, self._intake.paused = self._known, any(not row.place for row in report.rows)
        self._known = True
        if not known or not self._intake.paused:
            self._look()

    def _look(self, *, full: bool = False) -> None:
        """Ask the ledger which cases are open; once more afterwards if something changes meanwhile. ``full``: although
        there is no room that I know of."""
        if self._waiting:
            self._stale = True
        elif (self._intake.room or full) and self._known:
            self._asked += 1
            self._waiting, self._stale = True, False
            self._ledger.tell(GetCases(self._request, self.address, ASKED_FOR, uncleaned=True))

    @property
    def _request(self) -> str:
        return f"admission#{self.epoch}.{self._asked}"

    def _answered(self, report: CasesReport) -> None:
        if report.request_id != self._request:
            return
        self._waiting = False
        self._intake.failed_before = datetime.now(UTC) - self._keep_work
        for case in self._intake.choose(report.rows):
            self._begin(case)
        self._catch_up()
        if self._stale:
            self._look()

    def _catch_up(self) -> None:
        """Cases that go on from before my own restart missed what came until now."""
        early, self._early = self._early, None
        for message, only in early or ():
            self._tell_all(message, only)

    def _begin(self, case: str) -> None:
        spec = self._start_case(case)
        address = self.context.system.address(f"{self._cases.id}/{spec.id}")
        if address.id not in self._names:
            self.watch(address)
        self._names[address.id] = case
        self._cases.tell(StartChild(spec))
        if not self._disk.roomy:
            address.tell(self._disk)

    def _ended(self, path: str) -> None:
        case = self._names.pop(path, None)
        if case is not None:
            self.unwatch(self.context.system.address(path))
            self._intake.ended(case)
            self._look()
