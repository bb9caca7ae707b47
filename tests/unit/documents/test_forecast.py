"""When beams and cases will be done, with GPUs that are busy, drained or free."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from actors.documents.durations import Duration, Durations, Gpu, Run, Work
from actors.documents.forecast import Facts, forecast, remaining
from actors.documents.foretelling import foretell
from messages.ledger import BeamRow, CaseRow, GpuRow, HaltRow, PastRuns, RunRow
from messages.states import BeamState, CaseState

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WORK = Work("p/1", 10_000_000, 1_000_000)
GPU = Gpu("h", "GPU-0", "A")
LEARNED = Durations([Run(WORK, GPU, seconds) for seconds in (95.0, 100.0, 105.0) * 8])


def beam(number: int, state: BeamState, progress: float = 0.0) -> BeamRow:
    return BeamRow(number, "", state, 1, "h", "GPU-0", progress, "")


def case(
    name: str, *beams: BeamRow, state: CaseState = CaseState.RUNNING, minutes: int = 0, priority: int = 0
) -> CaseRow:
    at = NOW - timedelta(minutes=60 - minutes)
    started = at if state is CaseState.RUNNING else None
    return CaseRow(
        name, state, "", priority, "", "", "", "", at, at, started, None, None, "", "", cleaned=False, beams=beams
    )


def gpu(index: int, state: str = "idle", key: str = "") -> GpuRow:
    return GpuRow("h", index, f"GPU-{index}", state, "", key, NOW, "A")


def facts(rows: list[CaseRow], **more: object) -> Facts:
    works = {(row.case, one.number): WORK for row in rows for one in row.beams}
    return replace(Facts(LEARNED, works), **more)  # type: ignore[arg-type]


def seconds(at: datetime) -> float:
    return (at - NOW).total_seconds()


def test_beams_that_wait_are_dealt_to_the_gpu_that_is_free_first() -> None:
    rows = [case("a", *(beam(n, BeamState.INTERPRETED) for n in (1, 2, 3, 4)))]
    told = forecast(rows, [gpu(0), gpu(1)], facts(rows, after_s=10.0), NOW)
    ends = [seconds(told.beams["a", n].eta) for n in (1, 2, 3, 4)]
    assert ends == pytest.approx([100, 100, 200, 200], rel=0.02)
    assert seconds(told.cases["a"].eta) == pytest.approx(210, rel=0.02)
    assert told.cases["a"].bound > told.cases["a"].eta


def test_the_order_is_the_schedulers() -> None:
    rows = [
        case("old", beam(1, BeamState.INTERPRETED)),
        case("new", beam(1, BeamState.INTERPRETED), minutes=30),
        case("urgent", beam(1, BeamState.INTERPRETED), minutes=40, priority=1),
    ]
    told = forecast(rows, [gpu(0)], facts(rows), NOW)
    order = sorted(told.cases, key=lambda name: told.cases[name].eta)
    assert order == ["urgent", "old", "new"]


def test_what_runs_ends_by_its_own_pace_the_more_the_further_it_is() -> None:
    rows = [case("a", beam(1, BeamState.RUNNING, 0.5)), case("b", beam(1, BeamState.INTERPRETED))]
    begun = {"a/1/1": NOW - timedelta(seconds=100)}
    told = forecast(rows, [gpu(0, "busy", "a/1/1")], facts(rows, begun=begun), NOW)
    end = seconds(told.beams["a", 1].eta)
    assert 50 < end < 100, "between what was learned (50 s left) and its own pace (100 s left)"
    assert seconds(told.beams["b", 1].eta) == pytest.approx(end + 100, rel=0.05)


def test_where_nothing_new_starts_nothing_waits_for() -> None:
    rows = [case("a", beam(1, BeamState.RUNNING, 0.5)), case("b", beam(1, BeamState.INTERPRETED))]
    begun = {"a/1/1": NOW - timedelta(seconds=50)}
    told = forecast(rows, [gpu(0, "draining", "a/1/1"), gpu(1, "quarantined")], facts(rows, begun=begun), NOW)
    assert set(told.cases) == {"a"}, "what runs on a draining GPU ends; nobody can say when the other begins"


def test_a_pause_keeps_what_was_not_begun() -> None:
    rows = [case("a", beam(1, BeamState.INTERPRETED)), case("b", beam(1, BeamState.PENDING), state=CaseState.QUEUED)]
    assert set(forecast(rows, [gpu(0)], facts(rows), NOW).cases) == {"a", "b"}
    assert set(forecast(rows, [gpu(0)], facts(rows, paused=True), NOW).cases) == {"a"}


def test_a_case_that_is_held_or_over_has_no_end_foretold() -> None:
    rows = [case("a", beam(1, BeamState.INTERPRETED), state=state) for state in (CaseState.HELD, CaseState.DONE)]
    assert forecast(rows, [gpu(0)], facts(rows), NOW).cases == {}


def test_the_rest_of_a_run() -> None:
    learned = Duration(100.0, 130.0)
    assert remaining(0.0, 0.0, None) is None
    assert remaining(0.0, 10.0, learned) == (learned, pytest.approx(0.9))
    late = remaining(0.0, 1000.0, learned)
    assert late is not None
    assert late[1] == pytest.approx(0.05)
    own = remaining(0.5, 200.0, None)
    assert own is not None
    assert own[0].median_s == pytest.approx(400)
    both = remaining(0.9, 180.0, learned)
    assert both is not None
    assert 180 < both[0].median_s < 200
    assert both[0].spread < learned.spread


def test_it_is_made_from_the_ledgers_rows() -> None:
    def run(number: int, ended: str) -> RunRow:
        return RunRow(
            f"x/{number}/1", "h", "GPU-0", "A", "p/1", 10_000_000, 1_000_000, "2026-03-01T10:00:00+00:00", ended
        )

    made = {"profile": "p/1", "beams": [{"number": 1, "counts": 20_000_000, "grid": {"size": [100, 100, 100]}}]}
    interpretation = json.dumps({**made, "beams": [{**made["beams"][0], "profile": "p/1"}]})  # type: ignore[index]
    row = replace(case("a", beam(1, BeamState.INTERPRETED)), interpretation=interpretation)
    good = (run(1, "2026-03-01T10:01:40+00:00"), run(2, "yesterday"), run(3, "2026-03-01T10:01:40"))
    past = PastRuns(good, (run(4, ""),), (5.0, 7.0, 900.0))
    told = foretell((row,), (gpu(0),), (HaltRow("h2", "kim", NOW),), past, NOW)
    assert seconds(told.cases["a"].eta) == pytest.approx(207, rel=0.05), "twice the particles, and seven seconds after"
    broken = replace(row, interpretation="{")
    assert foretell((broken,), (gpu(0),), (), past, NOW).cases["a"].eta
    assert foretell((), (), (), past, NOW).cases == {}
