"""May this GPU take a beam? Readings in, a judgement with its reason out. Unknown is not idle."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from messages.hosts import GpuLimits, GpuReading, GpusObserved, GpuState
from messages.ledger import GpuRecordReport

XID = "Xid "
"""A fault that begins so is the driver's word that the GPU is sick; any other says that it cannot be judged."""


@dataclass(frozen=True, slots=True)
class Health:
    """``state`` is IDLE (healthy), UNKNOWN, QUARANTINED or DRAINING; BUSY is a matter of the lease."""

    state: GpuState
    reason: str = ""

    @property
    def good(self) -> bool:
        return self.state is GpuState.IDLE


GOOD = Health(GpuState.IDLE)


@dataclass(slots=True)
class GpuWatch:
    """What is known of one GPU. ``now`` is monotonic seconds.

    Whose a process is: the host's word counts where it gives one (``GpuProcess.attempt``). Where it does not, a process
    seen while our lease is held is taken for ours, and a little longer, for a reading may be a moment old.
    """

    uuid: str
    limits: GpuLimits
    asked: bool = True
    idle_mb: int | None = None
    """Free memory when nothing of ours used the GPU."""
    _observed: GpusObserved | None = None
    _at: float = 0.0
    _hot: bool = False
    _ours: dict[int, float] = field(default_factory=dict)
    """pid → until when it is taken for ours."""

    def observe(self, observed: GpusObserved, *, leased: bool, now: float) -> None:
        """Take a reading; ``leased``: an attempt of ours holds the GPU, or may hold it."""
        self._observed, self._at, self.asked = observed, now, observed.asked
        reading = self._reading()
        if reading is None:
            return
        self._own(reading, leased=leased, now=now)
        if not leased and not any(until > now for until in self._ours.values()):
            self.idle_mb = reading.free_mb
        elif self.idle_mb is None:
            self.idle_mb = reading.total_mb
        self._feel(reading)

    def _own(self, reading: GpuReading, *, leased: bool, now: float) -> None:
        """Which of the processes are ours, and until when they are taken for that."""
        processes = reading.processes or ()
        listed = {process.pid for process in processes}
        self._ours = {pid: until for pid, until in self._ours.items() if pid in listed}
        until = now + self.limits.linger_s
        for process in processes:
            if leased and process.attempt != "":
                self._ours[process.pid] = until
            elif process.attempt:
                self._ours.setdefault(process.pid, until)

    def _feel(self, reading: GpuReading) -> None:
        if reading.temperature_c is not None:
            bound = self.limits.temperature_c - (self.limits.cooled_by_c if self._hot else 0)
            self._hot = reading.temperature_c > bound

    def _reading(self) -> GpuReading | None:
        if self._observed is None:
            return None
        return next((gpu for gpu in self._observed.gpus if gpu.uuid == self.uuid), None)

    @property
    def model(self) -> str:
        """As the driver names it; empty: a slot, or not told yet."""
        reading = self._reading() if self.asked else None
        return reading.name if reading is not None else ""

    def judge(self, now: float) -> Health:
        """The GPU's health now."""
        if not self.asked:
            gone = self._observed is not None and self._reading() is None
            return Health(GpuState.UNKNOWN, "this slot is not offered any more") if gone else GOOD
        unknown = self._unknown(now)
        if unknown:
            return Health(GpuState.UNKNOWN, unknown)
        reading = self._reading()
        assert reading is not None
        sick = self._sick(reading, now)
        return Health(GpuState.QUARANTINED, sick) if sick else GOOD

    def _unknown(self, now: float) -> str:
        """Why nothing can be told of this GPU; empty when it can."""
        observed = self._observed
        if observed is None:
            return "not observed yet"
        if now - self._at > self.limits.stale_s:
            return f"not observed for more than {self.limits.stale_s:g} s"
        if observed.fault:
            return observed.fault
        reading = self._reading()
        if reading is None:
            return "the driver does not list this GPU any more"
        if reading.fault and not reading.fault.startswith(XID):
            return reading.fault
        return "the driver does not say who uses this GPU" if reading.processes is None else ""

    def _sick(self, reading: GpuReading, now: float) -> str:
        """Why this GPU must not be used; empty when it may."""
        if reading.fault:
            return reading.fault
        if self._hot:
            return f"over temperature {reading.temperature_c} °C (limit {self.limits.temperature_c} °C)"
        if reading.uncorrectable_ecc:
            return f"{reading.uncorrectable_ecc} uncorrectable memory errors"
        strangers = [p for p in reading.processes or () if self._ours.get(p.pid, 0.0) <= now]
        if strangers:
            first = strangers[0]
            more = f" and {len(strangers) - 1} more" if len(strangers) > 1 else ""
            return f"used by a stranger's process, pid {first.pid} ({first.name}){more}"
        return ""


@dataclass(slots=True)
class Record:
    """The GPU's own record of runs: two failed ones in a row that succeeded elsewhere make it suspect."""

    _runs: list[tuple[str, bool]] = field(default_factory=list)
    """(key, blamed) of failed runs since the last good one, in order."""
    _good: deque[str] = field(default_factory=lambda: deque(maxlen=256))
    _over: frozenset[str] = frozenset()
    """Failed runs that count no more, as the ledger has it."""

    def adopt(self, report: GpuRecordReport) -> None:
        """What the ledger has: from before a restart, and what an operator's order forgave."""
        self._over = report.over
        self._good.extend(key for key in sorted(report.good) if key not in self._good)
        known = dict.fromkeys(report.failed, False) | dict(self._runs) | dict.fromkeys(report.blamed, True)
        over = report.over | frozenset(self._good)
        self._runs = [(key, blamed) for key, blamed in known.items() if key not in over]

    def settled(self, key: str, *, good: bool, blame_gpu: bool) -> None:
        """A run's verdict; told again with ``blame_gpu`` when the same beam succeeded on another GPU.

        A restarted case tells again what it told before: that changes nothing.
        """
        if good:
            if key not in self._good:
                self._good.append(key)
                self._runs.clear()
            return
        if key in self._over:
            return
        self._runs = [(known, blamed or (known == key and blame_gpu)) for known, blamed in self._runs]
        if key not in (known for known, _ in self._runs):
            self._runs.append((key, blame_gpu))

    @property
    def suspect(self) -> str:
        """Why the GPU is quarantined for its record; empty when it is not."""
        blamed = [key for key, blamed in self._runs if blamed]
        return (
            f"two runs in a row failed here and succeeded elsewhere ({', '.join(blamed[-2:])})"
            if len(blamed) >= 2
            else ""
        )
