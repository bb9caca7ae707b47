"""What becomes of the cases in open folders: decided by pure rules, written first, told after the acknowledgement."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from actors.scanner.assessment import Assessment
from actors.scanner.folder import Folder
from actors.scanner.looks import Look
from actors.scanner.outbox import Outbox, Pending
from actors.scanner.readiness import Act, Decision, Rules, Situation, decide
from actors.scanner.records import records_of
from actors.scanner.register import Entry, Register
from actors.scanner.sentences import counted
from messages.address import Mailbox
from messages.alarming import case_failed
from messages.cases import CaseAdmitted
from messages.faults import Fault
from messages.ledger import REFUSED_FOR_GOOD, CaseRow, ClearAlarm, MoveCase, RaiseAlarm, SightCase
from messages.operators import AlarmCleared, AlarmRaised
from messages.states import CaseState

if TYPE_CHECKING:
    from loguru import Logger

GONE = "its files are gone; it goes on when they come back"
SETTLES_S = 1.0
"""A folder in which no delivery can be read yet is sighted after this: often it only is on its way."""
_ENDS_AS = {Act.FAIL: CaseState.FAILED, Act.GIVE_UP: CaseState.INCOMPLETE}
"""States with an alarm, by what leads to them."""
_RETRY_S = 5.0
_UNTIL_READ_S = 60.0


@dataclass(frozen=True, slots=True)
class Clock:
    """One moment, by the clocks that matter."""

    now: float
    """Monotonic, s."""
    wall: float
    """Seconds since 1970."""
    utc: datetime

    @classmethod
    def read(cls) -> Clock:
        return cls(time.monotonic(), time.time(), datetime.now(UTC))


class Cases:
    """Lives in the scanner's thread. Writes one thing per case at a time."""

    def __init__(
        self,
        register: Register,
        outbox: Outbox,
        rules: Rules,
        *,
        admission: Mailbox,
        monitor: Mailbox,
        log: Logger,
        clock: Callable[[], Clock],
    ) -> None:
        self.register = register
        self.paused = ""
        """Why no new work may start; empty: it may."""
        self._outbox, self._rules, self._clock = outbox, rules, clock
        self._admission, self._monitor, self._log = admission, monitor, log
        self._barred: dict[str, float] = {}

    def decide(self, folder: Folder, folders: Mapping[str, Folder]) -> float | None:
        """Decide about every case of the folder and write what follows; when time alone may change it (monotonic s)."""
        clock = self._clock()
        dues = []
        for case in folder.assessments:
            if self._outbox.busy(case.case):
                continue
            decision = decide(case, self._situation(case, folder, clock), self._rules)
            if decision.again_s is not None:
                dues.append(clock.now + max(decision.again_s, 0.0))
            barred = self._barred.get(case.case, 0.0)
            settles = self._settles(case, folder)
            if max(barred, settles) > clock.now:
                dues.append(max(barred, settles))
            elif not self._elsewhere(case, decision, folders):
                self._write(case, decision, folder.path)
        return min(dues, default=None)

    def _settles(self, case: Assessment, folder: Folder) -> float:
        """When this case may be told of (monotonic s): a folder without a delivery only if it stays so."""
        if case.keys or folder.order is not None or self.register.entry(case.case) is not None:
            return 0.0
        return folder.changed_at + SETTLES_S

    def sentences(self, folder: Folder) -> list[str]:
        """For each case of a submitted folder that does not start, why."""
        clock = self._clock()
        decisions = {
            case.case: decide(case, self._situation(case, folder, clock), self._rules) for case in folder.assessments
        }
        waiting = [
            f"{case}: {decision.sentence}" for case, decision in decisions.items() if decision.act is not Act.ADMIT
        ]
        owners = dict.fromkeys(owner for key in folder.look.keys if (owner := self.register.owner(key)))
        taken = [f"{case}: already taken; a delivery is never run twice." for case in owners if case not in decisions]
        return waiting + taken

    def held_by(self, folder: Folder) -> list[str]:
        """Cases that hold the folder's deliveries."""
        return list(dict.fromkeys(owner for key in folder.look.keys if (owner := self.register.owner(key))))

    def busy(self, cases: Iterable[str]) -> bool:
        """Something about one of these cases is on its way to the ledger."""
        return any(self._outbox.busy(case) for case in cases)

    def learn(self, row: CaseRow) -> None:
        """How a case stands in the ledger, unless news about it are on their way there."""
        if not self._outbox.busy(row.case):
            self._barred.pop(row.case, None)
            before = self.register.entry(row.case)
            self.register.learn_row(row)
            # that a failed one is seen to, whoever saw to it has told; it may have failed again by now
            if before is not None and before.state is CaseState.INCOMPLETE and row.state is not before.state:
                self._alarm_over(before)

    def answered(self, request_id: str) -> Pending | None:
        """The ledger has written this: what follows is done; None if it is not one of ours."""
        pending = self._outbox.answered(request_id)
        if pending is not None:
            pending.then()
        return pending

    def refused(self, request_id: str, fault: Fault) -> Pending | None:
        """The ledger has not written this: asked again after a while, later if its rows must be read first."""
        pending = self._outbox.answered(request_id)
        if pending is not None:
            wait_s = _UNTIL_READ_S if fault.kind in REFUSED_FOR_GOOD else _RETRY_S
            self._barred[pending.case] = self._clock().now + wait_s
            self._log.bind(case=pending.case).warning("the ledger refused it; asked again in {:g} s: {}", wait_s, fault)
        return pending

    def lost(self, path: str) -> None:
        """A folder is gone: its cases wait for it to come back."""
        for entry in self.register.at(path):
            if entry.open:
                self._lose(entry)

    def overdue(self, folders: Mapping[str, Folder]) -> None:
        """Give up cases whose folder is gone for too long; what was given up before still is, and is said again."""
        self.raise_known_alarms()
        clock = self._clock()
        for entry in self.register.waiting():
            late = (clock.utc - entry.seen).total_seconds() >= self._rules.give_up_h * 3600
            if (
                late
                and entry.state is CaseState.INCOMING
                and entry.path not in folders
                and not self._outbox.busy(entry.case)
            ):
                self._move(entry, CaseState.INCOMPLETE, GONE)

    def clear_orphans(self, folder: Folder) -> None:
        """Cases sighted in this folder earlier that are none of its cases now: over, or without their files."""
        names = {case.case for case in folder.assessments}
        elsewhere = {key for case in folder.assessments for key in case.keys}
        for entry in self.register.at(folder.path):
            if not entry.open or entry.case in names or self._outbox.busy(entry.case):
                continue
            if all(key in elsewhere or self.register.owner(key) != entry.case for key in entry.keys):
                self._move(entry, CaseState.CANCELLED, "its files turned out to belong to another case")
            else:
                self._lose(entry)

    def _lose(self, entry: Entry) -> None:
        if entry.reason == GONE or self._outbox.busy(entry.case):
            return
        sight = SightCase(entry.case, entry.identity, entry.path, GONE, entry.plan_uid, entry.study_uid, entry.keys)

        def then() -> None:
            self.register.sighted(sight, self._clock().utc)
            self._log.bind(case=entry.case).info("waits: {}", GONE)

        self._outbox.send(Pending(entry.case, entry.path, then), (sight,))

    def _situation(self, case: Assessment, folder: Folder, clock: Clock) -> Situation:
        entry = self.register.entry(case.case)
        waiting_s = (clock.utc - entry.seen).total_seconds() if entry is not None else 0.0
        order = folder.order
        return Situation(
            quiet_for_s=folder.quiet_for_s(clock.wall),
            waiting_h=max(waiting_s, 0.0) / 3600,
            marker_there=folder.look.marker,
            paused=self.paused,
            ordered=order is not None,
            as_it_is=order is not None and order.request.partial,
        )

    def _elsewhere(self, case: Assessment, decision: Decision, folders: Mapping[str, Folder]) -> bool:
        """Another folder that is open stands for this case already (a copy): only what can start counts here."""
        entry = self.register.entry(case.case)
        if entry is None or entry.path == case.path or decision.act is Act.ADMIT:
            return False
        other = folders.get(entry.path)
        return other is not None and any(one.case == case.case for one in other.assessments)

    def _write(self, case: Assessment, decision: Decision, path: str) -> None:
        entry = self.register.entry(case.case)
        records = records_of(case, decision, entry)
        if not records:
            return
        # alarms in the same write: a crash after it keeps none from anybody, and leaves none behind
        if entry is not None and entry.state is not _ENDS_AS.get(decision.act):
            records = (*records, *_alarm_ends(entry))
        if decision.act is Act.FAIL:
            alarm = RaiseAlarm(_alarm(case.case, failed=True), _why_failed(case.case, decision.sentence))
            records = (*records, alarm)
        then = self._admitted if decision.act is Act.ADMIT else self._told
        self._outbox.send(Pending(case.case, path, lambda: then(case, decision, entry)), records)

    def _admitted(self, case: Assessment, _decision: Decision, entry: Entry | None) -> None:
        source = case.source
        assert source is not None, "only what is whole or partial is admitted"
        self.register.admitted(source, self._clock().utc)
        part = f", PARTIAL: {'; '.join(source.missing)}" if source.partial else ""
        deliveries = counted(len(source.deliveries), "delivery", "deliveries")
        again = "again: its files changed" if case.failed_before else deliveries
        self._log.bind(case=case.case).info("admitted, {}, {}{}", counted(len(case.beams), "beam"), again, part)
        self._alarm_over(entry)
        self._admission.tell(CaseAdmitted(case.case))

    def _told(self, case: Assessment, decision: Decision, entry: Entry | None) -> None:
        sight = SightCase(
            case.case, case.identity, case.path, decision.sentence, case.plan_uid, case.study_uid, case.keys
        )
        self.register.sighted(sight, self._clock().utc)
        if entry is not None and entry.state is not _ENDS_AS.get(decision.act):
            self._alarm_over(entry)
        match decision.act:
            case Act.FAIL:
                self.register.moved(case.case, CaseState.FAILED, decision.sentence)  # the ledger's line tells it
                text = _why_failed(case.case, decision.sentence)
                self._monitor.tell(AlarmRaised(_alarm(case.case, failed=True), text))
            case Act.GIVE_UP:
                self._given_up(case.case, decision.sentence)
            case _:
                self._log.bind(case=case.case).info("waits: {}", decision.sentence)

    def _given_up(self, case: str, sentence: str) -> None:
        self.register.moved(case, CaseState.INCOMPLETE, sentence)
        self._log.bind(case=case).warning("incomplete: {}", sentence)
        self._monitor.tell(AlarmRaised(_alarm(case), _why_incomplete(case, sentence)))

    def _alarm_over(self, entry: Entry | None) -> None:
        for ends in _alarm_ends(entry) if entry is not None else ():
            self._monitor.tell(AlarmCleared(ends.alarm))

    def _move(self, entry: Entry, to: CaseState, reason: str) -> None:
        def then() -> None:
            if to is CaseState.INCOMPLETE:
                self._given_up(entry.case, reason)
            else:
                self.register.moved(entry.case, to, reason)
                self._alarm_over(entry)
                self._log.bind(case=entry.case).info("{}: {}", to, reason)

        move = MoveCase(entry.case, to, reason)
        self._outbox.send(Pending(entry.case, entry.path, then), (move, *_alarm_ends(entry)))

    def raise_known_alarms(self) -> None:
        """What was given up before still is; this scanner, or the monitor, may have been restarted since."""
        for entry in self.register.waiting():
            if entry.state is CaseState.INCOMPLETE and not self._outbox.busy(entry.case):
                self._monitor.tell(AlarmRaised(_alarm(entry.case), _why_incomplete(entry.case, entry.reason)))

    def nothing_new(self, look: Look) -> bool:
        """Whether a folder that is not open holds nothing but deliveries that are settled."""
        keys = look.keys
        return 0 < len(keys) == len(look.deliveries) and all(self.register.is_settled(key) for key in keys)

    def unsettled(self, folder: Folder) -> bool:
        """Whether something in this folder still wants the scanner's attention."""
        here = any(entry.restless for entry in self.register.at(folder.path))
        return here or bool(folder.assessments) or folder.order is not None


def _alarm(case: str, *, failed: bool = False) -> str:
    return case_failed(case) if failed else f"incomplete:{case}"


def _alarm_ends(entry: Entry) -> tuple[ClearAlarm, ...]:
    """The end of the alarm that stands for a case in this state."""
    if entry.state not in (CaseState.INCOMPLETE, CaseState.FAILED):
        return ()
    return (ClearAlarm(_alarm(entry.case, failed=entry.state is CaseState.FAILED)),)


def _why_incomplete(case: str, sentence: str) -> str:
    return f"Case {case} is incomplete: {sentence}. Send what is missing; it starts by itself then."


def _why_failed(case: str, sentence: str) -> str:
    return f"Case {case} failed: {sentence.rstrip('.')}. It is looked at again when its files change."
