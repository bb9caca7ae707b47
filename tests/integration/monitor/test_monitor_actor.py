"""The monitor under a real system: disks of this machine, hosts and the ledger as probes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from actors.errors import MqiError
from actors.monitor import Monitor
from actors.settings import MonitorSettings
from messages.faults import Fault
from messages.hosts import GpusObserved, HostObserved, HostState, SubscribeHost
from messages.ledger import AlarmRow, ClearAlarm, NoteHost, RaiseAlarm, Write, WriteRefused, Written
from messages.metrics import RootsScanned
from messages.operators import AlarmCleared, AlarmRaised, DiskState, GetHealth, HealthReport, SubscribeDisk
from tests.kit import Probe, running, wait_until

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[3]


class Fake:
    """The ledger's side of the conversation: answers every write, remembers the records."""

    def __init__(self) -> None:
        self.probe, self.refuse = Probe("root/pipeline/ledger"), False
        self.records: list[Any] = []

    @property
    def id(self) -> str:
        return self.probe.id

    def tell(self, message: object) -> bool:
        assert isinstance(message, Write)
        assert message.reply_to is not None
        if self.refuse:
            return message.reply_to.tell(WriteRefused(message.request_id, Fault("full", kind="ledger-full")))
        self.records += message.records
        return message.reply_to.tell(Written(message.request_id))

    def has(self, record: object) -> bool:
        return record in self.records


@contextmanager
def monitor(
    ledger: Fake,
    disks: tuple[tuple[str, Path, float], ...] = (),
    standing: Callable[[], tuple[AlarmRow, ...]] = tuple,
    hosts: tuple[Probe, ...] = (),
    room_for: tuple[Probe, ...] = (),
) -> Iterator[Any]:
    with running(
        Monitor,
        ledger=ledger,
        standing=standing,
        hosts=hosts,
        disks=disks,
        thresholds=MonitorSettings(memory_percent=100.0, machine_temperature_c=1000.0),
        interval_s=0.02,
        room_for=room_for,
    ) as actor:
        yield actor


def health(actor: Any) -> HealthReport:
    asker = Probe()
    actor.tell(GetHealth("h", asker))
    return asker.expect(HealthReport)


@pytest.mark.promise("P20")
def test_a_disk_without_room_is_told_and_alarmed_and_over_when_there_is_room(tmp_path: Path) -> None:
    ledger, listener, late = Fake(), Probe("root/x"), Probe("root/y")
    missing = tmp_path / "results"
    with monitor(ledger, disks=(("state", tmp_path, 0.0), ("results", missing, 0.0)), room_for=(listener,)) as actor:
        told = listener.expect(DiskState)
        assert not told.roomy
        assert str(missing) in told.reason
        wait_until(lambda: any(isinstance(r, RaiseAlarm) and r.alarm == "disk:results" for r in ledger.records))
        actor.tell(SubscribeDisk(late))
        assert late.expect(DiskState) == told
        assert [disk.low for disk in health(actor).disks] == [False, True]
        assert [alarm.id for alarm in health(actor).alarms] == ["disk:results"]
        missing.mkdir()
        assert listener.expect(DiskState).roomy
        assert late.expect(DiskState).roomy
        wait_until(lambda: ledger.has(ClearAlarm("disk:results")))
        listener.go_down()
        listener.come_up()
        assert listener.expect(DiskState).roomy
    assert len([r for r in ledger.records if isinstance(r, RaiseAlarm)]) == 1


def test_it_tells_for_how_long_no_scan_ended() -> None:
    with monitor(Fake()) as actor:
        wait_until(lambda: health(actor).scan_age_s > 0.2, what="none has ended since it began")
        before = health(actor).scan_age_s
        wait_until(lambda: actor.tell(RootsScanned()) and health(actor).scan_age_s < before)


def test_it_follows_every_host_and_notes_its_changes() -> None:
    ledger, control = Fake(), Probe("root/pipeline/hosts/gpu1/control")
    with monitor(ledger, hosts=(control,)) as actor:
        assert control.expect(SubscribeHost).reply_to.id == actor.id
        actor.tell(HostObserved("gpu1", "local", AT, HostState.UP))
        actor.tell(GpusObserved("gpu1", AT, (), "the driver does not answer"))
        wait_until(lambda: ledger.has(NoteHost("gpu1", "local", "up")))
        control.go_down(RuntimeError("link cut"))
        reason = "its control is restarted: link cut"
        wait_until(lambda: ledger.has(NoteHost("gpu1", "local", "suspended", reason)))
        control.come_up()
        assert control.expect(SubscribeHost)
        actor.tell(HostObserved("gpu1", "local", AT, HostState.UP))
        wait_until(lambda: ledger.records.count(NoteHost("gpu1", "local", "up")) == 2)
        control.go_down()  # ordered: the daemon stops
        health(actor)
        assert len(ledger.records) == 3


