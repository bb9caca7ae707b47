"""Beams are dealt only when something happened that matters; nothing that matters is missed."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.scheduler.book import SILENT_S, Book, Tell
from messages.hosts import GpuState
from messages.scheduling import QueueBeam, RunBeam
from tests.kit import Probe
from tests.unit.scheduler.test_scheduler_book import busy, report
from tests.unit.scheduler.test_scheduler_policy import request

CASE = Probe("cases/a")
ADDRESSES = [Probe(f"hosts/gpu1/gpu-{index}") for index in range(4)]
GPUS = st.integers(0, 3)
KEYS = st.sampled_from(["a/1/1", "a/2/1", "b/1/1", "x/1/1"])

events = st.one_of(
    st.tuples(st.just("queue"), st.sampled_from("ab"), st.integers(1, 3), st.sampled_from([500, 1000, 8000])),
    st.tuples(st.just("avoiding"), st.sampled_from("ab"), st.integers(1, 3), GPUS),
    st.tuples(st.just("idle"), GPUS, st.sampled_from([None, 900, 24000]), st.integers(1, 2)),
    st.tuples(st.just("busy"), GPUS, KEYS, st.booleans()),
    st.tuples(st.just("sick"), GPUS),
    st.tuples(st.just("took"), GPUS),
    st.tuples(st.just("refused"), GPUS),
    st.tuples(st.just("exited"), GPUS),
    st.tuples(st.just("withdraw"), st.sampled_from("ab"), st.integers(1, 3)),
    st.tuples(st.just("pass"), st.sampled_from([0.5, 1.0, SILENT_S + 0.5])),
    st.tuples(st.just("halt"), st.booleans()),
)


class Played:
    """A book, its workers, and what they were given."""

    def __init__(self) -> None:
        self.book, self.now = Book(), 0.0
        self.has: dict[int, str] = {}

    def happen(self, event: tuple[object, ...]) -> None:
        kind, *rest = event
        getattr(self, str(kind))(*rest)

    def dealt(self) -> list[str]:
        return [tell.message.request.key for tell in self._effects()]

    def _effects(self) -> list[Tell]:
        effects = [one for one in self.book.dispatch(self.now) if isinstance(one, Tell)]
        runs = [one for one in effects if isinstance(one.message, RunBeam)]
        for tell in runs:
            self.has[int(tell.to.id[-1])] = tell.message.request.key  # type: ignore[attr-defined]
        return runs

    def queue(self, case: str, beam: int, memory: int) -> None:
        self.book.queue(QueueBeam(request(case, beam, memory=memory), CASE), self.now)

    def avoiding(self, case: str, beam: int, gpu: int) -> None:
        self.book.queue(QueueBeam(request(case, beam, avoid=(f"gpu1/GPU-{gpu}",)), CASE), self.now)

    def idle(self, gpu: int, free: int | None, epoch: int) -> None:
        self.book.report(report(gpu, address=ADDRESSES[gpu], free_mb=free, epoch=epoch), self.now)

    def busy(self, gpu: int, key: str, accepts: bool) -> None:
        self.book.report(busy(gpu, key, address=ADDRESSES[gpu], accepts=accepts, progress=0.5), self.now)

    def sick(self, gpu: int) -> None:
        told = report(gpu, address=ADDRESSES[gpu], state=GpuState.QUARANTINED, accepts=False)
        self.book.report(told, self.now)

    def took(self, gpu: int) -> None:
        if key := self.has.pop(gpu, ""):
            self.book.report(busy(gpu, key, address=ADDRESSES[gpu]), self.now)

    def refused(self, gpu: int) -> None:
        if key := self.has.pop(gpu, ""):
            self.book.refused(key, f"gpu1/gpu-{gpu}", self.now)

    def exited(self, gpu: int) -> None:
        self.book.exited(ADDRESSES[gpu].id, self.now)

    def withdraw(self, case: str, beam: int) -> None:
        self.book.withdraw(case, beam, CASE)

    def halt(self, on: bool) -> None:
        self.book.halted = "the disk is full" if on else ""


def _pass(self: Played, seconds: float) -> None:
    self.now += seconds


setattr(Played, "pass", _pass)


@settings(max_examples=150, deadline=None)
@given(st.lists(events, max_size=40))
def test_dealing_anew_at_every_event_would_give_nothing_more(happened: list[tuple[object, ...]]) -> None:
    played = Played()
    for event in happened:
        played.happen(event)
        played.dealt()
        played.book._due = True
        assert played.dealt() == [], f"missed after {event}"


def test_reports_that_say_nothing_new_are_weighed_against_no_beam() -> None:
    book = Book()
    for index in range(2):
        book.report(busy(index, f"x/{index}/1", accepts=False), 0.0)
    book.queue(QueueBeam(request(), CASE), 0.0)
    book.dispatch(0.0)
    for second in range(3):
        book.report(busy(0, "x/0/1", accepts=False, progress=second / 4, left_s=9.0 - second), float(second))
        assert not book._due
    book.report(busy(0, "x/0/1", accepts=True), 3.0)
    assert book._due


def test_the_line_stays_in_order_as_beams_come_and_go() -> None:
    book = Book()
    for at in (5, 1, 3, 2, 4):
        book.queue(QueueBeam(request(f"c{at}", 1, at_s=at), CASE), 0.0)
    book.queue(QueueBeam(request("c5", 1, at_s=5, priority=9), CASE), 0.0)
    book.withdraw("c3", 1, CASE)
    assert [one.case for one in book.waiting] == ["c5", "c1", "c2", "c4"]
