"""What hosts, their GPUs and the workers say, and what of it is an alarm."""

from __future__ import annotations

from dataclasses import dataclass, field

from actors.monitor.alarms import Condition
from messages.hosts import GpuReading, GpusObserved, GpuState, HostObserved, HostState
from messages.ledger import NoteHost
from messages.scheduling import WorkerReport

GRACE_S = 20.0
"""A host or GPU that is away for less than this is no alarm: links are cut and mended by themselves."""
COOLED_C = 5


@dataclass(slots=True)
class Fleet:
    """The last word of every host and worker."""

    hosts: dict[str, HostObserved] = field(default_factory=dict)
    gpus: dict[str, GpusObserved] = field(default_factory=dict)
    workers: dict[str, WorkerReport] = field(default_factory=dict)

    def host(self, observed: HostObserved) -> NoteHost | None:
        """Take it in; the row for the ledger when something changed."""
        before = self.hosts.get(observed.host)
        self.hosts[observed.host] = observed
        if before is not None and _standing(before) == _standing(observed):
            return None
        return NoteHost(observed.host, observed.kind, *_standing(observed))

    def conditions(self, standing: frozenset[str], temperature_c: float) -> dict[str, Condition]:
        """Alarm conditions by id."""
        found = {}
        for host in self.hosts.values():
            if host.state is HostState.SUSPENDED:
                text = f"Host {host.host} cannot be used: {host.reason or 'no reason was told'}. Its work waits for it."
                found[f"host:{host.host}"] = Condition(text, host.reason, GRACE_S)
        for gpus in self.gpus.values():
            if gpus.fault:
                text = f"The GPUs of host {gpus.host} cannot be judged: {gpus.fault}. No new work starts there."
                found[f"gpus:{gpus.host}"] = Condition(text, gpus.fault, GRACE_S)
        found |= self._gpu_conditions(standing, temperature_c)
        return found

    def unheard(self, kind: str, subject: str) -> bool:
        """Whether nothing was heard yet of what an alarm is about."""
        match kind:
            case "host":
                return subject not in self.hosts
            case "gpus":
                return subject not in self.gpus
            case "gpu":
                return subject not in self.workers or subject.partition("/")[0] not in self.gpus
            case _:
                return False

    def _gpu_conditions(self, standing: frozenset[str], temperature_c: float) -> dict[str, Condition]:
        found = {}
        hot = {
            f"{gpus.host}/gpu-{reading.index}": reading
            for gpus in self.gpus.values()
            for reading in gpus.gpus
            if _is_hot(reading, temperature_c - COOLED_C * (f"gpu:{gpus.host}/gpu-{reading.index}" in standing))
        }
        for name, reading in hot.items():
            text = f"GPU {name} is at {reading.temperature_c} °C, over {temperature_c:.0f} °C. Look at its cooling."
            found[f"gpu:{name}"] = Condition(text, "hot")
        for report in self.workers.values():
            if report.worker not in hot and (condition := _worker_condition(report, away=self._away(report.host))):
                found[f"gpu:{report.worker}"] = condition
        return found

    def _away(self, host: str) -> bool:
        """All of the host cannot be used or judged: that is one alarm, and none of each of its GPUs."""
        known, gpus = self.hosts.get(host), self.gpus.get(host)
        return bool(gpus and gpus.fault) or (known is not None and known.state is HostState.SUSPENDED)


def _standing(observed: HostObserved) -> tuple[HostState, str]:
    """State and reason as operators see them: with the time of the next attempt, where one is planned."""
    if observed.next_attempt is None:
        return observed.state, observed.reason
    at = observed.next_attempt.astimezone().isoformat(timespec="seconds")
    return observed.state, f"{observed.reason} Next attempt at {at}."


def _is_hot(reading: GpuReading, limit_c: float) -> bool:
    return reading.temperature_c is not None and reading.temperature_c >= limit_c


def _worker_condition(report: WorkerReport, *, away: bool) -> Condition | None:
    """A sick GPU; one that cannot be judged too, unless all of its host is away."""
    if report.state is GpuState.QUARANTINED:
        text = f"GPU {report.worker} gets no new work: {report.reason or 'no reason was told'}."
        return Condition(text, report.reason)
    if report.state is GpuState.UNKNOWN and not away:
        text = (
            f"GPU {report.worker} cannot be judged: {report.reason or 'no reason was told'}. No new work starts there."
        )
        return Condition(text, report.reason, GRACE_S)
    return None
