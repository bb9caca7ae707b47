"""One GPU that two hosts of the settings offer is given to one beam at a time."""

from __future__ import annotations

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from actors.scheduler.book import HOPELESS_S, Alarmed, Book
from messages.hosts import GpuState
from messages.scheduling import QueueBeam, WorkerReport
from tests.kit import Probe
from tests.unit.scheduler.test_scheduler_book import CASE, given, reasons
from tests.unit.scheduler.test_scheduler_policy import request


def twin(host: str, **values: object) -> WorkerReport:
    usual: dict[str, object] = {
        "worker": f"{host}/gpu-0",
        "address": Probe(f"hosts/{host}/gpu-0"),
        "epoch": 1,
        "host": host,
        "index": 0,
        "uuid": "GPU-shared",
        "state": GpuState.IDLE,
        "accepts": True,
    }
    return WorkerReport(**(usual | values))  # type: ignore[arg-type]


def running(host: str, key: str) -> WorkerReport:
    return twin(host, state=GpuState.BUSY, running=key, keys=(key,))


def places(book: Book, now: float) -> list[str]:
    return [effect.to.id for effect in book.dispatch(now) if hasattr(effect, "to")]


def waiting(*beams: int) -> Book:
    book = Book()
    for beam in beams:
        book.queue(QueueBeam(request("a", beam), CASE), 0.0)
    return book


@pytest.mark.promise("P28")
def test_it_is_given_through_one_of_the_two_only() -> None:
    book = waiting(1, 2)
    book.report(twin("near"), 0.0)
    book.report(twin("far"), 0.0)
    assert places(book, 0.0) == ["hosts/near/gpu-0"]
    assert places(book, 0.0) == [], "the other one is the same GPU"
    busy, twice = "near/0 about to run a beam 1", "far/0 not ready (it is the GPU of near/0, offered twice)"
    assert reasons(book) == [f"beam 2 waits: {twice}, {busy}"]
    book.report(running("near", "a/1/1"), 0.5)
    book.report(twin("far"), 0.5)
    assert places(book, 0.5) == ["hosts/near/gpu-0"], "staged ahead, where the first one runs"


@pytest.mark.promise("P28")
def test_who_has_work_there_has_it() -> None:
    """After a restart the runs of before are known by what the workers say."""
    book = waiting(2, 3)
    book.report(running("far", "a/1/1"), 0.0)
    book.report(twin("near"), 0.0)
    assert places(book, 0.0) == ["hosts/far/gpu-0"], "ahead"
    book.report(running("far", "a/2/1"), 1.0)
    assert places(book, 1.0) == ["hosts/far/gpu-0"]


@pytest.mark.promise("P28")
def test_a_run_that_is_heard_of_late_keeps_the_other_away() -> None:
    book = Book()
    book.report(twin("near"), 0.0)
    book.report(running("far", "a/1/1"), 0.0)
    book.queue(QueueBeam(request("a", 2), CASE), 0.0)
    assert places(book, 0.0) == ["hosts/far/gpu-0"]


@pytest.mark.promise("P31")
@pytest.mark.parametrize("lost", [{"state": GpuState.UNKNOWN, "accepts": False}, None])
def test_one_that_cannot_tell_how_it_is_leaves_it_to_the_other(lost: dict[str, object] | None) -> None:
    book = waiting(1)
    book.report(twin("near"), 0.0)
    book.report(twin("far"), 0.0)
    if lost is None:
        book.exited("hosts/near/gpu-0", 0.1)
    else:
        book.report(twin("near", **lost), 0.1)
    assert places(book, 0.2) == ["hosts/far/gpu-0"]


@pytest.mark.promise("P30")
def test_a_sick_one_is_sick_by_either_name() -> None:
    book = waiting(1)
    book.report(twin("near", state=GpuState.QUARANTINED, accepts=False), 0.0)
    book.report(twin("far"), 0.0)
    assert places(book, 0.0) == []


@pytest.mark.promise("P28")
def test_a_beam_that_failed_there_does_not_wait_for_its_other_name() -> None:
    """It would for ever: that is offered only while the first one cannot tell how it is."""
    book = Book()
    book.report(twin("near"), 0.0)
    book.report(twin("far"), 0.0)
    book.queue(QueueBeam(request("a", 1, avoid=("near/GPU-shared",)), CASE), 0.0)
    assert places(book, 0.0) == ["hosts/near/gpu-0"], "there is no other GPU"


def test_that_a_gpu_is_sick_by_one_name_leaves_a_beam_without_one() -> None:
    book = waiting(1)
    for now in (0.0, HOPELESS_S):
        book.report(twin("near", state=GpuState.QUARANTINED, accepts=False), now)
        book.report(twin("far"), now)
        book.explain(now)
    assert [alarm.id for alarm in book.alarms() if isinstance(alarm, Alarmed)] == [
        "gpu-twice:GPU-shared",
        "no-gpu:a/1",
    ]


def test_the_operator_is_told_once_and_told_when_it_is_mended() -> None:
    book = Book()
    book.report(twin("near"), 0.0)
    assert book.alarms() == ()
    book.report(twin("far"), 0.0)
    (alarm,) = book.alarms()
    assert isinstance(alarm, Alarmed)
    assert alarm.id == "gpu-twice:GPU-shared"
    assert alarm.text.startswith("far/0 and near/0 are one GPU (GPU-shared): the settings offer it twice.")
    after = Book()
    after.report(twin("far"), 0.0)
    after.report(twin("near"), 0.0)
    assert after.alarms() == (alarm,), "the same words, whoever is heard first after a restart"
    assert book.alarms() == ()
    book.report(twin("far", uuid="GPU-another"), 1.0)
    assert book.alarms() == (Alarmed("gpu-twice:GPU-shared"),)


def test_counted_slots_and_parts_of_a_gpu_are_told_apart() -> None:
    for uuids, twice in ((("slot-0", "slot-0"), False), (("MIG-1", "MIG-2"), False), (("MIG-1", "MIG-1"), True)):
        book = waiting(1, 2)
        for host, uuid in zip(("near", "far"), uuids, strict=True):
            book.report(twin(host, uuid=uuid), 0.0)
        assert len(places(book, 0.0)) == (1 if twice else 2)
        assert bool(book.alarms()) is twice


@pytest.mark.promise("P28")
@drawn(st.lists(st.tuples(st.sampled_from(["near", "far", "third"]), st.sampled_from(["report", "end", "down"]))))
def test_never_two_whatever_happens_in_whatever_order(events: list[tuple[str, str]]) -> None:
    """Nothing is given through one while something that was given through another is not known to be over."""
    book = waiting(*range(1, 40))
    sure: dict[str, list[str]] = {"near": [], "far": [], "third": []}
    new: dict[str, list[str]] = {"near": [], "far": [], "third": []}
    for step, (host, what) in enumerate(events):
        if what == "down":
            book.exited(f"hosts/{host}/gpu-0", step)
            new[host] = []  # nothing was opened for it
            continue
        keys = [*sure[host], *new[host]][what == "end" :]
        sure[host], new[host] = keys, []
        state = GpuState.BUSY if keys else GpuState.IDLE
        book.report(twin(host, state=state, running=(*keys, "")[0], next=(*keys, "", "")[1], keys=tuple(keys)), step)
        for _, key in given(book.dispatch(step)):
            to = book.given[key].partition("/")[0]
            assert not any(sure[other] or new[other] for other in sure if other != to)
            new[to].append(key)
