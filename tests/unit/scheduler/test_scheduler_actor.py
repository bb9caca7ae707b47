"""What the scheduler tells whom: the actor alone, with probes around it."""

from __future__ import annotations

from actors.scheduler import Scheduler
from actors.scheduler.actor import TELL_AGAIN, TICK_S
from messages.ledger import NoteEvent, Write
from messages.operators import AlarmCleared, AlarmRaised, DiskState
from messages.scheduling import BeamRefused, BeamWithdrawn, QueueBeam, RunBeam, WaitReason, WithdrawBeam
from tests.kit import Probe, VirtualTimers, solo, solo_mail
from tests.unit.scheduler.test_scheduler_book import busy, report
from tests.unit.scheduler.test_scheduler_policy import request


class Bench:
    def __init__(self) -> None:
        self.ledger, self.monitor, self.case, self.timers = Probe(), Probe(), Probe("case"), VirtualTimers()
        self.worker = Probe("hosts/gpu1/gpu-0")
        self.scheduler = solo(Scheduler, timers=self.timers, ledger=self.ledger, monitor=self.monitor)
        self.scheduler.started()

    def tell(self, message: object) -> None:
        self.scheduler.receive(message)

    def deliver(self) -> None:
        for message in solo_mail(self.scheduler):
            self.scheduler.receive(message)

    def tick(self) -> None:
        self.timers.advance(TICK_S)
        self.deliver()


def test_a_beam_goes_to_its_worker_and_the_ledger_notes_it() -> None:
    bench = Bench()
    bench.tell(QueueBeam(request(), bench.case))
    bench.tell(report(address=bench.worker))
    order = bench.worker.expect(RunBeam, 0.0)
    assert order.case_address is bench.case
    (note,) = bench.ledger.expect(Write, 0.0).records
    assert note == NoteEvent("a", "beam given", "beam 1, attempt 1: to hosts/gpu1/gpu-0")


def test_a_worker_whose_mailbox_is_full_counts_as_having_refused() -> None:
    class Full(Probe):
        def tell(self, message: object) -> bool:
            return not isinstance(message, RunBeam)

    bench = Bench()
    bench.tell(QueueBeam(request(), bench.case))
    bench.tell(report(address=Full("hosts/gpu1/gpu-0")))
    assert bench.ledger.received == ()
    bench.tell(report(1, address=bench.worker))
    bench.worker.expect(RunBeam, 0.0)


def test_a_worker_that_goes_down_is_noticed() -> None:
    bench = Bench()
    bench.tell(report(address=bench.worker))
    bench.tell(QueueBeam(request(), bench.case))
    bench.worker.go_down(RuntimeError())
    bench.deliver()
    other = Probe("hosts/gpu1/gpu-1")
    bench.tell(report(1, address=other))
    assert other.expect(RunBeam, 0.0).request.key == "a/1/1"


def test_why_a_beam_waits_is_told_each_second_if_it_changed() -> None:
    bench = Bench()
    bench.tell(QueueBeam(request(), bench.case))
    bench.tick()
    assert bench.case.expect(WaitReason, 0.0).sentence == "beam 1 waits: no GPU has reported yet"
    bench.tick()
    bench.case.none(WaitReason)
    bench.tell(DiskState(roomy=False, reason="the disk is full"))
    bench.tick()
    assert "the disk is full" in bench.case.expect(WaitReason, 0.0).sentence
    bench.tell(DiskState(roomy=True, reason=""))
    bench.tell(report(address=bench.worker))
    bench.worker.expect(RunBeam, 0.0)


def test_refusals_withdrawals_and_what_is_unknown(log_lines: list[str]) -> None:
    bench = Bench()
    bench.tell(QueueBeam(request(), bench.case))
    bench.tell(report(address=bench.worker))
    bench.tell(BeamRefused("a/1/1", "gpu1/gpu-0", "busy"))
    bench.tell(WithdrawBeam("a", 1, bench.case))
    assert bench.case.expect(BeamWithdrawn, 0.0) == BeamWithdrawn("a", 1)
    bench.tell("what?")
    assert any("does not know str" in line for line in log_lines)


def test_a_hopeless_beam_raises_an_alarm_that_clears_when_it_is_given(monkeypatch: object) -> None:
    bench = Bench()
    bench.tell(QueueBeam(request(memory=40000), bench.case))
    bench.tell(busy(0, "x/1/1", address=bench.worker, free_mb=24000, accepts=False))
    bench.tick()
    bench.monitor.none(AlarmRaised)
    entry = bench.scheduler._book._waiting["a", 1]
    assert entry.hopeless_since is not None
    entry.hopeless_since -= 1000
    bench.tick()
    assert bench.monitor.expect(AlarmRaised, 0.0).id == "no-gpu:a/1"
    for _ in range(TELL_AGAIN):
        bench.tick()
    again = bench.monitor.all(AlarmRaised)
    assert again == [again[0]] * 2, "for a monitor that was restarted and may have lost it"
    bench.tell(report(1, address=Probe("hosts/gpu1/gpu-1"), free_mb=48000))
    bench.tick()
    assert bench.monitor.expect(AlarmCleared, 0.0).id == "no-gpu:a/1"
