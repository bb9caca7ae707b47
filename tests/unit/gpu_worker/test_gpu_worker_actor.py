"""What the worker tells whom: the actor alone, with probes around it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeVar

import pytest

from actors.gpu_worker import GpuWorker
from actors.supervision import Exited
from messages.engine import Progress
from messages.faults import Blame, Fault
from messages.files import AbandonMove, FetchFiles, FileProof, FilesMoved, MoveFailed, MoveProgress, PutFiles
from messages.hosts import GpuLimits, GpuReading, GpusObserved, GpuState, HostObserved, HostState, SubscribeHost
from messages.jobs import (
    JobGone,
    JobLaunched,
    JobObserved,
    KillFailed,
    KillJob,
    LaunchFailed,
    LaunchJob,
    Observation,
    UnwatchJob,
    WatchJob,
)
from messages.ledger import (
    AttemptsReport,
    ExplainBeam,
    GetAttempts,
    GetGpuRecord,
    MoveAttempt,
    NoteGpu,
    NoteProgress,
    OpenAttempt,
    Record,
    Write,
    WriteRefused,
    Written,
)
from messages.scheduling import (
    AttemptReport,
    AttemptSettled,
    AttemptUnknown,
    BeamRefused,
    CancelAttempt,
    GetAttempt,
    GetWorker,
    ReturnBeam,
    RunBeam,
    WorkerReport,
)
from messages.states import AttemptState
from tests.kit import Probe, VirtualTimers, solo, solo_mail
from tests.unit.gpu_worker.lease_world import NO_RECORD, a_request, a_row, an_exit

M = TypeVar("M")
KEY = "case/1/1"
FULL = Fault("The ledger cannot be written", blame=Blame.OURS, kind="ledger-full")
NO = Fault("not legal", blame=Blame.OURS, kind="illegal-transition")
LINK = Fault("the link is down", blame=Blame.HOST, kind="link")


@dataclass
class Bench:
    """One worker among probes. Every tell is handled at once, in the test's own thread."""

    asked: bool = False
    ledger: Probe = field(default_factory=lambda: Probe("ledger"))
    scheduler: Probe = field(default_factory=lambda: Probe("scheduler"))
    control: Probe = field(default_factory=lambda: Probe("control"))
    lane: Probe = field(default_factory=lambda: Probe("lane"))
    monitor: Probe = field(default_factory=lambda: Probe("monitor"))
    case: Probe = field(default_factory=lambda: Probe("case"))
    timers: VirtualTimers = field(default_factory=VirtualTimers)

    def __post_init__(self) -> None:
        self.worker = solo(
            GpuWorker,
            timers=self.timers,
            host="gpu1",
            index=0,
            uuid="GPU-1",
            workspace="/data",
            asked=self.asked,
            ledger=self.ledger,
            scheduler=self.scheduler,
            control=self.control,
            lanes=(self.lane,),
            monitor=self.monitor,
            progress=Progress(step=r"step (\d+) of (\d+)"),
            case_address=lambda _case: self.case,
            limits=GpuLimits(),
        )
        self.worker.started()
        self.deliver()

    def deliver(self) -> None:
        for message in solo_mail(self.worker):
            self.worker.receive(message)

    def pass_time(self, seconds: float) -> None:
        self.timers.advance(seconds)
        self.deliver()

    def tell(self, message: object) -> None:
        self.worker.receive(message)

    def recovered(self) -> Bench:
        self.tell(AttemptsReport(self.ledger.expect(GetAttempts).request_id, ()))
        self.tell(replace(NO_RECORD, request_id=self.ledger.expect(GetGpuRecord).request_id))
        return self

    def order(self, kind: type[M], probe: Probe) -> M:
        return probe.expect(kind, timeout=0.0)

    def write(self, kind: type[Record]) -> Write:
        """The next write that holds a record of this kind."""
        return self.ledger.expect(Write, 0.0, lambda write: any(isinstance(one, kind) for one in write.records))

    def written(self, kind: type[Record] = MoveAttempt) -> None:
        self.tell(Written(self.write(kind).request_id))

    def moved(self, kind: type[PutFiles | FetchFiles]) -> None:
        files = (FileProof("out/dose.raw", 8, "1" * 64),)
        self.tell(FilesMoved(self.order(kind, self.lane).request_id, files))

    def to_launch(self) -> LaunchJob:
        """A beam is taken, staged, and ordered to be launched."""
        self.tell(RunBeam(a_request(), self.case))
        self.written(OpenAttempt)
        self.moved(PutFiles)
        self.written()
        self.written()
        return self.order(LaunchJob, self.control)

    def to_run(self) -> None:
        launch = self.to_launch()
        evidence = "pid 7, boot b1, started 2024-02-29T10:00:00+09:00"
        self.tell(JobLaunched(launch.request_id, KEY, evidence))
        self.written()

    def standing(self) -> WorkerReport:
        return self.scheduler.all(WorkerReport)[-1]


