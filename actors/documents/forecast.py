"""When every beam and case will be done: what runs, what waits and where it may run in, times out. Pure.

The beams that wait are dealt to the GPUs in service as the scheduler would deal them, in its order, each to the GPU
that is free first. Means and variances of durations add up along a GPU; the median and the bound of a sum are those of
the log-normal distribution that has its mean and variance.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from actors.documents.durations import Duration, Durations, Gpu, Work, Z
from messages.hosts import GpuState
from messages.ledger import BeamRow, CaseRow, GpuRow
from messages.scheduling import AGING_S
from messages.states import BeamState, CaseState

_SERVES = frozenset({GpuState.IDLE, GpuState.BUSY})
_WAITS = frozenset({BeamState.PENDING, BeamState.INTERPRETED, BeamState.STAGED})
_AFTER = frozenset({BeamState.ENDED, BeamState.COLLECTED})
_OPEN = frozenset({CaseState.QUEUED, CaseState.RUNNING})
LEAST_PROGRESS = 0.02
"""Progress from which a run says something about its own end."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """``eta``: as likely later as earlier; ``bound``: nine of ten are done by then."""

    eta: datetime
    bound: datetime


@dataclass(frozen=True, slots=True)
class Facts:
    """What a forecast is made from, as the ledger has it."""

    durations: Durations
    works: Mapping[tuple[str, int], Work] = field(default_factory=dict)
    """(case, beam) → its work, where it is known."""
    begun: Mapping[str, datetime] = field(default_factory=dict)
    """Key of a running attempt → when its engine began."""
    after_s: float = 0.0
    """From the end of a case's last run to its published result, usually."""
    paused: bool = False
    """Nothing that was not begun is begun."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Nothing is in it of which nothing can be said."""

    cases: Mapping[str, Estimate] = field(default_factory=dict)
    beams: Mapping[tuple[str, int], Estimate] = field(default_factory=dict)


UNKNOWN = Forecast()
"""Nothing can be said."""


@dataclass(frozen=True, slots=True)
class _Sum:
    """Seconds from now: mean and variance of a sum of durations."""

    mean: float = 0.0
    variance: float = 0.0

    def plus(self, duration: Duration, share: float = 1.0) -> _Sum:
        """And then so much of a duration."""
        spread = duration.spread
        mean = duration.median_s * math.exp(spread**2 / 2) * share
        return _Sum(self.mean + mean, self.variance + mean**2 * math.expm1(spread**2))

    def later(self, seconds: float) -> _Sum:
        return _Sum(self.mean + seconds, self.variance)

    def at(self, now: datetime) -> Estimate:
        if self.mean <= 0:
            return Estimate(now, now)
        spread = math.sqrt(math.log1p(self.variance / self.mean**2))
        median = self.mean * math.exp(-(spread**2) / 2)
        return Estimate(now + timedelta(seconds=median), now + timedelta(seconds=median * math.exp(Z * spread)))


def forecast(rows: Iterable[CaseRow], gpus: Sequence[GpuRow], facts: Facts, now: datetime) -> Forecast:
    """Of all open cases (``rows``: every one that is, whatever is asked of)."""
    cases = [row for row in rows if row.state in _OPEN and row.beams]
    sums: dict[tuple[str, int], _Sum] = {}
    free = _running(cases, gpus, facts, now, sums)
    _waiting(cases, free, facts, sums)
    beams = {beam: one.at(now) for beam, one in sums.items()}
    ends = {row.case: end for row in cases if (end := _case_end(row, sums, facts)) is not None}
    return Forecast({case: one.at(now) for case, one in ends.items()}, beams)


