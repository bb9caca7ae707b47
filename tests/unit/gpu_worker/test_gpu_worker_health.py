"""Unknown is not idle; a GPU that is sick, hot or used by a stranger takes no beam, and fails none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from actors.gpu_worker import facts
from actors.gpu_worker.attempt import Home
from actors.gpu_worker.health import GpuWatch, Record
from actors.gpu_worker.lease import Lease
from messages.engine import Progress
from messages.hosts import GpuLimits, GpuProcess, GpuReading, GpusObserved, GpuState
from messages.ledger import GpuRecordReport, HaltRow
from messages.states import AttemptState
from tests.unit.gpu_worker.lease_world import NO_RECORD, a_request

UUID = "GPU-1"
LIMITS = GpuLimits(temperature_c=90, cooled_by_c=5, stale_s=15, linger_s=10, hand_back_s=15)


def reading(**values: object) -> GpuReading:
    usual: dict[str, object] = {
        "index": 0,
        "uuid": UUID,
        "name": "A GPU",
        "total_mb": 24000,
        "used_mb": 500,
        "free_mb": 23500,
        "temperature_c": 50,
        "uncorrectable_ecc": 0,
        "processes": (),
    }
    return GpuReading(**(usual | values))  # type: ignore[arg-type]


def seen(*gpus: GpuReading, fault: str = "") -> GpusObserved:
    return GpusObserved("gpu1", datetime(2024, 2, 29, tzinfo=UTC), gpus, fault)


def watched(*gpus: GpuReading, fault: str = "", leased: bool = False) -> GpuWatch:
    watch = GpuWatch(UUID, LIMITS)
    watch.observe(seen(*gpus, fault=fault), leased=leased, now=0.0)
    return watch


STRANGER = GpuProcess(4242, "python", 8000, attempt="")


def test_healthy() -> None:
    assert watched(reading()).judge(1.0).good


@pytest.mark.promise("P29")
@pytest.mark.parametrize(
    ("watch", "now", "why"),
    [
        (GpuWatch(UUID, LIMITS), 0.0, "not observed yet"),
        (watched(reading()), 16.0, "not observed for more than 15 s"),
        (watched(fault="nvidia-smi did not answer in 10 s"), 1.0, "nvidia-smi did not answer"),
        (watched(), 1.0, "does not list this GPU"),
        (watched(reading(uuid="GPU-2")), 1.0, "does not list this GPU"),
        (watched(reading(fault="[Unknown Error]")), 1.0, "[Unknown Error]"),
        (watched(reading(processes=None)), 1.0, "does not say who uses"),
    ],
)
def test_cannot_tell_is_unknown(watch: GpuWatch, now: float, why: str) -> None:
    health = watch.judge(now)
    assert health.state is GpuState.UNKNOWN
    assert why in health.reason


@pytest.mark.promise("P30")
@pytest.mark.parametrize(
    ("gpu", "why"),
    [
        (reading(temperature_c=93), "over temperature 93 °C (limit 90 °C)"),
        (reading(uncorrectable_ecc=2), "2 uncorrectable memory errors"),
        (reading(fault="Xid 79 (the GPU fell off the bus) since it is watched"), "Xid 79"),
        (reading(processes=(STRANGER,)), "stranger's process, pid 4242 (python)"),
        (reading(processes=(STRANGER, GpuProcess(1, "x", None))), "and 1 more"),
    ],
)
def test_sick_hot_or_used_by_a_stranger_is_quarantined(gpu: GpuReading, why: str) -> None:
    health = watched(gpu).judge(1.0)
    assert health.state is GpuState.QUARANTINED
    assert why in health.reason


def test_a_hot_gpu_has_to_cool_well_below_the_limit() -> None:
    watch = watched(reading(temperature_c=91))
    for temperature, good in ((90, False), (86, False), (85, True), (90, True), (91, False)):
        watch.observe(seen(reading(temperature_c=temperature)), leased=False, now=1.0)
        assert watch.judge(1.0).good is good, temperature


def test_our_own_process_is_no_stranger_during_the_run_nor_in_a_reading_a_moment_old() -> None:
    ours = GpuProcess(77, "engine", 900)
    watch = watched(reading(processes=(ours,)), leased=True)
    assert watch.judge(1.0).good
    watch.observe(seen(reading(processes=(ours,))), leased=False, now=5.0)
    assert watch.judge(5.0).good
    watch.observe(seen(reading(processes=(ours,))), leased=False, now=11.0)
    assert "pid 77" in watch.judge(11.0).reason


def test_where_the_host_tells_a_stranger_is_known_even_during_our_run() -> None:
    ours = GpuProcess(77, "engine", 900, attempt="case/1/1")
    watch = watched(reading(processes=(ours, STRANGER)), leased=True)
    assert "pid 4242" in watch.judge(1.0).reason


def test_a_process_of_ours_that_outlives_its_lease_becomes_an_obstacle() -> None:
    ours = GpuProcess(77, "engine", 900, attempt="case/1/1")
    watch = watched(reading(processes=(ours,)), leased=True)
    for now in (5.0, 9.0, 14.0):
        watch.observe(seen(reading(processes=(ours,))), leased=False, now=now)
    assert watch.judge(9.0).good is True
    assert watch.judge(20.0).good is False


def test_free_memory_is_what_is_free_without_us() -> None:
    watch = watched(reading(free_mb=23000))
    watch.observe(seen(reading(free_mb=500, processes=(GpuProcess(77, "engine", 900),))), leased=True, now=1.0)
    assert watch.idle_mb == 23000
    assert watched(reading(free_mb=500), leased=True).idle_mb == 24000


def lease_of(watch: GpuWatch) -> Lease:
    lease = Lease(Home("gpu1", UUID, "gpu1/gpu-0"), 1, "/data", Progress(), watch)
    lease.recorded(NO_RECORD, 0.0)
    lease.recover((), 0.0)
    return lease


@pytest.mark.promise("P30")
def test_a_beam_staged_for_a_gpu_that_turns_hot_waits_and_then_goes_elsewhere_without_failing() -> None:
    lease = lease_of(watched(reading()))
    lease.take(a_request(), 0.0)
    attempt = lease.attempts["case/1/1"]
    lease.change(attempt.key, 0.0, facts.written)
    lease.change(attempt.key, 0.0, lambda a: facts.files_moved(a, ()))
    lease.observed(seen(reading(temperature_c=95)), 1.0)
    lease.change(attempt.key, 1.0, facts.written)
    assert attempt.state is AttemptState.STAGED
    assert lease.tick(2.0) == ()
    assert lease.standing(2.0).state is GpuState.QUARANTINED
    assert not lease.standing(2.0).accepts
    lease.observed(seen(reading(temperature_c=95)), 10.0)
    lease.tick(17.0)
    assert attempt.goal is AttemptState.WITHDRAWN
    assert "95 °C" in attempt.leaving


@pytest.mark.promise("P30")
def test_too_little_memory_keeps_a_beam_waiting() -> None:
    lease = lease_of(watched(reading(free_mb=900)))
    assert lease.refusal(a_request(memory_mb=1000), 0.0) == (
        "gpu1/gpu-0 has 900 MB of memory free, the beam asks for 1000 MB"
    )
    assert lease.refusal(a_request(memory_mb=900), 0.0) == ""


def test_nothing_is_taken_before_the_ledger_has_answered() -> None:
    lease = Lease(Home("gpu1", UUID, "gpu1/gpu-0"), 1, "/data", Progress(), watched(reading()))
    assert "ledger" in lease.refusal(a_request(), 0.0)
    assert lease.standing(0.0).state is GpuState.UNKNOWN
    assert not lease.standing(0.0).accepts


def test_two_runs_in_a_row_that_failed_here_and_succeeded_elsewhere_quarantine_the_gpu() -> None:
    record = Record()
    record.settled("a/1/1", good=False, blame_gpu=False)
    record.settled("a/1/1", good=False, blame_gpu=True)
    assert record.suspect == ""
    record.settled("b/1/1", good=False, blame_gpu=False)
    assert record.suspect == "", "b failed here, and nowhere else has it succeeded yet"
    record.settled("b/1/1", good=False, blame_gpu=True)
    assert "a/1/1, b/1/1" in record.suspect
    lease = lease_of(watched(reading()))
    lease.record = record
    assert lease.standing(0.0).state is GpuState.QUARANTINED


def test_a_good_run_between_clears_the_record_and_said_twice_counts_once() -> None:
    record = Record()
    record.settled("a/1/1", good=False, blame_gpu=True)
    record.settled("c/1/1", good=True, blame_gpu=False)
    record.settled("b/1/1", good=False, blame_gpu=True)
    assert record.suspect == ""
    record.settled("d/1/1", good=False, blame_gpu=True)
    record.settled("c/1/1", good=True, blame_gpu=False)
    assert record.suspect != "", "c was known to be good before"


def test_counted_slots_are_always_healthy() -> None:
    watch = GpuWatch("slot-0", LIMITS, asked=False)
    assert watch.judge(1e6).good
    watch.observe(replace(seen(), asked=False), leased=True, now=0.0)
    assert "not offered" in watch.judge(0.0).reason


KNOWN = GpuRecordReport(
    "",
    halts=(),
    failed=("c/3/1", "d/3/1"),
    blamed=frozenset({"c/3/1", "d/3/1"}),
    over=frozenset({"a/1/1", "b/1/1"}),
    good=frozenset({"b/2/1"}),
)
"""What the ledger has of a GPU on which two runs failed that succeeded elsewhere, since its last good one."""


@pytest.mark.promise("P30")
def test_a_restarted_worker_knows_what_is_held_against_its_gpu() -> None:
    record = Record()
    record.adopt(KNOWN)
    assert "c/3/1, d/3/1" in record.suspect
    # what a restarted case tells again changes nothing: neither an old good run, nor old bad ones
    record.settled("b/2/1", good=True, blame_gpu=False)
    assert record.suspect
    record.settled("e/1/1", good=True, blame_gpu=False)
    assert not record.suspect
    for key in ("a/1/1", "b/1/1"):
        record.settled(key, good=False, blame_gpu=True)
    assert not record.suspect


@pytest.mark.promise("P34")
def test_an_order_lifts_the_quarantine_for_good() -> None:
    record = Record()
    record.adopt(KNOWN)
    record.adopt(replace(KNOWN, failed=(), blamed=frozenset(), over=KNOWN.over | KNOWN.blamed))
    assert not record.suspect
    record.settled("c/3/1", good=False, blame_gpu=True)
    record.settled("d/3/1", good=False, blame_gpu=True)
    assert not record.suspect, "told again by a restarted case"
    for key in ("f/1/1", "g/1/1"):
        record.settled(key, good=False, blame_gpu=True)
    assert "f/1/1, g/1/1" in record.suspect


@pytest.mark.promise("P34")
def test_a_drained_gpu_takes_nothing_and_a_launch_that_the_ledger_has_goes_on() -> None:
    lease = lease_of(GpuWatch(UUID, LIMITS, asked=False))
    lease.asked = False
    kim = HaltRow("gpu1", "kim", datetime(2026, 3, 1, 12, tzinfo=UTC))
    lease.recorded(replace(NO_RECORD, halts=(kim,)), 1.0)
    standing = lease.standing(1.0)
    assert (standing.state, standing.accepts) == (GpuState.DRAINING, False)
    assert standing.reason.startswith("its host is drained by kim since")
    assert "drained by kim" in lease.refusal(a_request(), 1.0)
    lease.recorded(NO_RECORD, 2.0)
    assert lease.standing(2.0).accepts
