"""The ledger's actor under a real system: what it acknowledges is on the disk."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from statistics import median

import pytest

from actors.ledger import Ledger, Reader, next_boot
from actors.ledger import actor as ledger_actor
from actors.ledger.actor import BATCH, NOTE_DELAY_S, PROBE_S
from actors.ledger.backups import scheduled_backup
from actors.ledger.schema import SCHEMA_VERSION
from messages.faults import Blame
from messages.ledger import (
    AttemptsReport,
    CaseReport,
    CasesReport,
    GetAttempts,
    GetCase,
    GetCases,
    GetKnownCases,
    GetOrders,
    KnownCasesReport,
    MoveCase,
    NoteEvent,
    OrderCommand,
    OrdersReport,
    Record,
    Write,
    WriteRefused,
    Written,
)
from messages.operators import AlarmCleared, AlarmRaised
from messages.states import CaseState
from tests.integration.ledger.ledger_cases import NOW, admission, attempt, running_case
from tests.kit.probe import Probe
from tests.kit.running import Running, running, solo, solo_mail
from tests.kit.virtual import VirtualTimers
from tests.kit.waiting import wait_until

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@contextmanager
def a_ledger(path: Path, **changes: object) -> Iterator[Running]:
    arguments = {"path": path, "backups": path.parent / "backups", "backup_hours": 0.0} | changes
    with running(Ledger, name="ledger", **arguments) as ledger:
        yield ledger


def write(probe: Probe | None, *records: Record, request: str = "r", writer: str = "w", epoch: int = 1) -> Write:
    return Write(request, probe, writer, epoch, records)


def test_a_ghost_of_the_ledger_writes_nothing_and_acknowledges_nothing(path: Path, log_lines: list[str]) -> None:
    probe = Probe()
    with a_ledger(path) as ghost:
        ghost.tell(write(probe, NoteEvent("", "in time"), epoch=8))
        probe.expect(Written)
        with a_ledger(path, boot=2) as successor:
            successor.tell(write(probe, NoteEvent("", "kept"), epoch=9))
            probe.expect(Written)
            ghost.tell(write(probe, NoteEvent("", "late"), request="late", epoch=8))
            wait_until(lambda: any("reached me late" in line for line in log_lines), 5, "the ghost is told")
        probe.none(Written)
    assert [event.what for event in Reader(path).events("")] == ["in time", "kept"]


def test_written_then_read_by_everybody(path: Path) -> None:
    probe = Probe()
    with a_ledger(path) as ledger:
        ledger.tell(write(probe, *running_case("c1"), attempt("c1", 2), OrderCommand("o", "hold", "c1")))
        assert probe.expect(Written) == Written("r")
        ledger.tell(GetCase("q1", probe, "c1"))
        ledger.tell(GetCase("q2", probe, "nobody"))
        ledger.tell(GetCases("q3", probe, frozenset({CaseState.RUNNING})))
        ledger.tell(GetAttempts("q4", probe, "h/gpu-0"))
        ledger.tell(GetKnownCases("q5", probe))
        ledger.tell(GetOrders("q6", probe))
        report = probe.expect(CaseReport)
        assert report.row is not None
        assert (report.request_id, report.row.state, report.attempts[0].key) == ("q1", CaseState.RUNNING, "c1/2/1")
        assert probe.expect(CaseReport) == CaseReport("q2", None, ())
        assert [row.case for row in probe.expect(CasesReport).rows] == ["c1"]
        assert [row.key for row in probe.expect(AttemptsReport).rows] == ["c1/2/1"]
        assert [row.case for row in probe.expect(KnownCasesReport).cases] == ["c1"]
        assert [row.order for row in probe.expect(OrdersReport).rows] == ["o"]
        assert Reader(path).case("c1") == report.row
    assert Reader(path).case("c1") == report.row


def test_cases_come_by_priority_then_age_and_ended_ones_with_files_on_demand(path: Path) -> None:
    probe = Probe()
    with a_ledger(path) as ledger:
        ledger.tell(write(probe, *running_case("c1"), MoveCase("c1", CaseState.CANCELLED)))
        ledger.tell(GetCases("q", probe, frozenset()))
        assert probe.expect(CasesReport).rows == ()
        ledger.tell(GetCases("q", probe, frozenset(), uncleaned=True))
        assert [row.case for row in probe.expect(CasesReport).rows] == ["c1"]


@pytest.mark.promise("P19")
def test_a_refused_write_is_answered_with_both_states(path: Path) -> None:
    probe = Probe()
    with a_ledger(path) as ledger:
        ledger.tell(write(probe, admission("c1"), MoveCase("c1", CaseState.DONE), request="bad"))
        refused = probe.expect(WriteRefused)
        assert refused.request_id == "bad"
        assert "queued" in refused.fault.what
        assert "done" in refused.fault.what
        ledger.tell(GetCase("q", probe, "c1"))
        assert probe.expect(CaseReport).row is None


@pytest.mark.promise("P28")
def test_fences_hold_across_a_restart_of_the_ledger(path: Path) -> None:
    probe = Probe()
    with a_ledger(path) as ledger:
        ledger.tell(write(probe, NoteEvent("", "new"), epoch=9))
        probe.expect(Written)
    with a_ledger(path) as ledger:
        ledger.tell(write(probe, NoteEvent("", "old"), epoch=8, request="stale"))
        ledger.tell(write(probe, NoteEvent("", "newer"), epoch=9))
        probe.expect(Written)
    assert [event.what for event in Reader(path).events("")] == ["new", "newer"]
    assert Reader(path).meta()["stale_writes"] == "1"


@pytest.mark.promise("P28")
def test_a_write_of_nothing_fences_before_the_read_behind_it(path: Path) -> None:
    probe = Probe()
    with a_ledger(path) as ledger:
        ledger.tell(write(None, epoch=9))
        ledger.tell(GetOrders("q", probe))
        probe.expect(OrdersReport)
        ledger.tell(write(probe, NoteEvent("", "late"), request="late", epoch=8))
        ledger.tell(write(probe, NoteEvent("", "mine"), request="mine", epoch=9))
        assert probe.expect(Written).request_id == "mine"
    assert [event.what for event in Reader(path).events("")] == ["mine"]


def test_a_query_sees_every_write_before_it(path: Path) -> None:
    """Answered after the commit that it waits for, never from what is not on the disk yet."""
    timers, probe = VirtualTimers(), Probe()
    with closing_ledger(path, timers) as ledger:
        ledger.receive(write(probe, admission("c1")))
        ledger.receive(write(None, NoteEvent("c1", "note")))
        ledger.receive(GetCase("q", probe, "c1"))
        assert probe.received == ()
        assert Reader(path).cases() == ()
        for message in solo_mail(ledger):
            ledger.receive(message)
        assert [type(message) for message in probe.received] == [Written, CaseReport]
        ledger.receive(GetCase("q2", probe, "c1"))
        assert probe.expect(CaseReport, where=lambda report: report.request_id == "q2").row is not None


def test_everything_in_the_mailbox_joins_one_commit(path: Path) -> None:
    probe = Probe()
    with closing_ledger(path, VirtualTimers()) as ledger:
        statements: list[str] = []
        ledger._open().set_trace_callback(statements.append)
        for index in range(20):
            ledger.receive(write(probe, NoteEvent("", str(index)), request=str(index)))
        (flush,) = solo_mail(ledger)
        ledger.receive(flush)
        assert statements.count("COMMIT") == 1
        assert [message.request_id for message in probe.all(Written)] == [str(index) for index in range(20)]
        ledger.receive(flush)
        assert statements.count("COMMIT") == 1, "an old flush does nothing"
        for index in range(BATCH):
            ledger.receive(write(None, NoteEvent("", str(index))))
        assert statements.count("COMMIT") == 2, "a batch is bounded"


def test_notes_that_nobody_waits_for_share_a_commit(path: Path) -> None:
    timers = VirtualTimers()
    with closing_ledger(path, timers) as ledger:
        ledger.receive(write(None, NoteEvent("", "a")))
        ledger.receive(write(None, NoteEvent("", "b")))
        assert solo_mail(ledger) == []
        timers.advance(NOTE_DELAY_S)
        for message in solo_mail(ledger):
            ledger.receive(message)
        assert len(Reader(path).events("")) == 2


def test_what_was_taken_is_committed_when_it_stops(path: Path) -> None:
    probe = Probe()
    with closing_ledger(path, VirtualTimers()) as ledger:
        ledger.receive(write(probe, NoteEvent("", "last")))
        ledger.stopped()
        assert probe.expect(Written)
        ledger.stopped()
    assert len(Reader(path).events("")) == 1


def test_what_it_does_not_know_is_said(path: Path, log_lines: list[str]) -> None:
    with closing_ledger(path, VirtualTimers()) as ledger:
        ledger.receive("hello")
    assert any("no use for str" in line for line in log_lines)


@contextmanager
def closing_ledger(path: Path, timers: VirtualTimers, **changes: object) -> Iterator[Ledger]:
    arguments = {"path": path, "backups": path.parent / "backups", "backup_hours": 0.0} | changes
    ledger = solo(partial(Ledger, **arguments), timers=timers)
    ledger.started()
    try:
        yield ledger
    finally:
        ledger.stopped()


@pytest.mark.promise("P15")
def test_kill_9_loses_no_acknowledged_write(path: Path) -> None:
    """A process writes and tells what was acknowledged; killed at any instant, all of that is there."""
    next_boot(path)
    for round_number in range(4):
        child = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("acknowledging_writer.py")), str(path), str(round_number)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert child.stdout is not None
        acknowledged = [child.stdout.readline().strip() for _ in range(50 + 37 * round_number)]
        child.send_signal(signal.SIGKILL)
        acknowledged += child.stdout.read().split("\n")[:-1]
        child.stdout.close()
        child.wait()
        kept = [event.what for event in Reader(path).events("")]
        assert set(acknowledged) <= set(kept)
        assert len(kept) == len(set(kept)), "written twice"
    with a_ledger(path):
        pass


# --- a full disk ---


@pytest.mark.promise("P20")
def test_a_full_disk_refuses_alarms_and_goes_on_when_there_is_room(path: Path, log_lines: list[str]) -> None:
    probe, monitor, timers = Probe(), Probe("monitor"), VirtualTimers()
    with closing_ledger(path, timers, monitor=monitor) as ledger:

        def send(request: str, size: int) -> None:
            ledger.receive(write(probe, NoteEvent("", "big", "x" * size), request=request))
            for message in solo_mail(ledger):
                ledger.receive(message)

        send("before", 10)
        assert probe.expect(Written).request_id == "before"
        # SQLITE_FULL by the file's own limit: what SQLite does then is what it does on a full disk.
        pages = ledger._open().execute("PRAGMA page_count").fetchone()[0]
        ledger._open().execute(f"PRAGMA max_page_count = {pages + 2}")
        send("full", 100_000)
        fault = probe.expect(WriteRefused).fault
        assert (fault.kind, fault.blame) == ("ledger-full", Blame.OURS)
        assert "Make room" in fault.remedy
        assert monitor.expect(AlarmRaised).id == "ledger-write"
        send("full again", 100_000)
        assert probe.expect(WriteRefused).request_id == "full again"
        monitor.none(AlarmRaised)
        timers.advance(PROBE_S)
        for message in solo_mail(ledger):
            ledger.receive(message)
        assert monitor.expect(AlarmRaised).id == "ledger-write", "still: the monitor may be another one by now"
        ledger._open().execute("PRAGMA max_page_count = 1000000")
        timers.advance(PROBE_S)
        for message in solo_mail(ledger):
            ledger.receive(message)
        monitor.expect(AlarmCleared)
        send("room", 100_000)
        assert probe.expect(Written).request_id == "room"
    assert [len(event.detail) for event in Reader(path).events("")] == [10, 100_000]
    assert sum("ledger cannot be written" in line for line in log_lines) == 1


@pytest.mark.promise("P20")
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    """A file system of 1 MB of its own, in a namespace of its own; every acknowledged write is there in the end."""
    mount = subprocess.run(
        [
            "unshare", "--mount", "sh", "-c",
            'mount -t tmpfs -o size=1m tmpfs "$1" && exec "$2" "$3" "$1"',
            "sh", str(tmp_path), sys.executable, str(Path(__file__).with_name("full_disk_writer.py")),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )  # fmt: skip
    if "refused" not in mount.stdout:
        if "Traceback" not in mount.stderr:
            pytest.skip(f"no file system can be mounted here: {mount.stderr.strip()}")
        raise AssertionError(mount.stderr)
    assert mount.stdout.splitlines()[-1] == "kept all", mount.stdout + mount.stderr
    assert mount.returncode == 0


@pytest.mark.promise("P35")
def test_a_file_that_cannot_be_opened_is_the_end_of_the_pipeline(path: Path) -> None:
    path.write_bytes(b"no ledger at all" * 100)
    with running(
        Ledger, name="ledger", may_fail=True, max_restarts=0, path=path, backups=path.parent, backup_hours=0.0
    ) as ledger:
        wait_until(lambda: ledger.system.wait(0.01))
        assert (
            "ledger-damaged" in str(getattr(ledger.system.cause, "fault", ledger.system.cause)) or ledger.system.cause
        )


# --- backups ---


@pytest.mark.promise("P23")
def test_backups_are_taken_on_a_schedule(path: Path) -> None:
    backups = path.parent / "backups"
    clock = [NOW]
    timers = VirtualTimers()
    with running(
        Ledger,
        name="ledger",
        timers=timers,
        path=path,
        backups=backups,
        backup_hours=6.0,
        clock=lambda: clock[0],
        watchdog_period_s=60.0,
    ):
        for count in (1, 2, 3):
            wait_until(lambda count=count: timers.advance(0) or len(list(backups.glob("ledger-*"))) == count)
            clock[0] += timedelta(hours=6)
            timers.advance(6 * 3600)
    assert Reader(next(iter(backups.glob("ledger-*")))).meta()["schema"] == str(SCHEMA_VERSION)


@pytest.mark.parametrize(
    ("last", "wait_h"), [(None, 0), (timedelta(hours=-2), 4), (timedelta(hours=-9), 0), (timedelta(days=400), 0)]
)
def test_when_the_next_backup_is_due(path: Path, last: timedelta | None, wait_h: float) -> None:
    timers, backups = VirtualTimers(), path.parent / "backups"
    next_boot(path)
    if last is not None:
        scheduled_backup(path, backups, NOW + last)
    with closing_ledger(path, timers, backup_hours=6.0, clock=lambda: NOW) as ledger:
        if wait_h:
            timers.advance(wait_h * 3600 - 1)
            assert solo_mail(ledger) == []
        timers.advance(1)
        assert len(solo_mail(ledger)) == 1


@pytest.mark.promise("P23")
def test_a_backup_that_cannot_be_taken_is_alarmed_and_harms_nothing(path: Path) -> None:
    probe, monitor = Probe(), Probe("monitor")
    (path.parent / "backups").write_text("a file where the folder should be")
    with a_ledger(path, backup_hours=6.0, monitor=monitor) as ledger:
        alarm = monitor.expect(AlarmRaised)
        assert (alarm.id, "backup failed" in alarm.text) == ("ledger-backup", True)
        ledger.tell(write(probe, NoteEvent("", "goes on")))
        probe.expect(Written)


@pytest.mark.promise("P23")
def test_a_backup_that_failed_is_tried_again_until_there_is_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever made room need not wait for the next one, hours later, for the alarm to end."""
    monkeypatch.setattr(ledger_actor, "BACKUP_AGAIN_S", 0.05)
    monitor, backups = Probe("monitor"), path.parent / "backups"
    backups.write_text("a file where the folder should be")
    with a_ledger(path, backup_hours=6.0, monitor=monitor):
        wait_until(lambda: len(monitor.all(AlarmRaised)) >= 3, 10, "it is tried again and again")
        backups.unlink()
        assert monitor.expect(AlarmCleared).id == "ledger-backup"
    assert len(list(backups.glob("ledger-*"))) == 1


