"""The monitor actor: looks at an interval, is told the rest, and tells the ledger, the log and who waits for room."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from actors.errors import MqiError
from actors.monitor.alarms import AlarmBook, Change, Condition, Raised
from actors.monitor.disks import Disk, disk_conditions, disk_state
from actors.monitor.fleet import Fleet
from actors.monitor.instruments import Instruments, View
from actors.monitor.machine import machine_conditions, read_machine
from actors.monitor.meters import CONTENT_TYPE
from actors.monitor.outbox import Outbox
from actors.monitor.restarts import Unrest
from actors.mounts import away
from actors.settings import MonitorSettings
from actors.supervision import Actor, Context, Exited, TaskFailed, TaskScope, Up
from messages.address import Mailbox
from messages.alarming import AlarmsNoted
from messages.hosts import GpusObserved, HostObserved, HostState, SubscribeHost
from messages.ledger import AlarmRow, ClearAlarm, RaiseAlarm, Write, WriteRefused, Written
from messages.metrics import CommitsTimed, FilesCarried, GetMetrics, LedgerFacts, MetricsReport, RootsScanned
from messages.operators import (
    Alarm,
    AlarmCleared,
    AlarmRaised,
    DiskState,
    GetHealth,
    HealthReport,
    MachineHealth,
    SubscribeDisk,
)
from messages.scheduling import WorkerReport

_BOOT_BITS = 32
"""An epoch is the boot counter and a counter of so many bits below it."""
SENSORS_EVERY = 6
"""Of so many looks at the machine one also asks the temperature sensors."""
UNHEARD_S = 60.0
"""So long an alarm of an earlier run waits for the first word of what it is about: that a host is away takes time."""
LEDGER_ALARM = "ledger-write"
SILENT_S = 30.0
"""A disk that did not answer for so long cannot be judged."""


@dataclass(frozen=True, slots=True)
class _Look:
    """To myself: compare what is with what stands."""


@dataclass(frozen=True, slots=True)
class _DiskSeen:
    label: str
    free_bytes: int | None
    fault: str


@dataclass(frozen=True, slots=True)
class _MachineSeen:
    health: MachineHealth


@dataclass(frozen=True, slots=True)
class _Stood:
    """From the ledger's file: alarms that stood before this incarnation; None: it cannot be read now."""

    alarms: tuple[Alarm, ...] | None


@dataclass(frozen=True, slots=True)
class _LedgerRead:
    """The ledger was asked what happened; None: nothing new."""

    facts: LedgerFacts | None


def _no_facts(upto: int, began: datetime) -> LedgerFacts | None:
    del upto, began
    return None


