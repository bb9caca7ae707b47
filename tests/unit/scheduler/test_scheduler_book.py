"""What the scheduler keeps, and how it comes back after a restart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from actors.scheduler.book import COOL_S, HOPELESS_S, Alarmed, Book, Effect, Tell
from actors.scheduler.policy import Room, call_back
from actors.scheduler.reasons import spoken
from messages.hosts import GpuState
from messages.scheduling import BeamWithdrawn, QueueBeam, ReturnBeam, RunBeam, WaitReason, WorkerReport
from tests.kit import Probe
from tests.unit.scheduler.test_scheduler_policy import request, slot

CASE = Probe("cases/a")


def report(index: int = 0, **values: object) -> WorkerReport:
    usual: dict[str, object] = {
        "worker": f"gpu1/gpu-{index}",
        "address": Probe(f"hosts/gpu1/gpu-{index}"),
        "epoch": 1,
        "host": "gpu1",
        "index": index,
        "uuid": f"GPU-{index}",
        "state": GpuState.IDLE,
        "accepts": True,
    }
    return WorkerReport(**(usual | values))  # type: ignore[arg-type]


def busy(index: int, key: str, **values: object) -> WorkerReport:
    return report(index, **({"state": GpuState.BUSY, "running": key, "keys": (key,)} | values))


def given(effects: tuple[Effect, ...]) -> list[tuple[str, str]]:
    return [
        (tell.to.id.rsplit("/", 1)[1], tell.message.request.key)
        for tell in effects
        if isinstance(tell, Tell) and isinstance(tell.message, RunBeam)
    ]


def reasons(book: Book, now: float = 0.0) -> list[str]:
    return [
        tell.message.sentence
        for tell in book.explain(now)
        if isinstance(tell, Tell) and isinstance(tell.message, WaitReason)
    ]


def test_a_beam_is_given_once_and_one_worker_gets_one_at_a_time() -> None:
    book = Book()
    for beam in (1, 2):
        book.queue(QueueBeam(request("a", beam), CASE), 0.0)
    book.report(report(), 0.0)
    assert given(book.dispatch(0.0)) == [("gpu-0", "a/1/1")]
    assert given(book.dispatch(0.0)) == [], "not acknowledged yet"
    book.report(report(next="a/1/1", keys=("a/1/1",), accepts=False), 0.1)
    assert given(book.dispatch(0.1)) == []
    book.report(busy(0, "a/1/1"), 0.2)
    assert given(book.dispatch(0.2)) == [("gpu-0", "a/2/1")], "staged ahead"


def test_saying_it_again_replaces_the_request_and_doubles_nothing() -> None:
    book = Book()
    book.queue(QueueBeam(request("a", 1), CASE), 0.0)
    book.queue(QueueBeam(request("a", 1, priority=5), CASE), 1.0)
    assert [one.priority for one in book.waiting] == [5]
    book.report(report(), 1.0)
    book.dispatch(1.0)
    book.queue(QueueBeam(request("a", 1), CASE), 2.0)
    assert len(book.waiting) == 0, "a worker has it"


def test_a_worker_that_was_not_heard_for_3_s_is_offered_nothing() -> None:
    book = Book()
    book.report(report(), 0.0)
    book.queue(QueueBeam(request(), CASE), 3.5)
    assert given(book.dispatch(3.5)) == []
    assert reasons(book, 3.5) == ["beam 1 waits: gpu1/0 does not answer"]
    book.report(report(), 4.0)
    assert given(book.dispatch(4.0)) == [("gpu-0", "a/1/1")]


def test_refused_goes_back_and_is_tried_elsewhere_at_once_and_there_after_a_while() -> None:
    book = Book()
    book.queue(QueueBeam(request(), CASE), 0.0)
    book.report(report(), 0.0)
    book.dispatch(0.0)
    book.refused("a/1/1", "gpu1/gpu-0", 0.1)
    assert given(book.dispatch(0.2)) == []
    assert given(book.dispatch(0.1 + COOL_S)) == [("gpu-0", "a/1/1")]
    book.refused("a/1/1", "gpu1/gpu-9", 2.0)
    assert book.given == {"a/1/1": "gpu1/gpu-0"}, "not that worker's to refuse"


def keys(book: Book) -> list[str]:
    """What waits, in its order."""
    return [one.key for one in book.waiting]


def test_a_new_incarnation_without_the_key_gives_the_beam_back() -> None:
    book = Book()
    book.queue(QueueBeam(request(), CASE), 0.0)
    book.report(report(), 0.0)
    book.dispatch(0.0)
    book.report(report(accepts=False), 0.5)
    assert keys(book) == [], "the same incarnation has it in its mailbox still"
    book.report(report(epoch=2), 1.0)
    assert keys(book) == ["a/1/1"]
    book.report(report(epoch=1, keys=("a/1/1",)), 1.1)
    assert keys(book) == ["a/1/1"], "an old incarnation says nothing any more"


def test_a_worker_that_exits_gives_back_what_it_had_not_acknowledged() -> None:
    book = Book()
    for beam in (1, 2):
        book.queue(QueueBeam(request("a", beam), CASE), 0.0)
    book.report(report(), 0.0)
    book.dispatch(0.0)
    book.report(busy(0, "a/1/1"), 0.1)
    book.dispatch(0.1)
    book.exited("hosts/gpu1/gpu-0", 0.2)
    assert keys(book) == ["a/2/1"]
    assert book.given == {"a/1/1": "gpu1/gpu-0"}, "that one is in the ledger"
    assert given(book.dispatch(0.2)) == [], "it is down"
    assert "gpu1/0 does not answer" in reasons(book, 0.2)[0]


@pytest.mark.promise("P15")
def test_after_a_restart_the_book_is_rebuilt_from_what_is_said_again() -> None:
    book = Book()
    book.queue(QueueBeam(request("a", 1), CASE), 0.0)
    book.queue(QueueBeam(request("a", 2), CASE), 0.0)
    assert given(book.dispatch(0.0)) == [], "no worker is offered anything before it reported"
    book.report(busy(0, "a/1/1"), 0.1)
    assert keys(book) == ["a/2/1"], "the first is with its worker already"
    book.queue(QueueBeam(request("a", 1), CASE), 0.2)
    assert keys(book) == ["a/2/1"]
    book.report(report(), 5.0)
    book.queue(QueueBeam(replace(request("a", 1), attempt=2), CASE), 5.1)
    assert keys(book) == ["a/1/2", "a/2/1"], "a new attempt is another matter"


def test_withdrawn_before_it_was_given_is_answered() -> None:
    book = Book()
    book.queue(QueueBeam(request(), CASE), 0.0)
    assert book.withdraw("a", 1, CASE) == (Tell(CASE, BeamWithdrawn("a", 1)),)
    assert book.withdraw("a", 1, CASE) == (Tell(CASE, BeamWithdrawn("a", 1)),), "again: it is not there"
    book.queue(QueueBeam(request(), CASE), 0.0)
    book.report(report(), 0.0)
    book.dispatch(0.0)
    assert book.withdraw("a", 1, CASE) == ()


@pytest.mark.promise("P34")
def test_withdrawn_after_it_was_given_it_does_not_wait_again_when_its_worker_refuses_it() -> None:
    """The ledger refuses the attempt of a case that an operator stopped; nobody may be given it a second time."""
    book = Book()
    book.queue(QueueBeam(request(), CASE), 0.0)
    book.report(report(), 0.0)
    book.dispatch(0.0)
    book.withdraw("a", 1, CASE)
    book.refused("a/1/1", "gpu1/gpu-0", 0.1)
    assert book.waiting == ()
    assert book.given == {}


@pytest.mark.promise("P20")
def test_with_a_full_disk_nothing_new_is_given_and_the_sentence_says_so() -> None:
    book = Book()
    book.report(report(), 0.0)
    book.halted = "the results disk has 3 GB free, 20 GB are wanted"
    book.queue(QueueBeam(request(), CASE), 0.0)
    assert given(book.dispatch(0.0)) == []
    assert reasons(book) == ["beam 1 waits: no new work starts, the results disk has 3 GB free, 20 GB are wanted"]
    book.halted = ""
    assert given(book.dispatch(0.0)) == [("gpu-0", "a/1/1")]


@pytest.mark.promise("P33")
def test_what_waits_says_why_in_one_sentence_with_numbers() -> None:
    book = Book()
    book.queue(QueueBeam(request("a", 3, memory=9000), CASE), 0.0)
    assert reasons(book) == ["beam 3 waits: no GPU has reported yet"]
    book.report(busy(0, "c/2/1", next="d/1/1", keys=("c/2/1", "d/1/1"), accepts=False), 0.0)
    book.report(report(1, state=GpuState.QUARANTINED, reason="over temperature 93 °C", accepts=False), 0.0)
    book.report(report(2, free_mb=8000), 0.0)
    book.report(report(3, state=GpuState.UNKNOWN, reason="not observed yet", accepts=False), 0.0)
    (sentence,) = reasons(book)
    assert sentence == (
        "beam 3 waits: gpu1/0 busy with c beam 2, d beam 1 staged next, gpu1/1 quarantined (over temperature 93 °C), "
        "gpu1/2 has 8000 MB of memory free and the beam asks for 9000 MB, gpu1/3 unknown (not observed yet)"
    )
    assert reasons(book) == [], "told once"


@pytest.mark.promise("P33")
def test_sentences_of_a_long_queue_count_what_goes_before_and_do_not_change_at_every_step() -> None:
    book = Book()
    book.report(busy(0, "x/1/1", accepts=False), 0.0)
    for beam in range(1, 40):
        book.queue(QueueBeam(request("a", beam), CASE), 0.0)
    said = reasons(book)
    assert said[1].endswith("; 1 beam goes before it")
    assert said[5].endswith("; 5 beams go before it")
    assert said[38].endswith("; more than 30 beams go before it")
    for beam in (1, 2):
        book.withdraw("a", beam, CASE)
    assert len(reasons(book)) < 20


def test_more_gpus_than_one_sentence_holds_are_counted_and_a_failed_one_is_named() -> None:
    book = Book()
    for index in range(7):
        book.report(busy(index, f"x/{index}/1", accepts=False), 0.0)
    book.report(report(0, state=GpuState.IDLE), 0.1)
    book.queue(QueueBeam(request("a", 1, avoid=("gpu1/GPU-0",)), CASE), 0.0)
    assert given(book.dispatch(0.1)) == []
    (sentence,) = reasons(book)
    assert "gpu1/0 failed this beam before" in sentence
    assert sentence.endswith("and 3 more GPUs")


OVER = Alarmed("no-gpu:a/1")


def alarms(book: Book, now: float) -> tuple[Effect, ...]:
    """As at a tick: what changed of them."""
    book.explain(now)
    return book.alarms()


def test_a_beam_that_no_gpu_could_ever_take_is_alarmed_and_the_alarm_clears() -> None:
    book = Book()
    book.queue(QueueBeam(request("a", 1, memory=40000), CASE), 0.0)
    book.report(report(0, free_mb=24000), 0.0)
    assert alarms(book, 0.0) == ()
    assert alarms(book, HOPELESS_S - 1) == ()
    book.report(report(0, free_mb=24000), HOPELESS_S)
    (alarm,) = alarms(book, HOPELESS_S)
    assert isinstance(alarm, Alarmed)
    assert alarm.id == "no-gpu:a/1"
    assert "40000 MB" in alarm.text
    assert alarms(book, HOPELESS_S) == ()
    assert book.alarms(again=True) == (alarm,), "for whoever forgot it"
    book.report(report(1, free_mb=48000), HOPELESS_S + 1)
    assert given(book.dispatch(HOPELESS_S + 1)) == [("gpu-1", "a/1/1")]
    assert alarms(book, HOPELESS_S + 1) == (OVER,)
    assert book.alarms(again=True) == ()


def test_an_alarm_clears_when_the_beam_is_withdrawn_or_a_gpu_comes_back() -> None:
    book = Book()
    book.queue(QueueBeam(request("a", 1), CASE), 0.0)
    sick = report(0, state=GpuState.QUARANTINED, accepts=False)
    book.report(sick, 0.0)
    alarms(book, 0.0)
    assert len(alarms(book, HOPELESS_S)) == 1
    book.report(busy(0, "x/1/1", accepts=False), HOPELESS_S)
    assert alarms(book, HOPELESS_S + 1) == (OVER,)
    book.report(sick, HOPELESS_S + 1)
    assert alarms(book, HOPELESS_S + 2) == ()
    assert len(alarms(book, 2 * HOPELESS_S + 2)) == 1
    book.withdraw("a", 1, CASE)
    assert alarms(book, 2 * HOPELESS_S + 2) == (OVER,)


@pytest.mark.promise("P31")
def test_a_host_that_is_away_is_one_alarm_not_one_for_each_beam_that_waits() -> None:
    """That one is raised by who watches hosts; what its GPUs could take is not known to be too little."""
    book = Book()
    for beam in range(1, 30):
        book.queue(QueueBeam(request("a", beam), CASE), 0.0)
    assert alarms(book, 0.0) == ()
    assert alarms(book, 9 * HOPELESS_S) == (), "none was heard of yet"
    for second in range(300):
        book.report(report(0, state=GpuState.UNKNOWN, accepts=False), 9 * HOPELESS_S + second)
        assert alarms(book, 9 * HOPELESS_S + second) == ()
    book.exited("hosts/gpu1/gpu-0", 15 * HOPELESS_S)
    assert alarms(book, 15 * HOPELESS_S) == alarms(book, 20 * HOPELESS_S) == ()
    book.queue(QueueBeam(request("b", 1, memory=40000), CASE), 20 * HOPELESS_S)
    book.report(report(0, state=GpuState.UNKNOWN, accepts=False, free_mb=24000), 20 * HOPELESS_S)
    alarms(book, 20 * HOPELESS_S)
    assert [effect.id for effect in alarms(book, 21 * HOPELESS_S) if isinstance(effect, Alarmed)] == ["no-gpu:b/1"]


def hopeless() -> Book:
    """Its beam has waited for long for a GPU that is large enough."""
    book = Book()
    book.queue(QueueBeam(request("a", 1, memory=40000), CASE), 0.0)
    book.report(report(0, free_mb=24000), 0.0)
    alarms(book, 0.0)
    book.report(report(0, free_mb=24000), HOPELESS_S)
    assert len(alarms(book, HOPELESS_S)) == 1
    return book


def test_a_link_that_is_cut_for_a_moment_alarms_nobody_however_long_the_line_is() -> None:
    book = Book()
    book.report(busy(0, "x/1/1", accepts=False), 0.0)
    book.queue(QueueBeam(request("a", 1), CASE), 0.0)
    for second in range(1, 200):
        cut = second in (100, 101, 102)
        state = GpuState.UNKNOWN if cut else GpuState.BUSY
        book.report(busy(0, "x/1/1", accepts=False, state=state), second)
        assert alarms(book, second) == ()


def test_the_alarm_clears_when_the_beam_asks_for_less_and_is_given_at_once() -> None:
    """The engine profile was mended: the case says anew what the beam needs."""
    book = hopeless()
    book.queue(QueueBeam(request("a", 1, memory=20000), CASE), HOPELESS_S)
    assert len(given(book.dispatch(HOPELESS_S))) == 1
    assert alarms(book, HOPELESS_S + 1) == (OVER,)


def test_the_alarm_stands_when_the_beam_is_queued_again_as_it_was() -> None:
    """Its case was restarted, or has another priority."""
    book = hopeless()
    book.queue(QueueBeam(request("a", 1, memory=40000), CASE), HOPELESS_S)
    assert alarms(book, HOPELESS_S + 1) == ()
    assert len(book.alarms(again=True)) == 1


def test_the_alarm_clears_when_a_worker_turns_out_to_have_the_beam() -> None:
    """It was given before its host went away, and was not acknowledged."""
    book = hopeless()
    book.report(busy(1, "a/1/1"), HOPELESS_S + 1)
    assert alarms(book, HOPELESS_S + 1) == (OVER,)


def returns(effects: tuple[Effect, ...]) -> list[str]:
    return [tell.message.key for tell in effects if isinstance(tell, Tell) and isinstance(tell.message, ReturnBeam)]


def test_a_beam_staged_behind_a_busy_gpu_is_called_back_once_for_one_that_stays_idle() -> None:
    book = Book()
    for beam in (1, 2):
        book.queue(QueueBeam(request("a", beam), CASE), 0.0)
    book.report(report(), 0.0)
    book.dispatch(0.0)
    book.report(busy(0, "a/1/1"), 0.0)
    book.dispatch(0.0)
    staged = {"next": "a/2/1", "keys": ("a/1/1", "a/2/1"), "accepts": False}
    book.report(busy(0, "a/1/1", **staged), 0.1)
    book.report(report(1), 1.0)
    assert returns(book.call_back(1.0)) == [], "it may be about to get another one"
    book.report(busy(0, "a/1/1", **staged), 3.0)
    book.report(report(1), 3.0)
    assert returns(book.call_back(3.0)) == ["a/2/1"]
    assert returns(book.call_back(3.0)) == [], "said once"


def test_a_beam_behind_a_run_that_is_nearly_over_stays_where_it_is() -> None:
    beam = request("a", 2)
    idle, other = slot(1), slot(0, Room.NONE, progress=0.95)
    assert call_back({"gpu1/gpu-0": beam}, [idle, other]) == ()
    assert call_back({"gpu1/gpu-0": beam}, [idle, slot(0, Room.NONE, progress=0.5)]) == ("a/2/1",)
    assert call_back({"gpu1/gpu-0": request("a", 2, memory=9000)}, [slot(1, free=900), slot(0, Room.NONE)]) == ()


def test_each_idle_gpu_calls_back_one_beam_the_older_case_first() -> None:
    ahead = {"gpu1/gpu-0": request("b", 1, at_s=5), "gpu1/gpu-1": request("a", 1, at_s=9)}
    busy_ones = [slot(0, Room.NONE), slot(1, Room.NONE)]
    assert call_back(ahead, [*busy_ones, slot(2)]) == ("b/1/1",)
    assert call_back(ahead, [*busy_ones, slot(2), slot(3)]) == ("b/1/1", "a/1/1")


def test_a_key_in_words() -> None:
    assert spoken("20240229-101500-ab12cd34/3/1") == "20240229-101500-ab12cd34 beam 3"
