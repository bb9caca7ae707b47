"""One case: receives, asks the workflow, tells. Everything it knows comes from the ledger, at every start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from actors.case import effects as fx
from actors.case import events
from actors.case.far_step import FarHost, FarStep
from actors.case.files import inputs_whole, remove
from actors.case.mail import Mail
from actors.case.retry import RetryPolicy
from actors.case.view import Beam, CaseView, Doing, expired, view_of
from actors.case.workflow import Ways, advance
from actors.supervision import Actor, Context, Exited, TaskFailed, Up
from messages.address import Mailbox
from messages.alarming import case_failed
from messages.compute import AbandonCompute, Compute, Computed, ComputeFailed
from messages.engine import EngineProfile
from messages.faults import Blame, Fault
from messages.interpretation import Interpretation, InterpretCase
from messages.jobs import JobGone, KillFailed, RemoveRuns, RunsRemoved
from messages.ledger import REFUSED_FOR_GOOD, CaseReport, GetCase, Record, Write, WriteRefused, Written
from messages.operators import AlarmCleared, AlarmRaised, CaseChanged, DiskState, PlacesChanged
from messages.results import PublishedCase, VerifiedDose
from messages.scheduling import AttemptReport, AttemptUnknown, BeamWithdrawn, WaitReason

INTERPRET = "actors.interpreter:interpret_case"
VERIFY = "actors.results:verify_run"
PUBLISH = "actors.results:publish_case"
LONG_S = 3600.0
"""Time limit of an interpretation or publication of the largest case on a busy machine."""
ASK_AGAIN_S = 30.0


@dataclass(frozen=True, slots=True)
class _AskAgain:
    """Time to ask workers for attempts that were not heard of."""


@dataclass(frozen=True, slots=True)
class _Read:
    """Time to read the case from the ledger."""


@dataclass(frozen=True, slots=True)
class _Rested:
    """A pause is over."""

    subject: int


@dataclass(frozen=True, slots=True)
class _Checked:
    """Whether the inputs made before are whole."""

    good: bool


@dataclass(frozen=True, slots=True)
class _Removed:
    """The working files are gone."""


@dataclass(frozen=True, slots=True)
class _Pending:
    """A request under way: which subject it is for, or which host."""

    subject: int = fx.CASE
    host: str = ""
    computes: bool = False
    """A worker process is at it."""
    looks: bool = False
    """The ledger is looked at for an operator's order."""


