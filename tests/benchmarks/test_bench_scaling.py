"""How far it goes: 100 hosts, 800 GPUs and 50,000 cases a day, part by part. docs/scaling.md tells what follows.

The scheduler's book decides on a virtual clock; ledger, scanner, workers and links are the real ones, at sizes from
which the rest is extrapolated, which each line says. Processor time, not wall time, wherever it is what counts.
"""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import mean, median

import psutil
import pytest

from actors.gpu_worker import GpuWorker
from actors.ledger.commit import commit
from actors.ledger.store import open_store
from actors.scanner.scan import scan
from actors.scanner.walk import Walker
from actors.scheduler import Scheduler, book
from actors.supervision import Context, Spec, System, supervisor
from messages.engine import Progress
from messages.hosts import GpuLimits
from messages.ledger import (
    AttemptsReport,
    GetAttempts,
    GetGpuRecord,
    GpuRecordReport,
    MoveBeam,
    MoveCase,
    NoteEvent,
    NoteProgress,
    Record,
    Write,
)
from messages.scheduling import WorkerReport
from messages.states import BeamState, CaseState
from tests.integration.ledger.ledger_cases import admission, whole_attempt
from tests.kit.fleet import DAY_S, Fleet, Load
from tests.kit.hosts import ssh_host
from tests.kit.sshd import Sshd
from tests.kit.waiting import wait_until

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]

HOSTS, GPUS, CASES_A_DAY, BEAMS = 100, 8, 50_000, 3
NOTES = 60
"""Notes of progress of one beam."""


def share(values: list[float], part: float) -> float:
    return sorted(values)[int(len(values) * part)]


# -- the scheduler


@pytest.mark.parametrize(("waiting", "seconds"), [(0, 120), (3000, 120), (20_000, 60)])
def test_what_deciding_costs_with_800_gpus(waiting: int, seconds: int, capsys: pytest.CaptureFixture[str]) -> None:
    fleet = Fleet(HOSTS, GPUS)
    fleet.live(DAY_S / 2, DAY_S / 2 + 30, waiting=waiting + (HOSTS * GPUS * 2 if waiting else 0), then_s=seconds)
    first = sum(map(sum, fleet.costs_s.values()))
    fleet.costs_s.clear()
    fleet.go_on(DAY_S / 2 + 30 + seconds)
    decided = sum(map(sum, fleet.costs_s.values())) / seconds
    with capsys.disabled():
        print(
            f"\n800 GPUs, {waiting} beams waiting: {decided:.1%} of a core for deciding; "
            f"all of the first 30 s {first:.2f} s"
        )
        for kind, costs in sorted(fleet.costs_s.items()):
            print(
                f"  {kind:<22} {len(costs) / seconds:6.0f} a s   median {median(costs) * 1e3:6.3f} ms   "
                f"99 % {share(costs, 0.99) * 1e3:6.3f} ms   most {max(costs) * 1e3:6.1f} ms"
            )
    assert decided < 0.5
    assert all(share(costs, 0.99) < 0.5 for costs in fleet.costs_s.values())


