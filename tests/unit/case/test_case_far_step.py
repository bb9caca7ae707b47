"""What a case tells whom while it is interpreted on a host: the actor alone, with probes around it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from actors.case import Case, FarHost
from messages.compute import Compute, Computed, ComputeFailed
from messages.faults import Blame, Fault
from messages.files import FetchFiles, FileProof, FilesMoved, MoveFailed, MoveProgress, PutFiles
from messages.hosts import GpusObserved, HostObserved, HostState, SubscribeHost, UnsubscribeHost
from messages.interpretation import PackCase, PackedCase, TakeAnswer
from messages.jobs import (
    JobExit,
    JobLaunched,
    JobObserved,
    LaunchFailed,
    LaunchJob,
    Observation,
    RemoveRuns,
    UnwatchJob,
    WatchJob,
)
from messages.ledger import ExplainCase, GetCase, GetHalts, HaltsReport, NoteEvent, Write, WriteRefused, Written
from messages.scheduling import QueueBeam
from tests.kit import Probe, VirtualTimers, solo, solo_mail
from tests.unit.case.case_world import INPUT, PROFILE, World, an_interpretation

NOW = datetime(2024, 2, 29, 10, tzinfo=UTC)
FAR = PROFILE.model_copy(update={"interpret": "host", "host_python": "/opt/python"})
LINK = Fault("The link was lost.", blame=Blame.HOST)
KEY = "case/interpret/1"


class Bench:
    """One case, one host."""

    def __init__(self, tmp_path: Path, *, sent: tuple[str, ...] = ()) -> None:
        self.ledger, self.compute, self.scheduler = Probe("ledger"), Probe("compute"), Probe("scheduler")
        self.control, self.lane, self.timers = Probe("gpu1/control"), Probe("gpu1/lane-1"), VirtualTimers()
        self.folder = tmp_path / "case"
        self.packed = PackedCase(
            str(self.folder / "bundle"), (FileProof("request.json", 1, "aa"),), "request.json", "b0"
        )
        self.case = solo(
            Case,
            timers=self.timers,
            case="case",
            ledger=self.ledger,
            compute=self.compute,
            scheduler=self.scheduler,
            monitor=Probe("monitor"),
            controls={"gpu1": self.control},
            worker_address=lambda _worker: Probe("worker"),
            hosts={"gpu1": FarHost("/workspace", self.control, (self.lane,))},
            profile=FAR,
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
        report = World().report()
        self.tell(replace(report, request_id=self.ledger.expect(GetCase, 0.0).request_id, sent=sent))
        self.tell(HaltsReport(self.ledger.all(GetHalts)[-1].request_id, ()))

    def _end(self) -> None:
        self.ended = True

    def tell(self, message: object) -> None:
        self.case.receive(message)
        self.deliver()

    def deliver(self) -> None:
        for message in solo_mail(self.case):
            self.case.receive(message)

    def up(self, state: HostState = HostState.UP) -> None:
        self.tell(HostObserved("gpu1", "ssh", NOW, state))

    def compute_answers(self, value: object) -> Compute:
        order = self.compute.all(Compute)[-1]
        self.tell(Computed(order.request_id, value))
        return order

    def noted(self) -> str:
        write = self.ledger.all(Write)[-1]
        (note,) = write.records
        assert isinstance(note, NoteEvent)
        self.tell(Written(write.request_id))
        return note.detail

    def moved(self) -> None:
        self.tell(FilesMoved(self.lane.received[-1].request_id, ()))  # type: ignore[attr-defined]

    def ends(self, code: int | None = 0, signal: int | None = None, *, timed_out: bool = False) -> None:
        evidence = JobExit(KEY, 1, code, signal, timed_out, False, "", "", 1.0, "")
        self.tell(JobObserved(KEY, Observation.ENDED, exit=evidence))

    def to_launch(self) -> LaunchJob:
        self.up()
        self.compute_answers(self.packed)
        self.noted()
        self.moved()
        return self.control.all(LaunchJob)[-1]

    def to_taking(self, code: int | None = 0, signal: int | None = None, *, timed_out: bool = False) -> TakeAnswer:
        launch = self.to_launch()
        self.tell(JobLaunched(launch.request_id, KEY, "pid 1"))
        self.ends(code, signal, timed_out=timed_out)
        self.moved()
        order = self.compute.all(Compute)[-1].argument
        assert isinstance(order, TakeAnswer)
        return order


def test_the_whole_way_and_then_all_is_as_if_it_had_been_made_here(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert bench.control.expect(SubscribeHost, 0.0)
    pack = bench.compute.all(Compute)[-1]
    assert (pack.function, type(pack.argument)) == ("actors.interpreter:pack_case", PackCase)
    bench.up()
    bench.tell(GpusObserved("gpu1", NOW, ()))
    bench.compute_answers(bench.packed)
    assert not bench.lane.received, "nothing is sent before it is written"
    assert bench.noted() == "gpu1, run 1 of bundle b0"
    put = bench.lane.expect(PutFiles, 0.0)
    assert (put.source, put.target) == (bench.packed.directory, "/workspace/case/interpret/1/in")
    bench.moved()
    job = bench.control.expect(LaunchJob, 0.0).job
    assert job.command == ("/opt/python", "-m", "actors.interpreter", "in/request.json", "out")
    assert (job.key, job.run_dir) == (KEY, f"/workspace/{KEY}")
    bench.tell(JobLaunched("any", KEY, "pid 1"))
    bench.ends()
    fetch = bench.lane.expect(FetchFiles, 0.0)
    assert (fetch.source, fetch.target) == (f"/workspace/{KEY}", str(bench.folder / "interpret" / "1"))
    bench.moved()
    take = bench.compute_answers(an_interpretation(1, 2))
    assert take.argument == TakeAnswer(
        "gpu1", fetch.target, str(bench.folder / "input"), str(bench.folder / "bundle"), "aa"
    )
    assert bench.control.expect(UnwatchJob, 0.0).key == KEY
    assert bench.control.expect(UnsubscribeHost, 0.0)
    bench.tell(Written(bench.ledger.all(Write)[-1].request_id))
    assert len(bench.scheduler.all(QueueBeam)) == 2


@pytest.mark.parametrize(
    ("code", "signal", "timed_out", "words"),
    [
        (1, None, False, "exit code 1"),
        (None, 9, False, "ended by signal 9"),
        (None, 9, True, "it took longer than 3600 s"),
    ],
)
def test_how_it_ended_is_told_to_who_looks_for_the_answer(
    tmp_path: Path, code: int | None, signal: int | None, timed_out: bool, words: str
) -> None:
    assert Bench(tmp_path).to_taking(code, signal, timed_out=timed_out).ended == words


def test_a_case_that_is_wrong_fails_with_the_hosts_sentence_and_the_host_is_cleaned(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.to_taking()
    bench.tell(ComputeFailed(bench.compute.all(Compute)[-1].request_id, INPUT))
    write = bench.ledger.all(Write)[-1]
    assert str(INPUT) in write.records[0].reason  # type: ignore[union-attr]
    bench.tell(Written(write.request_id))
    removal = bench.control.expect(RemoveRuns, 0.0)
    assert removal.paths == ("case",)


def test_after_a_restart_the_run_is_looked_at(tmp_path: Path) -> None:
    bench = Bench(tmp_path, sent=("gpu1, run 1 of bundle b0",))
    bench.compute_answers(bench.packed)
    assert bench.control.expect(WatchJob, 0.0).key == KEY
    assert not bench.lane.received
    bench.ends()
    assert bench.lane.expect(FetchFiles, 0.0)


def test_what_fails_on_the_way_is_done_again_after_a_pause(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.up()
    bench.compute_answers(bench.packed)
    bench.tell(WriteRefused(bench.ledger.all(Write)[-1].request_id, LINK))
    bench.timers.advance(1.0)
    bench.deliver()
    assert bench.noted() == "gpu1, run 2 of bundle b0"
    bench.tell(MoveFailed(bench.lane.expect(PutFiles, 0.0).request_id, LINK))
    bench.timers.advance(2.0)
    bench.deliver()
    assert bench.noted() == "gpu1, run 3 of bundle b0"
    bench.moved()
    launch = bench.control.expect(LaunchJob, 0.0)
    bench.tell(LaunchFailed(launch.request_id, launch.job.key, LINK))
    bench.tell(LaunchFailed(launch.request_id, launch.job.key, LINK))
    bench.timers.advance(3.0)
    bench.deliver()
    assert bench.noted() == "gpu1, run 4 of bundle b0"
    bench.tell(Computed("case/interpret#0.0", 17))


def test_a_crashed_lane_or_control_is_asked_again_and_a_lost_host_waited_for(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.up()
    bench.compute_answers(bench.packed)
    bench.noted()
    bench.lane.go_down()
    bench.lane.come_up()
    bench.deliver()
    assert len(bench.lane.all(PutFiles)) == 2
    bench.moved()
    bench.control.go_down()
    bench.control.come_up()
    bench.deliver()
    assert len(bench.control.all(LaunchJob)) == 2
    assert len(bench.control.all(SubscribeHost)) == 2
    bench.tell(JobLaunched("any", KEY, "pid 1"))
    bench.tell(JobLaunched("any", "case/interpret/9", "of another run"))
    bench.up(HostState.SUSPENDED)
    bench.timers.advance(61.0)
    bench.deliver()
    bench.ends()
    assert bench.lane.expect(FetchFiles, 0.0)


def test_an_answer_that_nobody_understands_is_a_fault_of_ours_and_leaving_tells_the_hosts(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    with pytest.raises(TypeError, match="answered int"):
        bench.compute_answers(17)
    bench.case.stopped()
    assert bench.control.expect(UnsubscribeHost, 0.0)


@pytest.mark.promise("P33")
def test_why_the_case_waits_can_be_asked_of_the_ledger_all_the_way(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    def why() -> str:
        return [r.reason for write in bench.ledger.all(Write) for r in write.records if isinstance(r, ExplainCase)][-1]

    assert why() == "its logs are being packed for a host"
    bench.compute_answers(bench.packed)
    assert why() == "no host is up to do it"
    bench.up()
    bench.noted()
    assert why() == "its logs are being sent to gpu1"
    put = bench.lane.all(PutFiles)[-1]
    bench.tell(MoveProgress(put.request_id, 100_000_000, 400_000_000, 5e6))
    assert why() == "its logs are being sent to gpu1, 25 % of 400 MB, 5.0 MB/s"
    bench.moved()
    launch = bench.control.all(LaunchJob)[-1]
    bench.tell(MoveProgress(put.request_id, 1, 2, 5e6))  # comes late, and says nothing of now
    assert why() == "it is being begun on gpu1"
    bench.tell(JobLaunched(launch.request_id, KEY, "pid 1"))
    assert why() == "it is being done on gpu1"
    bench.up(HostState.SUSPENDED)
    assert why() == "gpu1, on which it is done, does not answer"
    bench.up()
    bench.ends()
    assert why() == "the answer is being fetched from gpu1"
    bench.moved()
    bench.compute_answers(an_interpretation(1))
    assert why() == ""
