"""The notifier actor: one document at a time, each an intent in the ledger first, tried until it is told."""

from __future__ import annotations

import functools
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from actors.logs import Redaction
from actors.notifier.delivery import NotToldError, deliver
from actors.notifier.document import OWN_ALARM, document, news_of
from actors.notifier.pace import COMPLAIN_AFTER, again_s, wait_s
from actors.settings import Alarms
from actors.supervision import Actor, Context, Task, TaskFailed, TaskScope
from messages.address import Mailbox
from messages.alarming import AlarmsNoted
from messages.ledger import (
    EventRow,
    GetPushes,
    OpenPush,
    PushesReport,
    PushRow,
    Record,
    SettlePush,
    TryPush,
    Write,
    WriteRefused,
    Written,
)
from messages.operators import AlarmCleared, AlarmRaised

LOOK_S = 60.0
"""Hints may be lost: the ledger is asked at least so often."""
PATIENCE_S = 30.0
"""An answer of the ledger that takes longer is lost."""
HANGING = 3
"""Tries that were given up and still hang; with so many nothing is tried until one of them comes back."""
SLACK_S = 2.0
"""A try is given up so long after its own time limit: a name server or a handshake may hang where no limit reaches."""


@dataclass(frozen=True, slots=True)
class _Look:
    """To myself: ask the ledger what is to be told. Only the one planned last counts."""

    plan: int


@dataclass(frozen=True, slots=True)
class _Tried:
    """From the task of a try; ``why`` is empty when it was told."""

    push: int
    attempt: int
    why: str


@dataclass(frozen=True, slots=True)
class _Overdue:
    """To myself: the time of this try is long over."""

    push: int
    attempt: int