@pytest.mark.promise("P20")
def test_what_the_ledger_refuses_is_kept_and_sent_again() -> None:
    ledger = Fake()
    ledger.refuse = True
    with monitor(ledger) as actor:
        actor.tell(AlarmRaised("case:x", "incomplete: beam 3 is missing"))
        wait_until(lambda: health(actor).alarms)
        assert not ledger.records
        wait_until(lambda: {"case:x", "ledger-write"} == {alarm.id for alarm in health(actor).alarms})
        ledger.refuse = False
        wait_until(lambda: ledger.has(RaiseAlarm("case:x", "incomplete: beam 3 is missing")))
        actor.tell(AlarmCleared("ledger-write"))  # the ledger told it once, maybe to an incarnation before this one
        actor.tell(AlarmCleared("case:x"))
        wait_until(lambda: ledger.has(ClearAlarm("case:x")))
        assert health(actor).alarms == ()
        actor.tell(AlarmCleared("case:unknown"))
        wait_until(lambda: ledger.has(ClearAlarm("case:unknown")))


def test_alarms_that_stood_before_are_judged_anew() -> None:
    ledger = Fake()
    rows = (AlarmRow("disk:old", AT, "full"), AlarmRow("case:x", AT, "incomplete"))
    with monitor(ledger, standing=lambda: rows) as actor:
        wait_until(lambda: ledger.has(ClearAlarm("disk:old")))
        assert [(alarm.id, alarm.since) for alarm in health(actor).alarms] == [("case:x", AT)]


def test_what_stood_before_and_nothing_was_heard_of_yet_stands_until_something_is(tmp_path: Path) -> None:
    """A restart while a host is away tells nobody that it was back."""
    ledger = Fake()
    ids = ("host:gpu1", "host:gone", "gpu:gpu1/gpu-0", "gpus:gpu2", "disk:gone")
    controls = (Probe("root/pipeline/hosts/gpu1/control"), Probe("root/pipeline/hosts/gpu2/control"))
    with monitor(ledger, hosts=controls, standing=lambda: tuple(AlarmRow(id_, AT, "away") for id_ in ids)) as actor:
        wait_until(lambda: ledger.has(ClearAlarm("host:gone")) and ledger.has(ClearAlarm("disk:gone")))
        assert {alarm.id for alarm in health(actor).alarms} == {"host:gpu1", "gpu:gpu1/gpu-0", "gpus:gpu2"}
        actor.tell(HostObserved("gpu1", "local", AT, HostState.SUSPENDED, "no route"))
        actor.tell(GpusObserved("gpu2", AT, ()))
        wait_until(lambda: ledger.has(ClearAlarm("gpus:gpu2")))
        wait_until(lambda: any("no route" in alarm.text for alarm in health(actor).alarms))
        assert not ledger.has(ClearAlarm("host:gpu1")), "it is away as it was"
        actor.tell(HostObserved("gpu1", "local", AT, HostState.UP))
        wait_until(lambda: ledger.has(ClearAlarm("host:gpu1")))


def test_a_ledger_that_cannot_be_read_does_not_stop_it() -> None:
    def fails() -> tuple[AlarmRow, ...]:
        raise MqiError(Fault("damaged"))

    with monitor(Fake(), standing=fails) as actor:
        actor.tell("nonsense")
        wait_until(lambda: health(actor).machine.memory_percent)
        assert actor.restarts == 0


def test_what_stood_is_known_once_the_ledger_can_be_read() -> None:
    ledger, unreadable = Fake(), [1, 2, 3]

    def stood() -> tuple[AlarmRow, ...]:
        if unreadable:
            raise MqiError(Fault(f"locked, {unreadable.pop()}"))
        return (AlarmRow("case-failed:x", AT, "its budget is spent"), AlarmRow("disk:old", AT, "full"))

    with monitor(ledger, standing=stood) as actor:
        wait_until(lambda: [(alarm.id, alarm.since) for alarm in health(actor).alarms] == [("case-failed:x", AT)])
        wait_until(lambda: ledger.has(ClearAlarm("disk:old")))


@pytest.mark.promise("P35")
def test_a_crash_of_its_own_is_survived() -> None:
    calls = []

    def broken_once() -> tuple[AlarmRow, ...]:
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("boom")
        return ()

    with monitor(Fake(), standing=broken_once) as actor:
        wait_until(lambda: actor.restarts == 1)
        assert health(actor).alarms == ()


def test_an_idle_monitor_costs_next_to_nothing(tmp_path: Path) -> None:
    with running(
        Monitor,
        ledger=Fake(),
        standing=tuple,
        hosts=(),
        disks=(("state", tmp_path, 0.0), ("results", tmp_path, 0.0)),
        thresholds=MonitorSettings(),
        interval_s=0.05,
        watchdog_period_s=10.0,
    ) as actor:
        health(actor)
        began, cpu = time.monotonic(), time.process_time()
        wait_until(lambda: time.monotonic() - began > 1.0)
        polling = 0.05  # what this loop itself takes
        used = max(time.process_time() - cpu - polling, 0.0) / 20  # twenty looks a second here, one in five there
    assert used / 5.0 < 0.003, f"{used * 1000:.2f} ms a look"


def test_it_brings_no_heavy_library_along() -> None:
    program = "import sys, actors.monitor\nsys.exit(len({'numpy', 'pydicom', 'scipy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
