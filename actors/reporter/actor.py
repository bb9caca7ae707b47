"""The reporter: asks the ledger which report is due, has it made, writes down what came of it; one at a time."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from actors.reporter.order import NO_RUN, MadeReport, MakeReport, NoReport, PlannedRun
from actors.reporter.process import run_process
from actors.reporter.standing import Standing
from actors.settings import ReportSettings
from actors.supervision import Actor, Context, TaskFailed, TaskScope
from messages.address import Mailbox
from messages.ledger import (
    BeginReport,
    CaseRow,
    GetNextReport,
    NextReport,
    Record,
    ReportRow,
    SettleReport,
    Write,
    WriteRefused,
    Written,
)
from messages.states import CaseState

LOOK_S = 2.0
"""Between two looks at a ledger in which nothing is due."""
AGAIN_S = 5.0
"""After a try that failed, or a ledger that refused."""
FULL_S = 60.0
"""While there is no room for a report."""
SILENT_S = 60.0
"""An answer of the ledger that did not come in this time was lost with an incarnation of it."""
_FOR_GOOD = frozenset({"result-changed", "dose-geometry"})
"""Kinds of NoReport that another try would only repeat."""

Make = Callable[[TaskScope, MakeReport], MadeReport | NoReport | None]


@dataclass(frozen=True, slots=True)
class _Look:
    """To myself: is a report due? ``number``: of the wait; a later one makes it stale."""

    number: int


@dataclass(frozen=True, slots=True)
class _TryAgain:
    """To myself: is there room by now?"""


@dataclass(frozen=True, slots=True)
class _Work:
    """The report under way."""

    report: ReportRow
    order: MakeReport

    @property
    def tries(self) -> int:
        """This one included."""
        return self.report.tries + 1


class Reporter(Actor):
    """May fail for ever and harms nothing: a case is published before its report is begun, and stays as it is.

    Durable by the ledger: a report is due from the moment that its case is done; a try is counted there before it is
    begun, so that a report that ends its process, or the daemon, is given up after ``rules.attempts``.
    """

    def __init__(
        self,
        context: Context,
        *,
        ledger: Mailbox,
        results_dir: Path,
        rules: ReportSettings,
        calibrations: tuple[tuple[str, str], ...] = (),
        make: Make = run_process,
        look_s: float = LOOK_S,
        again_s: float = AGAIN_S,
    ) -> None:
        super().__init__(context)
        self._ledger, self._results_dir, self._rules, self._make = ledger, results_dir, rules, make
        self._calibrations = calibrations
        self._look_s, self._again_s = look_s, again_s
        self._numbers = count(1)
        self._waiting_for = ""
        self._wait = 0
        self._work: _Work | None = None
        self._making = False
        """The write under way is the intent; else it is the outcome."""

    def started(self) -> None:
        if self._rules.enabled:
            self._ask()

    def receive(self, message: object) -> None:
        match message:
            case _Look(number):
                if number == self._wait:
                    self._ask()
            case NextReport() | Written() | WriteRefused():
                if message.request_id == self._waiting_for:
                    self._waiting_for = ""
                    self._answered(message)
            case MadeReport():
                self._made(message)
            case NoReport():
                self._not_made(message)
            case _TryAgain():
                self._begin()
            case TaskFailed():
                self._not_made(NoReport(f"Its process cannot be started: {message.error}.", "report-start"))

    # -- the ledger

    def _ask(self) -> None:
        self._work = None
        patient_until = datetime.now(UTC) - timedelta(hours=self._rules.planned_wait_h)
        self._ledger.tell(GetNextReport(self._request(), self.address, patient_until))

    def _request(self) -> str:
        """A request of this incarnation alone; if its answer is lost, the ledger is asked anew."""
        self._waiting_for = f"report#{self.epoch}.{next(self._numbers)}"
        self._rest(SILENT_S)
        return self._waiting_for

    def _rest(self, seconds: float) -> None:
        self._wait += 1
        self.after(seconds, _Look(self._wait))

    def _write(self, record: Record) -> None:
        self._ledger.tell(Write(self._request(), self.address, self.address.id, self.epoch, (record,)))

    def _answered(self, message: NextReport | Written | WriteRefused) -> None:
        match message:
            case NextReport():
                self._next(message)
            case Written() if self._making:
                self._begin()
            case Written():
                self._ask()
            case WriteRefused():
                self._rest(self._again_s)

    # -- one report

    def _next(self, found: NextReport) -> None:
        report, case = found.report, found.case
        if report is None or case is None:
            self._rest(self._look_s)
            return
        standing = Standing(found.reviews, found.newer, found.course)
        self._work = _Work(report, replace(self._order(case, found.planned), standing=standing))
        if report.tries >= self._rules.attempts:
            self._settle("failed", f"Given up after {report.tries} tries: {report.reason or 'none of them ended'}")
            return
        self._making = True
        self._write(BeginReport(report.case))

    def _order(self, case: CaseRow, planned: CaseRow | None = None) -> MakeReport:
        folder, sha256 = self._result(case)
        return MakeReport(
            folder,
            case.source.path if case.source else case.path,
            self._rules,
            sha256,
            self._calibrations,
            self._planned(planned),
        )

    def _planned(self, run: CaseRow | None) -> PlannedRun:
        if run is None:
            return NO_RUN
        if run.state is CaseState.DONE:
            return PlannedRun(*self._result(run))
        if run.state in (CaseState.FAILED, CaseState.CANCELLED):
            return PlannedRun(reason=f"its planned run {run.case} is {run.state}: {run.reason or 'no reason was told'}")
        return PlannedRun(reason=f"its planned run {run.case} is not there yet, it is {run.state}")

    def _result(self, case: CaseRow) -> tuple[str, str]:
        """Folder of what was published of it, and SHA-256 of its manifest; empty: the ledger does not say."""
        told = json.loads(case.verdict) if case.verdict else {}
        return str(told.get("path") or self._results_dir / case.case), str(told.get("manifest_sha256", ""))

    def _begin(self) -> None:
        """In a task; no look at the ledger until it has ended."""
        work = self._work
        if work is None:
            return
        self._wait += 1
        self.task("report", lambda scope: self._make(scope, work.order))

    def _made(self, made: MadeReport) -> None:
        assert self._work is not None, "a report was under way"
        self._making = False
        self._write(
            SettleReport(
                self._work.report.case,
                "made",
                made.sentence,
                verdict=made.verdict,
                path=made.path,
                manifest_sha256=made.manifest_sha256,
                gantry=made.gantry,
                figures=made.figures,
                planned=bool(self._work.order.planned.result),
            )
        )

    def _not_made(self, none: NoReport) -> None:
        work = self._work
        assert work is not None, "a report was under way"
        self.log.bind(case=work.report.case).warning("report, try {}: {}", work.tries, none.sentence)
        if none.kind == "disk-full":
            self.after(FULL_S, _TryAgain())  # the try stands; it is not the report's fault
        elif none.kind in _FOR_GOOD or work.tries >= self._rules.attempts:
            self._settle("failed", none.sentence)
        else:
            self._settle("due", none.sentence)

    def _settle(self, state: str, reason: str) -> None:
        assert self._work is not None, "a report was under way"
        self._making = False
        self._write(SettleReport(self._work.report.case, state, reason))