class Notifier(Actor):
    """What it has told, and is about to tell, stands in the ledger: a crash or a restart neither loses nor repeats it.

    Only a try that was cut off by the end of the process itself is made once more, with the same number ``push``, by
    which the receiver knows it. A way that hangs or fails holds up nothing but this actor.
    """

    def __init__(
        self,
        context: Context,
        *,
        ledger: Mailbox,
        monitor: Mailbox,
        way: Alarms,
        version: str = "",
        roots: tuple[str, ...] = (),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(context)
        self._ledger, self._monitor, self._way, self._clock = ledger, monitor, way, clock
        self._clean = Redaction(roots)
        self._sender = {"host": socket.gethostname(), "version": version}
        self._asked = 0
        """Number of the question or write whose answer is awaited; 0: none."""
        self._number = 0
        self._plan = 0
        self._open: PushRow | None = None
        self._told: tuple[EventRow, ...] = ()
        self._task: Task | None = None
        self._hanging: list[Task] = []
        self._complaint = ""
        self._writing: Record | None = None
        self._settled = (0, "")
        """The last push that was told, and how."""

    def started(self) -> None:
        if self._way.wanted:
            self._ask()

    def receive(self, message: object) -> None:
        match message:
            case AlarmsNoted():
                if self._way.wanted and not self._busy:
                    self._ask()
            case _Look(plan):
                if plan == self._plan and self._task is None:
                    self._ask()
            case PushesReport():
                self._report(message)
            case Written() | WriteRefused():
                self._written(message)
            case _Tried() | _Overdue():
                self._tried(message)
            case TaskFailed():
                raise message.error
            case _:
                self.log.warning("the notifier does not know {}", type(message).__name__)

    # -- what is to be told

    @property
    def _busy(self) -> bool:
        return bool(self._asked or self._task)

    def _look_in(self, seconds: float) -> None:
        self._plan += 1
        self.after(seconds, _Look(self._plan))

    def _ask(self) -> None:
        self._ledger.tell(GetPushes(self._expect(), self.address))

    def _expect(self) -> str:
        """Name of the next question; should its answer be lost, another look follows."""
        self._number += 1
        self._asked = self._number
        self._look_in(PATIENCE_S)
        return f"push-{self._asked}"

    def _expected(self, request_id: str) -> bool:
        """Whether this is the answer that is awaited; then nothing is any more."""
        if request_id != f"push-{self._asked}" or self._task is not None:
            return False
        self._asked = 0
        return True

    def _report(self, report: PushesReport) -> None:
        if not self._expected(report.request_id):
            return
        now = self._clock()
        self._open, self._told = report.open, report.told
        if report.open is not None and report.open.push == self._settled[0]:
            self._write(SettlePush(*self._settled))  # the ledger could not take it: told is told
        elif report.open is not None:
            clogged = self._clogged()
            if clogged:
                self._complain(report.open.tries)
            pause = LOOK_S if clogged else again_s(report.open.tries, report.open.at, now)
            self._look_in(pause) if pause > 0 else self._write(TryPush(report.open.push))
        else:
            self._plan_next(report, now)

    def _clogged(self) -> bool:
        self._hanging = [task for task in self._hanging if task.running]
        return len(self._hanging) >= HANGING

    def _plan_next(self, report: PushesReport, now: datetime) -> None:
        """Nothing is under way: open the next push, when its time has come."""
        fresh = [event for event in report.news if not event.what.startswith(f"alarm {OWN_ALARM}:")]
        if not fresh:
            self._look_in(LOOK_S)
            return
        way = self._way
        pause = wait_s(fresh[0].at, report.lately, now, group_s=way.group_s, per_hour=way.per_hour)
        self._look_in(pause) if pause > 0 else self._write(OpenPush(report.upto, report.news[-1].number))

    def _write(self, record: Record) -> None:
        self._ledger.tell(Write(self._expect(), self.address, self.address.id, self.epoch, (record,)))
        self._writing = record

    def _written(self, message: Written | WriteRefused) -> None:
        if not self._expected(message.request_id):
            return
        if isinstance(message, WriteRefused):
            self._look_in(PATIENCE_S)
        elif isinstance(self._writing, TryPush) and self._open is not None:
            self._try(self._open)
        else:
            self._ask()

    # -- telling

    def _try(self, push: PushRow) -> None:
        attempt = push.tries + 1
        news = news_of(self._told, self._clock())
        if not news:  # all of it is over since long
            self._write(SettlePush(push.push, "nothing left to tell"))
            return
        body = document(push.push, attempt, news, sender=self._sender, clean=self._clean)
        self._task = self.task(f"push {push.push}", functools.partial(self._deliver, push.push, attempt, body))
        self.after(self._way.timeout_s + SLACK_S, _Overdue(push.push, attempt))

    def _deliver(self, push: int, attempt: int, body: bytes, scope: TaskScope) -> _Tried:
        try:
            deliver(self._way, body, scope)
        except NotToldError as error:
            return _Tried(push, attempt, self._clean(str(error)))
        return _Tried(push, attempt, "")

    def _tried(self, outcome: _Tried | _Overdue) -> None:
        push = self._open
        if push is None or self._task is None or (outcome.push, outcome.attempt) != (push.push, push.tries + 1):
            return
        if isinstance(outcome, _Overdue):
            self._task.cancel()
            self._hanging.append(self._task)
        self._task = None
        why = "it hangs" if isinstance(outcome, _Overdue) else outcome.why
        if why:
            self._failed(push.push, outcome.attempt, why)
        else:
            self._succeeded(push.push, outcome.attempt)

    def _succeeded(self, push: int, attempt: int) -> None:
        self.log.info("alarms told: push {}, try {}", push, attempt)
        self._complaint = ""
        self._monitor.tell(AlarmCleared(OWN_ALARM))
        self._settled = (push, f"told at try {attempt}")
        self._write(SettlePush(*self._settled))

    def _failed(self, push: int, attempt: int, why: str) -> None:
        if why != self._complaint:
            self._complaint = why
            self.log.warning("alarms could not be told (push {}, try {}): {}; it is tried again", push, attempt, why)
        self._complain(attempt)
        self._ask()

    def _complain(self, tries: int) -> None:
        """Each time anew: an alarm that nobody raises again is over."""
        if tries >= COMPLAIN_AFTER:
            way, why = "command" if self._way.command else "webhook", self._complaint
            text = f"Alarms do not reach anybody outside: {why}. Look at `{way}` in [alarms]; it is tried again."
            self._monitor.tell(AlarmRaised(OWN_ALARM, text))