class Monitor(Actor):
    """Health of everything, and the only one who raises and clears alarms.

    ``standing`` reads the alarms that the ledger has; it may block, and is called in a task. ``hosts``: addresses of
    the hosts' controls. ``disks``: (label, folder, least free GB) of what new work needs; ``mounts``: by label, where
    its share is mounted. ``room_for``: who is told DiskState, besides those that subscribe. ``notifier`` is told that
    the ledger has news of alarms. ``facts`` reads what happened after an event of the ledger (states left: since
    ``began``, when the process began); it may block too.
    """

    def __init__(
        self,
        context: Context,
        *,
        ledger: Mailbox,
        standing: Callable[[], tuple[AlarmRow, ...]],
        hosts: tuple[Mailbox, ...],
        disks: tuple[tuple[str, Path, float], ...],
        mounts: Mapping[str, str] = MappingProxyType({}),
        thresholds: MonitorSettings,
        interval_s: float,
        room_for: tuple[Mailbox, ...] = (),
        notifier: Mailbox | None = None,
        facts: Callable[[int, datetime], LedgerFacts | None] = _no_facts,
        began: datetime | None = None,
        version: str = "",
    ) -> None:
        super().__init__(context)
        self._ledger, self._standing, self._hosts = ledger, standing, hosts
        self._thresholds, self._interval_s = thresholds, interval_s
        self._disks = {label: Disk(label, str(path), least) for label, path, least in disks}
        self._mounts = mounts
        self._disk_at: dict[str, float] = {}
        self._room: DiskState | None = None
        self._room_for: dict[str, Mailbox] = {listener.id: listener for listener in room_for}
        self._machine = MachineHealth()
        self._fleet = Fleet()
        self._unrest = Unrest()
        self._scanned_at = self._began_at = self._now
        self._book = AlarmBook()
        self._adopted = False
        self._outbox = Outbox()
        self._notifier, self._facts, self._began = notifier, facts, began or _time_of_day()
        self._instruments = Instruments(version, self.epoch >> _BOOT_BITS)

    def started(self) -> None:
        for address in (*self._hosts, *self._room_for.values()):
            self.watch(address)
        self.task("standing alarms", self._read_standing)
        for disk in self._disks.values():
            self._disk_at[disk.label] = self._now
            self.task(f"disk {disk.label}", lambda scope, disk=disk: self._watch_disk(scope, disk))  # type: ignore[misc]
        self.task("machine", self._watch_machine)
        self.task("ledger facts", self._watch_ledger)
        self.after(min(1.0, self._interval_s), _Look())

    def receive(self, message: object) -> None:
        match message:
            case _Look():
                self._look()
                self.after(self._interval_s, message)
            case _DiskSeen() | _MachineSeen() | _Stood():
                self._seen(message)
            case HostObserved() | GpusObserved() | WorkerReport():
                self._told(message)
            case _LedgerRead() | FilesCarried() | CommitsTimed() | RootsScanned() | GetMetrics():
                self._measured(message)
            case AlarmRaised() | AlarmCleared() | SubscribeDisk() | GetHealth():
                self._asked(message)
            case Up() | Exited():
                self._news(message)
            case Written() | WriteRefused():
                self._answered(message)
            case TaskFailed():
                raise message.error
            case _:
                self.log.warning("the monitor does not know {}", type(message).__name__)

    # -- looking

    @property
    def _now(self) -> float:
        return self.context.system.timers.now()

    def _look(self) -> None:
        for label, at in self._disk_at.items():
            if self._now - at > max(SILENT_S, 3 * self._interval_s):
                self._disks[label] = self._disks[label].seen(None)
        self._tell_room()
        self._instruments.tick(self._now, time.time(), self.context.system.snapshot())
        if self._adopted:
            self._do(self._book.look(self._conditions(), self._now, _time_of_day(), self._unheard))
        self._send()

    def _conditions(self) -> dict[str, Condition]:
        standing = frozenset(alarm.id for alarm in self._book.standing)
        system = self.context.system
        return {
            **disk_conditions(tuple(self._disks.values())),
            **self._fleet.conditions(standing, self._thresholds.gpu_temperature_c),
            **machine_conditions(
                self._machine,
                standing,
                temperature_c=self._thresholds.machine_temperature_c,
                memory_percent=self._thresholds.memory_percent,
            ),
            **self._unrest.conditions(system.snapshot(), system.dead_letters.total, self._now),
        }

    def _unheard(self, alarm: str) -> bool:
        """Of an alarm of an earlier run: what it is about is still there, and nothing was heard of it yet."""
        if self._now - self._began_at > UNHEARD_S:
            return False
        kind, _, subject = alarm.partition(":")
        if kind == "disk":
            disk = self._disks.get(subject)
            return disk is not None and disk.free_gb is None and not disk.fault
        if kind == "machine":
            return self._machine == MachineHealth()
        there = {control.id.split("/")[-2] for control in self._hosts}
        return subject.partition("/")[0] in there and self._fleet.unheard(kind, subject)

    def _seen(self, message: _DiskSeen | _MachineSeen | _Stood) -> None:
        match message:
            case _DiskSeen(label, free_bytes, fault):
                self._disk_at[label] = self._now
                self._disks[label] = self._disks[label].seen(free_bytes, fault)
            case _MachineSeen(health):
                warmth = self._machine.temperature_c if health.temperature_c is None else health.temperature_c
                self._machine = replace(health, temperature_c=warmth)
            case _Stood(alarms):
                if alarms is not None:
                    self._book.adopt(alarms)
                self._adopted = True

    def _told(self, message: HostObserved | GpusObserved | WorkerReport) -> None:
        match message:
            case HostObserved():
                if note := self._fleet.host(message):
                    self._outbox.put(f"host {note.host}", note)
                    self._send()
            case GpusObserved():
                self._fleet.gpus[message.host] = message
            case WorkerReport():
                self._fleet.workers[message.worker] = message
                self._instruments.worker(message, self._now)

    def _asked(self, message: AlarmRaised | AlarmCleared | SubscribeDisk | GetHealth) -> None:
        match message:
            case AlarmRaised(id_, text):
                self._do(self._book.raise_(id_, text, _time_of_day()))
                self._send()
            case AlarmCleared(id_):
                self._outbox.put(f"alarm {id_}", ClearAlarm(id_))  # the ledger may have it from before this start
                self._do(self._book.clear(id_))
                self._send()
            case SubscribeDisk(listener):
                self._room_for[listener.id] = listener
                if self._room is not None:
                    listener.tell(self._room)
            case GetHealth(request_id, reply_to):
                disks = tuple(disk.health for disk in self._disks.values())
                hosts, gpus = tuple(self._fleet.hosts.values()), tuple(self._fleet.gpus.values())
                age_s = self._now - self._scanned_at
                reply_to.tell(HealthReport(request_id, self._book.standing, self._machine, disks, hosts, gpus, age_s))

    def _measured(self, message: _LedgerRead | FilesCarried | CommitsTimed | RootsScanned | GetMetrics) -> None:
        match message:
            case RootsScanned():
                self._scanned_at = self._now
            case _LedgerRead(facts):
                self._instruments.read_at(_time_of_day())
                if facts is not None:
                    self._instruments.facts(facts)
            case FilesCarried():
                self._instruments.carried(message)
            case CommitsTimed():
                self._instruments.commits(message)
            case GetMetrics(request_id, reply_to):
                text = self._instruments.text(self._view(), self._now)
                reply_to.tell(MetricsReport(request_id, text, CONTENT_TYPE))

    def _view(self) -> View:
        system = self.context.system
        actors = system.snapshot()
        return View(
            fleet=self._fleet,
            alarms=self._book.standing,
            disks=tuple(disk.health for disk in self._disks.values()),
            machine=self._machine,
            actors=actors,
            mailboxes=tuple((actor.id, system.address(actor.id).waiting) for actor in actors),
            dead_letters=system.dead_letters.by_actor(),
            now=_time_of_day(),
        )

    def _news(self, message: Up | Exited) -> None:
        """A host's control, or one who waits for room, came up or went."""
        for control in self._hosts:
            if control.id == message.id and isinstance(message, Up):
                control.tell(SubscribeHost(self.address))
            elif control.id == message.id and isinstance(message, Exited) and message.cause is not None:
                self._lost(message.id.split("/")[-2], message.cause)
        listener = self._room_for.get(message.id)
        if listener is not None and isinstance(message, Up) and self._room is not None:
            listener.tell(self._room)

    def _lost(self, host: str, cause: BaseException) -> None:
        """The host's control crashed: nothing is known of the host until it is up again."""
        known = self._fleet.hosts.get(host)
        if known is not None:
            reason = f"its control is restarted: {cause}"
            self._told(replace(known, at=_time_of_day(), state=HostState.SUSPENDED, reason=reason))

    # -- telling

    def _tell_room(self) -> None:
        """Once every disk was judged, and then whenever the answer changes."""
        disks = tuple(self._disks.values())
        if any(disk.free_gb is None and not disk.fault for disk in disks):
            return
        room = disk_state(disks)
        if self._room is None or room.roomy != self._room.roomy:
            self._room = room
            for listener in self._room_for.values():
                listener.tell(room)

    def _do(self, changes: tuple[Change, ...]) -> None:
        for change in changes:
            alarm = change.alarm
            if isinstance(change, Raised):
                self.log.bind(alarm=alarm.id).warning("ALARM {}: {}", alarm.id, alarm.text)
                self._outbox.put(f"alarm {alarm.id}", RaiseAlarm(alarm.id, alarm.text))
            else:
                self.log.bind(alarm=alarm.id).info("alarm over: {}", alarm.id)
                self._outbox.put(f"alarm {alarm.id}", ClearAlarm(alarm.id))

    def _send(self) -> None:
        if due := self._outbox.next(self._now):
            request_id, records = due
            self._ledger.tell(Write(request_id, self.address, self.address.id, self.epoch, records))

    def _answered(self, message: Written | WriteRefused) -> None:
        if isinstance(message, Written):
            if self._notifier is not None and self._outbox.sent_alarms(message.request_id):
                self._notifier.tell(AlarmsNoted())
            self._outbox.written(message.request_id)
            self._send()
        else:
            self._outbox.refused(message.request_id)
            if message.fault.kind == "ledger-full":  # the ledger tells it once: an incarnation before this one, maybe
                self._do(self._book.raise_(LEDGER_ALARM, str(message.fault), _time_of_day()))

    # -- in tasks

    def _read_standing(self, scope: TaskScope) -> _Stood | None:
        """What is wrong now is judged without it, where the ledger cannot be read; what else stood is asked for on."""
        while True:
            with contextlib.suppress(MqiError):
                return _Stood(tuple(Alarm(row.alarm, row.since, row.text) for row in self._standing()))
            scope.tell(_Stood(None))
            if scope.wait(self._interval_s):
                return None

    def _watch_disk(self, scope: TaskScope, disk: Disk) -> None:
        while True:
            scope.tell(_look_at(disk, self._mounts.get(disk.label, "")))
            if scope.wait(self._interval_s):
                return

    def _watch_ledger(self, scope: TaskScope) -> None:
        """What happened is counted from the beginning of the ledger, then as it goes on."""
        upto = 0
        while True:
            facts = None
            with contextlib.suppress(MqiError):  # a ledger that cannot be read is told of by others
                facts = self._facts(upto, self._began)
                scope.tell(_LedgerRead(facts))
            upto = facts.upto if facts else upto
            if scope.wait(0.0 if facts and facts.more else self._interval_s):
                return

    def _watch_machine(self, scope: TaskScope) -> None:
        count = 0
        while True:
            scope.tell(_MachineSeen(read_machine(temperatures=count % SENSORS_EVERY == 0)))
            count += 1
            if scope.wait(self._interval_s):
                return


def _time_of_day() -> datetime:
    return datetime.now().astimezone()


def _look_at(disk: Disk, mount: str) -> _DiskSeen:
    """An empty mount point has the room of the disk below it: it is asked for its share first."""
    try:
        if why := away(Path(disk.path), mount):
            return _DiskSeen(disk.label, None, why)
        return _DiskSeen(disk.label, shutil.disk_usage(disk.path).free, "")
    except OSError as error:
        return _DiskSeen(disk.label, None, error.strerror or str(error))
