"""Orders: carries out, one after the other, what operators ordered and the ledger holds without an outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from actors.crash_points import effect
from actors.documents.orders import DONE, NOTHING, OF_CASES, OF_RESULTS, REFUSED, check_order, refused
from actors.errors import MqiError
from actors.orders import cases, places, recalculation, reviews, sending
from actors.orders.decision import Decision, refuse
from actors.orders.inputs import difference
from actors.orders.recalculation import Again
from actors.supervision import Actor, Context, Exited, TaskFailed, TaskScope, Up
from messages.address import Mailbox
from messages.alarming import case_failed
from messages.cases import FolderTaken, SubmitFolder
from messages.ledger import (
    REFUSED_FOR_GOOD,
    CaseReport,
    DecideCommand,
    GetCase,
    GetHalts,
    GetOrders,
    GetReview,
    GetSteering,
    HaltsReport,
    OrderRow,
    OrdersReport,
    Record,
    ReviewReport,
    SettleCommand,
    Write,
    WriteRefused,
    Written,
)
from messages.operators import AlarmCleared, CaseChanged, OrderKind, OrderPlaced, PlacesChanged, PruneNow

LOOK_S = 1.0
"""Orders that were written into the ledger by a command itself, while the console was silent, are found within this."""
SILENT_S = 30.0
"""An answer that has not come for so long is lost: the order is begun again."""
SUBMIT_S = 90.0
EXAMINE_S = 600.0
"""Within this the files of a case are read, from a slow share too."""
BESIDE = frozenset({OrderKind.SUBMIT, OrderKind.RECALCULATE})
"""Orders that wait for files: others go on meanwhile."""
WRITE_PAUSE_S = 1.0
LONGEST_PAUSE_S = 300.0
"""An outcome that the ledger contradicts is told again after a pause that doubles, up to this."""


@dataclass(frozen=True, slots=True)
class _Look:
    """Time to ask for orders."""


@dataclass(frozen=True, slots=True)
class _Lost:
    """An answer was waited for long enough."""

    request_id: str


@dataclass(frozen=True, slots=True)
class _Begin:
    """A pause after a refused write is over."""

    order: str


@dataclass(frozen=True, slots=True)
class _Examined:
    """The files of a case that is to be computed again were read."""

    request_id: str
    again: Again
    difference: str
    """Why it may not be; empty: it may."""


@dataclass(slots=True)
class _Work:
    """An order that is being carried out."""

    order: OrderRow
    waits_for: str = ""
    """Request id of what was asked last; any other answer is stale."""
    outcome: str = ""
    """Once decided."""
    settling: bool = False
    concerns: tuple[str, ...] = ()
    """Other cases that it is about."""
    contradicted: int = 0
    """How often its outcome was refused for good."""


class Orders(Actor):
    """An order is its own intent: it stands in the ledger until its outcome does; each of its steps may be repeated.

    Decided by pure code on what the ledger holds; written with the condition that it holds that still; then those
    whom it concerns are told to read the ledger; then settled. One after the other, for a release may follow a hold;
    only what waits for files (submissions, recalculations) goes on beside. ``workers``: addresses of all GPU workers
    that there are; ``clusters``: controls that hand runs to a queue, which is to follow what is ordered of them;
    ``nodes``: name → rule of where results are sent.
    """

    def __init__(
        self,
        context: Context,
        *,
        ledger: Mailbox,
        scanner: Mailbox,
        admission: Mailbox,
        monitor: Mailbox,
        hosts: tuple[str, ...],
        workers: Callable[[], Iterable[Mailbox]],
        clusters: tuple[Mailbox, ...] = (),
        nodes: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(context)
        self._ledger, self._scanner, self._admission, self._monitor = ledger, scanner, admission, monitor
        self._hosts, self._workers, self._clusters = hosts, workers, clusters
        self._nodes = nodes
        self._at_hand: dict[str, _Work] = {}
        """By the order's id; one at most that does not go on beside others."""
        self._asked = 0
        self._looking = ""
        self._steering = ""
        """The question what the clusters' queues are to follow, while it is open."""

    def started(self) -> None:
        for cluster in self._clusters:
            self.watch(cluster)  # at once, if it is up, and whenever it is started anew: it knows of nothing before
        self._look()
        self.after(LOOK_S, _Look())

    def receive(self, message: object) -> None:
        match message:
            case OrderPlaced():
                self._look()
            case _Look():
                self._look()
                self.after(LOOK_S, message)
            case OrdersReport():
                self._found(message)
            case Up() | Exited():
                self._met(message)
            case CaseReport() | ReviewReport() | HaltsReport() | FolderTaken() | Written() | WriteRefused():
                self._answered(message)
            case _Examined():
                self._examined(message)
            case TaskFailed():  # the order is begun again once its answer counts as lost
                self.log.warning("{} failed: {}", message.name, message.error)
            case _Lost() | _Begin():
                self._begin_again(message)
            case _:
                self.log.warning(f"orders do not know {type(message).__name__}")

    # -- what is to be done

    def _look(self) -> None:
        self._looking = self._name("look")
        self._ledger.tell(GetOrders(self._looking, self.address))
        if self._steering:  # a ledger that was restarted meanwhile may have lost the question
            self._ask_steering()

    def _found(self, report: OrdersReport) -> None:
        """What goes on beside others is begun, and the oldest of the others if none of them is at hand."""
        if report.request_id == self._steering:
            self._steer_again(report)
        if report.request_id != self._looking:
            return
        busy = any(work.order.kind not in BESIDE for work in self._at_hand.values())
        for row in report.rows:
            alone = row.kind not in BESIDE
            if row.order in self._at_hand or (alone and busy):
                continue
            busy = busy or alone
            self._at_hand[row.order] = _Work(row)
            self._begin(self._at_hand[row.order])

    def _begin(self, work: _Work) -> None:
        order = work.order
        try:
            kind = check_order(order.kind, order.subject, order.argument)
        except MqiError as error:
            self._settle(work, f"{REFUSED}: {error.fault.what}")
            return
        request_id = self._expect(work, SUBMIT_S if kind is OrderKind.SUBMIT else SILENT_S)
        if kind is OrderKind.SUBMIT:
            self._scanner.tell(SubmitFolder(request_id, self.address, order.subject, order.argument == "partial"))
        elif kind in OF_RESULTS or kind is OrderKind.SEND:
            self._ledger.tell(GetReview(request_id, self.address, order.subject))
        elif kind in OF_CASES:
            self._ledger.tell(GetCase(request_id, self.address, order.subject))
        else:
            self._ledger.tell(GetHalts(request_id, self.address))

    def _begin_again(self, message: _Lost | _Begin) -> None:
        work = self._waiting(message.request_id) if isinstance(message, _Lost) else self._at_hand.get(message.order)
        if work is None:
            return
        if work.settling:
            self._settle(work, work.outcome)
        elif isinstance(message, _Lost):
            self._over(work)  # what was written without an answer stands in the order as it is read anew
        else:
            self._begin(work)

    # -- answers; any but the one that is waited for is stale

    def _waiting(self, request_id: str) -> _Work | None:
        return next((work for work in self._at_hand.values() if work.waits_for == request_id), None)

    def _answered(
        self, message: CaseReport | ReviewReport | HaltsReport | FolderTaken | Written | WriteRefused
    ) -> None:
        work = self._waiting(message.request_id)
        if work is None:
            return
        work.waits_for = ""
        match message:
            case CaseReport():
                self._carry_out(work, cases.decide(work.order, message))
            case ReviewReport():
                self._judge(work, message)
            case HaltsReport():
                self._carry_out(work, places.decide(work.order, message.rows, self._hosts))
            case FolderTaken():
                self._settle(work, _taken(message))
            case Written():
                self._written(work)
            case WriteRefused():
                self._refused(work, message)

    def _judge(self, work: _Work, report: ReviewReport) -> None:
        """A step of a review, or a recalculation: before that the case's files are read."""
        if work.order.kind == OrderKind.SEND:
            self._carry_out(work, sending.decide(work.order, report, self._nodes))
            return
        if work.order.kind != OrderKind.RECALCULATE:
            self._carry_out(work, reviews.decide(work.order, report))
            return
        decided = recalculation.decide(work.order, report)
        if isinstance(decided, Decision):
            self._carry_out(work, decided)
            return
        request_id, again = self._expect(work, EXAMINE_S), decided

        def examine(scope: TaskScope) -> _Examined:
            return _Examined(request_id, again, difference(again.row, lambda: scope.cancelled))

        self.task(f"the files of {again.row.case}", examine)

    def _examined(self, message: _Examined) -> None:
        work = self._waiting(message.request_id)
        if work is None:
            return
        work.waits_for = ""
        refusal = refuse(f"{message.difference}; nothing is computed again") if message.difference else None
        self._carry_out(work, refusal or message.again.decision)

    def _carry_out(self, work: _Work, decision: Decision) -> None:
        """Written first, with the outcome. Where things stand as ordered, those concerned are told all the same: a
        crash may have kept it from them before."""
        work.outcome, work.concerns = decision.outcome, decision.concerns
        if work.order.decided:  # written by a predecessor, or as the ledger was opened, whatever has happened since
            decision = Decision(work.order.decided)
            work.outcome = decision.outcome
        if decision.records:
            self._write(work, (DecideCommand(work.order.order, decision.outcome), *decision.records))
            return
        if not refused(decision.outcome):
            self._tell_of(work)
        self._settle(work, decision.outcome)

    def _written(self, work: _Work) -> None:
        if work.settling:
            self._over(work)
        else:
            self._tell_of(work)
            self._settle(work, work.outcome)

    def _over(self, work: _Work) -> None:
        del self._at_hand[work.order.order]
        self._look()

    def _refused(self, work: _Work, message: WriteRefused) -> None:
        """More happened meanwhile: decided anew at once. A disk without room: after a while."""
        if message.fault.kind == "no-such-order":
            self._over(work)
        elif work.settling and message.fault.kind in REFUSED_FOR_GOOD:
            self._contradicted(work, message)
        elif message.fault.kind == "case-changed":
            self._begin(work)
        elif message.fault.kind in REFUSED_FOR_GOOD:
            self._settle(work, f"{REFUSED}: {message.fault.what}")
        else:
            self.after(WRITE_PAUSE_S, _Begin(work.order.order))

    def _contradicted(self, work: _Work, message: WriteRefused) -> None:
        """An outcome always fits: a fault of the program, and no reason to keep the ledger busy. It is not dropped, for
        the order would be found and carried out again."""
        if not work.contradicted:
            order = work.order
            self.log.error(
                "the outcome of the order {} {} cannot be written: {}; it is told again, ever more seldom",
                order.kind,
                order.order,
                message.fault,
            )
        self.after(min(LONGEST_PAUSE_S, WRITE_PAUSE_S * 2 ** min(work.contradicted, 20)), _Begin(work.order.order))
        work.contradicted += 1

    def _settle(self, work: _Work, outcome: str) -> None:
        work.outcome, work.settling = outcome, True
        self._write(work, (SettleCommand(work.order.order, outcome),))

    # -- telling

    def _tell_of(self, work: _Work) -> None:
        """Those concerned read the ledger: what they find there is what was ordered."""
        order = work.order
        of_a_case = order.kind in OF_CASES
        if order.kind == OrderKind.PRUNE:
            with effect("order.tell"):
                for listener in (self._ledger, self._admission):
                    listener.tell(PruneNow())
            return
        with effect("order.tell"):
            for listener in (self._admission, self._scanner) if of_a_case else (self._admission, *self._workers()):
                for news in map(CaseChanged, (order.subject, *work.concerns)) if of_a_case else (PlacesChanged(),):
                    listener.tell(news)
        if (steer := cases.steering(order)) is not None:
            for cluster in self._clusters:
                cluster.tell(steer)
            if self._steering:
                self._ask_steering()  # the answer that is on its way may be older than this
        if order.kind in (OrderKind.CANCEL, OrderKind.RETRY):
            self._monitor.tell(AlarmCleared(case_failed(order.subject)))

    def _met(self, message: Up | Exited) -> None:
        if isinstance(message, Up):
            self._ask_steering()

    def _ask_steering(self) -> None:
        self._steering = self._name("steering")
        self._ledger.tell(GetSteering(self._steering, self.address))

    def _steer_again(self, report: OrdersReport) -> None:
        """What was told may have been lost with the daemon, or with the cluster's control, before Slurm was told: a job
        that nobody releases waits for ever. It is said again."""
        self._steering = ""
        for steer in cases.standing(report.rows):
            for cluster in self._clusters:
                cluster.tell(steer)

    def _write(self, work: _Work, records: tuple[Record, ...]) -> None:
        with effect("order.write"):
            self._ledger.tell(Write(self._expect(work), self.address, self.address.id, self.epoch, records))

    def _expect(self, work: _Work, limit_s: float = SILENT_S) -> str:
        work.waits_for = self._name(work.order.order)
        self.after(limit_s, _Lost(work.waits_for))
        return work.waits_for

    def _name(self, what: str) -> str:
        self._asked += 1
        return f"{what}#{self.epoch}.{self._asked}"


def _taken(message: FolderTaken) -> str:
    if message.cases:
        return f"{DONE}: {'; '.join((', '.join(message.cases), *message.sentences))}"
    return f"{NOTHING}: {'; '.join(message.sentences) or 'no case was found there'}"