class Case(Actor):
    """Brings one case to its end, and is gone when nothing is left to do."""

    def __init__(
        self,
        context: Context,
        *,
        case: str,
        ledger: Mailbox,
        compute: Mailbox,
        scheduler: Mailbox,
        monitor: Mailbox,
        controls: Mapping[str, Mailbox],
        worker_address: Callable[[str], Mailbox],
        profile: EngineProfile,
        calibrations: tuple[tuple[str, str], ...],
        zone: str,
        work_dir: Path,
        results_dir: Path,
        attempts: int,
        work_days: float = 90.0,
        engine_version: str,
        daemon_version: str,
        results_mount: str = "",
        planned_run: bool = False,
        hosts: Mapping[str, FarHost] | None = None,
    ) -> None:
        super().__init__(context)
        self._ledger, self._compute, self._scheduler, self._monitor = ledger, compute, scheduler, monitor
        self._controls, self._keep_work = controls, timedelta(days=work_days)
        admission = context.system.address(f"{context.parent.id}/admission")
        self._mail = Mail(context.address, case, scheduler, worker_address, admission)
        self._profile, self._calibrations, self._zone = profile, calibrations, zone
        self._folder = work_dir / case
        rest = engine_version, daemon_version, results_mount, planned_run
        self._ways = Ways(self._folder, str(results_dir), RetryPolicy(attempts), profile, *rest)
        self._view = CaseView(case, doing=Doing.READING)
        self._far: FarStep | None = None
        if profile.interpret == "host":
            self._far = FarStep(
                self,
                case=case,
                folder=self._folder,
                python=profile.host_python,
                hosts=hosts or {},
                ledger=ledger,
                compute=compute,
            )
        self._numbers = count(1)
        self._pending: dict[str, _Pending] = {}
        self._said = ""
        self._ordered = False
        """An operator's order has changed something in the ledger; it is looked at once nothing is being removed."""

    def started(self) -> None:
        self.watch(self._scheduler)
        # Nothing that an incarnation before this one still writes comes after what is read here.
        self._write(f"fence#{self.epoch}", (), None)
        self._read()
        self.after(ASK_AGAIN_S, _AskAgain())

    def stopped(self) -> None:
        if self._far is not None:
            self._far.leave()

    def receive(self, message: object) -> None:
        if self._far is not None and self._far.receive(message):
            if self._view.doing is Doing.INTERPRETING:
                self._view.hosts_left |= self._far.hosts_used
            if not isinstance(message, Up):  # of a host's control: cleaning waits for it too
                return
        self._do(self._decide(message))
        if self._ordered and self._view.doing is not Doing.CLEANING:
            self._look()
        self._do(advance(self._view, self._ways))

    def _decide(self, message: object) -> tuple[fx.Effect, ...]:
        match message:
            case CaseReport() | Written() | WriteRefused() | Computed() | ComputeFailed() | RunsRemoved():
                return self._answered(message)
            case AttemptReport():
                return events.reported(self._view, message, self._folder)
            case AttemptUnknown():
                return events.unknown(self._view, message.key)
            case WaitReason():
                return events.waits(self._view, message.beam, message.sentence)
            case TaskFailed():
                return self._task_failed(message)
            case _:
                return self._passing(message)

    def _passing(self, message: object) -> tuple[fx.Effect, ...]:
        """What time and our own tasks bring."""
        view = self._view
        match message:
            case _Checked() | _Removed() | _Rested() | _Read():
                return self._came(message)
            case CaseChanged():
                self._ordered = True
            case DiskState():
                view.roomy = message.roomy
            case _AskAgain():
                self.after(ASK_AGAIN_S, _AskAgain())
                return events.ask_again(view)
            case Up():
                self._up(message.id)
            case Exited() | BeamWithdrawn() | JobGone() | KillFailed() | PlacesChanged():
                pass
            case _:
                self.log.warning(f"a case does not know {type(message).__name__}")
        return ()

    def _came(self, message: _Checked | _Removed | _Rested | _Read) -> tuple[fx.Effect, ...]:
        """What a task found, or a pause that is over."""
        match message:
            case _Checked(good):
                events.inputs_checked(self._view, good=good)
            case _Removed():
                return events.work_removed(self._view, removed=True)
            case _Rested(subject):
                events.rested(self._view, subject)
            case _Read():
                self._read()
        return ()

    # -- answers to what this incarnation asked; any other is stale

    def _answered(
        self, message: CaseReport | Written | WriteRefused | Computed | ComputeFailed | RunsRemoved
    ) -> tuple[fx.Effect, ...]:
        pending = self._pending.pop(message.request_id, None)
        if pending is None:
            return ()
        beam = self._view.beams.get(pending.subject)
        match message:
            case CaseReport():
                return self._seen(message) if pending.looks else self._loaded(message)
            case RunsRemoved():
                return events.runs_removed(self._view, pending.host, message.fault)
            case Written() | WriteRefused():
                return self._ledger_answered(pending.subject, beam, message)
            case Computed():
                return self._computed(beam, message.value)
            case ComputeFailed():
                return self._compute_failed(beam, message.fault)

    def _loaded(self, report: CaseReport) -> tuple[fx.Effect, ...]:
        self._view = view_of(report, self._view.case, roomy=self._view.roomy, tries=self._view.tries)
        self._view.expired = expired(report.row, datetime.now(UTC) - self._keep_work)
        if self._far is not None and not self._view.going:
            self._far.drop()
        return events.loaded(self._view)

    def _seen(self, report: CaseReport) -> tuple[fx.Effect, ...]:
        """After an order: all is read anew if it concerns what is under way here."""
        if not events.only_priority(self._view, report.row):
            self._ordered = self._view.goal is not None  # a step of ours may be written behind this look: once more
            if not self._ordered:
                self._view.doing = Doing.READING
                self._read()
        return ()

    def _ledger_answered(
        self, subject: int, beam: Beam | None, message: Written | WriteRefused
    ) -> tuple[fx.Effect, ...]:
        if isinstance(message, Written):
            return events.written(self._view) if beam is None else events.beam_written(beam)
        for_good = message.fault.kind in REFUSED_FOR_GOOD
        # a ledger that cannot be written says so itself, once for all who wait
        self._note("WARNING" if for_good else "DEBUG", beam, f"not written: {message.fault}")
        return events.write_refused(self._view, subject, for_good=for_good)

    def _computed(self, beam: Beam | None, value: object) -> tuple[fx.Effect, ...]:
        match value:
            case Interpretation():
                events.interpreted(self._view, value)
            case PublishedCase():
                events.published(self._view, value)
            case VerifiedDose() if beam is not None:
                return events.verified(self._view, beam, value)
            case _:
                raise TypeError(f"a worker process answered {type(value).__name__}")
        return ()

    def _compute_failed(self, beam: Beam | None, fault: Fault) -> tuple[fx.Effect, ...]:
        # what is wrong with the case or the dose is told with the step that follows; ours is told here, but for a crash
        quiet = fault.blame not in (Blame.OURS, Blame.HOST) or fault.kind == "compute-restarted"
        self._note("DEBUG" if quiet else "WARNING", beam, str(fault))
        if beam is None:
            return events.step_failed(self._view, fault)
        return events.verify_failed(self._view, beam, fault, self._ways.policy)

    def _note(self, level: str, beam: Beam | None, text: str) -> None:
        """A line of the case; what was said last is not repeated while it is tried again."""
        names = {"case": self._view.case} | ({"beam": str(beam.number)} if beam else {})
        self.log.bind(**names).log("DEBUG" if text == self._said else level, "{}", text)
        self._said = text

    def _task_failed(self, failed: TaskFailed) -> tuple[fx.Effect, ...]:
        self._note("WARNING", None, f"{failed.name}: {failed.error}")
        if failed.name == "remove work":
            return events.work_removed(self._view, removed=False)
        what, remedy = f"the work folder cannot be read: {failed.error}", "Make it readable for the daemon's user."
        fault = Fault(what, str(self._folder), remedy, Blame.OURS, "work-unreadable")
        return events.step_failed(self._view, fault)

    # -- effects

    def _do(self, effects: tuple[fx.Effect, ...]) -> None:
        for effect in effects:
            match effect:
                case fx.Save() | fx.Note() | fx.Read():
                    self._to_ledger(effect)
                case fx.CheckInputs() | fx.RemoveWork() | fx.RemoveRuns() | fx.EndRuns():
                    self._to_files(effect)
                case fx.Interpret() | fx.Verify() | fx.Publish():
                    self._to_compute(effect)
                case fx.Queue() | fx.Withdraw() | fx.Ask() | fx.Cancel() | fx.GiveBack() | fx.Settle() | fx.Announce():
                    self._mail.send(effect)
                case fx.Rest(subject, seconds):
                    self.after(seconds, _Rested(subject))
                case fx.Alarm(text):
                    self._alarm(text)
                case fx.Stop():
                    self.stop()

    def _alarm(self, text: str) -> None:
        name = case_failed(self._view.case)
        self._monitor.tell(AlarmRaised(name, text) if text else AlarmCleared(name))

    def _to_ledger(self, effect: fx.Save | fx.Note | fx.Read) -> None:
        match effect:
            case fx.Save(subject, records):
                self._write(self._request(_Pending(subject)), records, self.address)
            case fx.Note(records):
                self._write(f"note#{self.epoch}.{next(self._numbers)}", records, None)
            case fx.Read(after_s):
                self.after(after_s, _Read())

    def _write(self, request_id: str, records: tuple[Record, ...], reply_to: Mailbox | None) -> None:
        self._ledger.tell(Write(request_id, reply_to, self.address.id, self.epoch, records))

    def _read(self) -> None:
        """From here on only what the ledger says counts: answers to earlier requests are stale."""
        for request_id, pending in self._pending.items():
            if pending.computes:
                self._compute.tell(AbandonCompute(request_id))
        self._pending.clear()
        self._ledger.tell(GetCase(self._request(_Pending()), self.address, self._view.case))

    def _look(self) -> None:
        """What an operator ordered is in the ledger; what is under way goes on if it does not concern it."""
        self._ordered = False
        self._ledger.tell(GetCase(self._request(_Pending(looks=True)), self.address, self._view.case))

    def _to_files(self, effect: fx.CheckInputs | fx.RemoveWork | fx.RemoveRuns | fx.EndRuns) -> None:
        match effect:
            case fx.CheckInputs(interpretation, thorough):
                self.task("check inputs", lambda _: _Checked(inputs_whole(interpretation, thorough=thorough)))
            case fx.RemoveWork(keep):
                self.task("remove work", lambda _scope: _Removed() if remove(self._folder, keep) else None)
            case fx.RemoveRuns(host):
                self._remove_runs(host)
            case fx.EndRuns(host):
                if self._far is not None:
                    self._far.end(host, self._view.far_runs, self._view.reason)

    def _remove_runs(self, host: str) -> None:
        control = self._controls.get(host)
        if control is None:
            # Nothing can be done on a host that is no longer configured.
            self.address.tell(RunsRemoved(self._request(_Pending(host=host))))
        else:
            self.watch(control)  # asked when it is up, and again by each of its incarnations: see _up

    def _up(self, path: str) -> None:
        """The scheduler or a host's control begins, and knows nothing of what its predecessor was asked."""
        if path == self._scheduler.id:
            events.queue_again(self._view)
        elif self._view.doing is Doing.CLEANING:
            for host in self._view.hosts_left:
                control = self._controls.get(host)
                if control is not None and control.id == path:
                    request_id = self._request(_Pending(host=host))
                    control.tell(RemoveRuns(request_id, self.address, (self._view.case,)))

    def _to_compute(self, effect: fx.Interpret | fx.Verify | fx.Publish) -> None:
        case = self._view.case
        match effect:
            case fx.Interpret():
                source = self._view.source
                assert source is not None, "an admitted case has a source"
                target = str(self._folder / "input")
                argument = InterpretCase(source, self._profile, self._calibrations, target, self._zone)
                if self._far is not None:
                    self._far.interpret(self._request(_Pending()), argument, self._view.far_runs)
                else:
                    self._ask_compute(_Pending(computes=True), INTERPRET, argument, f"{case} interpretation", LONG_S)
            case fx.Verify(beam, run):
                self._ask_compute(_Pending(beam, computes=True), VERIFY, run, f"{run.key} verification")
            case fx.Publish(order):
                self._ask_compute(_Pending(computes=True), PUBLISH, order, f"{case} publication", LONG_S)

    def _ask_compute(
        self, pending: _Pending, function: str, argument: object, label: str, timeout_s: float = 600.0
    ) -> None:
        request_id = self._request(pending)
        # alone: what an earlier incarnation has under way writes the same files
        self._compute.tell(
            Compute(request_id, self.address, function, argument, label, timeout_s=timeout_s, alone=label)
        )

    def _request(self, pending: _Pending) -> str:
        """A request id of this incarnation alone."""
        request_id = f"{self._view.case}#{self.epoch}.{next(self._numbers)}"
        self._pending[request_id] = pending
        return request_id
