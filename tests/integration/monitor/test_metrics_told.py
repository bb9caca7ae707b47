"""Metrics as they are asked for: a real monitor over a real ledger, also after a crash; lanes tell what they moved."""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from actors.ledger import Ledger, Reader
from actors.local_host import LocalLane
from actors.monitor import Monitor
from actors.settings import MonitorSettings
from messages.alarming import AlarmsNoted
from messages.files import FetchFiles, FilesMoved, MoveFailed
from messages.ledger import MoveCase, Write, Written
from messages.metrics import CommitsTimed, FilesCarried, GetMetrics, MetricsReport
from messages.operators import AlarmRaised
from messages.states import CaseState
from tests.integration.ledger.ledger_cases import running_case
from tests.kit import Probe, running, wait_until


def metrics(actor: Any) -> dict[tuple[str, ...], float]:
    """(name, label values in alphabetical order …) → value."""
    asker = Probe()
    actor.tell(GetMetrics("m", asker))
    told = asker.expect(MetricsReport)
    assert told.content_type.startswith("text/plain")
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(told.text.decode())
        for sample in family.samples
    }


def test_what_the_ledger_holds_is_counted_also_after_a_crash_of_the_monitor(tmp_path: Path) -> None:
    path, asker = tmp_path / "ledger.sqlite", Probe("w")
    broken: list[int] = []
    reader = Reader(path)

    def facts(upto: int, began: datetime) -> Any:
        if broken:
            broken.clear()
            raise ValueError("boom")
        return reader.facts(tmp_path / "backups", upto, began)

    with running(Ledger, path=path, backups=tmp_path / "backups", backup_hours=0) as ledger:
        given = {
            "ledger": ledger,
            "standing": tuple,
            "hosts": (),
            "disks": (),
            "thresholds": MonitorSettings(memory_percent=100.0, machine_temperature_c=1000.0),
            "interval_s": 0.02,
            "facts": facts,
            "began": datetime.now(UTC) - timedelta(seconds=1),
            "version": "1.2",
        }
        with running(Monitor, **given) as monitor:
            ledger.tell(Write("w1", asker, "w", 1, running_case()))
            asker.expect(Written)
            wait_until(lambda: metrics(monitor).get(("mqi_case_transitions_total", "running")) == 1)
            assert metrics(monitor)["mqi_cases", "running"] == 1
            assert metrics(monitor)["mqi_case_state_seconds_count", "queued"] == 1
            broken.append(1)
            wait_until(lambda: monitor.restarts == 1)
            wait_until(lambda: metrics(monitor).get(("mqi_case_transitions_total", "running")) == 1)
            assert metrics(monitor)["mqi_case_state_seconds_count", "queued"] == 1, "counted again from the history"
            ledger.tell(Write("w2", asker, "w", 1, (MoveCase("c1", CaseState.HELD),)))
            asker.expect(Written)
            wait_until(lambda: metrics(monitor).get(("mqi_case_transitions_total", "held")) == 1)
            assert metrics(monitor)["mqi_build_info", "1.2"] == 1
            assert metrics(monitor)["mqi_ledger_read_timestamp_seconds",] > 1.7e9
            assert metrics(monitor)["process_resident_memory_bytes",] > 1e6


def test_the_notifier_hears_of_alarms_when_the_ledger_has_them(tmp_path: Path) -> None:
    notifier = Probe("root/notifier")
    with (
        running(Ledger, path=tmp_path / "l.sqlite", backups=tmp_path / "b", backup_hours=0) as ledger,
        running(
            Monitor,
            ledger=ledger,
            standing=tuple,
            hosts=(),
            disks=(),
            thresholds=MonitorSettings(memory_percent=100.0, machine_temperature_c=1000.0),
            interval_s=0.02,
            notifier=notifier,
        ) as monitor,
    ):
        notifier.none(AlarmsNoted, 0.1)
        monitor.tell(AlarmRaised("scan-root:/data", "away"))
        notifier.expect(AlarmsNoted)
        assert [row.alarm for row in Reader(tmp_path / "l.sqlite").alarms()] == ["scan-root:/data"]


def test_a_lane_tells_what_it_carried_and_nothing_of_what_failed(tmp_path: Path) -> None:
    monitor, asker = Probe("root/monitor"), Probe("asker")
    workspace = tmp_path / "ws"
    run = workspace / "case" / "1" / "1"
    run.mkdir(parents=True)
    (run / "dose.raw").write_bytes(bytes(12345))
    with running(LocalLane, host="here", workspace=workspace, monitor=monitor) as lane:
        lane.tell(FetchFiles("f1", asker, 1, str(run), str(tmp_path / "taken")))
        asker.expect(FilesMoved)
        carried = monitor.expect(FilesCarried)
        assert (carried.host, carried.to_host, carried.size) == ("here", False, 12345)
        assert carried.seconds > 0
        lane.tell(FetchFiles("f2", asker, 1, str(workspace / "none"), str(tmp_path / "taken2")))
        asker.expect(MoveFailed)
        monitor.none(FilesCarried)


def test_the_ledger_tells_how_long_its_commits_take(tmp_path: Path) -> None:
    monitor, asker = Probe("root/monitor"), Probe("w")
    make = functools.partial(Ledger, monitor=monitor)
    with running(make, path=tmp_path / "l.sqlite", backups=tmp_path / "b", backup_hours=0) as ledger:
        ledger.tell(Write("w1", asker, "w", 1, running_case()))
        asker.expect(Written)
        (seconds,) = monitor.expect(CommitsTimed).seconds
    assert 0 < seconds < 10
