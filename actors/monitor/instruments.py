"""From what the monitor is told, and what it knows when asked, to the numbers of the catalogue."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from actors.monitor.clock import Jumps, synchronised
from actors.monitor.fleet import Fleet
from actors.monitor.gpu_use import GpuUse
from actors.monitor.history import KNOWN, tally_of
from actors.monitor.meters import Meters
from actors.supervision import ActorStatus
from messages.hosts import GpuReading, GpuState, HostState
from messages.metrics import CommitsTimed, FilesCarried, LedgerFacts
from messages.operators import Alarm, DiskHealth, MachineHealth
from messages.scheduling import WorkerReport
from messages.states import OPEN_CASES, BeamState, CaseState

MB = 1e6
GB = 1e9
_COUNTED = {
    "case": "mqi_case_transitions",
    "beam": "mqi_beam_transitions",
    "attempt": "mqi_attempt_transitions",
    "verdict": "mqi_verdicts",
    "link-loss": "mqi_link_losses",
    "alarm": "mqi_alarms_raised",
    "order": "mqi_orders",
}
_ONE_CASE = re.compile(r"(/cases)/(?!admission$)[^/]+")


@dataclass(frozen=True, slots=True)
class View:
    """What is true as somebody asks."""

    fleet: Fleet
    alarms: tuple[Alarm, ...]
    disks: tuple[DiskHealth, ...]
    machine: MachineHealth
    actors: tuple[ActorStatus, ...]
    mailboxes: tuple[tuple[str, int], ...]
    """(actor, messages that wait)."""
    dead_letters: Mapping[str, int]
    now: datetime


class Instruments:
    """The numbers of one incarnation of the monitor; in its thread only. ``now`` is monotonic seconds."""

    def __init__(self, version: str, start: int) -> None:
        self._meters = Meters()
        self._meters.set("mqi_build_info", 1, version)
        self._meters.set("mqi_start_number", start)
        for what, labels in KNOWN:
            for label in labels:
                self._meters.count(_COUNTED[what], 0, label)
        self._use = GpuUse()
        self._jumps = Jumps()
        self._facts: LedgerFacts | None = None
        self._pushes = 0
        self._seen: Counter[tuple[str, str]] = Counter()
        """(metric, label) → how far counters that are read, not told, have been counted."""
        self._known: dict[str, tuple[int, int]] = {}
        """Actor → its restarts and crashes when last looked at."""

    # -- told

    def facts(self, facts: LedgerFacts) -> None:
        """The ledger was read."""
        self._facts = facts
        for happened, times in facts.happened:
            if tally := tally_of(happened):
                self._meters.count(_COUNTED[tally.what], times, tally.label)
        for left in facts.left:
            self._state_left(left.of_beam, left.state, left.seconds)
        self._meters.count("mqi_alarm_pushes", max(0, facts.pushes_told - self._pushes))
        self._pushes = facts.pushes_told

    def _state_left(self, of_beam: bool, state: str, seconds: float) -> None:
        if state in (frozenset(BeamState) if of_beam else frozenset(CaseState)):
            self._meters.observe("mqi_beam_state_seconds" if of_beam else "mqi_case_state_seconds", seconds, state)

    def read_at(self, at: datetime) -> None:
        """The ledger was asked, and may have had nothing new."""
        self._meters.set("mqi_ledger_read_timestamp_seconds", at.timestamp())

    def carried(self, move: FilesCarried) -> None:
        """Files were moved."""
        labels = (move.host, "to" if move.to_host else "from")
        self._meters.count("mqi_transfers", 1, *labels)
        self._meters.count("mqi_transfer_bytes", move.size, *labels)
        self._meters.count("mqi_transfer_seconds", max(0.0, move.seconds), *labels)

    def commits(self, timed: CommitsTimed) -> None:
        """The ledger committed."""
        for seconds in timed.seconds:
            self._meters.observe("mqi_ledger_commit_seconds", seconds)

    def worker(self, report: WorkerReport, now: float) -> None:
        """A GPU's lease began, ended, or goes on."""
        busy, gap = self._use.told(report, now)
        self._meters.count("mqi_gpu_busy_seconds", busy, report.host, str(report.index))
        if gap is not None:
            self._meters.observe("mqi_gpu_idle_gap_seconds", gap, report.host)

    def tick(self, now: float, wall: float, actors: Iterable[ActorStatus]) -> None:
        """A look at the clocks, and at the actors before any of them is gone."""
        self._jumps.look(now, wall)
        self._unrest(actors)

    # -- asked

    def text(self, view: View, now: float) -> bytes:
        """Everything, in Prometheus' text format."""
        self._pipeline(view)
        self._hosts(view.fleet)
        self._gpus(view.fleet, now)
        self._actors(view)
        self._machine(view)
        return self._meters.text(lasting=self._facts is not None and not self._facts.more)

    def _pipeline(self, view: View) -> None:
        facts, meters = self._facts, self._meters
        cases, beams = (dict(facts.cases), dict(facts.beams)) if facts else ({}, {})
        oldest = dict(facts.oldest) if facts else {}
        for case_state in CaseState:
            meters.set("mqi_cases", cases.get(case_state, 0), case_state)
        for beam_state in BeamState:
            meters.set("mqi_beams", beams.get(beam_state, 0), beam_state)
        for state in OPEN_CASES:
            age = (view.now - oldest[state]).total_seconds() if state in oldest else 0.0
            meters.set("mqi_oldest_case_age_seconds", max(0.0, age), state)
        meters.set("mqi_ledger_events", facts.upto if facts else 0)
        meters.set("mqi_alarm_push_waiting", facts.pushes_waiting if facts else 0)
        meters.clear("mqi_sendings")
        for node, sending_state, number in facts.sendings if facts else ():
            meters.set("mqi_sendings", number, node, sending_state)
        backup = facts.backup if facts else None
        meters.set("mqi_backup_timestamp_seconds", backup.timestamp() if backup else 0.0)
        meters.clear("mqi_alarms")
        for kind, number in Counter(alarm.id.partition(":")[0] for alarm in view.alarms).items():
            meters.set("mqi_alarms", number, kind)

    def _hosts(self, fleet: Fleet) -> None:
        self._meters.clear("mqi_host_up", "mqi_host_workspace_free_bytes")
        for host in fleet.hosts.values():
            self._meters.count("mqi_link_losses", 0, host.host)
            self._meters.set("mqi_host_up", float(host.state is not HostState.SUSPENDED), host.host)
            if host.free_gb is not None:
                self._meters.set("mqi_host_workspace_free_bytes", host.free_gb * GB, host.host)

    def _gpus(self, fleet: Fleet, now: float) -> None:
        meters = self._meters
        meters.clear("mqi_gpu_state", "mqi_gpu_temperature_celsius", "mqi_gpu_memory_used_bytes")
        busy = self._use.tick(now)
        for report in fleet.workers.values():
            gpu = (report.host, str(report.index))
            meters.count("mqi_gpu_busy_seconds", busy.get(report.worker, 0.0), *gpu)
            for state in GpuState:
                meters.set("mqi_gpu_state", float(report.state is state), *gpu, state)
        for host in fleet.gpus.values():
            for reading in host.gpus:
                self._reading(host.host, reading)

    def _reading(self, host: str, reading: GpuReading) -> None:
        if reading.temperature_c is not None:
            self._meters.set("mqi_gpu_temperature_celsius", reading.temperature_c, host, str(reading.index))
        if reading.used_mb is not None:
            self._meters.set("mqi_gpu_memory_used_bytes", reading.used_mb * MB, host, str(reading.index))

    def _actors(self, view: View) -> None:
        meters = self._meters
        meters.clear("mqi_actors", "mqi_mailbox_depth")
        for phase, number in Counter(actor.phase.name.lower() for actor in view.actors).items():
            meters.set("mqi_actors", number, phase)
        deepest: dict[str, int] = {}
        for actor, waiting in view.mailboxes:
            deepest[actor_class(actor)] = max(waiting, deepest.get(actor_class(actor), 0))
        for name, depth in deepest.items():
            meters.set("mqi_mailbox_depth", depth, name)
            meters.count("mqi_dead_letters", 0, name)
        self._unrest(view.actors)
        self._upto("mqi_dead_letters", _by_class(view.dead_letters.items()))

    def _unrest(self, actors: Iterable[ActorStatus]) -> None:
        """Restarts and crashes: actors come and go, what they counted stays."""
        known, self._known = self._known, {}
        for actor in actors:
            restarts, crashes = known.get(actor.id, (0, 0))
            self._known[actor.id] = (actor.restarts, actor.crashes)
            name = actor_class(actor.id)
            self._meters.count("mqi_actor_restarts", max(0, actor.restarts - restarts), name)
            self._meters.count("mqi_actor_crashes", max(0, actor.crashes - crashes), name)

    def _upto(self, metric: str, totals: Mapping[str, int]) -> None:
        for label, total in totals.items():
            self._meters.count(metric, max(0, total - self._seen[metric, label]), label)
            self._seen[metric, label] = max(total, self._seen[metric, label])

    def _machine(self, view: View) -> None:
        meters, machine = self._meters, view.machine
        meters.clear("mqi_disk_free_bytes", "mqi_disk_least_bytes", "mqi_disk_low")
        for disk in view.disks:
            if disk.free_gb is not None:
                meters.set("mqi_disk_free_bytes", disk.free_gb * GB, disk.label)
            meters.set("mqi_disk_least_bytes", disk.min_free_gb * GB, disk.label)
            meters.set("mqi_disk_low", float(disk.low), disk.label)
        if machine.memory_percent is not None:
            meters.set("mqi_machine_memory_ratio", machine.memory_percent / 100)
        if machine.load is not None:
            meters.set("mqi_machine_load", machine.load)
        if machine.temperature_c is not None:
            meters.set("mqi_machine_temperature_celsius", machine.temperature_c)
        meters.set("mqi_clock_timestamp_seconds", view.now.astimezone(UTC).timestamp())
        meters.set("mqi_clock_synchronised", float(synchronised() or False))
        self._upto_plain("mqi_clock_jumps", self._jumps.count)

    def _upto_plain(self, metric: str, total: int) -> None:
        self._meters.count(metric, max(0, total - self._seen[metric, ""]))
        self._seen[metric, ""] = total


def actor_class(path: str) -> str:
    """A name of few: all cases are ``…/cases/*``, whichever they are."""
    return _ONE_CASE.sub(r"\1/*", path)


def _by_class(counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    totals: Counter[str] = Counter()
    for path, number in counts:
        totals[actor_class(path)] += number
    return dict(totals)
