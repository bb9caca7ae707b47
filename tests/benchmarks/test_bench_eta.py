"""How well the times of a simulated month are foretold: thousands of beams on a few GPUs, each estimate made when its
case came in, held against what then happened.

The month has what months have: beams from small to large on three grids, engines whose runs of the same work differ,
now and then one that takes twice as long, a GPU that is slower than its twin, a faster model that is new from day 12
on, and an engine release on day 20 after which everything takes 15 % longer.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from statistics import median

import pytest

from actors.documents.durations import Durations, Gpu, Run, Work
from actors.documents.forecast import Estimate, Facts, forecast
from messages.ledger import BeamRow, CaseRow, GpuRow
from messages.states import BeamState, CaseState

DAYS = 30
CASES_A_DAY = 36
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
NEW_MODEL_DAY, RELEASE_DAY = 12, 20
GRIDS = (1_000_000, 3_375_000, 8_000_000)
GPUS = (
    (Gpu("gpu1", "GPU-a", "Tesla A"), 1.0, 0),
    (Gpu("gpu1", "GPU-b", "Tesla A"), 1.08, 0),
    (Gpu("gpu2", "GPU-c", "Tesla A"), 0.97, 0),
    (Gpu("gpu3", "GPU-d", "Hopper B"), 0.55, NEW_MODEL_DAY),
)


@dataclass
class Beam:
    case: str
    number: int
    work: Work
    gpu: int = -1
    began: float = 0.0
    ended: float = 0.0
    foretold: Estimate | None = None
    """Of its run, when that began."""


@dataclass
class Case:
    name: str
    at: float
    beams: list[Beam]
    foretold: Estimate | None = None
    """When it came in."""


@dataclass
class Month:
    """A discrete simulation; seconds since its begin."""

    random: random.Random
    cases: dict[str, Case] = field(default_factory=dict)
    waiting: list[Beam] = field(default_factory=list)
    running: dict[int, Beam] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    _ends: list[tuple[float, int]] = field(default_factory=list)
    _durations: Durations = field(default_factory=lambda: Durations([]))

    def live(self) -> None:
        for case in self._arrivals():
            self._until(case.at)
            self.cases[case.name] = case
            self.waiting += case.beams
            self._deal(case.at)
            case.foretold = self._forecast(case.at).get(case.name)
        self._until(math.inf)

    def _arrivals(self) -> Iterator[Case]:
        """Between eight and twenty, each day."""
        for day in range(DAYS):
            for number, hour in enumerate(sorted(self.random.uniform(8, 20) for _ in range(CASES_A_DAY))):
                name = f"{day:02d}-{number:03d}"
                grid = self.random.choice(GRIDS)
                beams = [Beam(name, n, self._work(grid)) for n in range(1, self.random.choice((2, 2, 3, 3, 4)) + 1)]
                yield Case(name, (day * 24 + hour) * 3600.0, beams)

    def _work(self, grid: int) -> Work:
        return Work("moqui/3", round(math.exp(self.random.gauss(math.log(4e7), 0.6))), grid)

    def _until(self, at: float) -> None:
        while self._ends and self._ends[0][0] <= at:
            ended, gpu = heapq.heappop(self._ends)
            beam = self.running.pop(gpu)
            beam.ended = ended
            self.runs.append(Run(beam.work, GPUS[gpu][0], ended - beam.began))
            if len(self.runs) % 5 == 0 or len(self.runs) < 50:
                self._durations = Durations(list(self.runs))
            self._deal(ended)

    def _deal(self, at: float) -> None:
        for index, (gpu, factor, from_day) in enumerate(GPUS):
            if index in self.running or not self.waiting or at < from_day * 86400:
                continue
            beam = self.waiting.pop(0)
            beam.gpu, beam.began = index, at
            known = self._durations.estimate(beam.work, gpu)
            if known is not None:
                begin = BEGIN + timedelta(seconds=at)
                end, bound = (begin + timedelta(seconds=s) for s in (known.median_s, known.bound_s))
                beam.foretold = Estimate(end, bound)
            self.running[index] = beam
            heapq.heappush(self._ends, (at + self._seconds(beam, factor), index))

    def _seconds(self, beam: Beam, factor: float) -> float:
        """What it really takes: set-up, transport, scoring on the grid; and luck."""
        transport = beam.work.particles * 8e-6 * (beam.work.voxels / 1e6) ** 0.12
        luck = self.random.lognormvariate(0.0, 0.07) * (2.0 if self.random.random() < 0.015 else 1.0)
        release = 1.15 if beam.began >= RELEASE_DAY * 86400 else 1.0
        return (25.0 + transport) * factor * luck * release

    def _forecast(self, at: float) -> dict[str, Estimate]:
        now = BEGIN + timedelta(seconds=at)
        there = {id(beam): index for index, beam in self.running.items()}
        rows, works, begun = [], {}, {}
        for case in self.cases.values():
            if all(beam.ended for beam in case.beams):
                continue
            beams = []
            for beam in case.beams:
                index = there.get(id(beam), -1)
                beams.append(self._beam_row(beam, index, at))
                works[case.name, beam.number] = beam.work
                if index >= 0:
                    begun[f"{case.name}/{beam.number}/1"] = BEGIN + timedelta(seconds=beam.began)
            rows.append(_case_row(case, tuple(beams)))
        gpus = [
            GpuRow(
                gpu.host,
                index,
                gpu.uuid,
                "busy" if index in self.running else "idle",
                "",
                self._key(index),
                now,
                gpu.model,
            )
            for index, (gpu, _, from_day) in enumerate(GPUS)
            if at >= from_day * 86400
        ]
        return dict(forecast(rows, gpus, Facts(self._durations, works, begun), now).cases)

    def _key(self, index: int) -> str:
        beam = self.running.get(index)
        return f"{beam.case}/{beam.number}/1" if beam else ""

    def _beam_row(self, beam: Beam, index: int, at: float) -> BeamRow:
        if beam.ended:
            return BeamRow(beam.number, "", BeamState.DONE, 1, "", "", 1.0, "")
        if index < 0:
            return BeamRow(beam.number, "", BeamState.INTERPRETED, 0, "", "", 0.0, "")
        end = next(end for end, gpu in self._ends if gpu == index)
        return BeamRow(beam.number, "", BeamState.RUNNING, 1, "", "", (at - beam.began) / (end - beam.began), "")


def _case_row(case: Case, beams: tuple[BeamRow, ...]) -> CaseRow:
    at = BEGIN + timedelta(seconds=case.at)
    return CaseRow(
        case.name, CaseState.RUNNING, "", 0, "", "", "", "", at, at, at, None, None, "", "", cleaned=False, beams=beams
    )


def judge(foretold: Estimate, began: float, ended: float) -> tuple[float, bool]:
    """(error of the median as a share of the duration, whether the bound held)."""
    median_s = (foretold.eta - BEGIN).total_seconds()
    return abs(median_s - ended) / (ended - began), ended <= (foretold.bound - BEGIN).total_seconds()


def summed(name: str, judged: list[tuple[float, bool]]) -> tuple[float, float, str]:
    error = median(share for share, _ in judged)
    held = sum(good for _, good in judged) / len(judged)
    return error, held, f"{name:<34} {len(judged):5d}   median error {error:6.1%}   bound held {held:6.1%}"


@pytest.mark.bench
def test_the_times_of_a_month_are_foretold(capsys: pytest.CaptureFixture[str]) -> None:
    month = Month(random.Random(7))
    month.live()
    beams = [beam for case in month.cases.values() for beam in case.beams]
    told = [beam for beam in beams if beam.foretold is not None]
    assert len(beams) > 2500
    assert len(told) > len(beams) - 10, "after the first few runs something is known"

    def of(chosen: list[Beam]) -> list[tuple[float, bool]]:
        return [judge(beam.foretold, beam.began, beam.ended) for beam in chosen if beam.foretold is not None]

    day = 86400.0
    new = [beam for beam in told if beam.gpu == 3]
    released = [beam for beam in told if RELEASE_DAY * day <= beam.began < (RELEASE_DAY + 1) * day]
    cases = [
        judge(case.foretold, case.at, max(beam.ended for beam in case.beams))
        for case in month.cases.values()
        if case.foretold is not None
    ]
    lines = [
        summed("beams", of(told)),
        summed("  the first 20", of(told[:20])),
        summed("  the first 20 on a new GPU model", of(new[:20])),
        summed("  the day of an engine release", of(released)),
        summed("cases, when they come in", cases),
    ]
    with capsys.disabled():
        print("\n" + "\n".join(text for _, _, text in lines))
    assert lines[0][0] < 0.10
    assert 0.87 <= lines[0][1] <= 0.97
    assert lines[4][0] < 0.20
    assert lines[4][1] >= 0.80