@pytest.mark.promise("P15")
def test_a_hanging_predecessor_writes_nothing_after_the_leases_attempts_were_read() -> None:
    bench = Bench()
    fence, asked = [one for one in bench.ledger.all(object) if isinstance(one, Write | GetAttempts)][:2]
    assert isinstance(fence, Write)
    assert (fence.writer, fence.epoch, fence.records) == (bench.worker.address.id, bench.worker.epoch, ())
    assert isinstance(asked, GetAttempts)


def test_it_introduces_itself_and_takes_nothing_before_the_ledger_has_answered() -> None:
    bench = Bench()
    assert bench.order(SubscribeHost, bench.control).reply_to is bench.worker.address
    assert bench.order(GetAttempts, bench.ledger).worker == "gpu1/gpu-0"
    assert bench.standing().state is GpuState.UNKNOWN
    bench.tell(RunBeam(a_request(), bench.case))
    assert "ledger" in bench.order(BeamRefused, bench.scheduler).reason
    assert not bench.lane.received


def test_the_whole_way_of_one_beam() -> None:
    bench = Bench().recovered()
    assert bench.standing().accepts
    launch = bench.to_launch()
    assert launch.job.run_dir == f"/data/{KEY}"
    assert launch.job.epoch == bench.worker.epoch
    assert dict(launch.job.environment) == {"MQI_ATTEMPT": KEY}
    bench.tell(JobLaunched(launch.request_id, KEY, "pid 7, boot b1, started 2024-02-29T10:00:00+09:00"))
    bench.written()
    assert bench.standing().running == KEY
    assert bench.case.all(AttemptReport)[-1].started == "2024-02-29T10:00:00+09:00"
    bench.tell(JobObserved(KEY, Observation.ENDED, "step 2 of 2\n", 12, an_exit(KEY), group_gone=True))
    assert bench.standing().running == "", "proven free at once"
    bench.written()
    fetch = bench.lane.expect(FetchFiles, 0.0)
    assert (fetch.source, fetch.target) == (f"/data/{KEY}", "/site/case/output/1/1")
    assert fetch.names == ("out", "engine.log", "exit.json")
    bench.tell(FilesMoved(fetch.request_id, ()))
    bench.written()
    assert bench.case.all(AttemptReport)[-1].state is AttemptState.COLLECTED
    bench.tell(AttemptSettled(KEY, good=True))
    assert bench.standing().keys == ()
    assert bench.order(UnwatchJob, bench.control).key == KEY


def test_a_gpu_is_chosen_by_its_uuid() -> None:
    bench = Bench(asked=True).recovered()
    assert bench.standing().state is GpuState.UNKNOWN
    reading = GpuReading(0, "GPU-1", "A GPU", total_mb=24000, used_mb=0, free_mb=24000)
    bench.tell(GpusObserved("gpu1", datetime.now(UTC), (reading,)))
    assert bench.standing().state is GpuState.IDLE
    assert bench.standing().free_mb == 24000
    assert ("CUDA_VISIBLE_DEVICES", "GPU-1") in bench.to_launch().job.environment


@pytest.mark.promise("P28")
def test_a_second_beam_waits_staged_and_a_third_is_refused() -> None:
    bench = Bench().recovered()
    bench.to_run()
    bench.tell(RunBeam(a_request(2), bench.case))
    bench.tell(RunBeam(a_request(3), bench.case))
    assert bench.order(BeamRefused, bench.scheduler) == BeamRefused(
        "case/3/1", "gpu1/gpu-0", "case/2/1 is staged already"
    )
    bench.written(OpenAttempt)
    bench.moved(PutFiles)
    bench.written()
    assert bench.standing().next == "case/2/1"
    assert len(bench.control.all(LaunchJob)) == 1
    bench.tell(RunBeam(a_request(2), bench.case))
    assert len(bench.scheduler.all(BeamRefused)) == 1, "said again, it is no news"


