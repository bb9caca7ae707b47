"""The sender: asks the ledger what is due at each node, has it sent, writes down what came of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from actors.documents.sending import standing_of, why_not
from actors.sender.decision import alarm_text, node_rests_s, settled
from actors.sender.order import NotSent, SendResult, Sent, Why
from actors.sender.process import run_process
from actors.settings import SendNode
from actors.supervision import Actor, Context, Exited, TaskFailed, TaskScope, Up
from messages.address import Mailbox
from messages.alarming import node_unreached
from messages.ledger import (
    BeginSending,
    CaseRow,
    ClearAlarm,
    GetNextSending,
    GetNodes,
    NextSending,
    NodesReport,
    Record,
    SendingRow,
    SendingState,
    SetNodes,
    Write,
    WriteRefused,
    Written,
)
from messages.operators import AlarmCleared, AlarmRaised

LOOK_S = 2.0
"""Between two looks at a ledger in which nothing is due."""
AGAIN_S = 5.0
"""After a ledger that refused."""
SILENT_S = 60.0
"""An answer of the ledger that did not come in this time was lost with an incarnation of it."""

Send = Callable[[TaskScope, SendResult], Sent | NotSent | None]


@dataclass(frozen=True, slots=True)
class _Look:
    """To myself: is anything due at the node? ``number``: of the wait; a later one makes it stale."""

    node: str
    number: int


@dataclass(frozen=True, slots=True)
class _Tried:
    """From the task of a try."""

    node: str
    outcome: Sent | NotSent


@dataclass(slots=True, kw_only=True)
class _Asking:
    """Somebody who waits for an answer of the ledger, or for time to pass."""

    name: str
    waiting_for: str = ""
    """Request id of what was asked last."""
    wait: int = 0


@dataclass(slots=True, kw_only=True)
class _Lane(_Asking):
    """One node, and what is under way there: one result at a time."""

    node: SendNode
    due: NextSending | None = None
    begun: bool = False
    """The write under way is the intent; else it is the outcome."""
    rests_s: float = 0.0
    """After the outcome is written."""
    alarm: str | None = None
    """Its text as it was told last; None: nothing was told yet."""


class Sender(Actor):
    """May fail for ever and harms nothing. A node that is down, or hangs, holds up its own lane alone.

    Durable by the ledger: what is due stands there, and each try is counted before it is begun. A try that was cut off
    by the end of its process, or of the daemon, is made once more: the same instances go, and whoever has them
    already has them once.
    """

    def __init__(
        self,
        context: Context,
        *,
        ledger: Mailbox,
        monitor: Mailbox,
        nodes: tuple[SendNode, ...],
        results_dir: Path,
        send: Send = run_process,
        look_s: float = LOOK_S,
        again_s: float = AGAIN_S,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(context)
        self._ledger, self._monitor, self._results_dir = ledger, monitor, results_dir
        self._send, self._look_s, self._again_s, self._clock = send, look_s, again_s, clock
        self._nodes = nodes
        self._lanes = {node.name: _Lane(name=node.name, node=node) for node in nodes}
        self._first = _Asking(name="")
        """Before any node is looked at: which nodes were there?"""
        self._numbers = count(1)

    def started(self) -> None:
        self.watch(self._monitor)
        self._ask(self._first)

    def receive(self, message: object) -> None:
        match message:
            case _Look(node, number):
                asking = self._lanes.get(node, self._first)
                if number == asking.wait:
                    self._ask(asking)
            case NodesReport() | NextSending() | Written() | WriteRefused():
                self._answered(message)
            case _Tried(node, outcome):
                self._tried(self._lanes[node], outcome)
            case TaskFailed():
                outcome = NotSent(f"Its process cannot be started: {message.error}", Why.OURS)
                self._tried(self._lanes[message.name], outcome)
            case Up():  # a monitor that was restarted may have lost what it was told
                for lane in self._lanes.values():
                    lane.alarm = None
            case Exited():
                pass
            case _:
                self.log.warning("the sender does not know {}", type(message).__name__)

    # -- the ledger

    def _ask(self, asking: _Asking) -> None:
        request = self._request(asking)
        if isinstance(asking, _Lane):
            asking.due = None
            self._ledger.tell(GetNextSending(request, self.address, asking.name, self._clock()))
        else:
            self._ledger.tell(GetNodes(request, self.address))

    def _request(self, asking: _Asking) -> str:
        """A request of this incarnation alone; if its answer is lost, the ledger is asked anew."""
        asking.waiting_for = f"send#{self.epoch}.{next(self._numbers)}"
        self._rest(asking, SILENT_S)
        return asking.waiting_for

    def _rest(self, asking: _Asking, seconds: float) -> None:
        asking.wait += 1
        self.after(seconds, _Look(asking.name, asking.wait))

    def _write(self, asking: _Asking, *records: Record) -> None:
        self._ledger.tell(Write(self._request(asking), self.address, self.address.id, self.epoch, records))

    def _answered(self, message: NodesReport | NextSending | Written | WriteRefused) -> None:
        everybody = (self._first, *self._lanes.values())
        asking = next((one for one in everybody if one.waiting_for == message.request_id), None)
        if asking is None:
            return
        asking.waiting_for = ""
        match message:
            case NodesReport(nodes=nodes):
                self._set_nodes(nodes)
            case WriteRefused():
                self._rest(asking, self._again_s)
            case _ if not isinstance(asking, _Lane):
                self._begin_lanes()
            case NextSending():
                self._next(asking, message)
            case Written() if asking.begun:
                self._begin(asking)
            case Written():
                self._rest(asking, asking.rests_s) if asking.rests_s else self._ask(asking)

    # -- the nodes

    def _set_nodes(self, before: tuple[str, ...]) -> None:
        """Alarms of nodes that are configured no more are over: in one write with their going, which is seen once."""
        over = [node_unreached(gone) for gone in sorted(set(before) - self._lanes.keys())]
        for alarm in over:
            self._monitor.tell(AlarmCleared(alarm))
        if self._nodes or before:
            nodes = SetNodes(tuple((node.name, node.when) for node in self._nodes))
            self._write(self._first, nodes, *map(ClearAlarm, over))
        else:
            self._begin_lanes()

    def _begin_lanes(self) -> None:
        self._first.wait += 1
        for lane in self._lanes.values():
            self._ask(lane)

    # -- one result

    def _next(self, lane: _Lane, due: NextSending) -> None:
        self._judge(lane, due.late)
        if due.sending is None or due.case is None:
            self._rest(lane, self._look_s)
            return
        lane.due, lane.rests_s = due, 0.0
        standing = standing_of(due.case, due.review, due.superseded_by)
        withheld = why_not(standing, lane.node.when, ordered=bool(due.sending.order))
        # What the node has taken it has, whatever has become of the result since: it is only asked whether it keeps it.
        if withheld and due.sending.state is SendingState.DUE:
            self._settle(lane, due.sending, NotSent(withheld, Why.WITHHELD))
            return
        lane.begun = True
        self._write(lane, BeginSending(due.sending.case, lane.name, due.review, due.superseded_by))

    def _begin(self, lane: _Lane) -> None:
        """In a task; no look at the ledger until it has ended."""
        due = lane.due
        if due is None or due.sending is None or due.case is None:
            return
        lane.wait += 1
        name, order = lane.name, self._order(lane.node, due, due.sending, due.case)

        def tried(scope: TaskScope) -> _Tried | None:
            outcome = self._send(scope, order)
            return None if outcome is None else _Tried(name, outcome)

        self.task(name, tried)

    def _order(self, node: SendNode, due: NextSending, row: SendingRow, case: CaseRow) -> SendResult:
        told = json.loads(case.verdict) if case.verdict else {}
        return SendResult(
            case=case.case,
            result=str(told.get("path") or self._results_dir / case.case),
            result_sha256=str(told.get("manifest_sha256", "")),
            node=node,
            standing=standing_of(case, due.review, due.superseded_by),
            ordered=bool(row.order),
            commit=row.state is SendingState.STORED,
            transaction=f"{case.case}/{node.name}/{row.at.isoformat()}/{row.tries + 1}",
        )

    def _tried(self, lane: _Lane, outcome: Sent | NotSent) -> None:
        due = lane.due
        assert due is not None and due.sending is not None, "a result was under way"
        lane.rests_s = node_rests_s(due.sending, outcome)
        log = self.log.bind(case=due.sending.case)
        if isinstance(outcome, Sent):
            log.info("sent to {}: {}", lane.name, outcome.sentence)
        elif outcome.sentence != due.sending.reason:
            log.warning("not sent to {}, try {}: {}", lane.name, due.sending.tries + 1, outcome.sentence)
        self._settle(lane, due.sending, outcome)

    def _settle(self, lane: _Lane, row: SendingRow, outcome: Sent | NotSent) -> None:
        lane.begun = False
        self._write(lane, settled(row, lane.node, outcome, lane.due.earlier if lane.due else None))

    def _judge(self, lane: _Lane, late: SendingRow | None) -> None:
        """An alarm stands as long as something is due for too long; told where it changes."""
        text = alarm_text(lane.node, late, self._clock())
        if text == lane.alarm:
            return
        lane.alarm, name = text, node_unreached(lane.name)
        self._monitor.tell(AlarmRaised(name, text) if text else AlarmCleared(name))
