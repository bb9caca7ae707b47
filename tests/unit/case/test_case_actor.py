"""What a case and admission tell whom: the actors alone, with probes around them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from actors.case import Admission, Case
from actors.case.admission import LOOK_FULL_S
from actors.supervision import Exited, Spec, StartChild, TaskFailed
from messages.cases import AdmissionsMissed, CaseAdmitted
from messages.compute import Compute, Computed, ComputeFailed
from messages.faults import Blame, Fault
from messages.interpretation import InterpretCase
from messages.jobs import RemoveRuns, RunsRemoved
from messages.ledger import (
    CaseReport,
    CasesReport,
    GetCase,
    GetCases,
    GetHalts,
    HaltRow,
    HaltsReport,
    MoveCase,
    RaiseAlarm,
    Write,
    WriteRefused,
    Written,
)
from messages.operators import AlarmCleared, AlarmRaised, CaseChanged, DiskState, PlacesChanged, SubscribeDisk
from messages.scheduling import AttemptUnknown, BeamWithdrawn, GetAttempt, QueueBeam, WaitReason, WithdrawBeam
from messages.states import BeamState, CaseState
from tests.kit import Probe, VirtualTimers, solo, solo_mail, wait_until
from tests.unit.case.case_world import INPUT, PROFILE, World, an_interpretation
from tests.unit.case.test_case_intake import rows
from tests.unit.case.test_case_workflow import until

FULL = Fault("The ledger cannot be written", blame=Blame.OURS, kind="ledger-full")
NO = Fault("not legal", blame=Blame.OURS, kind="illegal-transition")


class Bench:
    """One case among probes; ``report`` is what the ledger has of it."""

    def __init__(self, tmp_path: Path, report: CaseReport | None = None) -> None:
        self.ledger, self.compute, self.scheduler = Probe("ledger"), Probe("compute"), Probe("scheduler")
        self.monitor, self.control, self.worker = Probe("monitor"), Probe("control"), Probe("worker")
        self.timers = VirtualTimers()
        self.case = solo(
            Case,
            timers=self.timers,
            case="case",
            ledger=self.ledger,
            compute=self.compute,
            scheduler=self.scheduler,
            monitor=self.monitor,
            controls={"gpu1": self.control},
            worker_address=lambda _worker: self.worker,
            profile=PROFILE,
            calibrations=(("G1", "/conf/g1.txt"),),
            zone="Asia/Seoul",
            work_dir=tmp_path,
            results_dir=tmp_path / "results",
            attempts=3,
            engine_version="1",
            daemon_version="1",
        )
        self.ended = False
        self.case.stop = self._end  # type: ignore[method-assign]
        self.case.started()
        self.deliver()
        self.load(report or World().report())

    def _end(self) -> None:
        self.ended = True

    def load(self, report: CaseReport) -> None:
        self.tell(replace(report, request_id=self.ledger.expect(GetCase, 0.0).request_id))

    def tell(self, message: object) -> None:
        self.case.receive(message)

    def deliver(self) -> None:
        for message in solo_mail(self.case):
            self.case.receive(message)

    def finish_tasks(self) -> None:
        """What the case's own task told it."""
        for message in wait_until(lambda: solo_mail(self.case)):
            self.case.receive(message)

    def written(self) -> Write:
        write = self.ledger.expect(Write, 0.0)
        self.tell(Written(write.request_id))
        return write

    def interpreted(self) -> None:
        self.tell(Computed(self.compute.expect(Compute, 0.0).request_id, an_interpretation(1, 2)))
        self.written()