def test_progress_is_noted_and_told_not_more_often_than_each_second() -> None:
    bench = Bench().recovered()
    bench.to_run()
    for step in range(1, 6):
        text = f"step {step} of 10\n"
        bench.tell(JobObserved(KEY, Observation.RUNNING, text, step * len(text)))
    notes = [one for write in bench.ledger.all(Write) for one in write.records if isinstance(one, NoteProgress)]
    assert [note.progress for note in notes] == [0.1]
    assert [report.progress for report in bench.case.all(AttemptReport)][-1] == 0.1


def test_each_second_and_to_a_new_scheduler_it_says_how_it_stands() -> None:
    bench = Bench().recovered()
    before = len(bench.scheduler.all(WorkerReport))
    for _ in range(3):
        bench.pass_time(1.0)
    assert len(bench.scheduler.all(WorkerReport)) == before + 3
    bench.scheduler.come_up()
    bench.deliver()
    bench.tell(GetWorker(bench.scheduler))
    assert len(bench.scheduler.all(WorkerReport)) == before + 5
    assert len(bench.monitor.all(WorkerReport)) == before + 5
    bench.tell(Exited("scheduler", 1, None))
    notes = [one for write in bench.ledger.all(Write) for one in write.records if isinstance(one, NoteGpu)]
    assert [note.state for note in notes] == ["unknown", "idle"], "noted when it changes only"


def test_a_full_disk_is_waited_for_and_a_contradiction_is_read_again() -> None:
    bench = Bench().recovered()
    bench.tell(RunBeam(a_request(), bench.case))
    bench.tell(WriteRefused(bench.write(OpenAttempt).request_id, FULL))
    assert not bench.lane.received
    bench.pass_time(1.5)
    again = bench.write(OpenAttempt)
    bench.tell(WriteRefused(again.request_id, NO))
    bench.tell(AttemptsReport(bench.ledger.all(GetAttempts)[-1].request_id, ()))
    assert bench.order(AttemptUnknown, bench.case).key == KEY
    assert bench.scheduler.all(BeamRefused)[-1].key == KEY
    assert bench.standing().keys == ()


def test_answers_to_an_earlier_incarnation_are_dropped() -> None:
    bench = Bench().recovered()
    bench.tell(RunBeam(a_request(), bench.case))
    for stale in (
        Written("old"),
        WriteRefused("old", FULL),
        FilesMoved("old", ()),
        MoveFailed("old", LINK),
        AttemptsReport("old", ()),
        LaunchFailed("old", KEY, LINK),
        KillFailed("old", KEY, LINK),
    ):
        bench.tell(stale)
    bench.written(OpenAttempt)
    bench.order(PutFiles, bench.lane)


def test_a_move_that_failed_is_tried_again_on_a_lane_and_told_once(log_lines: list[str]) -> None:
    bench = Bench().recovered()
    bench.tell(RunBeam(a_request(), bench.case))
    bench.written(OpenAttempt)
    for _ in range(3):
        bench.tell(MoveFailed(bench.order(PutFiles, bench.lane).request_id, LINK))
        bench.pass_time(10.0)
    bench.order(PutFiles, bench.lane)
    assert [line for line in log_lines if LINK.what in line and "WARNING" in line] == [f"WARNING attempt 1: {LINK}"]


@pytest.mark.promise("P33")
def test_how_far_a_long_transfer_is_can_be_asked_of_the_ledger() -> None:
    bench = Bench().recovered()
    bench.tell(RunBeam(a_request(), bench.case))
    bench.written(OpenAttempt)
    put = bench.order(PutFiles, bench.lane)
    bench.tell(MoveProgress(put.request_id, 180_000_000, 400_000_000, 120e6))
    (note,) = bench.write(ExplainBeam).records
    assert note == ExplainBeam("case", 1, "sending its files, 45 % of 400 MB, 120.0 MB/s")
    writes = len(bench.ledger.all(Write))
    bench.tell(MoveProgress("of another life", 1, 2, 0.0))
    assert len(bench.ledger.all(Write)) == writes


def test_questions_are_answered_once_the_ledger_has_been_read() -> None:
    bench = Bench()
    bench.tell(GetAttempt("case/9/1", bench.case))
    bench.case.none(AttemptUnknown)
    bench.recovered()
    assert bench.order(AttemptUnknown, bench.case).key == "case/9/1"
    bench.to_run()
    bench.tell(GetAttempt(KEY, bench.case))
    assert bench.case.all(AttemptReport)[-1].state is AttemptState.RUNNING
    bench.tell(CancelAttempt("case/9/2", bench.case, "no longer wanted"))
    assert bench.order(AttemptUnknown, bench.case).key == "case/9/2"


