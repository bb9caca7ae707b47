"""The scanner: rounds over the roots, surveys of what changed, decisions, operators' submissions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from actors.formats.reading import shown
from actors.scanner.assessment import assess
from actors.scanner.cases import Cases, Clock
from actors.scanner.complaints import Complaints, MissingRoots
from actors.scanner.facts import FolderSurvey, SurveyRequest
from actors.scanner.folder import Agenda, Folder, Order
from actors.scanner.hints import Following, Hinted, NoHints, describe, follow
from actors.scanner.looks import Look
from actors.scanner.outbox import Outbox, Pending
from actors.scanner.questions import Questions
from actors.scanner.readiness import Rules
from actors.scanner.register import Register
from actors.scanner.rounds import Rounds
from actors.scanner.scan import Scanned
from actors.scanner.submission import Found, find_case_folder
from actors.scanner.surveys import Surveys
from actors.scanner.ticks import AskKnown, Round, Sync, Wake, Waking
from actors.supervision import Actor, Context, TaskFailed, Timer
from messages.address import Mailbox
from messages.cases import AdmissionsMissed, FolderTaken, SubmitFolder
from messages.compute import Computed, ComputeFailed
from messages.engine import EngineProfile
from messages.ledger import (
    CaseReport,
    CaseRow,
    CasesReport,
    KnownCasesReport,
    WriteRefused,
    Written,
)
from messages.operators import CaseChanged, DiskState, SubscribeDisk

SYNC_S = 60.0
"""How often the ledger is asked which cases wait or failed: orders and failures of others are learnt so."""
_ROUND = "round"
_ASK_AGAIN_S = 5.0


class Scanner(Actor):
    """Finds cases below ``roots`` and admits each once it is complete.

    Times in seconds or hours as named; ``zone`` is the IANA zone of the machine's clock; ``marker`` empty: none needed.
    """

    def __init__(
        self,
        context: Context,
        *,
        ledger: Mailbox,
        compute: Mailbox,
        admission: Mailbox,
        roots: tuple[Path, ...],
        interval_s: float,
        quiet_s: float,
        marker: str,
        give_up_h: float,
        partial_after_h: float,
        session_gap_h: float,
        zone: str,
        monitor: Mailbox,
        profile: EngineProfile,
    ) -> None:
        super().__init__(context)
        self._admission = admission
        self._monitor = monitor
        self._interval_s, self._marker = interval_s, marker
        self._gap_h, self._zone, self._needs_ct = session_gap_h, zone, profile.geometry == "ct"
        rules = Rules(quiet_s, marker, give_up_h, partial_after_h)
        self._cases = Cases(
            Register(),
            Outbox(ledger, context.address, context.epoch),
            rules,
            admission=admission,
            monitor=monitor,
            log=self.log,
            clock=Clock.read,
        )
        self._folders: dict[str, Folder] = {}
        self._agenda = Agenda()
        self._waking = Waking(self.after, time.monotonic)
        self._rounds = Rounds(roots, marker)
        self._hints_asked = False
        self._full_timer: Timer | None = None
        self._surveys = Surveys(compute, context.address, f"{context.address.id}/{context.epoch}")
        self._complaints = Complaints()
        self._missing_roots = MissingRoots(monitor, self.log)
        self._questions = Questions(ledger, context.address, context.epoch)
        self._orders: list[SubmitFolder] = []
        self._handlers: dict[type, Callable[..., None]] = {
            KnownCasesReport: self._learn_known,
            CasesReport: self._learn_news,
            Scanned: self._scanned,
            Hinted: self._hint,
            Following: self._full_now,
            NoHints: lambda hints: self.log.info(describe(hints, self._interval_s)),
            Computed: self._surveyed,
            ComputeFailed: self._survey_failed,
            Written: self._written,
            WriteRefused: self._refused,
            SubmitFolder: self._submit,
            Found: self._found,
            CaseChanged: self._ordered,
            CaseReport: self._learn_case,
            DiskState: self._disk,
            TaskFailed: self._task_failed,
            Round: self._full_now,
            Wake: self._woken,
            Sync: self._sync,
            AskKnown: self._ask_known,
        }

    def started(self) -> None:
        """Ask the ledger what it knows; looking begins with its answer."""
        self._monitor.tell(SubscribeDisk(self.address))
        self._admission.tell(AdmissionsMissed())
        self._ask_known(AskKnown())

    def receive(self, message: object) -> None:
        """Everything is quick: looking runs in a task, reading in worker processes."""
        handler = self._handlers.get(type(message))
        if handler is None:
            self.log.warning("the scanner has no use for {}", type(message).__name__)
        else:
            handler(message)

    # -- what the ledger knows

    def _ask_known(self, _message: AskKnown) -> None:
        if not self._questions.known:
            self._questions.ask_known()
            self.after(_ASK_AGAIN_S, AskKnown())

    def _learn_known(self, report: KnownCasesReport) -> None:
        if self._questions.expected(report):
            self._cases.register.learn_known(report.cases)
            if self._questions.known:
                self._cases.raise_known_alarms()
                self._sync(Sync())

    def _sync(self, _message: Sync) -> None:
        self._questions.ask_news()
        self.after(SYNC_S, Sync())

    def _learn_news(self, report: CasesReport) -> None:
        if not self._cases.busy(row.case for row in report.rows):  # what is passed over now is asked again
            self._questions.learned(report)
        self._learn_rows(report.rows)

    def _learn_rows(self, rows: Iterable[CaseRow]) -> None:
        for row in rows:
            self._cases.learn(row)
        restless = self._cases.register.restless()
        self._rounds.want(entry.path for entry in restless if entry.path not in self._folders)
        self._cases.overdue(self._folders)
        if not self._rounds.begun:
            self._rounds.begin()
            for order in self._orders:
                self._submit(order)
        self._next_round()

    def _ordered(self, order: CaseChanged) -> None:
        """An operator's order: how the case stands now is asked at once."""
        self._questions.ask_case(order.case)

    def _learn_case(self, report: CaseReport) -> None:
        if report.row is not None and self._rounds.begun:
            self._learn_rows((report.row,))

    # -- rounds over the roots

    def _full_now(self, _message: Round | Following) -> None:
        self._rounds.full()
        self._next_round()

    def _next_full_in(self, seconds: float) -> None:
        if self._full_timer is not None:
            self._full_timer.cancel()
        self._full_timer = self.after(seconds, Round())

    def _hint(self, hint: Hinted) -> None:
        self._rounds.hint(hint.folders)
        self._next_round()

    def _next_round(self) -> None:
        """Start the next round unless one is under way."""
        work = self._rounds.next(self._folders, self._cases.register.settled(), time.monotonic())
        if work is not None:
            self.task(_ROUND, lambda scope: work(lambda: scope.cancelled))

    def _scanned(self, found: Scanned) -> None:
        self._rounds.done()
        for complaint in self._complaints.news(found.complaints, all_there_are=found.full):
            self.log.warning("{}", complaint)
        for path in found.gone:
            self._gone(path)
        for look in found.looks:
            self._looked(look, found.began)
        if found.full:
            self._after_full(found)
        self._next_round()
        self._set_wake()

    def _after_full(self, found: Scanned) -> None:
        self._missing_roots.tell(found.missing_roots)
        self._next_full_in(max(self._interval_s - found.took_s, 0.1))
        if not self._hints_asked:
            self._hints_asked = True
            roots = self._rounds.roots
            self.task("hints", lambda scope: follow(roots, found.folders, scope))

    # -- folders and their surveys

    def _looked(self, look: Look, at: float) -> None:
        folder = self._folders.get(look.path)
        if folder is None:
            if not look.is_case or self._cases.nothing_new(look):
                return
            folder = self._folders[look.path] = Folder(look, looked_at=at, changed_at=at)
        else:
            folder.see(look, at)
        self._advance(folder)

    def _gone(self, path: str) -> None:
        folder = self._folders.pop(path, None)
        self._agenda.drop(path)
        self._surveys.forget(path)
        if folder is not None and folder.order is not None:
            self._answer(folder.order.request, (), (f"{shown(path)} is gone.",))
        self._cases.lost(path)

    def _advance(self, folder: Folder) -> None:
        """A folder's next step: a survey if it changed, else a decision."""
        if not folder.stale:
            self._decide(folder)
        elif folder.path not in self._surveys:
            if folder.order is not None or folder.survey_due <= time.monotonic():
                self._surveys.want(folder.path, first=folder.order is not None)
                self._surveys.ask(self._survey_request)
            else:
                self._agenda.put(folder.path, folder.survey_due)
                self._set_wake()

    def _survey_request(self, path: str) -> SurveyRequest | None:
        folder = self._folders.get(path)
        if folder is None:
            return None
        return SurveyRequest(path, self._zone, self._cases.register.closed(folder.look.keys))

    def _survey_answered(self, request_id: str) -> Folder | None:
        path = self._surveys.answered(request_id)
        self._surveys.ask(self._survey_request)
        return self._folders.get(path)

    def _surveyed(self, answer: Computed) -> None:
        folder = self._survey_answered(answer.request_id)
        survey = answer.value
        if folder is None or not isinstance(survey, FolderSurvey):
            return
        clock = Clock.read()
        same = folder.survey_met(survey.digest, survey.took_s, clock.now)
        folder.assessments = assess(
            survey,
            self._cases.register,
            names=folder.look.deliveries,
            gap_h=self._gap_h,
            zone=self._zone,
            needs_ct=self._needs_ct,
            now=clock.utc,
        )
        self._cases.clear_orphans(folder)
        if same:
            self._decide(folder)
        else:
            # It changed between the look and the survey: nothing is decided on a picture that is already old.
            self._rounds.want((folder.path,))
            self._next_round()

    def _survey_failed(self, answer: ComputeFailed) -> None:
        folder = self._survey_answered(answer.request_id)
        if folder is None:
            return
        folder.survey_failed(time.monotonic())
        # a crash of compute has its own line in the log
        level = "DEBUG" if answer.fault.kind == "compute-restarted" else "WARNING"
        self.log.log(level, "{} could not be surveyed and is tried again: {}", shown(folder.path), answer.fault)
        if folder.order is not None:
            self._answer(folder.order.request, (), (str(answer.fault),))
            folder.order = None
        self._agenda.put(folder.path, folder.survey_due)
        self._set_wake()

    # -- decisions

    def _decide(self, folder: Folder) -> None:
        self._agenda.drop(folder.path)
        due = self._cases.decide(folder, self._folders)
        if folder.order is not None:
            self._serve(folder, folder.order)
        if not self._cases.unsettled(folder):
            self._folders.pop(folder.path, None)
        elif due is not None:
            self._agenda.put(folder.path, due)
        self._set_wake()

    def _written(self, answer: Written) -> None:
        pending = self._cases.answered(answer.request_id)
        if pending is None:
            return
        entry = self._cases.register.entry(pending.case)
        over = entry is None or not entry.open
        for folder in self._standing_for(pending):
            if over:
                folder.assessments = tuple(one for one in folder.assessments if one.case != pending.case)
            if over and folder.path != pending.path:
                # A copy of what is admitted now: what else it holds is read anew.
                folder.surveyed = b""
            self._advance(folder)

    def _refused(self, answer: WriteRefused) -> None:
        self._questions.ask_all_anew()
        pending = self._cases.refused(answer.request_id, answer.fault)
        if pending is not None:
            for folder in self._standing_for(pending):
                self._advance(folder)

    def _standing_for(self, pending: Pending) -> list[Folder]:
        """Open folders that a write was about: its own, and copies of it."""
        return [
            folder
            for folder in self._folders.values()
            if folder.path == pending.path or any(one.case == pending.case for one in folder.assessments)
        ]

    def _woken(self, _message: Wake) -> None:
        self._waking.came()
        self._rounds.want(path for path in self._agenda.take(time.monotonic()) if path in self._folders)
        self._next_round()
        self._set_wake()

    def _set_wake(self) -> None:
        self._waking.set(self._agenda.soonest())

    def _disk(self, state: DiskState) -> None:
        self._cases.paused = "" if state.roomy else state.reason
        for folder in tuple(self._folders.values()):
            self._advance(folder)

    # -- operators' submissions

    def _submit(self, request: SubmitFolder) -> None:
        if not self._rounds.begun:
            self._orders.append(request)
            return
        marker = self._marker
        self.task(f"submit {request.request_id}", lambda _scope: find_case_folder(request, marker))

    def _found(self, found: Found) -> None:
        look, now = found.look, time.monotonic()
        if look is None:
            self._answer(found.request, (), (found.sentence,))
            return
        folder = self._folders.setdefault(look.path, Folder(look, looked_at=now, changed_at=now))
        folder.see(look, now)
        if folder.order is not None:
            self._answer(found.request, (), ("This folder is being taken already.",))
            return
        folder.order, folder.surveyed = Order(found.request), b""
        self._advance(folder)

    def _serve(self, folder: Folder, order: Order) -> None:
        """Answer once nothing about the folder's cases is on its way to the ledger any more."""
        if not order.decided:
            order.decided = True
            order.sentences += self._cases.sentences(folder)
            order.cases += [case.case for case in folder.assessments] + self._cases.held_by(folder)
        if self._cases.busy(order.cases):
            return
        folder.order = None
        self._answer(order.request, tuple(dict.fromkeys(order.cases)), tuple(order.sentences))

    def _answer(self, request: SubmitFolder, cases: tuple[str, ...], sentences: tuple[str, ...]) -> None:
        request.reply_to.tell(FolderTaken(request.request_id, cases, sentences))

    # -- small things

    def _task_failed(self, failure: TaskFailed) -> None:
        self.log.error("{} failed: {!r}; it is tried again at the next scan", failure.name, failure.error)
        if failure.name == _ROUND:
            self._rounds.done()
            self._next_full_in(self._interval_s)