def test_interpretation_is_asked_with_the_sites_values_and_then_the_beams_are_queued(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    order = bench.compute.expect(Compute, 0.0)
    assert order.function == "actors.interpreter:interpret_case"
    assert isinstance(order.argument, InterpretCase)
    assert order.argument.target == str(tmp_path / "case" / "input")
    assert (order.argument.zone, order.argument.calibrations) == ("Asia/Seoul", (("G1", "/conf/g1.txt"),))
    bench.tell(Computed(order.request_id, an_interpretation(1, 2)))
    assert not bench.scheduler.all(QueueBeam)
    bench.written()
    assert [message.request.key for message in bench.scheduler.all(QueueBeam)] == ["case/1/1", "case/2/1"]
    assert bench.scheduler.all(QueueBeam)[0].request.output_dir == str(tmp_path / "case" / "output" / "1" / "1")
    assert bench.monitor.expect(AlarmCleared, 0.0).id == "case-failed:case"


@pytest.mark.promise("P15")
def test_a_hanging_predecessor_writes_nothing_after_the_case_was_read(tmp_path: Path) -> None:
    """Its epoch stands in the ledger before it reads: what is read is not overtaken by a write of an older one."""
    bench = Bench(tmp_path)
    asked = [message for message in bench.ledger.all(object) if isinstance(message, Write | GetCase)]
    fence = asked[0]
    assert isinstance(fence, Write)
    assert (fence.writer, fence.epoch, fence.records) == (bench.case.address.id, bench.case.epoch, ())
    assert isinstance(asked[1], GetCase)


def test_a_case_that_is_wrong_is_alarmed_and_withdrawn_everywhere(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.tell(ComputeFailed(bench.compute.expect(Compute, 0.0).request_id, INPUT))
    end, alarm = bench.written().records
    told = bench.monitor.expect(AlarmRaised, 0.0)
    assert str(INPUT) in told.text
    assert isinstance(end, MoveCase)
    assert alarm == RaiseAlarm(told.id, told.text), "in the write of its end: a crash comes between neither"
    assert [message.beam for message in bench.scheduler.all(WithdrawBeam)] == [1, 2]
    assert bench.ended


@pytest.mark.promise("P34")
def test_a_look_that_is_older_than_a_step_under_way_does_not_take_it_for_an_order(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.tell(CaseChanged("case"))
    bench.tell(ComputeFailed(bench.compute.expect(Compute, 0.0).request_id, INPUT))
    bench.load(World().report())
    bench.written()
    assert str(INPUT) in bench.monitor.expect(AlarmRaised, 0.0).text
    assert bench.ended


@pytest.mark.promise("P37")
def test_what_stays_wrong_is_told_once(tmp_path: Path, log_lines: list[str]) -> None:
    bench = Bench(tmp_path)
    fault = Fault("There is no room", blame=Blame.OURS, kind="disk-full")
    for _ in range(3):
        bench.tell(ComputeFailed(bench.compute.all(Compute)[-1].request_id, fault))
        bench.timers.advance(10.0)
        bench.deliver()
    assert len(bench.compute.all(Compute)) == 4, "it is tried again"
    assert [line for line in log_lines if "no room" in line and "WARNING" in line] == ["WARNING There is no room"]


def test_what_the_ledger_refuses_is_told_again_or_read_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.tell(Computed(bench.compute.expect(Compute, 0.0).request_id, an_interpretation(1, 2)))
    bench.tell(WriteRefused(bench.ledger.expect(Write, 0.0).request_id, FULL))
    assert not bench.scheduler.all(QueueBeam)
    bench.timers.advance(2.0)
    bench.deliver()
    bench.tell(WriteRefused(bench.ledger.expect(Write, 0.0).request_id, NO))
    bench.timers.advance(2.0)
    bench.deliver()
    bench.load(World().report())
    bench.interpreted()
    assert len(bench.scheduler.all(QueueBeam)) == 2


def test_answers_to_an_earlier_incarnation_are_dropped(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for stale in (Written("old"), WriteRefused("old", NO), Computed("old", 1), ComputeFailed("old", INPUT)):
        bench.tell(stale)
    bench.tell(RunsRemoved("old"))
    bench.tell(CaseReport("old", None, ()))
    bench.interpreted()
    assert len(bench.scheduler.all(QueueBeam)) == 2


def test_an_answer_that_nobody_understands_is_a_fault_of_ours(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    with pytest.raises(TypeError, match="answered int"):
        bench.tell(Computed(bench.compute.expect(Compute, 0.0).request_id, 17))


@pytest.mark.promise("P33")
def test_why_a_beam_waits_is_kept_in_the_ledger(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.interpreted()
    bench.tell(WaitReason("case", 1, "beam 1 waits: gpu1/0 busy"))
    assert bench.ledger.expect(Write, 0.0).reply_to is None


def test_a_new_scheduler_is_told_again_what_waits(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.interpreted()
    bench.scheduler.come_up()
    bench.deliver()
    assert len(bench.scheduler.all(QueueBeam)) == 4
    bench.scheduler.go_down()
    bench.tell(BeamWithdrawn("case", 1))
    bench.deliver()


def running_world() -> World:
    world = World(numbers=(1,))
    until(world, BeamState.RUNNING)
    return world


def test_a_worker_is_asked_for_an_open_attempt_and_asked_again_if_it_is_silent(tmp_path: Path) -> None:
    bench = Bench(tmp_path, running_world().report())
    assert bench.worker.expect(GetAttempt, 0.0).key == "case/1/1"
    bench.timers.advance(31.0)
    bench.deliver()
    assert len(bench.worker.all(GetAttempt)) == 2
    bench.tell(AttemptUnknown("case/1/1"))
    bench.timers.advance(2.0)
    bench.deliver()
    bench.load(running_world().report())
    assert len(bench.worker.all(GetAttempt)) == 3


def test_lost_inputs_are_found_out_and_made_again(tmp_path: Path) -> None:
    world = World(numbers=(1,))
    until(world, BeamState.INTERPRETED)
    report = world.report()
    bench = Bench(tmp_path, report)
    bench.finish_tasks()
    assert len(bench.compute.all(Compute)) == 1


def test_a_work_folder_that_cannot_be_read_is_tried_again(tmp_path: Path) -> None:
    world = World(numbers=(1,))
    until(world, BeamState.INTERPRETED)
    bench = Bench(tmp_path, world.report())
    wait_until(lambda: solo_mail(bench.case))
    bench.tell(TaskFailed("check inputs", OSError("stale file handle"), 1))
    bench.timers.advance(5.0)
    bench.deliver()
    bench.finish_tasks()
    assert bench.compute.all(Compute), "looked at again, and found wanting"


def done_world() -> World:
    world = World(numbers=(1,))
    until(world, BeamState.DONE)
    while world.state is not CaseState.DONE:
        world.happen(world.pending[0])
    return world


def test_an_ended_case_is_cleaned_and_then_gone(tmp_path: Path) -> None:
    (tmp_path / "case" / "input").mkdir(parents=True)
    bench = Bench(tmp_path, done_world().report())
    bench.deliver()
    removal = bench.control.expect(RemoveRuns, 0.0)
    assert removal.paths == ("case",)
    bench.tell(RunsRemoved(removal.request_id))
    bench.finish_tasks()
    assert not (tmp_path / "case").exists()
    bench.written()
    assert bench.ended


def test_a_control_that_crashed_while_it_was_asked_is_asked_again_once_it_is_back(tmp_path: Path) -> None:
    bench = Bench(tmp_path, done_world().report())
    bench.deliver()
    bench.control.expect(RemoveRuns, 0.0)
    bench.control.go_down(RuntimeError("crashed"))
    bench.control.come_up()
    bench.deliver()
    bench.tell(RunsRemoved(bench.control.expect(RemoveRuns, 0.0).request_id))
    bench.finish_tasks()
    bench.written()
    assert bench.ended


def test_files_that_cannot_be_removed_are_tried_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path, done_world().report())
    bench.deliver()
    bench.tell(RunsRemoved(bench.control.expect(RemoveRuns, 0.0).request_id))
    wait_until(lambda: solo_mail(bench.case))
    bench.tell(TaskFailed("remove work", OSError("busy"), 1))
    bench.timers.advance(2.0)
    bench.deliver()
    bench.finish_tasks()
    bench.written()
    assert bench.ended


def test_a_host_that_is_no_longer_configured_has_nothing_to_remove(tmp_path: Path) -> None:
    world = done_world()
    world.rows = {key: replace(row, host="gone") for key, row in world.rows.items()}
    bench = Bench(tmp_path, world.report())
    bench.finish_tasks()
    bench.finish_tasks()
    bench.written()
    assert bench.ended


def test_an_unknown_message_is_no_reason_to_die(tmp_path: Path, log_lines: list[str]) -> None:
    bench = Bench(tmp_path)
    bench.tell("what?")
    bench.tell(DiskState(roomy=False, reason="full"))
    assert any("does not know str" in line for line in log_lines)


class Door:
    """Admission among probes."""

    def __init__(self, most: int = 2, halts: tuple[HaltRow, ...] = ()) -> None:
        self.ledger, self.cases, self.monitor, self.timers = Probe("ledger"), Probe("cases"), Probe(), VirtualTimers()
        self.admission = solo(
            Admission,
            timers=self.timers,
            ledger=self.ledger,
            start_case=lambda case: Spec(case, Case),
            cases=self.cases,
            monitor=self.monitor,
            max_active=most,
        )
        self.admission.started()
        self.tell(HaltsReport(self.ledger.all(GetHalts)[-1].request_id, halts))

    def tell(self, message: object) -> None:
        self.admission.receive(message)

    def answer(self, *states: CaseState) -> None:
        self.tell(CasesReport(self.ledger.all(GetCases)[-1].request_id, tuple(rows(*states))))

    @property
    def started(self) -> list[str]:
        return [message.spec.id for message in self.cases.all(StartChild)]


def test_admission_looks_again_when_a_scanner_begins_and_may_have_left_something_untold() -> None:
    door = Door(most=2)
    door.answer(CaseState.QUEUED)
    door.tell(AdmissionsMissed())
    door.answer(CaseState.QUEUED, CaseState.QUEUED)
    assert door.started == ["case-0", "case-1"]


def test_admission_starts_what_is_open_up_to_its_number_and_the_next_when_one_has_ended() -> None:
    door = Door(most=2)
    assert door.monitor.expect(SubscribeDisk, 0.0).reply_to is door.admission.address
    door.answer(CaseState.QUEUED, CaseState.QUEUED, CaseState.QUEUED)
    assert door.started == ["case-0", "case-1"]
    door.tell(CaseAdmitted("case-3"))
    assert len(door.ledger.all(GetCases)) == 1, "there is no room"
    door.tell(Exited("cases/case-0", 1, RuntimeError("it is restarted by its supervisor")))
    assert len(door.ledger.all(GetCases)) == 1
    door.tell(Exited("cases/case-0", 1, None))
    door.answer(CaseState.DONE, CaseState.RUNNING, CaseState.QUEUED)
    assert door.started == ["case-0", "case-1", "case-2"]


def test_admission_asks_while_it_is_full_whether_a_place_is_held_by_nothing_but_cleaning() -> None:
    door = Door(most=1)
    door.answer(CaseState.RUNNING, CaseState.QUEUED)
    door.tell(CaseAdmitted("case-1"))
    assert len(door.ledger.all(GetCases)) == 1, "there is no room"
    door.timers.advance(LOOK_FULL_S)
    for message in solo_mail(door.admission):
        door.tell(message)
    assert len(door.ledger.all(GetCases)) == 2
    door.answer(CaseState.DONE, CaseState.QUEUED)
    assert door.started == ["case-0", "case-1"], "its host is away, and that holds up nobody"


def test_admission_lets_go_of_a_case_that_has_ended() -> None:
    door = Door()
    door.answer(CaseState.QUEUED)
    address = door.admission.context.system.address("cases/case-0")
    assert address._watchers
    door.tell(Exited("cases/case-0", 1, None))
    assert not address._watchers


def test_admission_asks_once_more_if_something_changed_meanwhile() -> None:
    door = Door()
    for case in ("a", "b"):
        door.tell(CaseAdmitted(case))
    assert len(door.ledger.all(GetCases)) == 1
    door.tell(CasesReport("old", tuple(rows(CaseState.QUEUED))))
    assert door.started == []
    door.answer()
    assert len(door.ledger.all(GetCases)) == 2


def test_admission_passes_the_state_of_the_disks_on() -> None:
    door = Door()
    door.answer(CaseState.QUEUED)
    full = DiskState(roomy=False, reason="full")
    door.tell(full)
    system = door.admission.context.system
    address = system.address("cases/case-0")
    assert [item.message for item in address._user] == [full]
    door.tell(CaseAdmitted("case-1"))
    door.answer(CaseState.QUEUED, CaseState.QUEUED)
    assert [item.message for item in system.address("cases/case-1")._user] == [full]


@pytest.mark.promise("P34", "P35")
def test_an_order_that_meets_admission_as_it_restarts_reaches_the_case_that_goes_on() -> None:
    door = Door()
    there_is_room = DiskState(roomy=True, reason="")
    ordered = [CaseChanged("case-0"), PlacesChanged(), there_is_room]
    for message in ordered:
        door.tell(message)
    door.answer(CaseState.RUNNING, CaseState.RUNNING)
    system = door.admission.context.system
    assert [item.message for item in system.address("cases/case-0")._user] == ordered
    assert [item.message for item in system.address("cases/case-1")._user] == ordered[1:]
    door.tell(PlacesChanged())
    assert len(system.address("cases/case-1")._user) == 3, "told once"


def test_admission_looks_again_now_and_then_and_survives_what_it_does_not_know(log_lines: list[str]) -> None:
    door = Door()
    door.answer(CaseState.DONE)
    assert door.started == ["case-0"]
    door.tell(Exited("cases/case-0", 1, None))
    door.answer(CaseState.DONE)
    assert door.started == ["case-0"], "it could not be cleaned just now"
    door.timers.advance(601)
    for message in solo_mail(door.admission):
        door.tell(message)
    door.answer(CaseState.DONE)
    assert door.started == ["case-0", "case-0"]
    door.tell("what?")
    assert any("does not know str" in line for line in log_lines)