def test_who_takes_no_backups_any_more_misses_none(path: Path) -> None:
    monitor = Probe("monitor")
    with a_ledger(path, backup_hours=0.0, monitor=monitor):
        assert monitor.expect(AlarmCleared).id == "ledger-backup"


# --- measured ---


@pytest.mark.bench
def test_group_commit_is_measured(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    probe = Probe()
    with a_ledger(path) as ledger:
        waits = []
        for index in range(300):
            begin = time.perf_counter()
            ledger.tell(write(probe, NoteEvent("", "one"), request=str(index)))
            probe.expect(Written)
            waits.append(time.perf_counter() - begin)
        probe.clear()
        begin = time.perf_counter()
        for index in range(5000):
            while not ledger.tell(write(probe, NoteEvent("", "many"), request=str(index))):
                time.sleep(0.0005)
        wait_until(lambda: len(probe.received) == 5000, 60)
        rate = 5000 / (time.perf_counter() - begin)
    with closing(sqlite3.connect(path.with_name("plain"), isolation_level=None)) as plain:
        plain.execute("PRAGMA journal_mode = WAL")
        plain.execute("PRAGMA synchronous = FULL")
        plain.execute("CREATE TABLE t (a)")
        begin = time.perf_counter()
        for index in range(300):
            plain.execute("INSERT INTO t VALUES (?)", (index,))
        one_by_one = (time.perf_counter() - begin) / 300
    with capsys.disabled():
        print(
            f"\nledger: one write {median(waits) * 1e3:.2f} ms (a bare commit {one_by_one * 1e3:.2f} ms), "
            f"{rate:.0f} writes/s together"
        )
    assert rate > 2000
