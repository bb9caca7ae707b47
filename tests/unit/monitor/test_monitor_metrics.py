"""Numbers from what the monitor is told: names by Prometheus' rules, few labels, nothing counted twice. No clock."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import pytest
from prometheus_client.parser import text_string_to_metric_families

from actors.monitor.catalogue import CATALOGUE, sample_names
from actors.monitor.clock import Jumps, synchronised
from actors.monitor.fleet import Fleet
from actors.monitor.gpu_use import GpuUse
from actors.monitor.history import Tally, tally_of
from actors.monitor.instruments import Instruments, View, actor_class
from actors.supervision import ActorStatus, Phase
from messages.hosts import GpuReading, GpusObserved, GpuState, HostObserved, HostState
from messages.metrics import CommitsTimed, FilesCarried, LedgerFacts, StateLeft
from messages.operators import Alarm, DiskHealth, MachineHealth
from messages.scheduling import WorkerReport
from tests.kit import Probe

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def facts(
    upto: int = 10, happened: tuple[tuple[str, int], ...] = (), *, more: bool = False, **values: object
) -> LedgerFacts:
    known: dict[str, object] = {
        "cases": (("queued", 2), ("done", 5)),
        "beams": (("running", 1),),
        "oldest": (("queued", AT - timedelta(minutes=5)),),
        "left": (),
        "pushes_waiting": 1,
        "pushes_told": 3,
        "backup": AT - timedelta(hours=2),
    }
    return LedgerFacts(upto=upto, happened=happened, more=more, **{**known, **values})  # type: ignore[arg-type]


def view(**values: object) -> View:
    known: dict[str, object] = {
        "fleet": Fleet(),
        "alarms": (),
        "disks": (),
        "machine": MachineHealth(),
        "actors": (),
        "mailboxes": (),
        "dead_letters": {},
        "now": AT,
    }
    return View(**{**known, **values})  # type: ignore[arg-type]


def samples(text: bytes) -> dict[tuple[str, tuple[str, ...]], float]:
    """(name, label values in alphabetical order) → value."""
    return {
        (sample.name, tuple(sorted(sample.labels.values()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def report(running: str = "", following: str = "", state: GpuState = GpuState.BUSY) -> WorkerReport:
    return WorkerReport("gpu1/gpu-0", Probe(), 1, "gpu1", 0, "GPU-0", state, running=running, next=following)


def test_names_follow_the_rules_of_prometheus() -> None:
    assert len({measure.name for measure in CATALOGUE}) == len(CATALOGUE)
    for measure in CATALOGUE:
        assert re.fullmatch(r"mqi_[a-z][a-z0-9_]*", measure.name)
        assert not measure.name.endswith(("_total", "_count", "_sum", "_bucket")), measure.name
        assert measure.help.endswith("."), measure.name
        assert bool(measure.buckets) is (measure.kind == "histogram"), measure.name
        assert not set(measure.labels) & {"case", "patient", "path", "beam", "attempt"}, "labels of unbounded values"
        assert not re.search(r"_(ms|mb|gb|percent|minutes)$", measure.name), "base units only"


@pytest.mark.parametrize(
    ("happened", "tally"),
    [
        ("case: incoming → queued, admitted", Tally("case", "queued")),
        ("case: running → done", Tally("case", "done")),
        ("case: priority 0 → 5", None),
        ("case: verdict suspect", Tally("verdict", "suspect")),
        ("case: verdict whatever", None),
        ("beam 12: running → ended", Tally("beam", "ended")),
        ("beam 12 attempt 2: collected → verified", Tally("attempt", "verified")),
        ("host gpu1: up → suspended", Tally("link-loss", "gpu1")),
        ("host gpu1: suspended → up", None),
        ("alarm case:20260101-000000-1234abcd: raised", Tally("alarm", "case")),
        ("alarm scan-root:/data: x: raised", Tally("alarm", "scan-root")),
        ("alarm dead-letters: raised", Tally("alarm", "dead-letters")),
        ("alarm disk:state: cleared", None),
        ("order: retry 20260101-000000-1234abcd 3", Tally("order", "retry")),
        ("order: retry 20260101-000000-1234abcd: settled", None),
        ("order: dance", None),
        ("daemon did something new", None),
    ],
)
def test_a_line_of_the_history_is_counted_under_a_label_of_few(happened: str, tally: Tally | None) -> None:
    assert tally_of(happened) == tally


def test_what_the_ledger_says_is_told() -> None:
    meters = Instruments("1.2", 7)
    meters.facts(
        facts(
            happened=(("case: running → done", 4), ("beam 1: collected → done", 2), ("beam 2: collected → done", 3)),
            left=(StateLeft(True, "running", 42.0), StateLeft(False, "queued", 3.0), StateLeft(True, "nonsense", 1.0)),
        )
    )
    meters.facts(facts(11, (("case: running → done", 1),), pushes_told=4))
    meters.read_at(AT)
    told = samples(meters.text(view(), 0.0))
    assert told["mqi_case_transitions_total", ("done",)] == 5
    assert told["mqi_beam_transitions_total", ("done",)] == 5
    assert told["mqi_cases", ("queued",)] == 2
    assert told["mqi_cases", ("failed",)] == 0, "a state without cases is 0, not absent"
    assert told["mqi_beams", ("running",)] == 1
    assert told["mqi_oldest_case_age_seconds", ("queued",)] == 300
    assert told["mqi_oldest_case_age_seconds", ("running",)] == 0
    assert told["mqi_beam_state_seconds_sum", ("running",)] == 42
    assert told["mqi_case_state_seconds_count", ("queued",)] == 1
    assert ("mqi_beam_state_seconds_count", ("nonsense",)) not in told
    assert told["mqi_alarm_pushes_total", ()] == 4
    assert told["mqi_alarm_push_waiting", ()] == 1
    assert told["mqi_backup_timestamp_seconds", ()] == (AT - timedelta(hours=2)).timestamp()
    assert told["mqi_build_info", ("1.2",)] == 1
    assert told["mqi_start_number", ()] == 7
    assert told["mqi_ledger_events", ()] == 11


def test_counters_of_the_history_are_withheld_until_it_is_read_to_its_end() -> None:
    meters = Instruments("", 1)
    assert not any(name == "mqi_case_transitions_total" for name, _ in samples(meters.text(view(), 0.0)))
    meters.facts(facts(5, (("case: running → done", 4),), more=True))
    assert not any(name == "mqi_case_transitions_total" for name, _ in samples(meters.text(view(), 0.0)))
    meters.facts(facts(9, (("case: running → done", 4),)))
    assert samples(meters.text(view(), 0.0))["mqi_case_transitions_total", ("done",)] == 8


def test_hosts_gpus_disks_and_the_machine() -> None:
    meters, fleet = Instruments("", 1), Fleet()
    fleet.host(HostObserved("gpu1", "ssh", AT, HostState.UP, free_gb=12.5))
    fleet.host(HostObserved("gpu2", "ssh", AT, HostState.SUSPENDED, "away"))
    fleet.gpus["gpu1"] = GpusObserved("gpu1", AT, (GpuReading(0, "GPU-0", "H100", used_mb=500, temperature_c=61),))
    fleet.workers["gpu1/gpu-0"] = report("c/1/1")
    seen = view(
        fleet=fleet,
        alarms=(Alarm("disk:state", AT, "x"), Alarm("disk:results", AT, "x"), Alarm("host:gpu2", AT, "x")),
        disks=(DiskHealth("state", "/s", 3.5, 1.0, low=False), DiskHealth("results", "/r", None, 20.0, low=True)),
        machine=MachineHealth(50.0, 1.5, 70.0),
    )
    told = samples(meters.text(seen, 0.0))
    assert told["mqi_host_up", ("gpu1",)] == 1
    assert told["mqi_host_up", ("gpu2",)] == 0
    assert told["mqi_host_workspace_free_bytes", ("gpu1",)] == 12.5e9
    assert told["mqi_gpu_state", ("0", "busy", "gpu1")] == 1
    assert told["mqi_gpu_state", ("0", "gpu1", "idle")] == 0
    assert told["mqi_gpu_temperature_celsius", ("0", "gpu1")] == 61
    assert told["mqi_gpu_memory_used_bytes", ("0", "gpu1")] == 500e6
    assert told["mqi_alarms", ("disk",)] == 2
    assert told["mqi_disk_free_bytes", ("state",)] == 3.5e9
    assert ("mqi_disk_free_bytes", ("results",)) not in told
    assert told["mqi_disk_low", ("results",)] == 1
    assert told["mqi_machine_memory_ratio", ()] == 0.5
    assert told["mqi_clock_timestamp_seconds", ()] == AT.timestamp()
    later = samples(meters.text(view(), 1.0))
    assert ("mqi_alarms", ("disk",)) not in later
    assert ("mqi_host_up", ("gpu1",)) not in later


def test_moves_and_commits() -> None:
    meters = Instruments("", 1)
    meters.carried(FilesCarried("gpu1", to_host=True, size=1000, seconds=0.5))
    meters.carried(FilesCarried("gpu1", to_host=True, size=500, seconds=0.5))
    meters.carried(FilesCarried("gpu1", to_host=False, size=7, seconds=0.1))
    meters.commits(CommitsTimed((0.002, 0.2)))
    told = samples(meters.text(view(), 0.0))
    assert told["mqi_transfer_bytes_total", ("gpu1", "to")] == 1500
    assert told["mqi_transfer_seconds_total", ("gpu1", "to")] == 1.0
    assert told["mqi_transfers_total", ("from", "gpu1")] == 1
    assert told["mqi_ledger_commit_seconds_count", ()] == 2
    assert told["mqi_ledger_commit_seconds_bucket", ("0.0025",)] == 1


def test_a_thousand_cases_are_one_actor_and_what_they_counted_stays() -> None:
    meters = Instruments("", 1)

    def rows(*actors: tuple[str, int, int]) -> tuple[ActorStatus, ...]:
        return tuple(ActorStatus(path, Phase.UP, 1, restarts, crashes, "") for path, restarts, crashes in actors)

    cases = "root/pipeline/cases"
    meters.tick(0.0, 0.0, rows(*((f"{cases}/c{n}", 1, 1) for n in range(1000)), (f"{cases}/admission", 2, 0)))
    meters.tick(1.0, 1.0, rows((f"{cases}/c1", 3, 1)))
    seen = view(
        actors=rows((f"{cases}/c1", 3, 1)),
        mailboxes=((f"{cases}/c1", 4), (f"{cases}/c2", 9)),
        dead_letters=MappingProxyType({f"{cases}/c1": 2, f"{cases}/c2": 3, "root/x": 1}),
    )
    for _ in range(2):  # asked again: nothing is counted twice
        told = samples(meters.text(seen, 2.0))
        assert told["mqi_actor_restarts_total", (f"{cases}/*",)] == 1002
        assert told["mqi_actor_crashes_total", (f"{cases}/*",)] == 1000
        assert told["mqi_actor_restarts_total", (f"{cases}/admission",)] == 2
        assert told["mqi_mailbox_depth", (f"{cases}/*",)] == 9
        assert told["mqi_dead_letters_total", (f"{cases}/*",)] == 5
    assert actor_class("root/pipeline/hosts/gpu1/lane-1") == "root/pipeline/hosts/gpu1/lane-1"


def test_gpu_time_and_gaps() -> None:
    use = GpuUse()
    assert use.told(report(), 0.0) == (0.0, None)
    assert use.told(report("a", "b"), 5.0) == (0.0, None), "free, but nothing was ready: no gap"
    assert use.told(report("a", "b"), 8.0) == (3.0, None)
    assert use.tick(9.0) == {"gpu1/gpu-0": 1.0}
    assert use.told(report("", "b"), 10.0) == (1.0, None)
    assert use.told(report("", "b"), 10.2) == (0.0, None)
    assert use.told(report("b"), 10.5) == (0.0, 0.5)
    assert use.told(report("c"), 12.5) == (2.0, 0.0), "handed over at once"
    assert use.told(report(), 13.5) == (1.0, None)
    assert use.told(report("d"), 99.0) == (0.0, None), "nothing had been ready"
    meters = Instruments("", 1)
    for at, message in ((0.0, report("a", "b")), (4.0, report("", "b")), (4.1, report("b"))):
        meters.worker(message, at)
    told = samples(meters.text(view(), 5.0))
    assert told["mqi_gpu_busy_seconds_total", ("0", "gpu1")] == 4.0
    assert told["mqi_gpu_idle_gap_seconds_sum", ("gpu1",)] == pytest.approx(0.1)


def test_jumps_of_the_clock_are_counted() -> None:
    jumps = Jumps()
    for monotonic, wall in ((0, 100), (5, 105.3), (10, 3710), (15, 3715), (20, 20)):
        jumps.look(monotonic, wall)
    assert jumps.count == 2
    assert synchronised() in (True, False, None)


def test_only_what_the_catalogue_has_is_told() -> None:
    told = {name for name, _ in samples(Instruments("", 1).text(view(), 0.0))}
    assert {name for name in told if name.startswith("mqi_")} <= sample_names()