def test_cancelling_stops_the_transfer_or_ends_the_run() -> None:
    bench = Bench().recovered()
    bench.tell(RunBeam(a_request(), bench.case))
    bench.written(OpenAttempt)
    put = bench.order(PutFiles, bench.lane)
    bench.tell(CancelAttempt(KEY, bench.case, "no longer wanted"))
    assert bench.order(AbandonMove, bench.lane).request_id == put.request_id
    bench.written()
    assert bench.case.all(AttemptReport)[-1].state is AttemptState.WITHDRAWN

    bench = Bench().recovered()
    bench.to_run()
    bench.tell(CancelAttempt(KEY, bench.case, "no longer wanted"))
    assert not bench.control.all(KillJob), "the ledger first"
    bench.tell(Written(bench.ledger.all(Write)[-1].request_id))
    kill = bench.order(KillJob, bench.control)
    bench.tell(KillFailed(kill.request_id, KEY, LINK))
    bench.pass_time(3.0)
    again = bench.order(KillJob, bench.control)
    assert bench.standing().running == KEY
    bench.tell(JobGone(again.request_id, KEY, "no process is left"))
    bench.written()
    assert bench.case.all(AttemptReport)[-1].state is AttemptState.WITHDRAWN


def test_a_staged_beam_is_given_back_when_it_is_called_and_a_launched_one_is_not() -> None:
    bench = Bench().recovered()
    bench.to_run()
    bench.tell(RunBeam(a_request(2), bench.case))
    bench.written(OpenAttempt)
    for key in (KEY, "case/2/1"):
        bench.tell(ReturnBeam(key, "another GPU is idle"))
    assert bench.order(AbandonMove, bench.lane)
    bench.written()
    assert bench.case.all(AttemptReport)[-1].key == "case/2/1"
    assert bench.case.all(AttemptReport)[-1].state is AttemptState.WITHDRAWN
    assert bench.standing().running == KEY


def test_a_launch_that_failed_is_tried_again_a_few_times() -> None:
    bench = Bench().recovered()
    launch = bench.to_launch()
    for _ in range(2):
        bench.tell(LaunchFailed(launch.request_id, KEY, LINK))
        bench.pass_time(2.0)
        launch = bench.order(LaunchJob, bench.control)
    bench.tell(LaunchFailed(launch.request_id, KEY, LINK))
    bench.written()
    assert bench.case.all(AttemptReport)[-1].fault == LINK


def test_the_boot_id_of_the_host_tells_a_reboot() -> None:
    bench = Bench().recovered()
    bench.to_run()
    bench.tell(HostObserved("gpu1", "ssh", datetime.now(UTC), HostState.UP, boot_id="b2"))
    bench.pass_time(1.0)
    bench.tell(JobObserved(KEY, Observation.KILLED, group_gone=True))
    bench.written()
    fetch = bench.lane.expect(FetchFiles, 0.0)
    assert fetch.names == ("engine.log", "exit.json")
    bench.tell(FilesMoved(fetch.request_id, ()))
    bench.written()
    fault = bench.case.all(AttemptReport)[-1].fault
    assert fault is not None
    assert fault.kind == "host-rebooted"


def test_an_unknown_message_is_no_reason_to_die(log_lines: list[str]) -> None:
    bench = Bench().recovered()
    bench.tell("what?")
    assert any("does not know str" in line for line in log_lines)


def test_a_restored_run_is_watched_from_the_beginning_of_its_log() -> None:
    first = Bench().recovered()
    first.to_run()
    opened = next(one for write in first.ledger.all(Write) for one in write.records if isinstance(one, OpenAttempt))
    row = a_row(opened)
    moved = type(row)(**{n: getattr(row, n) for n in row.__dataclass_fields__} | {"state": AttemptState.RUNNING})
    bench = Bench()
    bench.tell(AttemptsReport(bench.ledger.expect(GetAttempts).request_id, (moved,)))
    watch = bench.order(WatchJob, bench.control)
    assert (watch.key, watch.offset, watch.run_dir) == (KEY, 0, f"/data/{KEY}")
    assert bench.standing().running == KEY
