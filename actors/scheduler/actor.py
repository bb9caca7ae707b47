"""The scheduler: keeps the book, gives beams to workers, tells cases why they wait."""

from __future__ import annotations

import time
from dataclasses import dataclass

from actors.scheduler.book import Alarmed, Book, Effect, Tell
from actors.supervision import Actor, Context, Exited, Up
from messages.address import Mailbox
from messages.ledger import NoteEvent, Write
from messages.operators import AlarmCleared, AlarmRaised, DiskState
from messages.scheduling import BeamRefused, QueueBeam, RunBeam, WithdrawBeam, WorkerReport

TICK_S = 1.0
TELL_AGAIN = 60
"""Of so many ticks one tells every alarm that stands again: a monitor that was restarted may have lost it."""


@dataclass(frozen=True, slots=True)
class _Tick:
    """Time to look for silent workers and to say what changed."""


class Scheduler(Actor):
    """Decides by ``policy``; holds nothing that cases and workers would not say again."""

    def __init__(self, context: Context, *, ledger: Mailbox, monitor: Mailbox) -> None:
        super().__init__(context)
        self._ledger = ledger
        self._monitor = monitor
        self._book = Book()
        self._met: set[str] = set()
        self._ticks = 0

    def started(self) -> None:
        self.after(TICK_S, _Tick())

    def receive(self, message: object) -> None:
        now = time.monotonic()
        match message:
            case WorkerReport():
                self._meet(message)
                self._book.report(message, now)
            case QueueBeam():
                self._book.queue(message, now)
            case BeamRefused():
                self.log.info(f"{message.key} was not taken by {message.worker}: {message.reason}")
                self._book.refused(message.key, message.worker, now)
            case WithdrawBeam():
                self._do(self._book.withdraw(message.case, message.beam, message.reply_to))
            case DiskState():
                self._book.halted = "" if message.roomy else message.reason
            case Exited():
                self._book.exited(message.id, now)
            case _Tick():
                self._tick(now)
            case Up():
                pass
            case _:
                self.log.warning(f"the scheduler does not know {type(message).__name__}")
        self._do(self._book.dispatch(now))

    def _tick(self, now: float) -> None:
        self._ticks += 1
        self._do((*self._book.explain(now), *self._book.call_back(now)))
        self._do(self._book.alarms(again=self._ticks % TELL_AGAIN == 0))
        self.after(TICK_S, _Tick())

    def _meet(self, report: WorkerReport) -> None:
        if report.address.id not in self._met:
            self._met.add(report.address.id)
            self.watch(report.address)

    def _do(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            match effect:
                case Tell(to, RunBeam() as order):
                    self._give(to, order)
                case Tell(to, other):
                    to.tell(other)
                case Alarmed(name, ""):
                    self._monitor.tell(AlarmCleared(name))
                case Alarmed(name, text):
                    self._monitor.tell(AlarmRaised(name, text))

    def _give(self, worker: Mailbox, order: RunBeam) -> None:
        request = order.request
        if not worker.tell(order):
            self._book.refused(request.key, self._book.given[request.key], time.monotonic())
            return
        note = NoteEvent(request.case, "beam given", f"beam {request.beam}, attempt {request.attempt}: to {worker.id}")
        self._ledger.tell(Write(f"given:{request.key}", None, self.address.id, self.epoch, (note,)))