@pytest.mark.parametrize("hosts", [HOSTS])
def test_a_day_of_50000_cases(hosts: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports that say nothing new are left out here (measured above); a worker is heard every 200 s."""
    monkeypatch.setattr(book, "SILENT_S", 600.0)
    fleet = Fleet(hosts, GPUS, Load(CASES_A_DAY), heartbeat_s=200.0, tick_s=10.0)
    began = time.thread_time()
    fleet.live(0.0, DAY_S)
    waits, gpus = fleet.waits_s, hosts * GPUS
    with capsys.disabled():
        print(
            f"\na day on {gpus} GPUs: {len(waits)} beams begun, GPUs used to {fleet.busy_s / DAY_S / gpus:.0%}; "
            f"from queue to engine: median {median(waits):.0f} s, mean {mean(waits):.0f} s, "
            f"99 % {share(waits, 0.99):.0f} s, most {max(waits) / 60:.0f} min; "
            f"{fleet.longest} beams waited at most; {time.thread_time() - began:.0f} s to simulate"
        )
    assert len(waits) > 0.9 * CASES_A_DAY * BEAMS


# -- the workers


class Answering:
    """Stands for a ledger that has nothing of any worker, and for everything else that is only told."""

    def __init__(self) -> None:
        self.id, self.reports, self.writes = "elsewhere", 0, 0

    def tell(self, message: object) -> bool:
        match message:
            case GetAttempts():
                message.reply_to.tell(AttemptsReport(message.request_id, ()))
            case GetGpuRecord():
                none = frozenset[str]()
                message.reply_to.tell(GpuRecordReport(message.request_id, (), (), none, none, none))
            case WorkerReport():
                self.reports += 1
            case Write():
                self.writes += 1
        return True


@contextmanager
def workers(count: int, elsewhere: Answering) -> Iterator[System]:
    """The real scheduler and so many real workers."""

    def make(context: Context, index: int = 0) -> GpuWorker:
        return GpuWorker(
            context,
            host=f"h{index // GPUS:03}",
            index=index % GPUS,
            uuid=f"GPU-{index}",
            workspace="/data",
            asked=False,
            ledger=elsewhere,
            scheduler=context.system.address("root/scheduler"),
            control=elsewhere,
            lanes=(elsewhere,),
            monitor=elsewhere,
            progress=Progress(),
            case_address=lambda _case: elsewhere,
            limits=GpuLimits(),
        )

    children = [Spec("scheduler", functools.partial(Scheduler, ledger=elsewhere, monitor=elsewhere), capacity=10_000)]
    children += [Spec(f"gpu-{number}", functools.partial(make, index=number)) for number in range(count)]
    system = System(supervisor("root", children), boot=1)
    system.start()
    try:
        yield system
    finally:
        system.stop()
        assert system.wait(60)


def test_workers_of_800_gpus_in_one_process(capsys: pytest.CaptureFixture[str]) -> None:
    me, elsewhere, count = psutil.Process(), Answering(), HOSTS * GPUS
    before, threads = me.memory_info().rss, threading.active_count()
    with workers(count, elsewhere):
        wait_until(lambda: elsewhere.reports > 3 * count, 120, "every worker reports")
        grown, more = me.memory_info().rss - before, threading.active_count() - threads
        told, began, cpu = elsewhere.reports, time.monotonic(), time.process_time()
        time.sleep(10)
        seconds, used = time.monotonic() - began, time.process_time() - cpu
        rate = (elsewhere.reports - told) / seconds
    with capsys.disabled():
        print(
            f"\n{count} workers and the scheduler: {more} threads, {grown / 2**20:.0f} MiB "
            f"({grown / 2**10 / count:.0f} KiB a worker), {rate:.0f} reports a s, "
            f"{used / seconds:.0%} of a core while nothing runs"
        )
    assert grown / count < 500_000


# -- the ledger


def life(case: str) -> list[tuple[Record, ...]]:
    """What is written of one case of three beams, in its writes."""
    beams = tuple(range(1, BEAMS + 1))
    writes: list[tuple[Record, ...]] = [(admission(case, beams),), (MoveCase(case, CaseState.RUNNING),)]
    writes.append(tuple(MoveBeam(case, beam, BeamState.INTERPRETED) for beam in beams))
    for beam in beams:
        opened, staged, beam_staged, launching, running, beam_runs, *rest = whole_attempt(case, beam)
        writes += [(NoteEvent(case, "beam given", f"beam {beam}, attempt 1: to h001/gpu-1"), opened)]
        writes += [(staged, beam_staged), (launching,), (running, beam_runs)]
        writes += [(NoteProgress(case, beam, 1, (n + 1) / NOTES),) for n in range(NOTES)]
        writes += [tuple(rest[at : at + 2]) for at in range(0, len(rest), 2)]
    return [*writes, (MoveCase(case, CaseState.DONE),)]


@pytest.mark.parametrize("together", [1, 16, 256])
def test_what_the_ledger_sustains(together: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cases = {1: 3, 16: 40, 256: 300}[together]
    database = open_store(tmp_path / "ledger.sqlite")
    lives = [life(f"c{number}") for number in range(cases)]
    # every case one step further, in turn, as they come in from cases that go on beside each other
    turns = [step for at in range(len(lives[0])) for step in (one[at] for one in lives)]
    began, cpu, commits, rows = time.monotonic(), time.thread_time(), 0, 0
    for at in range(0, len(turns), together):
        group = [Write("r", None, "w", 1, records) for records in turns[at : at + together]]
        done = commit(database, group, "2026-11-23T01:02:03.000004+00:00")
        assert not any(done.faults), done.faults
        commits, rows = commits + 1, rows + sum(len(one.records) for one in group)
    seconds, used = time.monotonic() - began, time.thread_time() - cpu
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    size = (tmp_path / "ledger.sqlite").stat().st_size / cases
    need = CASES_A_DAY / DAY_S
    writes = len(lives[0])
    with capsys.disabled():
        print(
            f"\nledger, {together} writes a commit: {commits / seconds:.0f} commits a s, "
            f"{rows / seconds:.0f} records a s, {used / len(turns) * 1e6:.0f} µs of processor a write, "
            f"{size / 1024:.1f} KiB a case; "
            f"50,000 cases a day are {need * writes:.0f} writes a s ({writes} a case, {NOTES * BEAMS} of them progress)"
        )
    if together > 1:
        assert len(turns) / seconds > need * writes


# -- scanner


def folders(root: Path, count: int) -> None:
    """Finished cases of three deliveries, an hour old and more."""
    for number in range(count):
        case = root / f"{number // 4:08d}" / f"1.2.826.0.1.{number}"
        for delivery in range(BEAMS):
            folder = case / f"20260302{9 + delivery:02d}301512"
            folder.mkdir(parents=True)
            info = (
                f"DICOM_PATIENT_ID,X\nDICOM_STUDY_INS_UID,1.2.{number}\nDICOM_BEAM_NUMBER,{delivery}\n"
                f"TCSC_IRRAD_DATETIME,{folder.name}\nSTART_LAYER_NUMBER,1\nSTOP_LAYER_NUMBER,6\n"
            )
            (folder / "PlanInfo.txt").write_text(info)
            (folder / "02_x_001_002_000.ptn").touch()
        (case / "RP.dcm").touch()
        os.utime(case, (1e9, 1e9))


def test_what_a_round_over_many_cases_costs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for count in (1000, 4000):
        root = tmp_path / str(count)
        folders(root, count)
        walker = Walker([str(root)])
        settled = frozenset(key for look in scan(walker, (), frozenset(), "", lambda: False).looks for key in look.keys)
        costs = []
        for _ in range(5):
            began = time.thread_time()
            assert scan(walker, (), settled, "", lambda: False).looks == ()
            costs.append(time.thread_time() - began)
        found.append((count, min(costs), walker.folders))
    (few, few_s, _), (many, many_s, remembered) = found
    slope = (many_s - few_s) / (many - few)
    day, month = (many_s + slope * (n * CASES_A_DAY - many) for n in (1, 30))
    with capsys.disabled():
        print(
            f"\na round over {few} cases {few_s * 1e3:.0f} ms, over {many} {many_s * 1e3:.0f} ms of processor "
            f"({remembered} folders remembered): {slope * 1e6:.1f} µs a case more; by that, 50,000 cases (a day) "
            f"{day:.2f} s, 1.5 million (a month) {month:.0f} s"
        )
    assert slope < 1e-3


# -- links


def test_what_an_ssh_host_costs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each host runs eight engines that tell of a batch every second."""
    me, found, many = psutil.Process(), [], 5
    with ExitStack() as stack:
        server = stack.enter_context(Sshd(tmp_path / "sshd"))
        for number in range(many):
            host = stack.enter_context(ssh_host(tmp_path / f"ws{number}", server, host=f"h{number}", gpus=GPUS))
            for beam in range(GPUS):
                host.launch(host.job(f"c/{beam}/1", "sh", "-c", "while :; do echo batch; sleep 1; done"))
            found.append((me.memory_info().rss, threading.active_count(), me.num_fds()))
        time.sleep(3.0)  # young runs are watched more closely
        began, cpu = time.monotonic(), time.process_time()
        time.sleep(8.0)
        share = (time.process_time() - cpu) / (time.monotonic() - began) / many
    per = [(found[-1][at] - found[0][at]) / (many - 1) for at in range(3)]
    with capsys.disabled():
        print(
            f"\nan SSH host with a control, one lane and {GPUS} runs (and a system of each, here): "
            f"{per[1]:.1f} threads, {per[0] / 2**20:.2f} MiB, {per[2]:.1f} descriptors, {share:.2%} of a core "
            f"(measured at {many}); 100 hosts by that: {100 * per[1]:.0f} threads, {100 * per[0] / 2**20:.0f} MiB, "
            f"{100 * per[2]:.0f} descriptors, {100 * share:.0%} of a core"
        )
    assert per[1] < 20