def remaining(progress: float, elapsed_s: float, learned: Duration | None) -> tuple[Duration, float] | None:
    """(duration of the whole run, share of it that is left); None when nothing is known.

    A run's own pace counts the more the further it is; at the beginning what was learned does.
    """
    progress = min(max(progress, 0.0), 0.99)
    own = elapsed_s / progress if progress >= LEAST_PROGRESS and elapsed_s > 0 else 0.0
    if learned is None:
        return (Duration(own, own * math.exp(Z * 0.3 * (1 - progress))), 1 - progress) if own else None
    if not own:
        left = max(1 - elapsed_s / learned.median_s, 0.05)
        return learned, left
    total = math.exp(progress * math.log(own) + (1 - progress) * math.log(learned.median_s))
    spread = learned.spread * math.sqrt(1 - progress)
    return Duration(total, total * math.exp(Z * spread)), 1 - progress


def _running(
    cases: Sequence[CaseRow], gpus: Sequence[GpuRow], facts: Facts, now: datetime, sums: dict[tuple[str, int], _Sum]
) -> list[tuple[_Sum, Gpu]]:
    """Notes the ends of what runs; every GPU that takes work, and when it is free."""
    beams = {(row.case, beam.number): beam for row in cases for beam in row.beams}
    free = []
    for row in gpus:
        gpu = Gpu(row.host, row.uuid, row.model)
        key = _beam_of(row.beam)
        end: _Sum | None = _Sum()
        if key in beams and beams[key].state in (BeamState.RUNNING, BeamState.STAGED):
            learned = facts.durations.estimate(facts.works.get(key, Work()), gpu)
            end = _end_of_run(beams[key], learned, facts.begun.get(row.beam), now)
            if end is not None:
                sums[key] = end
        if row.state in _SERVES and end is not None:
            free.append((end, gpu))
    return free


def _end_of_run(beam: BeamRow, learned: Duration | None, began: datetime | None, now: datetime) -> _Sum | None:
    elapsed_s = max((now - began).total_seconds(), 0.0) if began is not None else 0.0
    known = remaining(beam.progress, elapsed_s, learned)
    return None if known is None else _Sum().plus(*known)


def _waiting(
    cases: Sequence[CaseRow], free: list[tuple[_Sum, Gpu]], facts: Facts, sums: dict[tuple[str, int], _Sum]
) -> None:
    """Deals the beams that wait, in the scheduler's order, each to the GPU that is free first."""
    heap = [(end.mean, index, end, gpu) for index, (end, gpu) in enumerate(free)]
    heapq.heapify(heap)
    for row in sorted(cases, key=_rank):
        if facts.paused and row.started is None:
            continue
        for beam in row.beams:
            key = (row.case, beam.number)
            if not heap or beam.state not in _WAITS or key in sums:
                continue
            _, index, end, gpu = heap[0]
            duration = facts.durations.estimate(facts.works.get(key, Work()), gpu)
            if duration is None:
                continue
            sums[key] = end.plus(duration)
            heapq.heapreplace(heap, (sums[key].mean, index, sums[key], gpu))


def _case_end(row: CaseRow, sums: Mapping[tuple[str, int], _Sum], facts: Facts) -> _Sum | None:
    """The last of its beams, and what follows; None as long as nothing is known of one of them."""
    ends = []
    for beam in row.beams:
        if beam.state in _WAITS or beam.state is BeamState.RUNNING:
            if (row.case, beam.number) not in sums:
                return None
            ends.append(sums[row.case, beam.number])
        elif beam.state in _AFTER:
            ends.append(_Sum())
    last = max(ends, key=lambda one: one.mean, default=_Sum())
    spread = max((one.variance for one in ends), default=0.0)
    return _Sum(last.mean, max(last.variance, spread)).later(facts.after_s)


def _rank(row: CaseRow) -> tuple[float, str]:
    """The scheduler's order."""
    admitted = (row.admitted or row.seen).timestamp()
    return (admitted - row.priority * AGING_S, row.case)


def _beam_of(key: str) -> tuple[str, int]:
    case, _, rest = key.partition("/")
    number = rest.partition("/")[0]
    return case, int(number) if number.isdigit() else 0
